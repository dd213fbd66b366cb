"""Drives one session: gives it what happens, does what it says.

Everything that thinks runs on this one task, so its order is simple and its errors have an owner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from barograph.feeds.live.sim import SCHEME
from barograph.feeds.live.venue import Live, Plan, Wanted
from barograph.gaps import Channel, Subscribed
from barograph.log import get_logger
from barograph.recorder.live.backoff import Allowance, Backoff
from barograph.recorder.live.commands import (
    Close,
    Command,
    Configure,
    Connect,
    Halt,
    Moment,
    Notify,
    Ping,
    Transmit,
)
from barograph.recorder.live.connection import Closed, Connection, Ending, Refusal, Shell
from barograph.recorder.live.session import Session

if TYPE_CHECKING:
    from barograph.recorder.live.simulated import Simulated

log = get_logger()


@dataclass(frozen=True, slots=True)
class Listeners:
    """Whom a driver tells."""

    halted: Callable[[str], None]
    """The feed has to stop, for this reason."""
    noticed: Callable[[str], None]
    """The user should know."""
    changed: Callable[[], None]
    """More or fewer connections are ready."""
    subscribed: Callable[[Wanted], Subscribed]
    """What the tape is told of a connection that is asked for this."""


class Driver:
    """One plan's session, its connections, and the task that moves them."""

    def __init__(
        self,
        live: Live,
        plan: Plan,
        shell: Shell,
        backoff: Backoff,
        connects: Allowance,
        listeners: Listeners,
    ) -> None:
        self.session = Session(live, plan, backoff, connects)
        self._shell = shell
        self._listeners = listeners
        self._connections: dict[int, Connection | Simulated] = {}
        self._told: set[int] = set()
        self._endings: list[tuple[int, Ending]] = []
        self._ready = 0
        self._held = False
        self._loop = asyncio.get_running_loop()
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Have it look around; for the event loop's thread."""
        self._awake.set()

    def change(self, live: Live, plan: Plan) -> None:
        """The settings have changed."""
        self.session.change(live, plan, self._now())
        self.wake()

    def renew(self, symbol: str, channel: Channel) -> None:
        """A symbol of this plan went mute."""
        self.session.renew(symbol, channel, self._now())
        self.wake()

    def stop(self, reason: str) -> None:
        """Close everything; :meth:`run` returns when that is done."""
        self.session.stop(reason)
        self.wake()

    async def run(self) -> None:
        """Drive, until the session is stopped and its connections are closed."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._collect()
                for command in self.session.advance(self._now()):
                    self._do(command, group)
                for connection in self._connections.values():
                    connection.beat()
                self._tell()
                if self.session.finished:
                    return
                await self._sleep()

    async def _sleep(self) -> None:
        wait_s = self.session.wake_s - self._loop.time()
        if wait_s > 0 and not self._awake.is_set():
            try:
                async with asyncio.timeout(wait_s if wait_s < float("inf") else None):
                    await self._awake.wait()
            except TimeoutError:
                pass
        self._awake.clear()

    def _now(self) -> Moment:
        return Moment(self._loop.time(), self._shell.clock.now_ns())

    # From the connections to the session.

    def _collect(self) -> None:
        now = self._now()
        self._hold(now)
        for number, connection in self._connections.items():
            if connection.opened and number not in self._told:
                self._told.add(number)
                self.session.opened(number, now)
            if connection.alive:
                self.session.received(number, connection.take(), now)
        endings, self._endings = self._endings, []
        for number, ending in endings:
            del self._connections[number]
            self._told.discard(number)
            self._end(number, ending, now)

    def _hold(self, now: Moment) -> None:
        held = self._shell.journal.full
        for connection in self._connections.values():
            connection.pause(held)
        if held != self._held:
            self._held = held
            self.session.hold(held, now)

    def _end(self, number: int, ending: Ending, now: Moment) -> None:
        place = {"feed": self._shell.feed, "plan": self.session.plan.name}
        if isinstance(ending, Closed):
            log.info("connection.closed", **place, code=ending.code, reason=ending.reason)
            self.session.closed(number, ending.code, ending.reason, now)
        elif isinstance(ending, Refusal):
            log.warning("connection.refused", **place, status=ending.status)
            self.session.refused(number, ending.status, ending.body, now)
        else:
            log.warning("connection.failed", **place, reason=ending.reason)
            self.session.failed(number, ending.reason, now)

    # From the session to the connections.

    def _do(self, command: Command, group: asyncio.TaskGroup) -> None:
        match command:
            case Connect(number, plan):
                connection = self._connections[number] = _connection(plan, self._shell, self.wake)
                group.create_task(self._keep(number, connection))
            case Configure(number, wanted):
                self._connections[number].configure(self._listeners.subscribed(wanted))
            case Transmit(number, frame):
                self._connections[number].send(frame)
            case Ping(number):
                self._connections[number].ping()
            case Close(number, reason, code):
                self._connections[number].close(code, reason)
            case Notify(message):
                self._listeners.noticed(message)
            case Halt(message):
                self._listeners.halted(message)

    async def _keep(self, number: int, connection: Connection | Simulated) -> None:
        ending = await connection.run()
        # Not in one line: the list that is there before the wait is another one than after it.
        self._endings.append((number, ending))
        self.wake()

    def _tell(self) -> None:
        if self.session.connections != self._ready:
            self._ready = self.session.connections
            self._listeners.changed()


def _connection(plan: Plan, shell: Shell, wake: Callable[[], None]) -> Connection | Simulated:
    """A websocket, or what stands in its place where the address is the simulated market's."""
    if not plan.url.startswith(SCHEME):
        return Connection(plan, shell, wake)
    from barograph.recorder.live.simulated import Simulated

    return Simulated(plan, shell, wake)
