"""Bars: trades and quotes in, minutes of features out.

The resumable kernel :class:`BarKernel` (with :class:`BarSettings`, :class:`Run`,
:class:`Advance`, :class:`BarState`, :class:`Recall`); the one-shot pass
:func:`barograph.bars.batch.batch`; the look-back columns :func:`barograph.bars.roll.roll`.
Semantics: ``docs/bars.md``.

Knows no socket, no file and no clock. Names are loaded when they are asked for, since
they bring the compiler with them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barograph.bars.kernel import BarKernel
    from barograph.bars.roll import Rolled, RollState
    from barograph.bars.run import Advance, Recall, Run, Unrevised
    from barograph.bars.settings import KERNEL_VERSION, BarSettings
    from barograph.bars.state import BarState

__all__ = [
    "KERNEL_VERSION",
    "Advance",
    "BarKernel",
    "BarSettings",
    "BarState",
    "Recall",
    "RollState",
    "Rolled",
    "Run",
    "Unrevised",
]

_HOMES = {
    "BarKernel": "kernel",
    "RollState": "roll",
    "Rolled": "roll",
    "Advance": "run",
    "Recall": "run",
    "Run": "run",
    "Unrevised": "run",
    "BarSettings": "settings",
    "KERNEL_VERSION": "settings",
    "BarState": "state",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
