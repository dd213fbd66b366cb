"""What goes on while markets are recorded: feeds under supervision, tables behind them, an orderly end."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import msgspec

from barograph.alerts.alert import Alert, Severity
from barograph.alerts.opening import open_desk
from barograph.clock import NS_PER_US, Clock
from barograph.errors import BarographError, SettingsError
from barograph.feeds.live.registry import live
from barograph.feeds.live.venue import Live
from barograph.gaps import Channel, Gap
from barograph.log import get_logger
from barograph.recorder.live.hours import OpenFeeds
from barograph.recorder.live.journal import Journal
from barograph.recorder.live.notify import Notifier
from barograph.recorder.live.promotions import Promotions
from barograph.recorder.live.runner import FeedRunner
from barograph.recorder.live.services import Services
from barograph.recorder.live.signals import Signals
from barograph.recorder.live.stats import Stats
from barograph.recorder.live.tables.behind import Told
from barograph.recorder.live.tables.opening import tables_behind
from barograph.recorder.live.web import Web
from barograph.recorder.places import Places
from barograph.settings import Settings

RESTART_S = 5.0
"""Before a feed whose runner failed by a bug of ours is begun again."""

log = get_logger()


class Running:
    """One run of the recorder; made on its event loop.

    Args:
        settings: what is recorded and how.
        reread: reads the settings again.
        lives: the feeds that can begin.
        journal: the way to the tape; closed at the end.
        clock: stamps frames.
        first: the figures at the start, with the feeds that could not begin.

    Attributes:
        exit_code: 3 once all feeds have stopped for something that a person must mend, else 0.
    """

    def __init__(
        self,
        settings: Settings,
        reread: Callable[[], Settings],
        lives: Mapping[str, Live],
        journal: Journal,
        clock: Clock,
        first: Stats,
    ) -> None:
        self.exit_code = 0
        self._settings, self._reread, self._lives = settings, reread, dict(lives)
        self._journal, self._clock, self._first = journal, clock, first
        places = Places.of(settings.data_dir)
        told = Told(self._gaps, self._mute, self._alerts)
        self._tables = tables_behind(settings, journal, clock, told)
        self._desk = open_desk(settings.alerts, clock)
        self._open_feeds = OpenFeeds(places.calendar, clock)
        self._notifier = Notifier.from_environment()
        self._services = Services(
            settings, clock, self._desk, self._open_feeds, self._notifier, self._tables, self.stats
        )
        self._promotions = Promotions(places.models, journal, clock)
        self._runners: dict[str, FeedRunner] = {}
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._reloading: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """End in an orderly way."""
        self._stop.set()

    def soon(self, what: Callable[[], None]) -> None:
        """Have ``what`` called on the event loop; from any thread."""
        with suppress(RuntimeError):  # the loop is closed: it has ended already
            self._loop.call_soon_threadsafe(what)

    def stats(self) -> Stats:
        """The figures of this moment."""
        return msgspec.structs.replace(
            self._services.stats(self._first),
            now_ns=self._clock.now_ns(),
            feeds=self._first.feeds | {name: runner.stats for name, runner in self._runners.items()},
            tables=self._tables.stats,
            journal=self._journal.stats,
            alerts_sent=self._desk.sent,
            alerts_dropped=self._desk.dropped,
        )

    async def record(self, duration_s: float | None) -> Stats:
        """Record until told to stop; the figures at the end."""
        await self._open_feeds.prepare(self._lives)
        self._tables.start()
        with Signals(self.stop, self.reload):
            async with (
                asyncio.TaskGroup() as group,
                self._services.at_work(),
                Web(self._journal, self._clock) as web,
            ):
                feeds = [
                    group.create_task(self._supervised(name, each, web), name=f"feed-{name}")
                    for name, each in self._lives.items()
                ]
                promoting = group.create_task(self._promotions.watch(), name="models")
                await self._until_over(feeds, duration_s)
                promoting.cancel()
                await self._end(feeds)
        return self.stats()

    # Feeds.

    async def _supervised(self, name: str, described: Live, web: Web) -> None:
        """Run a feed; a bug of ours in one must not end it, nor the others."""
        while not self._stop.is_set():
            chance = random.Random()  # noqa: S311 - jitter is no secret
            self._runners[name] = runner = FeedRunner(
                described, self._journal, web, self._settings.record, self._clock, self._desk.tell, chance
            )
            try:
                await runner.run()
            except Exception as error:
                log.exception("a feed failed and is begun again", feed=name)
                self._failed(name, error)
            else:
                return
            await asyncio.sleep(RESTART_S)

    def _failed(self, name: str, error: Exception) -> None:
        message = f"{name} failed by a bug and is begun again: {type(error).__name__}"
        now_us = self._clock.now_ns() // NS_PER_US
        self._desk.tell(Alert("feed_failed", message, now_us, f"feed_failed:{name}", Severity.ERROR, name))

    async def _until_over(self, feeds: list[asyncio.Task[None]], duration_s: float | None) -> None:
        log.info("recording", feeds=sorted(self._lives), data=str(self._settings.data_dir))
        self._notifier.ready("recording")
        stopping = asyncio.create_task(self._stop.wait())
        over = asyncio.create_task(_all_done(feeds))
        await asyncio.wait({stopping, over}, timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
        if over.done() and not self._stop.is_set():
            log.error("all feeds have stopped")
            self.exit_code = SettingsError.exit_code
        stopping.cancel()
        over.cancel()

    async def _end(self, feeds: list[asyncio.Task[None]]) -> None:
        """Connections first, then the tape, then the tables: each takes what the one before has left."""
        within_s = self._settings.record.shutdown_s
        deadline = time.monotonic() + within_s

        def left_s(share: float = 1.0) -> float:
            return max((deadline - time.monotonic()) * share, 0.5)

        log.info("ending", within_s=within_s)
        self._notifier.stopping("bringing tape and tables to their end")
        self._stop.set()
        self._tables.hold()
        async with asyncio.TaskGroup() as group:
            for runner in self._runners.values():
                group.create_task(runner.stop(within_s / 3))
        for feed in feeds:
            feed.cancel()
        await asyncio.wait(feeds)
        await asyncio.to_thread(self._journal.close, left_s(0.5))
        final_pos = self._journal.next_pos
        if not await asyncio.to_thread(self._tables.finish, final_pos, left_s(0.8)):
            log.warning("the tables are not at the end of the tape; the next start brings them there")
        log.info("ended", tape_end=final_pos, tables_reach=self._tables.stats.next_pos)

    # What the line finds; called on the thread of the tables.

    def _gaps(self, gaps: list[Gap]) -> None:
        for gap in gaps:
            if (runner := self._runners.get(gap.feed)) is not None:
                with suppress(RuntimeError):  # the loop is closed: the gap stands at the next start
                    runner.ask(gap)

    def _mute(self, mute: list[Gap]) -> None:
        for gap in mute:
            if (runner := self._runners.get(gap.feed)) is None:
                continue
            with suppress(RuntimeError):
                if gap.channel is Channel.TRADES and runner.live.limits.history:
                    runner.ask(gap)
                runner.renew(gap.symbol, gap.channel)

    def _alerts(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            self._desk.tell(alert)

    # SIGHUP.

    def reload(self) -> None:
        """Read the settings again; new symbols are followed, broken settings refused."""
        self._notifier.reloading()
        try:
            settings = self._reread()
            lives = {name: live(name, settings) for name in self._runners}
        except BarographError as error:
            log.warning("the settings were not reloaded; everything stays as it was", problem=str(error))
            self._notifier.ready("recording; the last reload was refused")
            return
        self._reloading = asyncio.create_task(self._reload(settings, lives))

    async def _reload(self, settings: Settings, lives: dict[str, Live]) -> None:
        for name, described in lives.items():
            await self._runners[name].reload(described)
        await self._open_feeds.prepare({name: runner.live for name, runner in self._runners.items()})
        self._settings = settings
        log.info("reloaded", feeds=sorted(lives))
        self._notifier.ready("recording")


async def _all_done(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)
