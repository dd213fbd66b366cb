"""The line of the house, from the tape to the store, and the processes that run it.

``Line`` is the whole way from records to rows; ``replay`` drives it over a tape, and the
live recorder will drive the same object record by record.
"""

from __future__ import annotations

from barograph.recorder.line import Line, LineSettings
from barograph.recorder.replay import ReplayResult, rebuild, replay

__all__ = ["Line", "LineSettings", "ReplayResult", "rebuild", "replay"]
