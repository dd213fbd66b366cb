"""What looks on while the recorder runs: alerts, the status file, metrics, alarms, the disk, housekeeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from barograph.alerts import Desk
from barograph.clock import Clock
from barograph.errors import StorageError
from barograph.log import get_logger
from barograph.recorder.live.alarms import Bounds, Watch
from barograph.recorder.live.disk import Growth, disk_use
from barograph.recorder.live.health import View, application, serving
from barograph.recorder.live.hours import OpenFeeds
from barograph.recorder.live.memory import give_back, rss_bytes
from barograph.recorder.live.notify import Notifier
from barograph.recorder.live.stats import Stats
from barograph.recorder.live.statusfile import StatusFile, status_path
from barograph.recorder.live.tables.behind import Behind
from barograph.settings import Settings

WATCH_S = 1.0
DISK_S = 60.0
GIVE_BACK_S = 5.0
ALERTS_WITHIN_S = 2.0
"""What the last alerts get to be delivered."""

log = get_logger()


class Services:
    """Everything beside the way of a frame. None of it can hold up recording or end it.

    Args:
        settings: the house's.
        clock: the present.
        desk: delivers alerts.
        open_feeds: tells whose market is open.
        notifier: the service manager.
        tables: asked whether somebody makes them.
        figures: the figures of this moment.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        desk: Desk,
        open_feeds: OpenFeeds,
        notifier: Notifier,
        tables: Behind,
        figures: Callable[[], Stats],
    ) -> None:
        self._settings, self._clock, self._figures = settings, clock, figures
        self._desk, self._open_feeds, self._notifier = desk, open_feeds, notifier
        self._tables = tables
        self._bounds = Bounds.of(settings.record)
        self._growth = Growth()
        self._free_bytes = 0

    def stats(self, stats: Stats) -> Stats:
        """``stats`` with what is known here: disk and memory."""
        return msgspec.structs.replace(
            stats,
            disk_free_bytes=self._free_bytes,
            disk_used_per_day_bytes=self._growth.bytes_per_day,
            rss_bytes=rss_bytes() + self._tables.rss_bytes,
        )

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Look on while the block runs."""
        status = StatusFile(status_path(self._settings.data_dir))
        async with asyncio.TaskGroup() as group, self._health():
            tasks = [
                group.create_task(status.keep(self._figures), name="status"),
                group.create_task(self._watch(), name="alarms"),
                group.create_task(self._look_at_disk(), name="disk"),
                group.create_task(_give_memory_back(), name="memory"),
            ]
            group.create_task(self._desk.run(), name="alerts")
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await self._desk.close(ALERTS_WITHIN_S)
                self._notifier.close()
                try:
                    status.put(status.encoded(self._figures()))
                except StorageError as error:
                    # A full disk must not make a failure of an orderly end.
                    log.warning("the last figures could not be written", problem=str(error))

    @asynccontextmanager
    async def _health(self) -> AsyncIterator[None]:
        record = self._settings.record
        if record.metrics_port is None:
            yield
            return
        view = View(self._figures, self._open_feeds.now, lambda: self._tables.alive, self._bounds)
        async with serving(application(view), record.metrics_host, record.metrics_port) as port:
            log.info("metrics", url=f"http://{record.metrics_host}:{port}/metrics")
            yield

    async def _watch(self) -> None:
        watch = Watch(self._bounds)
        while True:
            for alert in watch.look(self._figures(), self._open_feeds.now()):
                self._desk.tell(alert)
            self._notifier.watchdog()
            await asyncio.sleep(WATCH_S)

    async def _look_at_disk(self) -> None:
        while True:
            try:
                use = await asyncio.to_thread(disk_use, self._settings.data_dir)
            except OSError as error:
                log.warning("the disk does not tell its free space", problem=str(error))
            else:
                self._growth.add(self._clock.now_ns(), use.used_bytes)
                self._free_bytes = use.free_bytes
            await asyncio.sleep(DISK_S)


async def _give_memory_back() -> None:
    while True:
        await asyncio.sleep(GIVE_BACK_S)
        await asyncio.to_thread(give_back)
