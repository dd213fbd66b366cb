"""What waits for one sink: bounded, filled from any thread, emptied by one task."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from barograph.alerts.alert import Alert
from barograph.alerts.sink import DeliveryFailed, DeliveryRefused, Sink
from barograph.log import get_logger

log = get_logger()


class Outbox:
    """Alerts on their way to ``sink``.

    Args:
        sink: where they go.
        size: how many may wait; beyond it the oldest is dropped, counted and logged.

    Attributes:
        delivered: alerts that reached the sink.
        dropped: alerts that never will.
    """

    def __init__(self, sink: Sink, size: int) -> None:
        self._sink = sink
        self._size = size
        self._lock = threading.Lock()
        self._waiting: deque[Alert] = deque()
        self._ring: Callable[[], object] = _nobody_listens
        self._closing = self._ended = False
        self._overflowed = 0
        self.delivered = 0
        self.dropped = 0

    @property
    def name(self) -> str:
        """The sink's name."""
        return self._sink.name

    def put(self, alert: Alert) -> None:
        """Have ``alert`` delivered. Never waits for more than a lock held for a moment; never raises."""
        with self._lock:
            if self._ended:
                self.dropped += 1
                return
            self._waiting.append(alert)
            if len(self._waiting) > self._size:
                self._waiting.popleft()
                self.dropped += 1
                self._overflowed += 1
            ring = self._ring
        ring()

    def close(self) -> None:
        """Let :meth:`serve` end once nothing waits any more."""
        with self._lock:
            self._closing = True
            ring = self._ring
        ring()

    async def serve(self) -> None:
        """Deliver what comes, one at a time, until :meth:`close`."""
        event = asyncio.Event()
        with self._lock:
            self._ring = _bell(asyncio.get_running_loop(), event)
        try:
            while (alert := await self._next(event)) is not None:
                await self._deliver(alert)
        finally:
            self._end()
            await self._sink.close()

    async def _next(self, event: asyncio.Event) -> Alert | None:
        while True:
            with self._lock:
                if self._waiting:
                    return self._waiting.popleft()
                if self._closing:
                    return None
                event.clear()
            await event.wait()

    async def _deliver(self, alert: Alert) -> None:
        try:
            await self._sink.deliver(alert)
        except asyncio.CancelledError:
            self._lost(alert, "no time was left")
            raise
        except (DeliveryFailed, DeliveryRefused) as error:
            self._lost(alert, str(error))
        except Exception as error:  # noqa: BLE001 - a faulty sink must not end the process that it tells of
            self._lost(alert, f"{type(error).__name__} in the sink")
        else:
            with self._lock:
                self.delivered += 1
        self._tell_overflow()

    def _lost(self, alert: Alert, why: str) -> None:
        with self._lock:
            self.dropped += 1
        log.error("alert not delivered", sink=self.name, alert=alert.key, why=why)

    def _tell_overflow(self) -> None:
        with self._lock:
            count, self._overflowed = self._overflowed, 0
        if count:
            log.error("alerts dropped, too many wait", sink=self.name, count=count, bound=self._size)

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            left = len(self._waiting)
            self._waiting.clear()
            self.dropped += left
            self._ring = _nobody_listens
        self._tell_overflow()
        if left:
            log.error("alerts not delivered, the end came first", sink=self.name, count=left)


def _nobody_listens() -> None:
    """The outbox is not served (yet, or any more)."""


def _bell(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> Callable[[], None]:
    """Sets ``event`` from any thread."""

    def ring() -> None:
        try:
            loop.call_soon_threadsafe(event.set)
        except RuntimeError:  # the loop was closed between the lock and this call
            return

    return ring
