"""The tables in a process of their own, from the recorder's side."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from barograph.clock import NS_PER_S, Clock
from barograph.log import get_logger
from barograph.recorder.live.journal import Journal
from barograph.recorder.live.stats import TablesStats
from barograph.recorder.live.tables.behind import Told, Work
from barograph.recorder.live.tables.messages import (
    Alerts,
    Figures,
    Finish,
    Gaps,
    Hold,
    Order,
    Report,
    Said,
    received,
    send,
)
from barograph.recorder.live.tables.shared import SharedEnd

BEGIN_AGAIN_S = 2.0
"""Before the process is begun again after it died."""
LATER_S = 2.0
"""More than it was told to take is what it gets before it is killed."""
_MODULE = "barograph.recorder.live.tables.child"

log = get_logger()


class TablesProcess:
    """Satisfies :class:`~barograph.recorder.live.tables.behind.Behind`.

    Whatever ends the process, it is begun again, and goes on from its checkpoint.

    Args:
        work: what is to be made, and where it goes.
        journal: tells how far the tape reaches.
        clock: the recorder's; the child goes by it.
        told: who is told of findings; called on a thread of its own.
    """

    def __init__(self, work: Work, journal: Journal, clock: Clock, told: Told) -> None:
        self._work, self._journal, self._clock, self._told = work, journal, clock, told
        self._path = work.places.state / "tables.shared"
        self._shared = SharedEnd(self._path, create=True)
        self._figures = Figures(TablesStats(), alive=False, rss_bytes=0)
        self._problem = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: list[Order] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="tables", daemon=True)
        self._shared.tell(journal.next_pos, clock)
        self._unsubscribe = journal.when_appended(lambda pos: self._shared.tell(pos, clock))

    @property
    def stats(self) -> TablesStats:
        """What the process last told; while there is none, how far behind that is."""
        stats = self._figures.stats
        if self._figures.alive and not self._problem:
            return stats
        since_ns = stats.last_commit_ns
        lag_s = max((self._clock.now_ns() - since_ns) / NS_PER_S, 0.0) if since_ns else stats.lag_s
        end = max(self._journal.next_pos, stats.next_pos)
        return msgspec.structs.replace(stats, problem=self._problem, tape_pos=end, lag_s=lag_s)

    @property
    def alive(self) -> bool:
        """Whether somebody sees to it: a process that has died is begun again, and needs no other remedy."""
        return self._thread.is_alive()

    @property
    def rss_bytes(self) -> int:
        """The process's memory."""
        return self._figures.rss_bytes if self._process is not None else 0

    @property
    def pid(self) -> int | None:
        """The process's number."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def hold(self) -> None:
        """Take no further step until :meth:`finish` says where the tape ends."""
        self._order(Hold())

    def finish(self, final_pos: int, timeout_s: float) -> bool:
        """Bring the tables up to ``final_pos``, the tape's end, and end; whether that was done in time."""
        self._over.set()
        self._order(Finish(final_pos, timeout_s))
        self._thread.join(timeout_s + LATER_S)
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()  # the next start makes what is left
            self._thread.join(LATER_S)
        self._unsubscribe()
        return self._figures.stats.next_pos >= final_pos

    # The thread that keeps the process.

    def _keep(self) -> None:
        while True:
            try:
                self._live()
            except OSError as error:
                self._ended(f"the process of the tables could not be begun: {error}")
            if self._over.is_set() or self._over.wait(BEGIN_AGAIN_S):
                return

    def _live(self) -> None:
        """One life of the process, from its start to its end."""
        # Its standard error is ours: what its interpreter says when it dies is not lost.
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process, suppress(BrokenPipeError):
            send(process.stdin, pickle.dumps((self._work, Path(self._path))))
            with self._lock:
                self._process = process
                for order in self._orders:
                    send(process.stdin, msgspec.msgpack.encode(order))
            self._listen(process.stdout)
            code = process.wait()
        if not self._over.is_set():
            self._ended(f"the process of the tables ended by itself (code {code})")

    def _ended(self, problem: str) -> None:
        log.error("the tables do not follow the tape; recording goes on", problem=problem)
        self._problem = f"{problem}; it is begun again"

    def _listen(self, reports: IO[bytes]) -> None:
        for message in received(reports):
            report = msgspec.msgpack.decode(message, type=Report)
            match report:
                case Figures():
                    self._figures = report
                    if report.alive:
                        self._problem = ""
                case Gaps(gaps, mute):
                    (self._told.mute if mute else self._told.gaps)(gaps)
                case Alerts(alerts):
                    self._told.alerts(alerts)
                case Said(level, event, values):
                    _line(level)(event, **values)

    def _order(self, order: Order) -> None:
        with self._lock:
            self._orders.append(order)
            process = self._process
            if process is not None and process.stdin is not None:
                with suppress(OSError, ValueError):  # it has died: its next life is given all orders
                    send(process.stdin, msgspec.msgpack.encode(order))


def _line(level: str) -> Callable[..., None]:
    known = {"debug": log.debug, "info": log.info, "warning": log.warning}
    found: Callable[..., None] = known.get(level, log.error)
    return found
