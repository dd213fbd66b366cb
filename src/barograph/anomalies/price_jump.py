"""``price_jump``: the price moved much further than it had been moving.

The score is the bar's log return over the volatility of the bars before it: the square
root of the mean squared return of those of the last ``window`` bars that have trades.
Returns are not centred, as in realised volatility (Andersen and Bollerslev 1998): over a
minute the mean is nothing beside the deviation. A crossing is a score of at least
``price_jump_sigmas`` either way in a bar that has trades, with a return of at least
``price_jump_return``: where hardly anything moves, one tick is many sigmas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from barograph.anomalies.history import Series
from barograph.anomalies.rule import Crossing, after_bars, as_json, before
from barograph.anomalies.settings import RuleSettings


@dataclass(frozen=True, slots=True)
class PriceJump:
    """See the module."""

    settings: RuleSettings
    kind: ClassVar[str] = "price_jump"
    wide: ClassVar[bool] = False

    @property
    def threshold(self) -> float:
        return self.settings.price_jump_sigmas

    def reach(self, series: Series, low: int, high: int) -> tuple[int, int]:
        return after_bars(series, low, high, self.settings.window)

    def crossings(self, series: Series, start: int, stop: int) -> dict[int, Crossing]:
        first, last = series.rows(start, stop)
        large = np.abs(series.change[first:last]) >= self.settings.price_jump_return
        found = {}
        for k in ((large & (series.trades[first:last] > 0)).nonzero()[0] + first).tolist():
            crossing = self._crossing(series, k)
            if crossing is not None:
                found[int(series.minute[k])] = crossing
        return found

    def _crossing(self, series: Series, at: int) -> Crossing | None:
        past = before(series, at, self.settings.window)
        changes = series.change[past]
        changes = changes[(series.trades[past] > 0) & ~np.isnan(changes)]
        if len(changes) < self.settings.least:
            return None
        sigma = math.sqrt(math.fsum(changes * changes) / len(changes))
        change = float(series.change[at])
        if sigma == 0.0 or abs(change / sigma) < self.threshold:
            return None
        detail = as_json(change_pct=100 * math.expm1(change), sigma_pct=100 * sigma, window=len(changes))
        return Crossing(change / sigma, detail)
