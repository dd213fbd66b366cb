"""The columns of a bar that look back over the bars before it.

``volume_spike_score``, ``price_change_pct`` and ``rsi_14`` of one instrument's series.
Windows are recomputed in a fixed order, oldest first: no running sums, so that a
revision heals as soon as it has left the window. Wilder's averages are a recursion by
definition (J. Welles Wilder, New Concepts in Technical Trading Systems, 1978) and are
computed in the order of operations of TA-Lib's ``RSI``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from barograph.compiled import compiled, compiled_part
from barograph.rows import Floats

RSI_PERIOD = 14


class Rolled(NamedTuple):
    """The look-back columns, one value a bar; null as NaN."""

    volume_spike_score: Floats
    price_change_pct: Floats
    rsi_14: Floats


class RollState(msgspec.Struct):
    """What the next bar of an instrument needs of those before it.

    ``volumes`` are the newest ``spike_window`` volumes, oldest first (fewer at the
    beginning); ``gain`` and ``loss`` are Wilder's averages, or plain sums while
    ``changes`` has not reached 14.
    """

    volumes: Floats = msgspec.field(default_factory=lambda: np.empty(0))
    price: float = math.nan
    gain: float = 0.0
    loss: float = 0.0
    changes: int = 0


@compiled_part
def spike_score(volume: float, before: Floats, min_bars: int) -> float:
    """How many sample standard deviations ``volume`` lies above the mean of ``before``.

    NaN with fewer than ``min_bars`` bars before, and where they are all equal.
    """
    n = len(before)
    if n < min_bars or n < 2:
        return math.nan
    total = 0.0
    uneven = False
    for i in range(n):
        total += before[i]
        uneven = uneven or before[i] != before[0]
    # Equal volumes have deviation 0, but their rounded mean may miss them by a bit.
    if not uneven:
        return math.nan
    mean = total / n
    squares = 0.0
    for i in range(n):
        squares += (before[i] - mean) * (before[i] - mean)
    deviation = math.sqrt(squares / (n - 1))
    return math.nan if deviation == 0.0 else (volume - mean) / deviation


@compiled_part
def wilder(change: float, gain: float, loss: float, changes: int) -> tuple[float, float, int, float]:
    """Take in one change of price: ``(gain, loss, changes, rsi)``; NaN before the 14th change.

    50 when nothing has moved yet, where TA-Lib says 0.
    """
    if changes >= RSI_PERIOD:
        gain *= RSI_PERIOD - 1
        loss *= RSI_PERIOD - 1
    if change < 0.0:
        loss -= change
    else:
        gain += change
    changes = min(changes + 1, RSI_PERIOD)
    if changes < RSI_PERIOD:
        return gain, loss, changes, math.nan
    gain /= RSI_PERIOD
    loss /= RSI_PERIOD
    moved = gain + loss
    return gain, loss, changes, 50.0 if moved == 0.0 else 100.0 * (gain / moved)


@compiled_part
def step(
    price: float, previous: float, gain: float, loss: float, changes: int
) -> tuple[float, float, float, int, float]:
    """One bar after ``previous``: ``(price_change_pct, gain, loss, changes, rsi)``.

    A bar without a price, and the first that has one, change nothing and have neither.
    """
    if math.isnan(price) or math.isnan(previous):
        return math.nan, gain, loss, changes, math.nan
    gain, loss, changes, rsi = wilder(price - previous, gain, loss, changes)
    return 100.0 * (price / previous - 1.0), gain, loss, changes, rsi


@compiled
def roll_series(
    price: Floats, volumes: Floats, limits: tuple[int, int], carried: Floats, out: Floats
) -> None:
    """Fill ``out`` (6, n) for ``price`` (n,): score, change, RSI, gain, loss, number of changes.

    ``volumes`` ends with the n bars' own volumes; ``limits`` are ``spike_window`` and
    ``spike_min_bars``; ``carried`` (previous price, gain, loss, number of changes) is moved on.
    """
    window, min_bars = limits
    previous, gain, loss, changes = carried[0], carried[1], carried[2], int(carried[3])
    earlier = len(volumes) - len(price)
    for i in range(len(price)):
        here = earlier + i
        out[0, i] = spike_score(volumes[here], volumes[max(0, here - window) : here], min_bars)
        out[1, i], gain, loss, changes, out[2, i] = step(price[i], previous, gain, loss, changes)
        out[3, i], out[4, i], out[5, i] = gain, loss, changes
        if not math.isnan(price[i]):
            previous = price[i]
    carried[0], carried[1], carried[2], carried[3] = previous, gain, loss, changes


def roll_columns(
    price: Floats, volume: Floats, limits: tuple[int, int], state: RollState
) -> tuple[Floats, RollState]:
    """As :func:`roll`, with all six rows of :func:`roll_series`."""
    volumes = np.concatenate([state.volumes, volume])
    carried = np.array([state.price, state.gain, state.loss, float(state.changes)])
    out = np.empty((6, len(price)))
    roll_series(price, volumes, limits, carried, out)
    kept = volumes[max(0, len(volumes) - limits[0]) :].copy()
    after = RollState(kept, float(carried[0]), float(carried[1]), float(carried[2]), int(carried[3]))
    return out, after


def roll(
    price: Floats,
    volume: Floats,
    *,
    spike_window: int = 60,
    spike_min_bars: int = 20,
    state: RollState | None = None,
) -> tuple[Rolled, RollState]:
    """The look-back columns of one instrument's bars, and the state for the bars after them.

    Args:
        price: closing prices, float64, one a bar in order of time; NaN before the first trade.
        volume: volumes of the same bars.
        spike_window: how many bars before a bar its volume is compared with.
        spike_min_bars: with fewer bars before it, a bar has no score.
        state: from the bars before these; None at the beginning of a series. Not changed.

    Any cutting of a series into calls gives the same bits.

    >>> rolled, state = roll(np.array([10.0, 11.0]), np.array([1.0, 2.0]))
    >>> rolled.price_change_pct.round(9).tolist()
    [nan, 10.0]
    """
    prices, volumes = np.array(price, dtype=np.float64), np.array(volume, dtype=np.float64)
    out, after = roll_columns(prices, volumes, (spike_window, spike_min_bars), state or RollState())
    return Rolled(out[0], out[1], out[2]), after
