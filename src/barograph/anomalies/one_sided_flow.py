"""``one_sided_flow``: nearly all that was traded was bought, or sold.

The score is the bar's ``order_imbalance``, -1 to 1. A crossing is an imbalance of at
least ``flow_imbalance`` either way in at least ``flow_trades`` trades, when the volume is
at least ``flow_volume`` times the median volume of the last ``window`` bars before it
that have trades: a few small trades of one side mean nothing.
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
class OneSidedFlow:
    """See the module."""

    settings: RuleSettings
    kind: ClassVar[str] = "one_sided_flow"
    wide: ClassVar[bool] = False

    @property
    def threshold(self) -> float:
        return self.settings.flow_imbalance

    def reach(self, series: Series, low: int, high: int) -> tuple[int, int]:
        return after_bars(series, low, high, self.settings.window)

    def crossings(self, series: Series, start: int, stop: int) -> dict[int, Crossing]:
        first, last = series.rows(start, stop)
        one_sided = np.abs(series.imbalance[first:last]) >= self.threshold
        many = series.trades[first:last] >= self.settings.flow_trades
        found = {}
        for k in ((one_sided & many).nonzero()[0] + first).tolist():
            crossing = self._crossing(series, k)
            if crossing is not None:
                found[int(series.minute[k])] = crossing
        return found

    def _crossing(self, series: Series, at: int) -> Crossing | None:
        past = before(series, at, self.settings.window)
        volumes = series.volume[past][series.trades[past] > 0]
        if len(volumes) < self.settings.least:
            return None
        usual = median(volumes.tolist())
        volume = float(series.volume[at])
        if volume < self.settings.flow_volume * usual:
            return None
        detail = as_json(trades=series.trades[at], volume=volume, median_volume=usual, window=len(volumes))
        return Crossing(float(series.imbalance[at]), detail)
