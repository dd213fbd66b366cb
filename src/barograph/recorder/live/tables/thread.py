"""The tables on threads of this process: one makes rows, one keeps the store in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from barograph.clock import Clock
from barograph.recorder.live.anomalous import alerts_of
from barograph.recorder.live.follower import Appended, Findings, Follower
from barograph.recorder.live.housekeeping import Housekeeper
from barograph.recorder.live.stats import TablesStats
from barograph.recorder.live.tables.behind import Told, Work
from barograph.recorder.live.tables.chores import chores

if TYPE_CHECKING:
    import pyarrow as pa

HOUSEKEEPING_S = 5.0
"""What the housekeeping gets to finish what is in hand."""


class TablesThread:
    """Satisfies :class:`~barograph.recorder.live.tables.behind.Behind`.

    Args:
        work: what is to be made, and where it goes.
        appended: how far the tape reaches.
        clock: the present, for lag and silence. Nothing of it gets into rows.
        told: who is told of findings.
    """

    def __init__(self, work: Work, appended: Appended, clock: Clock, told: Told) -> None:
        self._clock, self._told = clock, told
        findings = Findings(told.gaps, told.mute, self._anomalies)
        store = work.places.store(clock)
        self._follower = Follower(work.places, work.line, work.pace, store, appended, clock, findings)
        self._beside = work.places.store(clock)
        todo = chores(work.keeping, work.places, self._beside, lambda: self._follower.saved_pos, clock)
        self._housekeeper = Housekeeper(todo, clock, seal_after_s=work.keeping.seal_after_s)

    @property
    def stats(self) -> TablesStats:
        """The figures as they are now."""
        return self._follower.stats

    @property
    def alive(self) -> bool:
        """Whether rows are made."""
        return self._follower.alive

    @property
    def saved_pos(self) -> int:
        """From where the next start would go on."""
        return self._follower.saved_pos

    rss_bytes = 0

    def start(self) -> None:
        """Begin."""
        self._follower.start()
        self._housekeeper.start()

    def hold(self) -> None:
        """Take no further step until :meth:`finish` says where the tape ends."""
        self._follower.hold()

    def finish(self, final_pos: int, timeout_s: float) -> bool:
        """Bring the tables up to ``final_pos``, the tape's end, and end; whether that was done in time."""
        self._housekeeper.stop(HOUSEKEEPING_S)
        done = self._follower.finish(final_pos, timeout_s)
        self._beside.close()
        return done

    def _anomalies(self, rows: pa.Table) -> None:
        self._told.alerts(list(alerts_of(rows, self._clock.now_ns())))
