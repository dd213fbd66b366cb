"""A backtest over time, as the figures show it: growth, returns by calendar, drawdowns, rolling figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from barograph.clock import DAY_US
from barograph.research.outcome import Backtest
from barograph.rows import Floats, Ints

_ENOUGH_DAYS = 20


@dataclass(frozen=True)
class Course:
    """Growth of 1 in the strategy and in the market.

    Attributes:
        times_us: (T,) starts of the bars.
        strategy, market: (T,) at their closes; the market from its first known close on.
        interval_us: length of a bar.
        per_year: such steps in a year.
    """

    times_us: Ints
    strategy: Floats
    market: Floats
    interval_us: int
    per_year: float

    @property
    def unit(self) -> str:
        return "day" if self.interval_us == DAY_US else "bar"


def course(found: Backtest, periods_per_year: float) -> Course:
    """What became of 1, bar by bar."""
    stop = found.start + len(found.equity)
    close = _filled(found.prices.close[found.start : stop])
    times, interval = found.prices.ts_us[found.start : stop], found.prices.interval_us
    return Course(times, found.equity / found.costs.cash, close / close[0], interval, periods_per_year)


def _filled(values: Floats) -> Floats:
    """Each unknown value replaced by the last known; before the first, by the first."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return np.ones(len(values))
    place = np.searchsorted(known, np.arange(len(values)), side="right") - 1
    filled: Floats = values[known[place.clip(0)]]
    return filled


def daily(bars: Course) -> Course:
    """The ends of days (UTC) where bars are shorter and there are days enough; else as it is."""
    days = bars.times_us // DAY_US
    last = np.flatnonzero(np.diff(days, append=days[-1] + 1))
    if bars.interval_us >= DAY_US or len(last) < _ENOUGH_DAYS:
        return bars
    per_year = bars.per_year * len(last) / len(days)
    return Course(days[last] * DAY_US, bars.strategy[last], bars.market[last], DAY_US, per_year)


def returns(growth: Floats) -> Floats:
    """(T,) simple returns of each step; the first against 1. 0 once nothing is left."""
    before = np.concatenate([[1.0], growth[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(before > 0.0, growth / before - 1.0, 0.0)
    return found


def by_calendar(times_us: Ints, growth: Floats, unit: str) -> tuple[Ints, Floats]:
    """Calendar periods and the return of each; ``unit`` is ``M`` (months since 1970) or ``Y`` (years).

    A bar belongs to the period in which it begins. The first return counts from 1.
    """
    periods = times_us.astype("datetime64[us]").astype(f"datetime64[{unit}]").astype(np.int64)
    last = np.flatnonzero(np.diff(periods, append=periods[-1] + 1))
    shown = periods[last] + (1970 if unit == "Y" else 0)
    return shown, returns(growth[last])


def underwater(growth: Floats) -> Floats:
    """(T,) how far below the highest so far, as fractions, 0 or below."""
    highest = np.maximum.accumulate(np.maximum(growth, 1e-300))
    found: Floats = growth / highest - 1.0
    return found


@dataclass(frozen=True)
class Drawdown:
    """A fall from a highest point until it is reached again; bars counted. ``recovery`` None: not yet."""

    peak: int
    trough: int
    recovery: int | None
    depth: float


def worst_drawdowns(growth: Floats, count: int = 5) -> list[Drawdown]:
    """The deepest falls, deepest first; they do not overlap."""
    below = underwater(growth) < 0.0
    edges = np.flatnonzero(np.diff(below.astype(np.int8), prepend=0, append=0))
    found = [_drawdown(growth, int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return sorted(found, key=lambda fall: fall.depth)[:count]


def _drawdown(growth: Floats, first: int, after: int) -> Drawdown:
    trough = first + int(np.argmin(growth[first:after]))
    peak = first - 1
    depth = float(growth[trough] / growth[peak] - 1.0)
    return Drawdown(peak, trough, after if after < len(growth) else None, depth)


@dataclass(frozen=True)
class Rolling:
    """Annualised Sharpe ratio and volatility (T,) over the last steps; NaN until there are enough."""

    sharpe: Floats
    volatility: Floats


def rolling(growth: Floats, window: int, per_year: float) -> Rolling:
    """Rolling figures, ddof 1, no risk-free rate. The Sharpe ratio is NaN while nothing moves."""
    made = returns(growth)
    centre = float(made.mean())  # small numbers around 0 keep the running sums sharp
    moved = made - centre
    sums, squares = (np.concatenate([[0.0], np.cumsum(part)]) for part in (moved, moved * moved))
    total, square = sums[window:] - sums[:-window], squares[window:] - squares[:-window]
    variance = np.maximum(square - total * total / window, 0.0) / (window - 1)
    variance[variance < 1e-14] = np.nan
    deviation = np.sqrt(variance)
    head = np.full(window - 1, np.nan)
    sharpe = (total / window + centre) / deviation * np.sqrt(per_year)
    return Rolling(
        np.concatenate([head, sharpe]), np.concatenate([head, np.nan_to_num(deviation) * np.sqrt(per_year)])
    )


def rolling_window(steps: int, per_year: float) -> int:
    """Half a year, or a sixth of the data where there is less; at least 10 steps."""
    return int(max(10, min(round(per_year / 2), steps // 6)))
