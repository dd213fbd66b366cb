"""The one trading kernel: bars in, fills and books out; resumable after any bar.

For sweeps (N accounts of one symbol), for backtests in full and for paper trading (one account of S symbols
that share its cash). Order of a bar's events, for symbols in order each:

1. orders decided at an earlier close are filled, where the fill price is known: exits first, then entries;
2. positions whose stop or target the bar touches are left;
3. equity is marked at the close; where nothing is left of it, positions are closed and debts forgiven (ruin);
4. what is wanted next is decided.

Any chunking gives the same bits, for everything happens bar by bar and every sum is taken from left to right.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from barograph.compiled import compiled, compiled_part
from barograph.rows import Floats
from barograph.strategies.decisions import Conditions, Masks, decide, evaluate, warm
from barograph.strategies.fills import (
    AT_OPEN,
    DECIDED,
    ENTRY_BAR,
    FIELDS,
    FILLS,
    FRESHNESS,
    GAINS,
    HALF_SPREADS,
    HIGHS,
    LOWER,
    LOWS,
    MARK,
    MARKS,
    OPENS,
    QUANTITY,
    REVERSE,
    RUIN,
    SLOT,
    TARGET,
    UPPER,
    WHY,
    WRITTEN,
    Terms,
    enter,
    leave,
    over,
    stopped,
    watch,
    worth,
    write,
)
from barograph.strategies.marking import EQUITIES, WEIGHTS, mark, pass_flat, pass_held
from barograph.strategies.tally import CASH, EQUITY, HELD, RETURNS, TALLIES


class Chunk(NamedTuple):
    """n bars of S symbols, and what is the same for everybody.

    Attributes:
        columns: (7, S, n), see ``fills``.
        first: number of the bar in row 0.
        start: number of the bar at whose close the first decision is made.
        costs: (fee, slippage, lot, max_exposure), see ``rulebook.cost_array``.
    """

    columns: Floats
    first: int
    start: int
    costs: Floats


@compiled_part
def terms_of(terms: Floats, s: int, chunk: Chunk, i: int) -> Terms:
    """Of symbol s at row ``i``, from its row of ``RuleArrays.terms``."""
    costs, half_spread = chunk.costs, chunk.columns[HALF_SPREADS, s, i]
    return Terms(terms[s, 0], terms[s, 1], terms[s, 2], costs[0], costs[1], costs[2], costs[3], half_spread)


@compiled_part
def side_of(account: Floats, slot: int) -> float:
    """+1 long, -1 short, 0 flat."""
    quantity = account[slot + QUANTITY]
    if quantity > 0.0:
        return 1.0
    return -1.0 if quantity < 0.0 else 0.0


@compiled_part
def touches(account: Floats, slot: int, low: float, high: float) -> bool:
    """Whether a bar reaches a level of the position, if there is one."""
    held = account[slot + QUANTITY] != 0.0
    return bool(held and (low <= account[slot + LOWER] or high >= account[slot + UPPER]))


@compiled_part
def close(
    account: Floats, slot: int, price: float, reason: int, terms: Terms, chunk: Chunk, i: int, journal: Floats
) -> None:
    """Leave a position at row ``i``, and write it down where somebody asks."""
    bar = chunk.first + i
    if len(journal) == 0:
        leave(account, slot, price, terms, bar)
        return
    row = journal[int(account[TALLIES + WRITTEN])]
    account[TALLIES + WRITTEN] += 1.0
    watch(account, slot, chunk.columns, i, chunk.first)
    write(account, slot, row, bar, reason)
    row[6], row[FIELDS + 1], row[8], row[9] = leave(account, slot, price, terms, bar)


@compiled_part
def fill_orders(account: Floats, terms: Floats, chunk: Chunk, i: int, journal: Floats) -> None:
    """Step 1 of a bar."""
    columns = chunk.columns
    for s in range(columns.shape[1]):
        slot, price = TALLIES + s * SLOT, columns[FILLS, s, i]
        side, target = side_of(account, slot), account[slot + TARGET]
        if side != 0.0 and target != side and price == price:  # noqa: PLR0124, PLR1714 (a price that is not NaN)
            reason = int(account[slot + WHY]) if target == 0.0 else REVERSE  # SIGNAL where nobody says why
            close(account, slot, price, reason, terms_of(terms, s, chunk, i), chunk, i, journal)
    for s in range(columns.shape[1]):
        slot, price = TALLIES + s * SLOT, columns[FILLS, s, i]
        target = account[slot + TARGET]
        if account[slot + QUANTITY] == 0.0 and target != 0.0 and price == price:  # noqa: PLR0124
            enter(account, slot, target, price, terms_of(terms, s, chunk, i), chunk.first + i)


@compiled_part
def watch_levels(account: Floats, terms: Floats, chunk: Chunk, i: int, journal: Floats) -> None:
    """Step 2 of a bar. What the bar did before a fill within it is unknown, so then it does not count."""
    columns = chunk.columns
    for s in range(columns.shape[1]):
        slot = TALLIES + s * SLOT
        low, high = columns[LOWS, s, i], columns[HIGHS, s, i]
        watched = account[slot + ENTRY_BAR] < chunk.first + i or account[slot + AT_OPEN] != 0.0
        if watched and touches(account, slot, low, high):
            price, reason = stopped(account, slot, columns[OPENS, s, i], low, high)
            close(account, slot, price, reason, terms_of(terms, s, chunk, i), chunk, i, journal)


@compiled_part
def ruin(account: Floats, chunk: Chunk, i: int, journal: Floats) -> None:
    """Nothing is left: close everything at the last close, without costs, and forgive what is owed."""
    for s in range(chunk.columns.shape[1]):
        slot = TALLIES + s * SLOT
        if account[slot + QUANTITY] != 0.0:
            free = Terms(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
            close(account, slot, account[slot + MARK], RUIN, free, chunk, i, journal)
        account[slot + TARGET] = 0.0
    account[CASH] = 0.0


@compiled_part
def close_bar(account: Floats, chunk: Chunk, i: int, curve: Floats, journal: Floats) -> None:
    """Step 3 of a bar."""
    columns = chunk.columns
    for s in range(columns.shape[1]):
        account[TALLIES + s * SLOT + MARK] = columns[MARKS, s, i]
    if account[CASH] + worth(account) <= 0.0:
        ruin(account, chunk, i, journal)
    for s in range(columns.shape[1]):
        if account[TALLIES + s * SLOT + QUANTITY] != 0.0:
            account[HELD] += 1.0
            break
    curve[WEIGHTS, i] = mark(account, columns[GAINS, 0, i])
    curve[EQUITIES, i] = account[EQUITY]


@compiled_part
def decide_all(account: Floats, terms: Floats, masks: Masks, i: int, bar: int) -> None:
    """Step 4 of a bar. A position that has to be left is left, whatever its strategy wants."""
    for s in range(len(masks)):
        slot = TALLIES + s * SLOT
        fresh, level, before = int(account[slot + FRESHNESS]), terms[s, 3] != 0.0, account[slot + TARGET]
        target, account[slot + FRESHNESS] = decide(int(masks[s, i]), int(before), fresh, level)
        if account[slot + WHY] == 0.0 and target != before:
            account[slot + TARGET] = target
            account[slot + DECIDED] = bar


@compiled_part
def warm_up(account: Floats, columns: Floats, masks: Masks, n: int) -> None:
    """Bars on which nobody trades yet."""
    for s in range(len(masks)):
        slot = TALLIES + s * SLOT
        fresh = int(account[slot + FRESHNESS])
        for i in range(n):
            fresh = warm(int(masks[s, i]), fresh)
        account[slot + FRESHNESS] = fresh
        if n:
            account[slot + MARK] = columns[MARKS, s, n - 1]


@compiled_part
def pass_quiet(account: Floats, columns: Floats, masks: Masks, i: int, level: bool, curve: Floats) -> int:
    """Pass bar ``i`` and the quiet ones after it, with one symbol; none where an order waits."""
    if account[TALLIES + TARGET] != side_of(account, TALLIES):
        return i
    if account[TALLIES + QUANTITY] != 0.0:
        return pass_held(account, columns, masks, i, level, curve)
    return pass_flat(account, columns, masks, i, level, curve) if account[CASH] > 0.0 else i


@compiled_part
def advance(
    account: Floats, terms: Floats, masks: Masks, chunk: Chunk, curve: Floats, journal: Floats
) -> None:
    """Trade a chunk with one account: ``terms`` (S, 4), ``masks`` (S, n); fills ``curve`` (2, n)."""
    columns, first, start, _ = chunk
    n = masks.shape[1]
    i = min(max(start - first, 0), n)
    warm_up(account, columns, masks, i)
    account[RETURNS] += max(first + n - max(first, start + 1), 0)
    alone = len(masks) == 1
    while i < n:
        if not alone or account[TALLIES + TARGET] != side_of(account, TALLIES):
            fill_orders(account, terms, chunk, i, journal)
        if not alone or touches(account, TALLIES, columns[LOWS, 0, i], columns[HIGHS, 0, i]):
            watch_levels(account, terms, chunk, i, journal)
        begun = i
        if alone:
            i = pass_quiet(account, columns, masks, i, terms[0, 3] != 0.0, curve)
        if i == begun:
            close_bar(account, chunk, i, curve, journal)
            decide_all(account, terms, masks, i, first + i)
            i += 1
        elif len(journal) and account[TALLIES + TARGET] != side_of(account, TALLIES):
            account[TALLIES + DECIDED] = first + i - 1
    if len(journal):
        for s in range(len(masks)):
            if account[TALLIES + s * SLOT + QUANTITY] != 0.0:
                watch(account, TALLIES + s * SLOT, columns, n - 1, first)


class RuleArrays(NamedTuple):
    """The rules of N strategies as arrays, made by ``rulebook``.

    ``terms`` (N, 4): size, stop_loss, take_profit (inf: none), level (0 or 1).
    """

    conditions: Conditions
    terms: Floats


class Fleet(NamedTuple):
    """N accounts of one symbol each.

    Attributes:
        accounts: (N, TALLIES + SLOT).
        returns: (N, P); period p ends with bar start + (p + 1) * ``period``.
        bases: (N,) equities at the end of the last period.
        period: bars of a period.
    """

    accounts: Floats
    returns: Floats
    bases: Floats
    period: int


@compiled_part
def bar_returns(equities: Floats, base: float, returns: Floats) -> None:
    """Returns from close to close, the first from ``base``: the same divisions, several at once."""
    n = min(len(equities), len(returns))
    if n:
        returns[0] = over(equities[0] - base, base) if base > 0.0 else 0.0
    for k in range(1, n):
        before = equities[k - 1]
        gain = over(equities[k] - before, before if before > 0.0 else 1.0)
        returns[k] = gain if before > 0.0 else 0.0


@compiled_part
def end_periods(fleet: Fleet, j: int, first: int, start: int, curve: Floats) -> None:
    """Returns of the periods that end within the chunk; 0 where nothing was left."""
    n, period = curve.shape[1], fleet.period
    p = max(first - start - 1, 0) // period
    end = start + (p + 1) * period - first
    base = fleet.bases[j]
    if period == 1:
        end = max(start + 1 - first, 0)
        bar_returns(curve[EQUITIES, end:], base, fleet.returns[j, p:])
        fleet.bases[j] = curve[EQUITIES, n - 1] if end < n else base
        return
    while end < n and p < fleet.returns.shape[1]:
        equity = curve[EQUITIES, end]
        fleet.returns[j, p] = over(equity - base, base) if base > 0.0 else 0.0
        base = equity
        p += 1
        end += period
    fleet.bases[j] = base


@compiled
def advance_fleet(
    fleet: Fleet, which: tuple[int, int], rules: RuleArrays, table: Floats, chunk: Chunk
) -> None:
    """Trade one chunk of bars with the strategies ``which[0]`` to ``which[1]``, each in its own account."""
    n, width = chunk.columns.shape[2], fleet.accounts.shape[1]
    masks, curve, journal = np.empty((1, n), dtype=np.uint8), np.empty((2, n)), np.empty((0, 0))
    # Copies of its own: threads that share an array lock each other out of its count of references.
    own = Chunk(chunk.columns.copy(), chunk.first, chunk.start, chunk.costs.copy())
    account, terms = np.empty(width), np.empty((1, rules.terms.shape[1]))
    for j in range(which[0], which[1]):
        evaluate(rules.conditions, j, table, masks[0])
        account[:] = fleet.accounts[j]
        terms[0] = rules.terms[j]
        advance(account, terms, masks, own, curve, journal)
        fleet.accounts[j] = account
        end_periods(fleet, j, chunk.first, chunk.start, curve)


@compiled
def advance_account(
    account: Floats, terms: Floats, masks: Masks, chunk: Chunk, curve: Floats, journal: Floats
) -> None:
    """Trade one chunk of bars with one account of S symbols; ``journal`` holds at least 2 S n rows."""
    account[TALLIES + WRITTEN] = 0.0
    advance(account, terms, masks, chunk, curve, journal)


@compiled
def fill_masks(conditions: Conditions, strategy: int, table: Floats, mask: Masks) -> None:
    """Fill ``mask`` (n,) for one strategy from the indicator table."""
    evaluate(conditions, strategy, table, mask)


@compiled
def carry_forward(columns: Floats, last: Floats) -> None:
    """Of closes in ``MARKS`` make what is last known, and fill ``GAINS``.

    ``last`` (S,), the last known closes, moves on.
    """
    for s in range(len(last)):
        known = last[s]
        for i in range(columns.shape[2]):
            before, close = known, columns[MARKS, s, i]
            if close == close:  # noqa: PLR0124 (NaN is not equal to itself)
                known = close
            columns[MARKS, s, i] = known
            columns[GAINS, s, i] = (known - before) / before if before > 0.0 else 0.0
        last[s] = known


@compiled
def carry_spreads(columns: Floats, last: Floats) -> None:
    """Of spreads in ``HALF_SPREADS`` make half of what was known before each bar; ``last`` (S,) moves on.

    A spread that is NaN, infinite or below 0 (a crossed book) tells nothing.
    """
    for s in range(len(last)):
        known = last[s]
        for i in range(columns.shape[2]):
            spread = columns[HALF_SPREADS, s, i]
            columns[HALF_SPREADS, s, i] = known
            if 0.0 <= spread < math.inf:
                known = 0.5 * spread
        last[s] = known
