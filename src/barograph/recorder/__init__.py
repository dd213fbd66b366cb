"""The line of the house, from the tape to the store, and the processes that run it.

``Line`` is the whole way from records to rows; ``replay`` drives it over a tape, and
``recorder.live`` behind one that is being written.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barograph.recorder.line import Line
    from barograph.recorder.replaying import ReplayResult, rebuild, replay
    from barograph.recorder.shaping import LineSettings

__all__ = ["Line", "LineSettings", "ReplayResult", "rebuild", "replay"]

_HOMES = {
    "Line": "line",
    "LineSettings": "shaping",
    "ReplayResult": "replaying",
    "rebuild": "replaying",
    "replay": "replaying",
}


def __getattr__(name: str) -> Any:
    # `barograph status` looks at one small module of this room and can do without the compiler.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
