"""The keyless feeds against protocol-true servers, over real sockets: talk, data, renewing, refilling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from barograph.errors import SettingsError
from barograph.feeds.live.registry import live
from barograph.feeds.live.venue import (
    Conversation,
    Live,
    Ready,
    Refilled,
    Refused,
    Request,
    Response,
    Send,
    Warn,
)
from barograph.feeds.registry import feed
from barograph.gaps import Channel, Gap
from barograph.records import Kind
from barograph.settings import Settings
from barograph.testing import LiveMarket, VenueServer
from barograph.testing.venues import known

IN_GAP = 1_200
DEADLINE_S = 10.0


@dataclass(frozen=True)
class Case:
    """A server, and the settings with which it is recorded."""

    server: str
    symbols: tuple[str, ...]
    settings: Callable[[VenueServer], dict[str, Any]]

    @property
    def feed(self) -> str:
        return self.server.removesuffix("-usdm")

    def live(self, server: VenueServer, *more: str) -> Live:
        section = {"symbols": [*self.symbols, *more], **self.settings(server)}
        return live(self.feed, Settings.model_validate({"feeds": {self.feed: section}}))

    def serve(self) -> VenueServer:
        return VenueServer(known(self.server)[0](LiveMarket(self.symbols)))


CASES = [
    Case("binance", ("BTC-USDT", "ETH-USDT"), lambda s: {"url": s.url, "rest_url": s.rest_url}),
    Case(
        "binance-usdm",
        ("BTC-USDT-PERP", "BTC-USDT-240927"),
        lambda s: {"futures_url": f"{s.url}/ws", "futures_rest_url": s.rest_url, "api_key": "any"},
    ),
    Case("coinbase", ("BTC-USD", "ETH-USD"), lambda s: {"url": s.url, "rest_url": s.rest_url}),
    Case("kraken", ("BTC-USD", "DOGE-USD"), lambda s: {"url": f"{s.url}/v2", "rest_url": s.rest_url}),
]
VENUES = pytest.mark.parametrize("case", CASES, ids=lambda case: case.server)


@dataclass
class Talking:
    """A conversation on an open socket, driven as the recorder drives it, without its care."""

    talk: Conversation
    socket: aiohttp.ClientWebSocketResponse
    actions: list[Any] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)

    async def do(self, actions: Any) -> None:
        self.actions += actions
        for action in actions:
            if isinstance(action, Send):
                await self.socket.send_str(action.frame.decode())

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                frame = (await self.socket.receive_str()).encode()
                self.frames.append(frame)
                await self.do(self.talk.received([frame], 1))

    async def ready(self) -> None:
        await self.do(self.talk.opened(1))
        await self.until(lambda: Ready() in self.actions)


async def ask(session: aiohttp.ClientSession, generator: Any) -> tuple[list[tuple[Request, bytes]], Any]:
    """A generator of requests run to its end over HTTP."""
    told: list[tuple[Request, bytes]] = []
    try:
        request = next(generator)
        while True:
            async with session.get(request.url, headers=request.headers) as response:
                body = await response.read()
            told.append((request, body))
            if response.status >= 400:
                request = generator.throw(Refused(response.status, body))
            else:
                request = generator.send(Response(response.status, body))
    except StopIteration as end:
        return told, end.value


@VENUES
def test_given_a_server_then_the_talk_gets_ready_and_brings_data_before_and_after_a_renewal(
    case: Case, tools: Any
) -> None:
    of = feed(case.feed)

    def symbols(frames: list[bytes]) -> set[str]:
        state = of.state()
        of.decode(state, tools.frames_of(frames))
        return set(state.symbols)

    async def scenario() -> None:
        async with case.serve() as server, aiohttp.ClientSession() as session:
            described = case.live(server)
            await ask(session, described.prepare())
            plan = described.plans()[0]
            async with session.ws_connect(plan.url) as socket:
                talking = Talking(described.conversation(plan), socket)
                await talking.ready()
                await server.connected(1)
                server.market.make(trades=20, quotes=20)
                await talking.until(lambda: symbols(talking.frames) == set(case.symbols))
                talking.frames.clear()
                await talking.do(talking.talk.renew(case.symbols[0], Channel.TRADES, 1))
                await talking.until(lambda: replies(talking.frames) == 2)
                talking.frames.clear()
                server.market.trade(case.symbols[0])
                await talking.until(lambda: symbols(talking.frames) == {case.symbols[0]})
                await talking.do(talking.talk.change({case.symbols[1]: (Channel.TRADES,)}, 1))
                await talking.until(lambda: server_lacks(server, case.symbols[0]))
                assert [type(action) for action in talking.actions if not isinstance(action, Send)] == [Ready]

    asyncio.run(scenario())


def replies(frames: list[bytes]) -> int:
    """How many of ``frames`` answer a request to subscribe or unsubscribe."""
    return sum(b'"subscriptions"' in frame or b'"result"' in frame for frame in frames)


def server_lacks(server: VenueServer, symbol: str) -> bool:
    """Whether no connection of the server brings trades of ``symbol``."""
    return not any(symbol in client.trades for client in server.connections.values())


@VENUES
@pytest.mark.parametrize("open_ended", [False, True], ids=["bounded", "open"])
def test_given_a_gap_then_the_refill_brings_all_its_trades(case: Case, open_ended: bool, tools: Any) -> None:
    async def scenario() -> None:
        async with case.serve() as server, aiohttp.ClientSession() as session:
            symbol = case.symbols[0]
            trades = [server.market.trade(symbol) for _ in range(IN_GAP + 20)]
            last_id = None if open_ended else 10 + IN_GAP
            gap = Gap(case.feed, symbol, Channel.TRADES, trades[9].ts_us, trades[-1].ts_us, 11, last_id)
            told, result = await ask(session, case.live(server).refill(gap))
            assert result == Refilled()
            payloads = [tools.rest(request.url, body) for request, body in told]
            state = feed(case.feed).state()
            records = tools.frames_of(payloads, kinds=[Kind.REST] * len(payloads))
            ticks = feed(case.feed).decode(state, records).ticks
            assert state.symbols == [symbol]
            assert set(range(11, 11 + IN_GAP + (10 if open_ended else 0))) <= set(ticks.trade_id.tolist())

    asyncio.run(scenario())


@pytest.mark.parametrize("case", CASES[:2], ids=lambda case: case.server)
def test_given_a_symbol_that_binance_does_not_have_then_preparing_names_it(case: Case) -> None:
    wrong = "ETG-USDT" if case.server == "binance" else "BTC-USDT-230927"

    async def scenario() -> None:
        async with case.serve() as server, aiohttp.ClientSession() as session:
            with pytest.raises(SettingsError, match=rf"does not have {wrong} \(near: "):
                await ask(session, case.live(server, wrong).prepare())

    asyncio.run(scenario())


@pytest.mark.parametrize("case", CASES[2:], ids=lambda case: case.server)
def test_given_a_symbol_that_the_venue_does_not_have_then_it_is_told_and_the_rest_is_recorded(
    case: Case,
) -> None:
    async def scenario() -> None:
        async with case.serve() as server, aiohttp.ClientSession() as session:
            described = case.live(server, "NOSUCH-USD")
            plan = described.plans()[0]
            async with session.ws_connect(plan.url) as socket:
                talking = Talking(described.conversation(plan), socket)
                await talking.ready()
                (warning,) = [action for action in talking.actions if isinstance(action, Warn)]
                assert "NOSUCH-USD" in warning.message

    asyncio.run(scenario())


@pytest.mark.parametrize("case", CASES[:1], ids=lambda case: case.server)
def test_given_too_many_symbols_for_a_message_then_all_are_confirmed(case: Case) -> None:
    async def scenario() -> None:
        symbols = tuple(f"A{n}-USDT" for n in range(130))
        many = Case("binance", symbols, case.settings)
        async with many.serve() as server, aiohttp.ClientSession() as session:
            described = many.live(server)
            (plan,) = described.plans()
            async with session.ws_connect(plan.url) as socket:
                talking = Talking(described.conversation(plan), socket)
                await talking.ready()
                (client,) = await server.connected(1)
                assert client.trades == client.quotes == set(symbols)

    asyncio.run(scenario())
