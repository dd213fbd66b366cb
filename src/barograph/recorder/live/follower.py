"""The tables, brought along behind the tape by a thread of their own.

The tape is the queue between recording and tables. The follower reads it from where the
tables stand, takes small steps while it is up to date and large ones while it is not, and waits
while the store does not take rows: the tape only grows longer meanwhile. Catching up
after a crash is the same loop as keeping up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import pyarrow.compute as pc

from barograph.clock import NS_PER_S, NS_PER_US, Clock
from barograph.errors import BarographError, StorageError
from barograph.log import get_logger
from barograph.recorder.checkpoint import Checkpoints
from barograph.recorder.line import Line
from barograph.recorder.live.stats import TablesStats
from barograph.recorder.live.tables.behind import Pace
from barograph.recorder.places import Places
from barograph.recorder.recall import StoreRecall
from barograph.recorder.resuming import resume, runs, with_open_minutes
from barograph.recorder.saving import Saving
from barograph.recorder.shaping import LineSettings
from barograph.recorder.warming import warm
from barograph.records import Records
from barograph.snapshot import pack
from barograph.store import Commit, Store
from barograph.tape import TapeReader

if TYPE_CHECKING:
    import pyarrow as pa

    from barograph.gaps import Gap

RETRY_S = 1.0
"""Between two tries of a commit that the store refused."""
BEGIN_AGAIN_S = 5.0
"""Before the line is taken up anew from its checkpoint after it failed."""
ENOUGH_S = 0.05
"""Between two looks whether enough has gathered for a step."""
WATCH_S = 1.0
"""Between two looks for gaps and mute symbols."""

log = get_logger()


class Appended(Protocol):
    """How far the tape reaches: the journal, as the follower needs it."""

    @property
    def next_pos(self) -> int:
        """The position after the last record appended."""
        ...

    def wait_beyond(self, pos: int, timeout_s: float) -> bool:
        """Wait until records beyond ``pos`` are appended; whether there are."""
        ...


@dataclass(frozen=True, slots=True)
class Findings:
    """Who is told what the line finds. Called on the follower's thread; must not block.

    Attributes:
        gaps: gaps that stand, told again each second while they do.
        mute: symbols that have been silent for unusually long on a living connection.
        anomalies: rows of ``anomalies`` that have just been committed.
    """

    gaps: Callable[[list[Gap]], None]
    mute: Callable[[list[Gap]], None]
    anomalies: Callable[[pa.Table], None]


class Follower:
    """Drives the line behind a tape that is being written.

    Args:
        places: the data directory's places; the caller holds their lock.
        settings: what shapes rows.
        pace: how often, how much.
        store: where rows go; the follower's thread is its only committer.
        appended: how far the tape reaches.
        clock: the present, for lag and silence. Nothing of it gets into rows.
        findings: who is told.

    ``start`` begins, ``hold`` lets the last step wait, ``finish`` drains and ends. ``stats`` tells where
    it is, ``saved_pos`` from where the next start would go on.
    """

    def __init__(
        self,
        places: Places,
        settings: LineSettings,
        pace: Pace,
        store: Store,
        appended: Appended,
        clock: Clock,
        findings: Findings,
    ) -> None:
        self.stats = TablesStats()
        self._places, self._settings, self._pace = places, settings, pace
        self._store, self._appended, self._clock, self._findings = store, appended, clock, findings
        self._hold = threading.Event()
        self._release = threading.Event()
        self._hurry = threading.Event()
        self._final_pos: int | None = None
        self._abandon = threading.Event()
        self._line: Line | None = None
        self._checkpoints, self._saving = Checkpoints(places.state), Saving()
        self._saved_ns = self._watched_ns = 0
        self._stepped_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="tables", daemon=True)

    @property
    def saved_pos(self) -> int:
        """From where the next start would go on."""
        return self._saving.saved_pos

    def start(self) -> None:
        """Begin on a thread of its own."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def hold(self) -> None:
        """Take no further step until :meth:`finish` says where the tape ends."""
        self._hold.set()
        self._hurry.set()

    def finish(self, final_pos: int, timeout_s: float) -> bool:
        """Bring the tables up to ``final_pos``, the tape's end, save the line and end.

        Returns:
            Whether all of it was done in time; what was not is made by the next start.
        """
        self._final_pos = final_pos
        self._hold.set()
        self._hurry.set()
        self._release.set()
        self._thread.join(timeout_s)
        self._abandon.set()
        if self._thread.is_alive():
            self._thread.join(RETRY_S)
        return self._line is not None and self._line.next_pos >= final_pos

    def _run(self) -> None:
        warm()
        while not self._over():
            try:
                self._follow()
            except (StorageError, OSError) as error:
                self._troubled(error, BEGIN_AGAIN_S)
            except BarographError as error:
                self._troubled(error, BEGIN_AGAIN_S * 12)
            except Exception as error:
                # A bug in the line must not end the recording; the tape keeps what it needs to be found.
                log.exception("the tables stopped, beginning again from the checkpoint")
                self._troubled(error, BEGIN_AGAIN_S * 12)
        self._store.close()

    def _over(self) -> bool:
        if self._abandon.is_set():
            return True
        done = self._line.next_pos if self._line else -1
        return self._final_pos is not None and done >= self._final_pos

    def _troubled(self, error: Exception, wait_s: float) -> None:
        if str(error) != self.stats.problem:
            log.error("the tables do not follow the tape; recording goes on", problem=str(error))
        self.stats.problem = str(error) or type(error).__name__
        if self._final_pos is not None:
            self._abandon.set()
        self._hurry.wait(wait_s)

    def _follow(self) -> None:
        """From the checkpoint on, for as long as it goes well."""
        recall = StoreRecall(self._store)
        self._saving.wait()
        self._line = line = resume(self._settings, self._places, recall, self._store.committed())
        self._saving.saved_pos = self.stats.next_pos = line.next_pos
        self.stats.tape_pos = max(self._appended.next_pos, line.next_pos)
        self._saved_ns = self._clock.now_ns()
        for run in self._all_runs(line):
            if self._hold.is_set():
                # Else the tape's last run could pass before it is known to be the last.
                self._release.wait()
            if self._abandon.is_set():
                break
            recall.upto = run.first_pos
            tables = line.advance(run)
            if run.next_pos == self._final_pos:
                recall.uncommitted = tables
                tables = with_open_minutes(tables, line, run)
            if not self._committed(Commit(run.first_pos, run.next_pos, tables)):
                return
            self._count(line, run, tables)
            self._save(line)
            self._rest(line)
        self._begin_saving(line)
        self._saving.wait()

    def _all_runs(self, line: Line) -> Iterator[Records]:
        """Runs that were committed before, cut as they were; then whatever comes."""
        reader = TapeReader(self._places.tape)
        known = self._store.commits(line.next_pos)
        if known:
            reached = known[-1][1]
            yield from runs(reader, line.next_pos, reached, self._pace.step_records, known)
        yield from reader.follow(line.next_pos, self._wait, max_records=self._pace.step_records)

    def _wait(self) -> bool:
        """Nothing new on the tape: look around, sleep until the next step is due."""
        assert self._line is not None
        self.stats.lag_s = 0.0
        self._watch(self._line)
        if self._hold.is_set():
            self._release.wait()
            return not self._over()
        self._appended.wait_beyond(self._line.next_pos, WATCH_S)
        return True

    def _rest(self, line: Line) -> None:
        """Let records gather for a step, unless there are enough for one already."""
        due_s = self._stepped_s + self._pace.commit_interval_s
        if line.next_pos + self._pace.step_records > self._appended.next_pos:
            self._watch(line)
        while line.next_pos + self._pace.step_records > self._appended.next_pos:
            left_s = due_s - time.monotonic()
            if left_s <= 0 or self._hurry.wait(min(left_s, ENOUGH_S)):
                break
        self._stepped_s = time.monotonic()

    def _committed(self, commit: Commit) -> bool:
        """Commit, trying again for as long as the store may come back; False when we must end."""
        while True:
            try:
                self._store.commit(commit)
            except StorageError as error:
                self._refused(error)
                if self._abandon.wait(RETRY_S):
                    return False
            else:
                if self.stats.problem:
                    log.info("the store takes rows again", next_pos=commit.next_pos)
                self.stats.problem = ""
                return True

    def _refused(self, error: StorageError) -> None:
        if not self.stats.problem:
            log.error(
                "the store does not take rows; recording goes on and the tables wait", problem=str(error)
            )
        self.stats.problem = str(error)
        assert self._line is not None
        self.stats.tape_pos = self._appended.next_pos
        if self.stats.last_commit_ns:
            self.stats.lag_s = max((self._clock.now_ns() - self.stats.last_commit_ns) / NS_PER_S, 0.0)

    def _count(self, line: Line, run: Records, tables: dict[str, pa.Table]) -> None:
        stats, counts, now_ns = self.stats, line.counts, self._clock.now_ns()
        recv_ns = int(run.recv_ns[-1])
        stats.lag_s = max((now_ns - recv_ns) / NS_PER_S, 0.0)
        # A venue's clock that is ahead is not believed.
        stats.newest_event_us = max(stats.newest_event_us, min(_newest_us(tables), recv_ns // NS_PER_US))
        stats.commits += 1
        stats.last_commit_ns = now_ns
        stats.ticks, stats.quotes, stats.bars = counts.ticks, counts.quotes, counts.bars
        stats.anomalies, stats.rejects, stats.duplicates = counts.anomalies, counts.rejects, counts.duplicates
        # Last: whoever sees from another thread that a position is reached sees what belongs to it too.
        stats.tape_pos = max(self._appended.next_pos, line.next_pos)
        stats.next_pos = line.next_pos
        if (anomalies := tables.get("anomalies")) is not None:
            self._findings.anomalies(anomalies)

    def _watch(self, line: Line) -> None:
        """Tell of gaps and mute symbols; only when up to date: what is still on the tape may fill them."""
        now_ns = self._clock.now_ns()
        if 0 <= now_ns - self._watched_ns < WATCH_S * NS_PER_S:
            return
        self._watched_ns = now_ns
        if gaps := line.ledger.gaps():
            self._findings.gaps(gaps)
        # By the tape's time: what waits for us, or for the disk, is no silence of the venue's.
        if mute := line.ledger.stale(line.ledger.state.now_us, self._pace.stale_after_s):
            self._findings.mute(mute)

    def _save(self, line: Line) -> None:
        since_s = abs(self._clock.now_ns() - self._saved_ns) / NS_PER_S
        if since_s < self._pace.checkpoint_interval_s or self._saving.busy:
            return
        self._begin_saving(line)
        self._saved_ns = self._clock.now_ns()

    def _begin_saving(self, line: Line) -> None:
        self._saving.begin(partial(self._checkpoints.save, pack(line.state())), line.next_pos)


def _newest_us(tables: Mapping[str, pa.Table]) -> int:
    """The newest event time among ticks and quotes; 0 if there are none."""
    columns = [tables[name]["ts"] for name in ("ticks", "quotes") if name in tables and len(tables[name])]
    return max((int(pc.max(column.cast("int64")).as_py()) for column in columns), default=0)
