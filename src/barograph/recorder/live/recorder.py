"""The recorder: what is opened before markets are recorded, and closed behind.

::

    feeds (event loop) ──▶ journal (thread) ──▶ tape ──▶ tables (a process) ──▶ store
          ▲                                                  │
          └──────────── refills, renewals ◀── gaps, silence ─┘

Here: settings, locks, the tape. What goes on while it runs is ``running.py``, what looks on is
``services.py``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import barograph
from barograph.clock import Clock, SystemClock
from barograph.errors import BarographError, SettingsError, UsageError
from barograph.feeds.live.registry import live
from barograph.feeds.live.venue import Live
from barograph.log import get_logger
from barograph.recorder.live.hours import SessionClose, UntilClose
from barograph.recorder.live.journal import Journal
from barograph.recorder.live.memory import keep_few_arenas, one_allocator
from barograph.recorder.live.notify import Notifier
from barograph.recorder.live.open_streams import OpenStreams
from barograph.recorder.live.running import Running
from barograph.recorder.live.stats import FeedStage, FeedStats, Stats
from barograph.recorder.live.steady import SteadyClock, kept
from barograph.recorder.places import Places
from barograph.records import Kind
from barograph.settings import Settings
from barograph.tape import TapeWriter

PROCESS_ENDED = b'{"reason":"the process ended"}'

log = get_logger()


class Recorder:
    """Records until it is told to end.

    Args:
        settings: what is recorded and how.
        reread: reads the settings again, for SIGHUP.
        clock: stamps frames; the machine's without its jumps when left out.

    Attributes:
        exit_code: 0; 3 when all feeds have stopped for something that a person must mend.
        not_begun: why nothing was recorded, when it ended at once since there is no session.

    Example:
        >>> Recorder(Settings.load(), reread=Settings.load).run(duration_s=60)  # doctest: +SKIP
    """

    def __init__(
        self, settings: Settings, reread: Callable[[], Settings], clock: Clock | None = None
    ) -> None:
        self.settings = settings
        self.exit_code = 0
        self.not_begun: str | None = None
        self._close: SessionClose | None = None
        self._reread = reread
        self._places = Places.of(settings.data_dir)
        self._clock = clock or SteadyClock(SystemClock(), self._places.state / "clock.json")
        self._running: Running | None = None
        self._stopped = False
        self._first = Stats(os.getpid(), barograph.__version__, self._clock.now_ns())

    def run(self, duration_s: float | None = None, until: UntilClose | None = None) -> Stats:
        """Record until a signal, ``duration_s`` seconds, a session's close, or until all feeds have stopped.

        Args:
            duration_s: no longer than this.
            until: end by itself after the last close of today's sessions, at once if there is none.

        Returns:
            The figures at the end.

        Raises:
            SettingsError, UsageError: no feed can begin; with several, those that can do. Or the close of a
                market was asked for that has none.
            StorageBusy: another recorder or replay has the data directory.
            StorageError: the tape cannot be opened.
        """
        keep_few_arenas()
        if not self.settings.record.second_process:
            one_allocator()
        lives, refused = described(self.settings)
        self._first.feeds = refused
        if until is not None and self._nothing_left(until, lives):
            return self._first
        with self._places.lock(), self._journal() as journal:
            return asyncio.run(self._record(lives, journal, duration_s))

    def _nothing_left(self, until: UntilClose, lives: dict[str, Live]) -> bool:
        """Whether there is no session, or no more, to record today."""
        grace_s = self.settings.record.close_grace_s
        self._close = close = SessionClose(until, self._places.calendar, self._clock, grace_s)
        close.follow(lives.values())
        self.not_begun = close.over
        if self.not_begun is None:
            return False
        log.info("nothing to record", why=self.not_begun)
        # A service that ends before it was ready has failed, as its manager sees it.
        notifier = Notifier.from_environment()
        notifier.ready(self.not_begun)
        notifier.close()
        return True

    async def _record(self, lives: dict[str, Live], journal: Journal, duration_s: float | None) -> Stats:
        self._running = running = Running(
            self.settings, self._reread_and_follow, lives, journal, self._clock, self._first
        )
        if self._stopped:
            running.stop()
        async with kept(self._clock), self._ended_by_close(running):
            stats = await running.record(duration_s)
        self.exit_code = running.exit_code
        return stats

    @asynccontextmanager
    async def _ended_by_close(self, running: Running) -> AsyncIterator[None]:
        """While the block runs, its recording is stopped when the session is over."""
        close = self._close
        if close is None:
            yield
            return

        async def stop_then() -> None:
            await close.wait()
            log.info("the session is over")
            running.stop()

        watching = asyncio.create_task(stop_then(), name="session close")
        try:
            yield
        finally:
            watching.cancel()
            [outcome] = await asyncio.gather(watching, return_exceptions=True)
            if isinstance(outcome, Exception):
                log.error("the session's close was not watched, by a bug", exc_info=outcome)

    def _reread_and_follow(self) -> Settings:
        """The settings anew; the close that counts is that of the markets recorded from now on."""
        settings = self._reread()
        if self._close is not None:
            self._close.follow(described(settings)[0].values())
        return settings

    @property
    def stats(self) -> Stats:
        """The figures of this moment; those of the start before it runs."""
        return self._running.stats() if self._running is not None else self._first

    def stop_soon(self) -> None:
        """End in an orderly way; from any thread, at any time."""
        self._stopped = True
        if self._running is not None:
            self._running.soon(self._running.stop)

    def reload_soon(self) -> None:
        """Read the settings again and follow them; from any thread."""
        if self._running is not None:
            self._running.soon(self._running.reload)

    @contextmanager
    def _journal(self) -> Iterator[Journal]:
        """The journal, which has closed on the tape what a crash has left open."""
        open_streams = OpenStreams(self._places.state / "connections.json")
        writer = self._writer()
        if writer.recovery is not None:
            log.warning("the tape was recovered", recovery=str(writer.recovery))
        journal = Journal(
            writer,
            self._clock,
            self.settings.record.buffer_mb << 20,
            reopen=self._writer,
            watch=open_streams,
        )
        for stream in open_streams.left_open():
            journal.put(stream, self._clock.now_ns(), Kind.CLOSE, PROCESS_ENDED)
        try:
            yield journal
        finally:
            journal.close(self.settings.record.shutdown_s)

    def _writer(self) -> TapeWriter:
        tape = self.settings.tape
        return TapeWriter(
            self._places.tape,
            clock=self._clock,
            fsync_interval_s=tape.fsync_interval_s,
            fsync_bytes=tape.fsync_bytes,
            roll_bytes=tape.roll_bytes,
            roll_interval_s=tape.roll_interval_s,
        )


def described(settings: Settings) -> tuple[dict[str, Live], dict[str, FeedStats]]:
    """The feeds that can begin, and what is to be said of those that cannot.

    Raises:
        UsageError: no feed is named, or one that does not exist.
        SettingsError: none of them can begin.
    """
    if not settings.record.feeds:
        raise UsageError(
            "no feed to record; say --feed binance --symbols BTC-USDT, or set record.feeds in barograph.toml "
            "(--feed sim is a simulated market, for trying things)"
        )
    lives: dict[str, Live] = {}
    problems: dict[str, BarographError] = {}
    for name in settings.record.feeds:
        try:
            lives[name] = live(name, settings)
        except SettingsError as error:
            problems[name] = error
    if not lives:
        raise next(iter(problems.values()))
    for name, problem in problems.items():
        log.error("feed cannot begin", feed=name, problem=str(problem))
    return lives, {name: FeedStats(name, FeedStage.STOPPED, str(why)) for name, why in problems.items()}
