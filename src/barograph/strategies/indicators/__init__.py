"""Indicators: columns that look back from the close of a bar, in stretches of any length.

:class:`~barograph.strategies.indicators.table.Indicators` makes the table that strategies trade on.
Windows are in ``windows``, averages that never forget in ``recursive``. Names are loaded when they are asked
for, since they bring the compiler with them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barograph.strategies.indicators.kinds import KINDS, warm_up
    from barograph.strategies.indicators.table import Indicators, IndicatorState

__all__ = ["KINDS", "IndicatorState", "Indicators", "warm_up"]

_HOMES = {"KINDS": "kinds", "warm_up": "kinds", "Indicators": "table", "IndicatorState": "table"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
