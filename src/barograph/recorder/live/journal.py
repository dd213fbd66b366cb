"""The journal: a bounded buffer before the tape, and the thread that empties it.

What sockets bring is put here without waiting and is on the tape some milliseconds later.
While the disk takes nothing, everything is kept; over the bound the sockets are
paused, and nothing that was taken is ever thrown away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from barograph.clock import Clock
from barograph.errors import StorageError
from barograph.log import get_logger
from barograph.recorder.live.reopening import Block, ReopeningTape
from barograph.recorder.live.stats import JournalStats
from barograph.records import Kind, Stream
from barograph.tape import TapeWriter

BLOCK_S = (0.0003, 0.005)
"""From one block to the next, at least: while few records come, and while many do. The first record after a
pause waits for nobody."""
MANY_A_SECOND = 10_000.0
"""So many records are many: each block of them costs those who read the tape some work."""
SLOWLY = 0.05
"""How much of the latest block goes into what is taken for the present rate."""
BLOCK_RECORDS = 8192
BLOCK_BYTES = 4 << 20
RECORD_BYTES = 64
"""What a record costs in memory beside its payload, about."""
_RETRY_S = (0.01, 1.0)
_FRAME = int(Kind.FRAME)
"""As a plain number: arrays are made of these three times as fast as of the enumeration's members."""

log = get_logger()


@dataclass(slots=True)
class _Runs:
    """Records in the order in which they were put: runs of one stream, kind and moment."""

    streams: list[Stream] = field(default_factory=list)
    recv_ns: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)


class Watch(Protocol):
    """Who keeps a list of the connections that are open. Called on the journal's thread."""

    def before(self, stream: Stream, kind: int) -> None:
        """An ``OPEN`` or ``CLOSE`` is about to go on the tape. StorageError: it has to wait."""
        ...

    def after(self, stream: Stream, kind: int) -> None:
        """It is on the tape."""
        ...


class Journal:
    """Takes records from any thread and appends them to the tape from its own.

    Args:
        writer: the tape's writer; owned and closed by the journal from here on.
        clock: tells when the disk's refusal began, for the log.
        max_bytes: more than this waiting, payloads and what they cost beside: :attr:`full`.
        reopen: opens the same tape again after a failed sync, see :mod:`.reopening`.
        watch: keeps the list of connections that are open, on the journal's thread.

    Order is kept: records come on the tape as they were put. Nothing here waits for the disk
    but :meth:`wait_beyond` and :meth:`close`.
    """

    def __init__(
        self,
        writer: TapeWriter,
        clock: Clock,
        max_bytes: int,
        *,
        reopen: Callable[[], TapeWriter] | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.full = False
        self._tape = ReopeningTape(writer, reopen, max_bytes)
        self._watch = watch
        self._clock = clock
        self._max_bytes = max_bytes
        self._runs = _Runs()
        self._bytes = 0
        self._records = 0
        self._highest = 0
        self._appended = 0
        self._problem = ""
        self._subscribers: list[Callable[[], None]] = []
        self._appended_to: list[Callable[[int], None]] = []
        self._lock = threading.Lock()
        self._something = threading.Event()
        self._hurry = threading.Event()
        self._grown = threading.Condition()
        self._next_pos = writer.next_pos
        self._closing = threading.Event()
        self._give_up = threading.Event()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    # Putting.

    def put(self, stream: Stream, recv_ns: int, kind: int, payload: bytes) -> None:
        """Take one record. Never waits, never refuses."""
        self.put_frames(stream, recv_ns, [payload], len(payload), int(kind))

    def put_frames(
        self, stream: Stream, recv_ns: int, frames: list[bytes], size: int, kind: int = _FRAME
    ) -> None:
        """Take frames that came together, ``size`` bytes in all. Never waits, never refuses.

        The list is read before this returns, not kept.
        """
        count = len(frames)
        # The lock is held for some list appends here and for an exchange of lists there: nobody
        # waits for work that another does. It is paid once for all frames of one read.
        with self._lock:
            runs = self._runs
            runs.streams.append(stream)
            runs.recv_ns.append(recv_ns)
            runs.kinds.append(kind)
            runs.counts.append(count)
            runs.payloads += frames
            self._records += count
            self._bytes = waiting = self._bytes + size + count * RECORD_BYTES
            turned = waiting > self._max_bytes and not self.full
            if turned:
                self.full = True
        if not self._something.is_set():
            self._something.set()
        if waiting > BLOCK_BYTES and not self._hurry.is_set():
            self._hurry.set()
        if turned:
            log.warning("journal.full", waiting_bytes=waiting, max_bytes=self._max_bytes)
            self._tell()

    # Looking.

    @property
    def writer(self) -> TapeWriter:
        """The tape's present writer; another one after a failed sync."""
        return self._tape.writer

    @property
    def next_pos(self) -> int:
        """The position after the last record that is on the tape."""
        return self._next_pos

    @property
    def stats(self) -> JournalStats:
        """The figures as they are now."""
        waiting = self._bytes
        highest = max(self._highest, waiting)
        return JournalStats(self._records, waiting, highest, self._appended, self._problem)

    def wait_beyond(self, pos: int, timeout_s: float) -> bool:
        """Wait until the tape reaches beyond ``pos``, the time is over or the journal is closed.

        Returns whether it does. For threads other than the event loop's.
        """
        with self._grown:
            self._grown.wait_for(lambda: self._next_pos > pos or not self._thread.is_alive(), timeout_s)
            return self._next_pos > pos

    def subscribe(self, told: Callable[[], None]) -> Callable[[], None]:
        """Have ``told`` called whenever :attr:`full` has turned; returns what ends that.

        It is called on whatever thread it turned and must not wait. Two turns may be told in
        either order, so it must look at :attr:`full` later, on the thread that acts on it.
        """
        self._subscribers.append(told)
        return lambda: self._subscribers.remove(told)

    def when_appended(self, told: Callable[[int], None]) -> Callable[[], None]:
        """Have ``told`` called with :attr:`next_pos` after each block; returns what ends that.

        It is called on the journal's thread and must not wait.
        """
        self._appended_to.append(told)
        return lambda: self._appended_to.remove(told)

    def close(self, timeout_s: float) -> None:
        """Bring everything that waits to the tape, sync and close it. Closing twice is harmless.

        Raises:
            StorageError: the disk did not take all of it in time, or the last sync failed.
        """
        self._closing.set()
        self._something.set()
        self._hurry.set()
        self._thread.join(timeout_s)
        self._give_up.set()
        self._thread.join()
        with self._grown:
            self._grown.notify_all()
        if self._records:
            log.error("journal.lost", records=self._records, problem=self._problem)
        self._tape.close()
        if self._records:
            raise StorageError(
                f"{self._records} records could not be written within {timeout_s} s: {self._problem}; "
                "they are lost. Make room or look at the disk before the next start"
            )

    # The thread.

    def _work(self) -> None:
        rate, since_s = 0.0, time.monotonic() - BLOCK_S[1]
        while not self._give_up.is_set():
            self._something.wait()
            early_s = since_s + BLOCK_S[rate >= MANY_A_SECOND] - time.monotonic()
            if early_s > 0:
                self._hurry.wait(early_s)
            self._something.clear()
            if not self._closing.is_set():
                self._hurry.clear()
            with self._lock:
                runs, self._runs = self._runs, _Runs()
            records = 0
            for block in _blocks(runs):
                records += len(block)
                self._append(block)
            now_s = time.monotonic()
            rate += SLOWLY * (records / max(now_s - since_s, BLOCK_S[0]) - rate)
            since_s = now_s
            if self._closing.is_set() and not self._records:
                return

    def _append(self, block: Block) -> None:
        """Bring ``block`` to the tape, however long the disk refuses."""
        wait_s, since_ns = _RETRY_S[0], 0
        while not self._give_up.is_set():
            try:
                self._to_tape(block)
            except StorageError as error:
                self._refused(str(error))
            except Exception as error:
                # A journal that ends would lose what comes: it is told, and tried again.
                log.exception("journal.failed", records=len(block))
                self._refused(f"{type(error).__name__}: {error}")
            else:
                self._written(block, since_ns)
                return
            since_ns = since_ns or self._clock.now_ns()
            self._give_up.wait(wait_s)
            wait_s = min(2 * wait_s, _RETRY_S[1])

    def _to_tape(self, block: Block) -> None:
        if self._watch is None:
            self._tape.append(block)
            return
        ends = _ends(block)
        for stream, kind in ends:
            self._watch.before(stream, kind)
        self._tape.append(block)
        try:
            for stream, kind in ends:
                self._watch.after(stream, kind)
        except StorageError as error:
            # The block is on the tape: it must not be tried again. One name too many harms nothing.
            log.warning("journal.list_not_kept", problem=str(error))

    def _refused(self, problem: str) -> None:
        if not self._problem:
            log.error("journal.refused", problem=problem, waiting_bytes=self._bytes)
        self._problem = problem

    def _written(self, block: Block, refused_since_ns: int) -> None:
        if refused_since_ns:
            lasted = (self._clock.now_ns() - refused_since_ns) / 1e9
            log.warning("journal.goes_on", refused_s=round(lasted, 3), waiting_bytes=self._bytes)
            self._problem = ""
        with self._lock:
            # It only ever gets less here, so here it is highest.
            self._highest = max(self._highest, self._bytes)
            self._records -= len(block)
            self._bytes -= block.size + len(block) * RECORD_BYTES
            self._appended += len(block)
            turned = self.full and self._bytes * 2 < self._max_bytes
            if turned:
                self.full = False
        with self._grown:
            self._next_pos = self._tape.next_pos
            self._grown.notify_all()
        for each in tuple(self._appended_to):
            each(self._next_pos)
        if turned:
            self._tell()

    def _tell(self) -> None:
        for told in tuple(self._subscribers):
            told()


def _ends(block: Block) -> list[tuple[Stream, int]]:
    """The records of ``block`` with which connections begin and end: stream and kind."""
    found = np.flatnonzero((block.kind == Kind.OPEN) | (block.kind == Kind.CLOSE)).tolist()
    return [(block.streams[int(block.stream[i])], int(block.kind[i])) for i in found]


def _blocks(runs: _Runs) -> Iterator[Block]:
    """The records of ``runs`` in blocks of bounded size, in order."""
    n = len(runs.payloads)
    if n == 0:
        return
    numbers: dict[Stream, int] = {}
    stream = [numbers.setdefault(name, len(numbers)) for name in runs.streams]
    counts = np.array(runs.counts)
    sizes = np.fromiter(map(len, runs.payloads), np.int64, n)
    whole = Block(
        list(numbers),
        np.repeat(np.array(stream, np.int64), counts),
        np.repeat(np.array(runs.recv_ns, np.int64), counts),
        np.repeat(np.array(runs.kinds, np.int64), counts),
        runs.payloads,
        int(sizes.sum()),
    )
    if n <= BLOCK_RECORDS and whole.size <= BLOCK_BYTES:
        yield whole
        return
    before = np.concatenate(([0], np.cumsum(sizes)))
    start = 0
    while start < n:
        fits = int(np.searchsorted(before, before[start] + BLOCK_BYTES, "right")) - 1
        stop = min(max(fits, start + 1), start + BLOCK_RECORDS, n)
        yield whole.cut(start, stop)
        start = stop
