"""``model``: a bar that a trained model finds unusual.

The score is that of the isolation forest (``forest.py``), a crossing one of at least the
version's threshold. ``detail`` holds the bar's features, as ``features.py`` tells them. Unlike
the thresholds of the rules a model is no setting: which version judges a minute stands on the tape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from barograph.anomalies.history import Series
from barograph.anomalies.models.features import NAMES, WINDOW, features
from barograph.anomalies.models.model import Model
from barograph.anomalies.rule import Crossing, after_bars, as_json

KIND = "model"


def reach(series: Series, low: int, high: int) -> tuple[int, int]:
    """Minutes of the rows that can change when bars of minutes low to high do, whatever the version."""
    return after_bars(series, low, high, WINDOW)


@dataclass(frozen=True, slots=True)
class ModelRule:
    """One version at work.

    Attributes:
        version: ``<name>/<version>``, as rows name it.
    """

    version: str
    model: Model
    kind: ClassVar[str] = KIND
    wide: ClassVar[bool] = False

    @property
    def threshold(self) -> float:
        return self.model.threshold

    def reach(self, series: Series, low: int, high: int) -> tuple[int, int]:
        return reach(series, low, high)

    def crossings(self, series: Series, start: int, stop: int) -> dict[int, Crossing]:
        first, last = series.rows(start, stop)
        rows = features(series, first, last)
        ready = np.flatnonzero(~np.isnan(rows[:, -1]))
        if not len(ready):
            return {}
        rows = rows[ready]
        scores = self.model.scores(rows)
        found = {}
        for k in np.flatnonzero(scores >= self.threshold).tolist():
            detail = as_json(**dict(zip(NAMES, rows[k].tolist(), strict=True)))
            found[int(series.minute[first + ready[k]])] = Crossing(float(scores[k]), detail)
        return found
