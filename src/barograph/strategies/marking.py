"""Marking an account at closes, and the stretches of bars on which nothing else happens.

An account of one symbol spends nearly all bars flat, or holding without an order. Such stretches are passed
in tight loops, with the same operations in the same order as bar by bar: the same bits.
"""

from __future__ import annotations

from barograph.compiled import compiled_part
from barograph.rows import Floats
from barograph.strategies.decisions import (
    FRESH,
    NOT_EXIT_LONG,
    NOT_EXIT_SHORT,
    NOT_LONG,
    NOT_SHORT,
    Masks,
    decide,
)
from barograph.strategies.fills import (
    FRESHNESS,
    GAINS,
    HIGHS,
    LOWER,
    LOWS,
    MARK,
    MARKS,
    QUANTITY,
    TARGET,
    UPPER,
    over,
    worth,
)
from barograph.strategies.tally import (
    CASH,
    CROSS,
    DOWN_2,
    DRAWDOWN,
    EQUITY,
    EXPOSURE,
    FALLS,
    HELD,
    LONGEST,
    PEAK,
    RISES,
    SUM_1,
    SUM_2,
    SUM_3,
    SUM_4,
    TALLIES,
    UNDERWATER,
)

EQUITIES = 0
"""Rows of a curve, (2, n): equity, and signed notional over equity, at each close."""
WEIGHTS = 1


@compiled_part
def mark(account: Floats, market: float) -> float:
    """Count a close; slots hold its prices already. The account's weight: signed notional over equity."""
    value = worth(account)
    equity, before = account[CASH] + value, account[EQUITY]
    r = (equity - before) * over(1.0, before) if before > 0.0 else 0.0
    weight = value * over(1.0, equity) if equity > 0.0 else 0.0
    square = r * r
    account[SUM_1] += r
    account[SUM_2] += square
    account[SUM_3] += square * r
    account[SUM_4] += square * square
    account[CROSS] += r * market
    account[EXPOSURE] += weight
    if r > 0.0:
        account[RISES] += 1.0
    elif r < 0.0:
        account[FALLS] += 1.0
        account[DOWN_2] += square
    account[EQUITY] = equity
    if equity >= account[PEAK]:
        account[PEAK] = equity
        account[UNDERWATER] = 0.0
    else:
        account[UNDERWATER] += 1.0
        account[LONGEST] = max(account[LONGEST], account[UNDERWATER])
        account[DRAWDOWN] = min(account[DRAWDOWN], (equity - account[PEAK]) * over(1.0, account[PEAK]))
    return weight


@compiled_part
def pass_flat(account: Floats, columns: Floats, masks: Masks, i: int, level: bool, curve: Floats) -> int:
    """Pass the rest of bar ``i`` while flat, up to the bar that decides an entry; the bar after that."""
    fresh = int(account[TALLIES + FRESHNESS])
    target, first, n = 0, i, masks.shape[1]
    neither = NOT_LONG | NOT_SHORT
    if account[CASH] != account[EQUITY]:  # left at this very bar
        mark(account, columns[GAINS, 0, i])
    elif account[EQUITY] < account[PEAK]:
        account[UNDERWATER] += 1.0
    equity = account[EQUITY]
    while i < n and target == 0:
        mask = int(masks[0, i])
        if (mask & neither) != neither:
            target, fresh = decide(mask, 0, fresh, level)
        else:
            fresh |= mask
        curve[EQUITIES, i], curve[WEIGHTS, i] = equity, 0.0
        i += 1
    account[TALLIES + TARGET] = target
    account[TALLIES + FRESHNESS] = fresh & FRESH
    account[TALLIES + MARK] = columns[MARKS, 0, i - 1]
    if equity < account[PEAK]:
        account[UNDERWATER] += i - first - 1
        account[LONGEST] = max(account[LONGEST], account[UNDERWATER])
    return i


@compiled_part
def pass_held(  # noqa: PLR0915 (the loop lives on names, which are registers)
    account: Floats, columns: Floats, masks: Masks, i: int, level: bool, curve: Floats
) -> int:
    """Pass the rest of bar ``i`` while holding, up to the bar that decides otherwise; the bar after that.

    Stops before a later bar that touches a level of the position, and before one that leaves no equity.
    """
    quantity, cash = account[TALLIES + QUANTITY], account[CASH]
    lower, upper = account[TALLIES + LOWER], account[TALLIES + UPPER]
    fresh = int(account[TALLIES + FRESHNESS])
    side = 1 if quantity > 0.0 else -1
    neither = NOT_EXIT_LONG | NOT_SHORT if side > 0 else NOT_EXIT_SHORT | NOT_LONG
    before, peak, worst = account[EQUITY], account[PEAK], account[DRAWDOWN]
    per_before, per_peak = over(1.0, before), over(1.0, peak)
    sum_1, sum_2, sum_3, sum_4 = account[SUM_1], account[SUM_2], account[SUM_3], account[SUM_4]
    down_2, cross, exposure = account[DOWN_2], account[CROSS], account[EXPOSURE]
    rises, falls, under, longest = 0.0, 0.0, account[UNDERWATER], account[LONGEST]
    target, first, n = side, i, masks.shape[1]
    while i < n and target == side:
        value = quantity * columns[MARKS, 0, i]
        equity = cash + value
        if equity <= 0.0 or ((columns[LOWS, 0, i] <= lower or columns[HIGHS, 0, i] >= upper) and i > first):
            break
        r = (equity - before) * per_before
        per_before = over(1.0, equity)
        before = equity
        weight = value * per_before
        square = r * r
        sum_1 += r
        sum_2 += square
        sum_3 += square * r
        sum_4 += square * square
        cross += r * columns[GAINS, 0, i]
        exposure += weight
        rises += 1.0 if r > 0.0 else 0.0
        fell = 1.0 if r < 0.0 else 0.0
        falls += fell
        down_2 += square * fell
        if equity >= peak:
            peak, per_peak, under = equity, per_before, 0.0
        else:
            under += 1.0
            longest = max(longest, under)
            worst = min(worst, (equity - peak) * per_peak)
        curve[EQUITIES, i], curve[WEIGHTS, i] = equity, weight
        mask = int(masks[0, i])
        if (mask & neither) != neither:
            target, fresh = decide(mask, side, fresh, level)
        else:
            fresh |= mask
        i += 1
    if i == first:
        return i
    account[TALLIES + MARK] = columns[MARKS, 0, i - 1]
    account[TALLIES + TARGET] = target
    account[TALLIES + FRESHNESS] = fresh & FRESH
    account[EQUITY], account[PEAK], account[DRAWDOWN] = before, peak, worst
    account[SUM_1], account[SUM_2], account[SUM_3], account[SUM_4] = sum_1, sum_2, sum_3, sum_4
    account[DOWN_2], account[CROSS], account[EXPOSURE] = down_2, cross, exposure
    account[UNDERWATER], account[LONGEST] = under, longest
    account[RISES] += rises
    account[FALLS] += falls
    account[HELD] += i - first
    return i
