"""The desk: where the whole house hands in its alerts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import msgspec

from barograph.alerts.alert import Alert
from barograph.alerts.cooldown import CoolDown
from barograph.alerts.outbox import Outbox
from barograph.alerts.sink import Sink
from barograph.clock import Clock

QUEUE = 256


class Desk:
    """Hands alerts to its sinks, each once within the cool-down.

    What is told before :meth:`run` starts waits for it. Alerts with a key that was told
    lately are held back and counted; the next one with that key has their number in
    ``detail["repeats"]``.

    Args:
        sinks: whom to tell; each gets every alert.
        cool_down_s: how long an alert's key stays silent after it was told.
        clock: what the cool-down is measured with.
        queue: alerts that may wait for a sink; beyond it its oldest is dropped.

    Attributes:
        sent: alerts that were handed to the sinks.
        suppressed: alerts that were held back by the cool-down.

    Example:
        >>> desk = Desk([LogSink()], 900, SystemClock())  # doctest: +SKIP
        >>> group.create_task(desk.run())  # doctest: +SKIP
        >>> desk.tell(Alert("disk_low", "2 GB left", ts_us, key="disk_low"))  # doctest: +SKIP
        >>> await desk.close(within_s=2)  # doctest: +SKIP
    """

    def __init__(self, sinks: Sequence[Sink], cool_down_s: float, clock: Clock, queue: int = QUEUE) -> None:
        self._boxes = [Outbox(sink, queue) for sink in sinks]
        self._memory = CoolDown(cool_down_s)
        self._clock = clock
        self._lock = threading.Lock()
        self._serving: list[asyncio.Task[None]] = []
        self.sent = 0
        self.suppressed = 0

    @property
    def dropped(self) -> int:
        """Alerts that did not reach a sink and never will, over all sinks."""
        return sum(box.dropped for box in self._boxes)

    @property
    def delivered(self) -> dict[str, int]:
        """Alerts that reached each sink, by its name."""
        return {box.name: box.delivered for box in self._boxes}

    def tell(self, alert: Alert) -> None:
        """Have ``alert`` delivered. From any thread; never waits for a sink and never raises."""
        with self._lock:
            repeats = self._memory.admit(alert.key, self._clock.now_ns())
            if repeats is None:
                self.suppressed += 1
                return
            self.sent += 1
        if repeats:
            alert = msgspec.structs.replace(alert, detail={**alert.detail, "repeats": repeats})
        for box in self._boxes:
            box.put(alert)

    async def run(self) -> None:
        """Serve the sinks until :meth:`close`: a task of the recorder's group."""
        async with asyncio.TaskGroup() as group:
            self._serving = [group.create_task(box.serve(), name=f"alerts-{box.name}") for box in self._boxes]

    async def close(self, within_s: float = 2.0) -> None:
        """Deliver what waits, for ``within_s`` at most; end :meth:`run`; drop and log the rest."""
        for box in self._boxes:
            box.close()
        if not self._serving:
            await asyncio.sleep(0)  # its task may have been made a moment ago
        if not self._serving:
            return
        _, late = await asyncio.wait(self._serving, timeout=within_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
