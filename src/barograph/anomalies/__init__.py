"""Anomalies: rules over bars, as bars come and as they are revised.

>>> from barograph.anomalies import Detector, RuleSettings
>>> from barograph.rows import Bars, none_of
>>> Detector(RuleSettings(), venues={0: "sim"}).advance(none_of(Bars))
[]

:class:`Detector` turns bars into rows of the table ``anomalies``; :class:`RuleSettings`
are its thresholds; :func:`score` measures it against labels. See ``docs/anomalies.md``.

Names are loaded when they are asked for: the detector brings the compiler with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "Detector": "detector",
    "DetectorState": "detector",
    "Crossing": "rule",
    "Rule": "rule",
    "Found": "scoring",
    "Label": "scoring",
    "Score": "scoring",
    "Scores": "scoring",
    "score": "scoring",
    "KINDS": "settings",
    "LOOKBACK": "settings",
    "RuleSettings": "settings",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
