"""``spread_blowout``: bid and ask have drawn apart.

The score is the bar's relative spread, ``bid_ask_spread`` over the midpoint, over the
median of the relative spreads of the last ``window`` bars before it that have a quote. A
crossing is a score of at least ``spread_ratio``, with a spread of at least
``spread_floor``: where one tick is the usual spread, four ticks are no alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import ClassVar

import numpy as np

from barograph.anomalies.history import Series
from barograph.anomalies.rule import Crossing, after_bars, as_json, before
from barograph.anomalies.settings import RuleSettings


@dataclass(frozen=True, slots=True)
class SpreadBlowout:
    """See the module."""

    settings: RuleSettings
    kind: ClassVar[str] = "spread_blowout"
    wide: ClassVar[bool] = False

    @property
    def threshold(self) -> float:
        return self.settings.spread_ratio

    def reach(self, series: Series, low: int, high: int) -> tuple[int, int]:
        return after_bars(series, low, high, self.settings.window)

    def crossings(self, series: Series, start: int, stop: int) -> dict[int, Crossing]:
        first, last = series.rows(start, stop)
        found = {}
        wide = series.spread[first:last] >= self.settings.spread_floor
        for k in (wide.nonzero()[0] + first).tolist():
            crossing = self._crossing(series, k)
            if crossing is not None:
                found[int(series.minute[k])] = crossing
        return found

    def _crossing(self, series: Series, at: int) -> Crossing | None:
        spreads = series.spread[before(series, at, self.settings.window)]
        spreads = spreads[~np.isnan(spreads)]
        if len(spreads) < self.settings.least:
            return None
        usual = median(spreads.tolist())
        spread = float(series.spread[at])
        if usual <= 0.0 or spread / usual < self.threshold:
            return None
        detail = as_json(spread_bps=1e4 * spread, median_bps=1e4 * usual, window=len(spreads))
        return Crossing(spread / usual, detail)
