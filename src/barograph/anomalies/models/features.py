"""What a model looks at: each bar beside the bars before it.

The same kernel makes the features that a model is trained on and those that the live line
scores, from the columns of ``market_microstructure`` alone. A row hangs on its own bar and on
the bars before it, at most ``WINDOW`` of them and none that is ``LOOKBACK`` minutes older:
nothing is scaled by what comes later. Windows are computed anew for each bar, in one order, so
that any chunking, and a revision, gives the same bits.

==============  ============================================================================
feature         of a bar, beside the bars of its window
==============  ============================================================================
``move``        size of its log return / root mean squared return of those that have trades
``spread``      its relative spread / their median relative spread
``flow``        size of its order imbalance x square root of its number of trades
``volatility``  its ``volatility_1min`` / their median, of those that have trades
``volume``      its volume / their median volume, of those that have trades
``pause``       minutes since the bar before it
==============  ============================================================================

The ratios and the pause are taken as ``log1p``: one enormous bar does not hide the merely large
ones. ``flow`` is the size, in standard deviations, of the imbalance of so many equal trades whose
sides are drawn by a fair coin; of unequal trades it is a little less than that. Returns are not
centred, as in realised volatility (Andersen and Bollerslev 1998).

A feature is NaN where its bar does not have what it is made of (no trade, no quote) or fewer
than ``LEAST`` bars of the window do; a model puts a usual value there. A bar is *ready* when
``LEAST`` bars of its window have trades: before that a model says nothing.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from barograph.anomalies.history import Series
from barograph.anomalies.settings import LOOKBACK
from barograph.compiled import compiled, compiled_part
from barograph.rows import Floats, Ints

NAMES = ("move", "spread", "flow", "volatility", "volume", "pause")
"""Every feature, in the order of the columns."""

VERSION = 1
"""Of the formulas: a model of another version is not understood."""

WINDOW = 60
"""Bars before a bar that it is compared with."""

LEAST = 20
"""With fewer bars to compare with, nothing is said."""

_Bars: TypeAlias = tuple[Floats, Floats, Floats, Floats, Floats, Floats]

_MOVE, _SPREAD, _FLOW, _VOLATILITY, _VOLUME, _PAUSE = range(6)


@compiled_part
def _beside_median(value: float, others: Floats, n: int) -> float:
    """log1p of ``value`` over the median of ``others[:n]``; NaN with too few of them or nothing usual."""
    if n < LEAST or math.isnan(value):
        return math.nan
    ordered = np.sort(others[:n])
    usual = 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])
    if usual <= 0.0 or value < 0.0:
        return math.nan
    return math.log1p(value / usual)


@compiled_part
def _beside_traded(value: float, column: Floats, traded: Ints, n: int, scratch: Floats) -> float:
    """As :func:`_beside_median`, with the bars of ``traded[:n]`` where ``column`` is not null."""
    there = 0
    for k in range(n):
        if not math.isnan(column[traded[k]]):
            scratch[there] = column[traded[k]]
            there += 1
    return _beside_median(value, scratch, there)


@compiled_part
def _beside_returns(value: float, change: Floats, traded: Ints, n: int) -> float:
    """log1p of the size of ``value`` in root mean squared returns."""
    there, squares = 0, 0.0
    for k in range(n):
        past = change[traded[k]]
        if not math.isnan(past):
            squares += past * past
            there += 1
    if there < LEAST or squares == 0.0 or math.isnan(value):
        return math.nan
    return math.log1p(abs(value) / math.sqrt(squares / there))


@compiled
def _fill(
    minute: Ints,
    bars: _Bars,
    first: int,
    out: Floats,
) -> None:
    """Fill ``out`` (n, 6) with the features of the n bars from ``first`` on; a row of NaN is not ready."""
    change, spread, volume, imbalance, trades, volatility = bars
    traded = np.empty(WINDOW, dtype=np.int64)
    scratch = np.empty(WINDOW)
    for row in range(out.shape[0]):
        at = first + row
        n, quoted, k = 0, 0, at - 1
        while k >= 0 and k >= at - WINDOW and minute[k] >= minute[at] - LOOKBACK:
            if trades[k] > 0.0:
                traded[n] = k
                n += 1
            if not math.isnan(spread[k]):
                scratch[quoted] = spread[k]
                quoted += 1
            k -= 1
        if n < LEAST:
            continue
        out[row, _SPREAD] = _beside_median(spread[at], scratch, quoted)
        out[row, _PAUSE] = math.log1p(float(min(minute[at] - minute[at - 1] - 1, LOOKBACK)))
        if trades[at] > 0.0:
            out[row, _MOVE] = _beside_returns(change[at], change, traded, n)
            out[row, _FLOW] = abs(imbalance[at]) * math.sqrt(trades[at])
            out[row, _VOLATILITY] = _beside_traded(volatility[at], volatility, traded, n, scratch)
            out[row, _VOLUME] = _beside_traded(volume[at], volume, traded, n, scratch)


def features(series: Series, first: int, last: int) -> Floats:
    """The features of the bars ``first`` to ``last``, shape (n, 6), NaN where there is none.

    The rows of bars that are not ready are all NaN; ``pause`` is there in all others.
    """
    out = np.full((last - first, len(NAMES)), np.nan)
    bars = (
        series.change,
        series.spread,
        series.volume,
        series.imbalance,
        series.trades,
        series.volatility,
    )
    _fill(series.minute, bars, first, out)
    return out
