"""Anomalies: rules over bars, as bars come and as they are revised.

>>> from barograph.anomalies import Detector, RuleSettings
>>> from barograph.rows import Bars, none_of
>>> Detector(RuleSettings(), venues={0: "sim"}).advance(none_of(Bars))
[]

:class:`Detector` turns bars into rows of the table ``anomalies``; :class:`RuleSettings`
are its thresholds; :func:`score` measures it against labels. See ``docs/anomalies.md``.
"""

from __future__ import annotations

from barograph.anomalies.detector import Detector, DetectorState
from barograph.anomalies.rule import Crossing, Rule
from barograph.anomalies.scoring import Found, Label, Score, Scores, score
from barograph.anomalies.settings import KINDS, LOOKBACK, RuleSettings

__all__ = [
    "KINDS",
    "LOOKBACK",
    "Crossing",
    "Detector",
    "DetectorState",
    "Found",
    "Label",
    "Rule",
    "RuleSettings",
    "Score",
    "Scores",
    "score",
]
