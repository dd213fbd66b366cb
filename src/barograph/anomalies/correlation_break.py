"""``correlation_break``: an instrument no longer moves with its venue as it used to.

With x the log returns of an instrument and y the mean log returns, minute by minute, of
the other instruments of its venue (in minutes where at least ``correlation_others`` of
them have a bar), r1 is the correlation of x and y over the last ``correlation_short``
minutes, r0 that over the ``correlation_long`` minutes before those. Returns are held
within two standard deviations of those of the long window, or one jump would pass for a
break for as long as it is in the short one. The score is Fisher's test for the difference
of two correlations (Fisher 1921),

    z = (artanh r1 - artanh r0) / sqrt(1 / (n1 - 3) + 1 / (n0 - 3)),

taken with the sign of r0: it is negative when the bond has weakened or turned round. A
crossing is a score of ``-correlation_z`` or below, where there was a bond to break: an r0
of at least ``correlation_bond`` either way. A bond that has grown stronger is no break (it
is what follows one, while the break is still in the long window). Both windows must be at
least two thirds full. Correlations are held within ±0.9999.

A row of minute t depends on all bars of the venue within the windows. It is computed
again whenever a record brings one of them, new or revised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from barograph.anomalies.history import Series
from barograph.anomalies.rule import Crossing, as_json
from barograph.anomalies.settings import RuleSettings
from barograph.compiled import compiled
from barograph.rows import Floats, Ints

_HIGHEST = 0.9999
_HELD = 2.0
# Squared returns that sum to less than this are rounding errors of returns that are all equal.
_NOTHING = 1e-20


@compiled
def _correlation(x: Floats, y: Floats, start: int, stop: int) -> float:
    """Pearson's correlation of ``x[start:stop]`` and ``y[start:stop]``; NaN where either stands still."""
    n = stop - start
    mean_x, mean_y = 0.0, 0.0
    for k in range(start, stop):
        mean_x += x[k]
        mean_y += y[k]
    mean_x /= n
    mean_y /= n
    xx, yy, xy = 0.0, 0.0, 0.0
    for k in range(start, stop):
        dx, dy = x[k] - mean_x, y[k] - mean_y
        xx += dx * dx
        yy += dy * dy
        xy += dx * dy
    if xx < _NOTHING or yy < _NOTHING:
        return math.nan
    return max(-_HIGHEST, min(_HIGHEST, xy / math.sqrt(xx * yy)))


@compiled
def _hold(x: Floats, start: int, stop: int) -> None:
    """Hold ``x[:stop]`` within ``_HELD`` standard deviations of the mean of ``x[start:stop]``."""
    n = stop - start
    mean, squares = 0.0, 0.0
    for k in range(start, stop):
        mean += x[k]
    mean /= n
    for k in range(start, stop):
        squares += (x[k] - mean) * (x[k] - mean)
    width = _HELD * math.sqrt(squares / n)
    for k in range(stop):
        x[k] = max(mean - width, min(mean + width, x[k]))


@compiled
def _pairs(minute: Ints, change: Floats, others: Floats, at: int, oldest: int, x: Floats, y: Floats) -> int:
    """Fill ``x`` and ``y`` with the pairs from bar ``at`` back to minute ``oldest``; how many."""
    n = 0
    k = at
    while k >= 0 and minute[k] >= oldest:
        if not (math.isnan(change[k]) or math.isnan(others[k])):
            x[n] = change[k]
            y[n] = others[k]
            n += 1
        k -= 1
    return n


@compiled
def _scores(
    minute: Ints, change: Floats, others: Floats, first: int, short: int, long: int, out: Floats
) -> None:
    """Fill ``out`` (3, n) with z, r1 and r0 of the bars from ``first`` on."""
    x = np.empty(short + long)
    y = np.empty(short + long)
    for k in range(out.shape[1]):
        at = first + k
        n1 = _pairs(minute, change, others, at, minute[at] - short + 1, x, y)
        if 3 * n1 < 2 * short:
            continue
        n = _pairs(minute, change, others, at, minute[at] - short - long + 1, x, y)
        if 3 * (n - n1) < 2 * long:
            continue
        _hold(x, n1, n)
        _hold(y, n1, n)
        r1 = _correlation(x, y, 0, n1)
        r0 = _correlation(x, y, n1, n)
        error = math.sqrt(1.0 / (n1 - 3) + 1.0 / (n - n1 - 3))
        out[0, k] = math.copysign(1.0, r0) * (math.atanh(r1) - math.atanh(r0)) / error
        out[1, k] = r1
        out[2, k] = r0


def _mean_of_others(series: Series, first: int, last: int, least: int) -> Floats:
    """The mean return of the venue's other instruments at bars ``first`` to ``last``, NaN with too few."""
    market = series.market
    place = market.minutes.searchsorted(series.minute[first:last])
    own = series.change[first:last]
    others = market.counted[place] - 1
    mean = np.full(last - first, np.nan)
    np.divide(market.total[place] - own, others, out=mean, where=~np.isnan(own) & (others >= least))
    return mean


@dataclass(frozen=True, slots=True)
class CorrelationBreak:
    """See the module."""

    settings: RuleSettings
    kind: ClassVar[str] = "correlation_break"
    wide: ClassVar[bool] = True

    @property
    def threshold(self) -> float:
        return self.settings.correlation_z

    def reach(self, series: Series, low: int, high: int) -> tuple[int, int]:
        reached = high + self.settings.correlation_short + self.settings.correlation_long
        return low, min(reached, int(series.minute[-1]) + 1)

    def crossings(self, series: Series, start: int, stop: int) -> dict[int, Crossing]:
        short, long = self.settings.correlation_short, self.settings.correlation_long
        first, last = series.rows(start, stop)
        if first == last or len(series.market.members) <= self.settings.correlation_others:
            return {}
        oldest = int(series.minute.searchsorted(series.minute[first] - short - long + 1))
        minute, change = series.minute[oldest:last], series.change[oldest:last]
        others = _mean_of_others(series, oldest, last, self.settings.correlation_others)
        out = np.full((3, last - first), np.nan)
        _scores(minute, change, others, first - oldest, short, long, out)
        broken = (out[0] <= -self.threshold) & (np.abs(out[2]) >= self.settings.correlation_bond)
        found = {}
        for k in broken.nonzero()[0].tolist():
            detail = as_json(correlation=out[1, k], baseline=out[2, k], window=short, baseline_window=long)
            found[int(series.minute[first + k])] = Crossing(float(out[0, k]), detail)
        return found
