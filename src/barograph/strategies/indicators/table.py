"""The table of indicators: every column that some strategy looks at, computed once, stretch by stretch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import msgspec
import numpy as np

from barograph.compiled import compiled, compiled_part
from barograph.errors import UsageError
from barograph.rows import Floats, Ints
from barograph.strategies.indicators.blocks import Room
from barograph.strategies.indicators.kinds import (
    CHANGE,
    CLOSE,
    DRAWDOWN,
    EMA,
    HIGHEST,
    LOWEST,
    MACD,
    MACD_SIGNAL,
    RSI,
    SIGNAL,
    SMA,
    VOLATILITY,
    ZSCORE,
    encoded,
    kept,
)
from barograph.strategies.indicators.recursive import CARRIED, ema, macd, rsi
from barograph.strategies.indicators.windows import deviations, extremes, means
from barograph.strategies.prices import Prices
from barograph.strategies.rules import Indicator

_HIGH, _LOW, _CLOSE, _RETURN, _ROWS = range(5)


class Stretch(NamedTuple):
    """Bars that were kept, then new ones.

    Attributes:
        slots: (m,) starts of the bars in lengths of a bar.
        columns: (4, m) high, low, close, log return from the close before.
        first: the first new bar.
    """

    slots: Ints
    columns: Floats
    first: int


@compiled_part
def fill_returns(closes: Floats, returns: Floats, first: int) -> None:
    """Log returns of the bars from ``first`` on; NaN for the first bar of all."""
    for t in range(first, len(closes)):
        returns[t] = math.log(closes[t] / closes[t - 1]) if t > 0 else math.nan


@compiled_part
def change(window: int, closes: Floats, first: int, out: Floats) -> None:
    """The close over the close ``window`` bars before, minus 1."""
    for t in range(first, len(closes)):
        out[t - first] = closes[t] / closes[t - window] - 1.0 if t >= window else math.nan


@compiled_part
def over_extreme(closes: Floats, first: int, out: Floats) -> None:
    """The close over what is in ``out``, minus 1."""
    new = closes[first:]
    for i in range(len(new)):
        # Checked division would keep this from being vector instructions.
        out[i] = float(np.true_divide(new[i], out[i])) - 1.0


@compiled_part
def fill_window(kind: int, window: int, stretch: Stretch, room: Room, out: Floats) -> None:
    """One column that looks back over a window."""
    slots, columns, first = stretch
    bounds, closes = (window, first, len(slots)), columns[_CLOSE]
    if kind == SMA:
        means(bounds, slots, closes, room, out)
    elif kind == CHANGE:
        change(window, closes, first, out)
    elif kind in (ZSCORE, VOLATILITY):
        deviations(kind == ZSCORE, bounds, slots, closes if kind == ZSCORE else columns[_RETURN], room, out)
    elif kind in (HIGHEST, LOWEST):
        # Of the bars before this one: the windows end one bar earlier.
        values, earlier = columns[_HIGH if kind == HIGHEST else _LOW], (window, first - 1, len(slots) - 1)
        extremes(1.0 if kind == HIGHEST else -1.0, earlier, slots, values, room, out)
    else:
        extremes(1.0 if kind == DRAWDOWN else -1.0, bounds, slots, closes, room, out)
        over_extreme(closes, first, out)


@compiled
def fill(wanted: Ints, stretch: Stretch, signals: Floats, carried: Floats, room: Room, out: Floats) -> None:
    """Fill row k + 1 of ``out`` (K + 1, n) with column k, row 0 with zeros, and move ``carried`` on."""
    closes, first = stretch.columns[_CLOSE], stretch.first
    fill_returns(closes, stretch.columns[_RETURN], first)
    out[0, :] = 0.0
    for k in range(len(wanted)):
        kind, a, b, c = wanted[k, 0], wanted[k, 1], wanted[k, 2], wanted[k, 3]
        row, state = out[k + 1], carried[k]
        if kind == CLOSE:
            row[:] = closes[first:]
        elif kind == SIGNAL:
            row[:] = signals[a]
        elif kind == EMA:
            ema(a, closes[first:], state, row)
        elif kind == RSI:
            rsi(a, closes[first:], state, row)
        elif kind in (MACD, MACD_SIGNAL):
            macd((a, b, c), closes[first:], state, row)
        else:
            fill_window(kind, a, stretch, room, row)


class IndicatorState(msgspec.Struct, frozen=True):
    """What :class:`Indicators` remembers between two stretches.

    Attributes:
        wanted: the columns.
        interval_us: length of a bar.
        slots, columns: the newest bars, as many as the longest window needs; see :class:`Stretch`.
        carried: (K, CARRIED) of the recursive columns.
        last_us: start of the newest bar; None before the first.
    """

    wanted: tuple[Indicator, ...]
    interval_us: int
    slots: Ints
    columns: Floats
    carried: Floats
    last_us: int | None = None


class Indicators:
    """Columns that look back, for bars that come in stretches of any length: always the same bits.

    Nor do they depend on where the data begins, but for the recursive columns (ema, rsi, macd, macd_signal).

    Args:
        wanted: the columns, each once.
        interval_us: length of a bar in microseconds.

    Raises:
        UsageError: no such indicator, or a window that is not above 0.

    >>> rising = np.arange(1.0, 7.0)
    >>> bars = Prices("X", 60, np.arange(6) * 60, rising, rising, rising, rising, rising)
    >>> Indicators([Indicator("sma", 3), Indicator("highest", 2)], 60).advance(bars).tolist()[1:]
    [[nan, nan, 2.0, 3.0, 4.0, 5.0], [nan, nan, 2.0, 3.0, 4.0, 5.0]]
    """

    def __init__(self, wanted: Sequence[Indicator], interval_us: int) -> None:
        self.wanted = tuple(wanted)
        self._numbers = encoded(self.wanted)
        self._interval_us = interval_us
        self._kept = max((kept(indicator) for indicator in self.wanted), default=0)
        self._kept = max(self._kept, 1)
        self._slots = np.empty(0, dtype=np.int64)
        self._columns = np.empty((_ROWS, 0))
        self._carried = np.zeros((len(self.wanted), CARRIED))
        self._last_us: int | None = None
        self._inverse = 1.0 / np.maximum(np.arange(self._kept + 2, dtype=np.float64), 1.0)

    @classmethod
    def from_state(cls, state: IndicatorState) -> Self:
        """One that goes on where :meth:`state` was taken."""
        new = cls(state.wanted, state.interval_us)
        new._slots, new._columns = state.slots, state.columns
        new._carried, new._last_us = state.carried.copy(), state.last_us
        return new

    def state(self) -> IndicatorState:
        """A copy of all that it remembers; see :mod:`barograph.snapshot`."""
        return IndicatorState(
            self.wanted,
            self._interval_us,
            self._slots.copy(),
            self._columns.copy(),
            self._carried.copy(),
            self._last_us,
        )

    def advance(self, bars: Prices, signals: Floats | None = None, out: Floats | None = None) -> Floats:
        """The columns at the close of each of ``bars``, which follow those of the last call.

        Args:
            bars: n of them.
            signals: (S, n) external arrays; ``Indicator("signal", a)`` is row a.
            out: (K + 1, n), C-contiguous, filled and returned where given.

        Returns:
            (K + 1, n): zeros in row 0, the i-th wanted column in row i + 1; NaN where there is none.

        Raises:
            UsageError: bars of another length, or not after those before; a signal that is not given.
        """
        given = np.empty((0, len(bars))) if signals is None else np.ascontiguousarray(signals, np.float64)
        self._check(bars, given)
        if out is None:
            out = np.empty((len(self.wanted) + 1, len(bars)))
        if not len(bars):
            return out
        stretch = self._joined(bars)
        m = len(stretch.slots)
        starts, runs = np.empty(m + 1, dtype=np.int64), np.empty((m, 4), dtype=np.int64)
        room = Room(starts, runs, np.empty((2, m)), np.empty((2, m)), self._inverse)
        fill(self._numbers, stretch, given, self._carried, room, out)
        self._slots = stretch.slots[-self._kept :]
        self._columns = np.ascontiguousarray(stretch.columns[:, -self._kept :])
        self._last_us = int(bars.ts_us[-1])
        return out

    def _check(self, bars: Prices, signals: Floats) -> None:
        if bars.interval_us != self._interval_us:
            raise UsageError(
                f"{bars.symbol}: bars of {bars.interval_us} us came to indicators of {self._interval_us} us"
            )
        if len(bars) and self._last_us is not None and bars.ts_us[0] <= self._last_us:
            raise UsageError(
                f"{bars.symbol}: the bar of {bars.ts_us[0]} us does not come after that of {self._last_us} us"
            )
        needed = max((k.a + 1 for k in self.wanted if k.kind == "signal"), default=0)
        if signals.shape[1] != len(bars) or len(signals) < needed:
            raise UsageError(
                f"signals are {signals.shape}, must be at least ({needed}, {len(bars)}): an array a row"
            )

    def _joined(self, bars: Prices) -> Stretch:
        """The bars that were kept, and the new ones behind them."""
        first = len(self._slots)
        m = first + len(bars)
        slots, columns = np.empty(m, dtype=np.int64), np.empty((_ROWS, m))
        slots[:first], columns[:, :first] = self._slots, self._columns
        np.floor_divide(bars.ts_us, self._interval_us, out=slots[first:])
        columns[_HIGH, first:], columns[_LOW, first:] = bars.high, bars.low
        columns[_CLOSE, first:] = bars.close
        return Stretch(slots, columns, first)
