"""What is promoted, brought onto the tape.

``barograph anomalies promote`` writes a small file. This watches it: a version that counts and that
can be loaded becomes a ``CONFIG`` record, and from that record on the line scores with it, in this
process and in every rebuild. It is told at each start too; a line that has it already does nothing.
"""

from __future__ import annotations

import asyncio

import msgspec

from barograph.anomalies.models.promotion import STREAM, Promoted
from barograph.anomalies.models.registry import Registry
from barograph.clock import Clock
from barograph.errors import BarographError
from barograph.log import get_logger
from barograph.recorder.live.journal import Journal
from barograph.records import Kind

WATCH_S = 1.0
"""Between two looks at the file."""

log = get_logger()


class Promotions:
    """Tells the tape which version counts.

    Args:
        registry: the models of the data directory.
        journal: the way to the tape.
        clock: stamps the record.
    """

    def __init__(self, registry: Registry, journal: Journal, clock: Clock) -> None:
        self._registry, self._journal, self._clock = registry, journal, clock
        self._told: Promoted | None = None
        self._problem = ""

    async def watch(self) -> None:
        """Look now, and then each second, until cancelled."""
        while True:
            promoted = await asyncio.to_thread(self._another)
            if promoted is not None:
                self._tell(promoted)
            await asyncio.sleep(WATCH_S)

    def _another(self) -> Promoted | None:
        """What has come to count since the last look, if it can be loaded; else the former goes on."""
        try:
            promoted = self._registry.promoted()
            if promoted == self._told:
                promoted = None
            elif promoted is not None and promoted.version is not None:
                self._registry.rule(promoted)
        except (BarographError, OSError) as error:
            self._refused(str(error))
            return None
        except Exception as error:
            # A bug here must not end the recording.
            log.exception("the promoted anomaly model could not be looked at")
            self._refused(f"{type(error).__name__}: {error}")
            return None
        self._problem = ""
        return promoted

    def _tell(self, promoted: Promoted) -> None:
        self._journal.put(STREAM, self._clock.now_ns(), Kind.CONFIG, msgspec.json.encode(promoted))
        self._told = promoted
        log.info("the anomaly model that scores from here on", version=promoted.version)

    def _refused(self, problem: str) -> None:
        if problem != self._problem:
            log.error("the promoted anomaly model cannot be used; the former one goes on", problem=problem)
        self._problem = problem
