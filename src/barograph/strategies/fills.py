"""Positions: how they are taken, how they are left, and what that does to cash.

An **account** is one plain array of float64: its book (``tally``), then :data:`SLOT` numbers for each of its
S symbols. Whole numbers are in it as floats too. So it can be copied, saved and compared, and passed about at
no cost. A symbol's slot is named by its place in the array: ``account[slot + QUANTITY]``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from barograph.compiled import compiled_part
from barograph.rows import Floats
from barograph.strategies.tally import (
    BEST,
    CASH,
    FEES,
    GROSS_LOSS,
    GROSS_PROFIT,
    HOLDING,
    TALLIES,
    TRADE_RETURNS,
    TRADE_RETURNS_2,
    TRADES,
    TURNOVER,
    WINS,
    WORST,
    new_books,
)
from barograph.strategies.trading import REASONS, TRADE

QUANTITY = 0
"""Held now; negative when short."""
TARGET = 1
"""+1, 0 or -1: what was decided last. Where it differs from the position's side, an order waits."""
FRESHNESS = 2
"""Bits of ``decisions.FRESH``."""
ENTRY_PRICE = 3
ENTRY_FEE = 4
ENTRY_BAR = 5
LOWER = 6
"""Price at or below which the position is left (stop of a long, profit of a short one); -inf: none."""
UPPER = 7
MARK = 8
"""Last known close; 0 before the first."""
LOWEST = 9
HIGHEST = 10
AT_OPEN = 11
"""1 where fills are at the bar's open, so that the rest of the bar comes after the fill."""
BUDGET = 12
"""The most that an entry may commit, in money; inf: no bound."""
WHY = 13
"""Reason for which the position has to be left, whatever the strategy wants; 0: it need not."""
DECIDED = 14
"""Bar at whose close ``TARGET`` was last changed; kept where there is a journal."""
ENTRY_DECIDED = 15
"""The same, of the position that is held."""
HALF_SPREAD = 16
"""Half of the last known bid-ask spread; 0 before the first."""
WRITTEN = 17
"""Of the first symbol: trades in the journal."""
SLOT = 18

SIGNAL, STOP_LOSS, TAKE_PROFIT, REVERSE, OPEN, RUIN, TIME, LIMIT, FLATTEN = range(len(REASONS))

OPENS, LOWS, HIGHS, FILLS, MARKS, GAINS, HALF_SPREADS = range(7)
"""Columns of S symbols, (7, S, n): NaN where unknown.

``MARKS`` are the last known closes, 0 before the first; row 0 of ``GAINS`` the returns of holding the market.
``HALF_SPREADS`` are what a fill pays beside slippage: known before the bar, and never NaN.
"""
COLUMNS = 7

FIELDS = len(TRADE.fields or ())
EXTRAS = 4
"""Columns of a journal after those of TRADE: entry fee, exit fee, and the bars that decided both."""
WIDTH = FIELDS + EXTRAS
"""Width of a journal, (J, WIDTH): closed trades as rows of TRADE, and what their fills say beyond.

With J = 0 nothing is written.
"""


class Terms(NamedTuple):
    """How one strategy is traded, and at what cost, at one bar.

    Fractions, but for ``lot`` and ``half_spread``; ``stop_loss``, ``take_profit`` and ``max_exposure`` inf:
    none.
    """

    size: float
    stop_loss: float
    take_profit: float
    fee: float
    slippage: float
    lot: float
    max_exposure: float
    half_spread: float


def new_accounts(n: int, cash: float, at_open: list[bool]) -> Floats:
    """(n, TALLIES + S * SLOT) accounts that have not begun yet; ``at_open`` of each symbol."""
    slots = np.zeros((n, len(at_open), SLOT))
    slots[:, :, AT_OPEN] = at_open
    slots[:, :, BUDGET] = np.inf
    return np.hstack([new_books(n, cash), slots.reshape(n, len(at_open) * SLOT)])


@compiled_part
def over(x: float, y: float) -> float:
    """x / y, for y that is known not to be 0.

    Python's own division can raise. A compiled function that can raise counts the references to its arrays at
    every call, locked against other threads, and that costs more than most functions here do.
    """
    return float(np.true_divide(x, y))


@compiled_part
def worth(account: Floats) -> float:
    """Value of all positions at the last known closes; negative when short."""
    total = 0.0
    slot = TALLIES
    while slot < len(account):
        total += account[slot + QUANTITY] * account[slot + MARK]
        slot += SLOT
    return total


@compiled_part
def free_cash(account: Floats) -> float:
    """What entries may commit: what shorts have brought in is owed, twice over at today's prices."""
    cash = float(account[CASH])
    slot = TALLIES
    while slot < len(account):
        value = account[slot + QUANTITY] * account[slot + MARK]
        if value < 0.0:
            cash += 2.0 * value
        slot += SLOT
    return cash


@compiled_part
def gross(account: Floats) -> float:
    """What all positions are worth at the last known closes, long and short alike."""
    total = 0.0
    slot = TALLIES
    while slot < len(account):
        total += abs(account[slot + QUANTITY]) * account[slot + MARK]
        slot += SLOT
    return total


@compiled_part
def paid(price: float, side: float, terms: Terms) -> float:
    """What a buy (side +1) or a sell (-1) really gets at ``price``.

    The price stands for the middle; half of the spread leads to the other side of the book, but no further
    than half of what slippage leaves, so that nonsense in a quote does not sell for nothing.
    """
    slipped = price * (1.0 + side * terms.slippage)
    return slipped + side * min(terms.half_spread, 0.5 * slipped)


@compiled_part
def enter(account: Floats, slot: int, side: float, price: float, terms: Terms, bar: int) -> None:
    """Take a position where none is held, at ``price`` before slippage; none where money is lacking."""
    price = paid(price, side, terms)
    equity = account[CASH] + worth(account)
    budget = min(terms.size * equity, free_cash(account))
    budget = min(budget, account[slot + BUDGET])
    if terms.max_exposure < math.inf:
        budget = min(budget, terms.max_exposure * equity - gross(account))
    quantity = max(over(budget, price * (1.0 + terms.fee)), 0.0)
    if terms.lot > 0.0:
        quantity = math.floor(over(quantity, terms.lot)) * terms.lot
    if quantity == 0.0:
        account[slot + TARGET] = 0.0
        return
    notional = quantity * price
    fee = notional * terms.fee
    account[FEES] += fee
    account[TURNOVER] += over(notional, equity)
    cash = account[CASH] - (side * notional + fee)
    account[CASH] = max(cash, 0.0)  # all in, rounding can go below
    account[slot + QUANTITY] = side * quantity
    account[slot + ENTRY_PRICE] = price
    account[slot + ENTRY_FEE] = fee
    account[slot + ENTRY_BAR] = bar
    account[slot + ENTRY_DECIDED] = account[slot + DECIDED]
    below, above = (
        (terms.stop_loss, terms.take_profit) if side > 0.0 else (terms.take_profit, terms.stop_loss)
    )
    account[slot + LOWER] = price * (1.0 - below)
    account[slot + UPPER] = price * (1.0 + above)
    account[slot + LOWEST] = math.inf
    account[slot + HIGHEST] = -math.inf


@compiled_part
def leave(
    account: Floats, slot: int, price: float, terms: Terms, bar: int
) -> tuple[float, float, float, float]:
    """Close a position at ``price`` before slippage; ``(price, exit fee, fees, profit)`` of the trade."""
    quantity = account[slot + QUANTITY]
    side = 1.0 if quantity > 0.0 else -1.0
    price = paid(price, -side, terms)
    value, entry = quantity * price, quantity * account[slot + ENTRY_PRICE]
    fee = abs(value) * terms.fee
    account[slot + QUANTITY] = 0.0
    account[slot + WHY] = 0.0
    equity = account[CASH] + (worth(account) + value)
    if equity > 0.0:
        account[TURNOVER] += over(abs(value), equity)
    account[FEES] += fee
    account[CASH] += value - fee
    if account[slot + TARGET] == side:
        account[slot + TARGET] = 0.0
    fees = account[slot + ENTRY_FEE] + fee
    profit = value - entry - fees
    count(account, profit, over(profit, abs(entry)), bar - account[slot + ENTRY_BAR])
    return price, fee, fees, profit


@compiled_part
def count(book: Floats, profit: float, gain: float, bars: float) -> None:
    """Count a closed trade; ``gain`` is its profit over its entry notional."""
    book[TRADES] += 1.0
    book[HOLDING] += bars
    if profit > 0.0:
        book[WINS] += 1.0
        book[GROSS_PROFIT] += profit
    else:
        book[GROSS_LOSS] -= profit
    book[TRADE_RETURNS] += gain
    book[TRADE_RETURNS_2] += gain * gain
    book[BEST] = max(book[BEST], gain)
    book[WORST] = min(book[WORST], gain)


@compiled_part
def stopped(account: Floats, slot: int, opened: float, low: float, high: float) -> tuple[float, int]:
    """``(price, reason)`` at which a bar ends a position by its levels; reason -1: it does not.

    A bar that opens beyond a level fills there. Where it touches both later on, the stop is taken to come
    first.
    """
    lower, upper = account[slot + LOWER], account[slot + UPPER]
    long = account[slot + QUANTITY] > 0.0
    at_lower, at_upper = (STOP_LOSS, TAKE_PROFIT) if long else (TAKE_PROFIT, STOP_LOSS)
    if opened <= lower:
        return opened, at_lower
    if opened >= upper:
        return opened, at_upper
    if low <= lower and (long or not high >= upper):
        return lower, at_lower
    if high >= upper:
        return upper, at_upper
    return math.nan, -1


@compiled_part
def watch(account: Floats, slot: int, columns: Floats, i: int, first: int) -> None:
    """Note lowest and highest prices since the entry, up to row ``i``.

    Row 0 is bar ``first``; what came before was noted with the chunk before.
    """
    s = (slot - TALLIES) // SLOT
    for k in range(max(int(account[slot + ENTRY_BAR]) - first, 0), i + 1):
        account[slot + LOWEST] = min(account[slot + LOWEST], columns[LOWS, s, k])
        account[slot + HIGHEST] = max(account[slot + HIGHEST], columns[HIGHS, s, k])


@compiled_part
def write(account: Floats, slot: int, row: Floats, bar: int, reason: int) -> None:
    """What is known of a trade before it is closed, into a row of the journal."""
    quantity = account[slot + QUANTITY]
    row[0], row[1], row[2] = (slot - TALLIES) // SLOT, 1.0 if quantity > 0.0 else -1.0, reason
    row[3], row[4] = account[slot + ENTRY_BAR], bar
    row[5], row[7] = account[slot + ENTRY_PRICE], abs(quantity)
    row[10], row[11] = account[slot + LOWEST], account[slot + HIGHEST]
    by_close = reason not in (STOP_LOSS, TAKE_PROFIT, RUIN)
    row[FIELDS], row[FIELDS + 2] = account[slot + ENTRY_FEE], account[slot + ENTRY_DECIDED]
    row[FIELDS + 3] = account[slot + DECIDED] if by_close else -1.0
