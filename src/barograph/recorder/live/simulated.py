"""The connection to the simulated market: a websocket's place in the driver, without a socket.

It leaves on the tape what a socket leaves: ``OPEN``, ``CONFIG``, ``SENT``, frames, ``CLOCK``, ``CLOSE``.
A frame comes when its venue time has come by our clock, at most ``cadence_s`` later, and is received now. The
market goes on while nobody is connected, as markets do. What it must remember for that, so that no number
is ever given to two trades, is on disk before the first frame of each minute (``simulator/courses.py``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlencode

import msgspec

from barograph.clock import NS_PER_S, NS_PER_US, US_PER_S, from_us
from barograph.disk import Lock
from barograph.errors import StorageError, UsageError
from barograph.feeds.live.sim import SCHEME
from barograph.feeds.live.venue import Plan
from barograph.gaps import Alive, Subscribed
from barograph.log import get_logger
from barograph.recorder.live.connection import Closed, Ending, Failure, Shell, unique
from barograph.recorder.live.courses import read_courses, write_courses
from barograph.records import Kind, Stream
from barograph.simulator.courses import Course
from barograph.simulator.running import RunningMarket

STEP_US = US_PER_S
"""So much of the market's time goes to the journal at once, when there is more."""
PATIENCE_US = 60 * US_PER_S
"""Who is further behind than this is cut off, as venues do with readers that are too slow."""
TOO_SLOW = 1008

log = get_logger()


@dataclass(frozen=True, slots=True)
class Address:
    """What a plan's address says: which market, how often frames come, where its courses are kept."""

    seed: int
    cadence_s: float
    events_per_s: float | None
    courses: Path

    @classmethod
    def of(cls, url: str) -> Self:
        """The parts of ``url``, which ``feeds.live.sim`` has made."""
        asked = {key: values[0] for key, values in parse_qs(url.removeprefix(f"{SCHEME}?")).items()}
        events = asked.get("events_per_s")
        return cls(
            int(asked["seed"]),
            float(asked["cadence_s"]),
            None if events is None else float(events),
            Path(asked["courses"]),
        )

    @property
    def shown(self) -> str:
        """The address as it stands on the tape: without a path of this machine's."""
        asked: dict[str, object] = {"seed": self.seed}
        if self.events_per_s is not None:
            asked["events_per_s"] = self.events_per_s
        return f"{SCHEME}?{urlencode(asked)}"


class _Asked(msgspec.Struct):
    id: int
    subscribe: list[str] = []
    unsubscribe: list[str] = []


_asked = msgspec.json.Decoder(_Asked).decode


class Simulated:
    """One connection to the simulated market; see :class:`~.connection.Connection`, whose place it takes.

    Args:
        plan: its address, ``sim:?seed=1...``.
        shell: the journal and what else is shared.
        wake: called when there is something for the driver to look at.

    Attributes:
        opened: whether it is open.
        alive: whether anything at all came since :meth:`take`.
        stream: where its records stand on the tape; None before it is open.
    """

    def __init__(self, plan: Plan, shell: Shell, wake: Callable[[], None]) -> None:
        self.opened = False
        self.alive = False
        self.stream: Stream | None = None
        self._plan = plan
        self._address = Address.of(plan.url)
        self._shell = shell
        self._wake = wake
        self._asked: deque[bytes] = deque()
        self._batch: list[bytes] = []
        self._kept: dict[str, Course] = {}
        self._goodbye: Closed | None = None
        self._ending: Closed | None = None
        self._paused = False
        self._stirred = asyncio.Event()
        self._heard_ns = 0
        self._recorded_ns = 0

    # The driver's side.

    async def run(self) -> Ending:
        """Open, bring what is due until the end, tell how that came."""
        try:
            with Lock(self._address.courses.with_suffix(".lock"), "the simulated market is being recorded"):
                return await self._run()
        except StorageError as error:
            if not self.opened:
                return Failure(str(error))
            return self._conclude(Closed(None, str(error)))
        finally:
            self._conclude(Closed(None, "the recorder was stopped"))

    def take(self) -> list[bytes]:
        """The frames that came since the last call, for the conversation."""
        self.alive = False
        batch, self._batch = self._batch, []
        return batch

    def configure(self, subscribed: Subscribed) -> None:
        """Note what it is asked to bring from here on."""
        self._record(Kind.CONFIG, msgspec.json.encode(subscribed))

    def send(self, frame: bytes) -> None:
        """Ask the market for something."""
        if self._ending is None:
            self._record(Kind.SENT, frame)
            self._asked.append(frame)
            self._stirred.set()

    def ping(self) -> None:
        """Nothing to do: it gives a sign of life by itself."""

    def beat(self) -> None:
        """Note that time passed, if nothing else has said so for a second."""
        now_ns = self._shell.clock.now_ns()
        if self.opened and self._ending is None and not 0 <= now_ns - self._recorded_ns < NS_PER_S:
            self._record(Kind.CLOCK, msgspec.json.encode(Alive(self._heard_ns)))

    def pause(self, paused: bool) -> None:
        """Take nothing more from the market, or take again; what it does meanwhile waits."""
        if paused != self._paused:
            self._paused = paused
            self._stirred.set()

    def close(self, code: int, reason: str) -> None:
        """Say goodbye."""
        self._goodbye = self._goodbye or Closed(code, reason)
        self._stirred.set()

    # The market's side.

    async def _run(self) -> Ending:
        courses = await asyncio.to_thread(read_courses, self._address.courses)
        if self._leaving():
            return Failure("closed before it was open")
        address = self._address
        market = RunningMarket(courses, self._now_us(), address.seed, address.events_per_s)
        self._open()
        while not self._leaving():
            if not self._paused:
                await self._serve(market)
            await self._rest()
        return self._conclude(Closed(None, "the connection broke"))

    def _open(self) -> None:
        self.opened = True
        now_ns = self._heard_ns = self._shell.clock.now_ns()
        self.stream = Stream(self._shell.feed, f"{self._plan.name}-{unique(now_ns)}")
        self._shell.stats.connects += 1
        self._record(Kind.OPEN, msgspec.json.encode({"url": self._address.shown}))
        self._wake()

    async def _rest(self) -> None:
        """Until frames may be due, or something else has happened."""
        try:
            async with asyncio.timeout(self._address.cadence_s):
                await self._stirred.wait()
        except TimeoutError:
            pass
        self._stirred.clear()

    async def _serve(self, market: RunningMarket) -> None:
        """Answer what was asked, and bring what has come due."""
        while self._asked:
            self._bring(await asyncio.to_thread(_answer, market, self._asked.popleft()))
        now_us = self._now_us()
        if abs(now_us - market.at_us) > PATIENCE_US:
            behind_s = (now_us - market.at_us) / US_PER_S
            self.close(TOO_SLOW, f"{behind_s:.0f} s behind the simulated market")
        while market.at_us < now_us and not self._paused and not self._leaving():
            await self._keep(market.courses)
            self._bring(market.due(min(now_us, market.at_us + STEP_US)))
            if market.at_us == market.end_us:
                for label in await asyncio.to_thread(market.turn):
                    _tell(label.kind, label.symbol, label.end_us, label.magnitude)
            await asyncio.sleep(0)
        self._sign()

    async def _keep(self, courses: dict[str, Course]) -> None:
        """Have the courses on disk, before anything of their minute is brought."""
        if courses != self._kept:
            await asyncio.to_thread(write_courses, self._address.courses, courses.values())
            self._kept = dict(courses)

    def _bring(self, frames: list[bytes]) -> None:
        if not frames or self.stream is None or self._ending is not None:
            return
        now_ns = self._recorded_ns = self._shell.clock.now_ns()
        size = sum(map(len, frames))
        journal, stats = self._shell.journal, self._shell.stats
        journal.put_frames(self.stream, now_ns, frames, size)
        if journal.full:
            self.pause(True)
        stats.frames += len(frames)
        stats.bytes += size
        stats.last_recv_ns = now_ns
        self._batch += frames

    def _sign(self) -> None:
        """It lives, whether it has brought anything or not."""
        self._heard_ns = self._shell.clock.now_ns()
        self.alive = True
        self._wake()

    def _now_us(self) -> int:
        return self._shell.clock.now_ns() // NS_PER_US

    # Both sides.

    def _leaving(self) -> bool:
        return self._goodbye is not None

    def _conclude(self, ending: Closed) -> Closed:
        """Note the end on the tape, once; return it."""
        if self._ending is None:
            self._ending = ending = self._goodbye or ending
            if self.opened:
                self._shell.stats.disconnects += 1
                self._record(Kind.CLOSE, msgspec.json.encode({"reason": ending.reason, "code": ending.code}))
                self._wake()
        return self._ending

    def _record(self, kind: Kind, payload: bytes) -> None:
        if self.stream is not None:
            self._recorded_ns = self._shell.clock.now_ns()
            self._shell.journal.put(self.stream, self._recorded_ns, kind, payload)


def _answer(market: RunningMarket, frame: bytes) -> list[bytes]:
    """Do what a request says; the answer to it."""
    asked = _asked(frame)
    answers: list[bytes] = []
    for name in asked.unsubscribe:
        channel, _, symbol = name.partition(" ")
        market.leave(symbol, channel)
    for name in asked.subscribe:
        channel, _, symbol = name.partition(" ")
        try:
            market.follow(symbol, channel)
        except UsageError as error:
            refused = {"e": "refused", "id": asked.id, "name": name, "why": str(error)}
            answers.append(msgspec.json.encode(refused))
    answers.append(msgspec.json.encode({"e": "done", "id": asked.id}))
    return answers


def _tell(kind: str, symbol: str, end_us: int, magnitude: float) -> None:
    until = from_us(end_us).strftime("%H:%M")
    log.info("an anomaly is put in", kind=kind, symbol=symbol, until=until, magnitude=magnitude)
