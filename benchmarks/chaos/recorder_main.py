"""``barograph record`` with a clock that the chaos sets, and with less patience.

    python -m benchmarks.chaos.recorder_main OFFSET_FILE record --config FILE ...

Waits that venues impose for minutes (after too many attempts, say) and the pauses between two askings
for a gap are cut down to seconds: a run of five minutes could not show how they end.
"""

from __future__ import annotations

import sys
from pathlib import Path

from barograph.cli import main
from barograph.feeds.live import binance, coinbase, kraken
from barograph.recorder.live import recorder, refiller, web
from benchmarks.chaos.clocks import Offset, ShiftedClock

_WAITS = {1008: 1.0, 1013: 1.0}


def hurry() -> None:
    """Cut the long waits down."""
    binance._BANNED_S = coinbase._LIMITED_S = kraken._LIMITED_S = 2.0
    binance._WAITS = coinbase._WAITS = kraken._WAITS = _WAITS
    refiller.SETTLE_S = 5.0
    refiller._RETRY_S = (0.5, 3.0)
    web.PATIENCE_S = 10.0


def run() -> int:
    """Record until told to end."""
    offset = Offset(Path(sys.argv.pop(1)))
    recorder.SystemClock = lambda: ShiftedClock(offset)  # type: ignore[assignment,misc]
    hurry()
    return main()


if __name__ == "__main__":
    sys.exit(run())
