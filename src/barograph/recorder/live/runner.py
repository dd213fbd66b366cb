"""Runs one feed: asks what must be known, keeps its connections, refills its gaps, until it is stopped.

A feed's trouble stays its own. What trying again can heal is tried again for ever; what it cannot
ends this feed with a message and an alert; and nothing of it reaches the other feeds.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from functools import cache
from random import Random

from barograph.alerts.alert import Alert, Severity
from barograph.clock import NS_PER_US, Clock
from barograph.errors import BarographError, NoAnswer, Terminal
from barograph.feeds.live.venue import Live, Plan, Refused, Wanted
from barograph.gaps import Channel, Gap, Subscribed
from barograph.log import get_logger
from barograph.recorder.live.backoff import Allowance, Backoff
from barograph.recorder.live.connection import Shell
from barograph.recorder.live.driver import Driver, Listeners
from barograph.recorder.live.journal import Journal
from barograph.recorder.live.refiller import Refiller
from barograph.recorder.live.stats import FeedStage, FeedStats
from barograph.recorder.live.web import Web
from barograph.settings.recording import RecordSection

ALWAYS_OPEN = "24/7"
_STOP_REASON = "the recorder was stopped"

log = get_logger()


@cache
def _tls() -> ssl.SSLContext:
    """Verification as the system's authorities say; made once, since that reads some hundred files."""
    return ssl.create_default_context()


class FeedRunner:
    """One feed in the live process.

    Args:
        live: the feed's description.
        journal: where everything goes.
        web: asks over HTTP.
        settings: the waits.
        clock: receipt times.
        alert: told when the feed stops and when a gap will not be filled.
        random: chance, for waits.

    :meth:`run` is the feed's task. :meth:`ask` and :meth:`renew` may be called from any thread, all
    else belongs to the event loop's.

    Attributes:
        stats: the feed's figures.
    """

    def __init__(
        self,
        live: Live,
        journal: Journal,
        web: Web,
        settings: RecordSection,
        clock: Clock,
        alert: Callable[[Alert], None],
        random: Random,
    ) -> None:
        self.live = live
        self.stats = FeedStats(live.name)
        self._journal = journal
        self._web = web
        self._settings = settings
        self._clock = clock
        self._alert = alert
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._connects = Allowance(*live.limits.connects)
        self._refiller = Refiller(live, web, journal, clock, self.stats, alert, random)
        self._drivers: dict[str, Driver] = {}
        self._group: asyncio.TaskGroup | None = None
        self._shell: Shell | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._wanted: dict[str, tuple[Channel, ...]] = {}
        self._warned: set[str] = set()
        self._renewed_s: dict[tuple[str, Channel], float] = {}

    # For the recorder.

    async def run(self) -> None:
        """Record until :meth:`stop`, or until the feed cannot go on. Raises nothing of the feed's."""
        self._task = asyncio.current_task()
        release = self._journal.subscribe(self._journal_turned)
        backoff = self._backoff()
        try:
            while not self._stopping.is_set():
                try:
                    await self._live_through()
                # A bug in one feed must not end the others, and what is left alone must come back.
                except* Exception as errors:  # noqa: BLE001 - logged with its trace in _failed
                    wait_s = backoff.failed(self._settings.backoff_max_s / 2)
                    self._failed(errors, wait_s)
                    await self._pause(wait_s)
        finally:
            release()
            self._task = None
            self._drivers.clear()
            self._count()

    async def reload(self, live: Live) -> bool:
        """Go over to another description of the same feed; connections that need not change stay.

        Returns whether it did: if the new description cannot be prepared, that is told and the feed
        goes on as it was. A feed that has stopped stays so.
        """
        if self._group is None or self._stopping.is_set():
            return False
        try:
            await self._web.run(live, live.prepare())
            plans = live.plans()
        except (BarographError, Refused) as error:
            message = f"{live.name} goes on as it was, the new settings cannot be used: {error}"
            log.warning("feed.not_reloaded", feed=live.name, problem=str(error))
            self._raise_alert("feed_not_reloaded", message)
            return False
        # It may have been stopped while the venue answered.
        if self._group is None or self._stopping.is_set():
            return False
        self.live = self._refiller.live = live
        names = {plan.name for plan in plans}
        for name, driver in self._drivers.items():
            if name not in names:
                driver.stop("its symbols are not wanted any more")
        self._start(plans)
        return True

    def ask(self, gap: Gap) -> None:
        """Have a gap refilled; from any thread."""
        self._loop.call_soon_threadsafe(self._refiller.ask, gap)

    def renew(self, symbol: str, channel: Channel) -> None:
        """Have a symbol that went mute subscribed anew; from any thread."""
        self._loop.call_soon_threadsafe(self._renew, symbol, channel)

    async def stop(self, timeout_s: float) -> None:
        """End: connections are closed with 1000 and noted so; what is not closed in time is cut.

        What is cut ends :meth:`run` as cancelled.
        """
        self._stopping.set()
        for driver in self._drivers.values():
            driver.stop(_STOP_REASON)
        if (task := self._task) is not None:
            # Without a connection there is nobody to say goodbye to, only questions in the air.
            _, late = await asyncio.wait({task}, timeout=timeout_s if self._drivers else 0)
            if late:
                task.cancel()
                await asyncio.wait({task})

    # One life of the feed.

    async def _live_through(self) -> None:
        """From the preparation until every driver has ended."""
        self._shell = Shell(
            self.live.name, self._journal, self._clock, self.stats, await asyncio.to_thread(_tls)
        )
        plans = await self._prepared()
        if plans is None:
            return
        async with asyncio.TaskGroup() as group:
            refilling = group.create_task(self._refiller.run())
            async with asyncio.TaskGroup() as self._group:
                self._start(plans)
                await self._stopping.wait()
            self._group = None
            refilling.cancel()

    async def _prepared(self) -> list[Plan] | None:
        """The plans, once everything they need has been asked; None when there will be none."""
        backoff = self._backoff()
        while not self._stopping.is_set():
            try:
                await self._web.run(self.live, self.live.prepare())
                return self.live.plans()
            except NoAnswer as error:
                wait_s = backoff.failed()
                self.stats.problem = str(error)
                log.warning("feed.waits", feed=self.live.name, why=str(error), wait_s=round(wait_s, 3))
                await self._pause(wait_s)
            except Refused as refused:
                what = "what must be asked before connecting"
                self._halt(f"{self.live.name}: the venue refused {what} (HTTP {refused.status})")
            except BarographError as error:
                if not isinstance(error, Terminal):
                    raise
                self._halt(str(error))
        return None

    async def _pause(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._stopping.wait()
        except TimeoutError:
            pass

    def _start(self, plans: Sequence[Plan]) -> None:
        """Have a driver for each of ``plans``."""
        # Before any of them changes: each tells the tape what the feed wants as a whole.
        self._wanted = {symbol: channels for plan in plans for symbol, channels in plan.wanted.items()}
        for plan in plans:
            driver = self._drivers.get(plan.name)
            if driver is None or driver.session.stopping:
                self._drive(plan)
            else:
                driver.change(self.live, plan)
        self.stats.planned = len(plans)
        self.stats.symbols = len(self._wanted)
        self._count()

    def _drive(self, plan: Plan) -> None:
        assert self._group is not None
        assert self._shell is not None
        listeners = Listeners(self._halt, self._notice, self._count, self._subscribed)
        driver = Driver(self.live, plan, self._shell, self._backoff(), self._connects, listeners)
        self._drivers[plan.name] = driver
        self._group.create_task(self._see_through(plan.name, driver))

    async def _see_through(self, name: str, driver: Driver) -> None:
        await driver.run()
        if self._drivers.get(name) is driver:
            del self._drivers[name]
        self._count()

    def _subscribed(self, wanted: Wanted) -> Subscribed:
        """What the tape is told of a connection: its own symbols, the feed's, and how these trade."""
        calendars = {symbol: self.live.calendar(symbol) for symbol in wanted}
        return Subscribed(
            dict(wanted),
            {symbol: name for symbol, name in calendars.items() if name != ALWAYS_OPEN},
            self._wanted,
            self.live.limits.delay_s,
        )

    def _backoff(self) -> Backoff:
        wait = self._settings
        return Backoff(wait.backoff_min_s, wait.backoff_max_s, wait.sustained_s, self._random)

    # What the drivers tell.

    def _halt(self, message: str) -> None:
        """Stop for good: trying again cannot help."""
        if self._stopping.is_set():
            return
        self.stats.stage = FeedStage.STOPPED
        self.stats.problem = message
        log.error("feed.stopped", feed=self.live.name, problem=message)
        self._raise_alert("feed_stopped", message)
        self._stopping.set()
        for driver in self._drivers.values():
            driver.stop(message)

    def _failed(self, errors: BaseExceptionGroup[Exception], wait_s: float) -> None:
        """An error that nobody foresaw: told, and the feed is begun anew after a wait."""
        names = ", ".join(sorted({type(error).__name__ for error in _leaves(errors)}))
        message = (
            f"{self.live.name} failed with {names}, which is a bug; it is started again in {wait_s:.0f} s"
        )
        log.error("feed.failed", feed=self.live.name, wait_s=round(wait_s, 3), exc_info=errors)
        self._drivers.clear()
        self._group = None
        self._count()
        self.stats.problem = message
        self._raise_alert("feed_failed", message)

    def _notice(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            log.warning("feed.notice", feed=self.live.name, message=message)

    def _count(self) -> None:
        """Bring the figures and the stage up to date."""
        stats = self.stats
        sessions = [driver.session for driver in self._drivers.values()]
        stats.connections = sum(session.connections for session in sessions)
        # An orderly end is no trouble: the last figures show the feed as it was before.
        if stats.stage is FeedStage.STOPPED or self._stopping.is_set():
            return
        ready = sum(session.ready for session in sessions if not session.stopping)
        if stats.planned and ready >= stats.planned:
            stats.stage, stats.problem = FeedStage.LIVE, ""
        elif stats.stage is FeedStage.LIVE:
            stats.stage = FeedStage.DEGRADED

    def _raise_alert(self, kind: str, message: str) -> None:
        feed = self.live.name
        self._alert(
            Alert(
                kind=kind,
                message=message,
                ts_us=self._clock.now_ns() // NS_PER_US,
                key=f"{kind}:{feed}",
                severity=Severity.ERROR,
                venue=feed,
            )
        )

    # From other threads.

    def _renew(self, symbol: str, channel: Channel) -> None:
        # Whoever finds it mute may say so each second; a venue bears it now and then.
        now_s, last_s = self._loop.time(), self._renewed_s.get((symbol, channel))
        if last_s is not None and now_s - last_s < self._settings.stale_after_s:
            return
        self._renewed_s[symbol, channel] = now_s
        for driver in self._drivers.values():
            if channel in driver.session.plan.wanted.get(symbol, ()):
                driver.renew(symbol, channel)

    def _journal_turned(self) -> None:
        self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        for driver in self._drivers.values():
            driver.wake()


def _leaves(errors: BaseExceptionGroup[Exception]) -> list[Exception]:
    found: list[Exception] = []
    for error in errors.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
