"""A venue that says what a test tells it to, on a real loopback socket, and its description."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from aiohttp import WSMsgType, web

from barograph.feeds.live.venue import (
    Action,
    Again,
    Limits,
    Plan,
    Preparing,
    Ready,
    Refilled,
    Refilling,
    Replace,
    Request,
    Send,
    Stop,
    Wanted,
    Warn,
)
from barograph.gaps import Channel, Gap
from barograph.records import Kind, Record
from barograph.tape import TapeReader

BOTH = (Channel.TRADES, Channel.QUOTES)
READY = b'{"ready":true}'


@dataclass
class EchoTalk:
    """Subscribes; does what frames that begin with ``{"do"`` say."""

    wanted: Wanted
    turns: list[str] = field(default_factory=list)

    def opened(self, now_ns: int) -> Sequence[Action]:
        self.turns.append("opened")
        return [Send(msgspec.json.encode({"subscribe": sorted(self.wanted), "token": "secret-1"}))]

    def received(self, frames: Sequence[bytes], now_ns: int) -> Sequence[Action]:
        actions: list[Action] = []
        for frame in frames:
            if frame == READY:
                actions.append(Ready())
            elif frame == b"replace":
                actions.append(Replace("maintenance"))
            elif frame == b"again":
                actions.append(Again("told to"))
            elif frame == b"stop":
                actions.append(Stop("set feeds.echo.key"))
            elif frame == b"warn":
                actions.append(Warn("maintenance at noon"))
            elif frame == b"fail":
                raise ValueError("a bug")
        return actions

    def due(self, now_ns: int) -> Sequence[Action]:
        self.turns.append("due")
        return ()

    def change(self, wanted: Wanted, now_ns: int) -> Sequence[Action]:
        added, gone = sorted(wanted.keys() - self.wanted.keys()), sorted(self.wanted.keys() - wanted.keys())
        self.wanted = wanted
        return [Send(msgspec.json.encode({"subscribe": added, "unsubscribe": gone}))]

    def renew(self, symbol: str, channel: Channel, now_ns: int) -> Sequence[Action]:
        return [Send(msgspec.json.encode({"renew": symbol, "channel": channel}))]


@dataclass
class EchoLive:
    """The description: one plan for each name in ``plan_wanted``."""

    url: str
    plan_wanted: dict[str, Wanted] = field(default_factory=lambda: {"spot-0": {"BTC-USD": BOTH}})
    limits: Limits = field(default_factory=Limits)
    rest_url: str = ""
    problem: Exception | None = None
    name: str = "echo"

    def prepare(self) -> Preparing:
        if self.problem is not None:
            raise self.problem
        if self.rest_url:
            yield Request(f"{self.rest_url}/list?api_key=secret-2")

    def plans(self) -> list[Plan]:
        return [Plan(name, self.url, wanted) for name, wanted in self.plan_wanted.items()]

    def conversation(self, plan: Plan) -> EchoTalk:
        return EchoTalk(plan.wanted)

    def closed(self, code: int | None, reason: str) -> Again | Stop:
        return Stop("too many connections") if code == 1008 else Again(f"closed ({code})")

    def refused(self, status: int, body: bytes) -> Again | Stop:
        return Stop("feeds.echo.key is wrong") if status == 401 else Again(f"HTTP {status}")

    def refill(self, gap: Gap) -> Refilling:
        answer = yield Request(f"{self.rest_url}/trades?from={gap.first_id}&to={gap.last_id}")
        return Refilled(answer.body.decode() or None)

    def calendar(self, symbol: str) -> str:
        return "24/7"


class Talk:
    """The venue's side of one connection."""

    def __init__(self, number: int, socket: web.WebSocketResponse) -> None:
        self.number = number
        self._socket = socket

    async def read(self) -> bytes | None:
        """The next frame of the client's; None at the end."""
        message = await self._socket.receive()
        return message.data.encode() if message.type is WSMsgType.TEXT else None

    async def say(self, *frames: bytes) -> None:
        for frame in frames:
            await self._socket.send_str(frame.decode())

    async def close(self, code: int, reason: bytes = b"") -> None:
        await self._socket.close(code=code, message=reason)

    def cut(self) -> None:
        """Break the connection without a word."""
        transport = self._socket._req.transport  # type: ignore[union-attr]
        assert transport is not None
        transport.abort()


Script = Callable[[Talk], Awaitable[None]]
Page = Callable[[web.Request], Awaitable[web.Response]]


@dataclass
class Venue:
    """Where it listens and what it has seen.

    ``refuse`` holds the statuses that the next handshakes are answered with.
    """

    port: int = 0
    refuse: list[int] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    open: int = 0
    most_open: int = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws?api_key=secret-3"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


async def listen(talk: Talk, venue: Venue) -> None:
    """Note what the client says until it goes."""
    while (frame := await talk.read()) is not None:
        venue.heard.append(frame)


async def no_page(request: web.Request) -> web.Response:
    return web.Response(status=404)


@asynccontextmanager
async def venue(
    script: Callable[[Talk, Venue], Awaitable[None]], page: Page = no_page
) -> AsyncIterator[Venue]:
    """Serve on a free port: ``script`` on each websocket, ``page`` for every other path."""
    made = Venue()

    async def connect(request: web.Request) -> web.StreamResponse:
        if made.refuse:
            return web.Response(status=made.refuse.pop(0), text="no")
        socket = web.WebSocketResponse(timeout=0.5)
        await socket.prepare(request)
        talk = Talk(len(made.talks) + 1, socket)
        made.talks.append(talk)
        made.open += 1
        made.most_open = max(made.most_open, made.open)
        try:
            await script(talk, made)
        except ConnectionResetError:
            pass  # the client was faster
        finally:
            made.open -= 1
        return socket

    app = web.Application()
    app.router.add_get("/ws", connect)
    app.router.add_route("*", "/{path:.*}", page)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


async def until(true: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait until ``true()``; fail after ``within_s``."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        await asyncio.sleep(0.002)


def on_tape(tape: Path, *kinds: Kind) -> list[Record]:
    """The records of the tape, of these kinds or all."""
    found = [record for run in TapeReader(tape).read() for record in run]
    return [record for record in found if not kinds or record.kind in kinds]
