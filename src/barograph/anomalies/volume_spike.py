"""``volume_spike``: far more was traded than in the bars before.

The score is the bar's ``volume_spike_score``, computed by the bars' own kernel; a
crossing is a score above the threshold (3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from barograph.anomalies.history import Series
from barograph.anomalies.rule import Crossing, after_bars, as_json, before
from barograph.anomalies.settings import RuleSettings


@dataclass(frozen=True, slots=True)
class VolumeSpike:
    """See the module."""

    settings: RuleSettings
    kind: ClassVar[str] = "volume_spike"
    wide: ClassVar[bool] = False

    @property
    def threshold(self) -> float:
        return self.settings.volume_spike_score

    def reach(self, series: Series, low: int, high: int) -> tuple[int, int]:
        return after_bars(series, low, high, self.settings.window)

    def crossings(self, series: Series, start: int, stop: int) -> dict[int, Crossing]:
        first, last = series.rows(start, stop)
        above = (series.spike[first:last] > self.threshold).nonzero()[0]
        return {int(series.minute[k]): self._crossing(series, k) for k in (above + first).tolist()}

    def _crossing(self, series: Series, at: int) -> Crossing:
        volumes = series.volume[before(series, at, self.settings.window)]
        mean = math.fsum(volumes) / len(volumes) if len(volumes) else math.nan
        detail = as_json(volume=series.volume[at], mean_volume=mean, window=len(volumes))
        return Crossing(float(series.spike[at]), detail)
