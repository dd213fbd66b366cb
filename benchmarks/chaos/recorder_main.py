"""``barograph record`` with a clock that the chaos sets, and with less patience.

    python -m benchmarks.chaos.recorder_main OFFSET_FILE record --config FILE ...

Waits that venues impose for minutes (after too many attempts, say) and the pauses between two askings
for a gap are cut down to seconds: a run of five minutes could not show how they end.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from barograph.cli import main
from barograph.feeds.live import binance, coinbase, kraken
from barograph.recorder.live import recorder, refiller, web
from benchmarks.chaos.clocks import Offset, ShiftedClock

_WAITS = {1008: 1.0, 1013: 1.0}
SHORTER: tuple[tuple[ModuleType, dict[str, Any]], ...] = (
    (binance, {"_BANNED_S": 2.0, "_WAITS": _WAITS}),
    (coinbase, {"_LIMITED_S": 2.0, "_WAITS": _WAITS}),
    (kraken, {"_LIMITED_S": 2.0, "_WAITS": _WAITS}),
    (refiller, {"SETTLE_S": 5.0, "_RETRY_S": (0.5, 3.0)}),
    (web, {"PATIENCE_S": 10.0}),
)
"""The waits that are cut down, and to what."""


def change(module: ModuleType, **values: Any) -> None:
    """Set names of a module, which must be there."""
    for name, value in values.items():
        if not hasattr(module, name):
            raise AttributeError(f"{module.__name__} has no {name} any more; look what took its place")
        setattr(module, name, value)


def run() -> int:
    """Record until told to end."""
    offset = Offset(Path(sys.argv.pop(1)))
    change(recorder, SystemClock=lambda: ShiftedClock(offset))
    for module, values in SHORTER:
        change(module, **values)
    return main()


if __name__ == "__main__":
    sys.exit(run())
