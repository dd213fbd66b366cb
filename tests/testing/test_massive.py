"""Massive's server: what it says over a websocket and over REST, and its own ways to refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from barograph.clock import MINUTE_US, NS_PER_US, ManualClock
from barograph.gaps import Channel
from barograph.testing import (
    Account,
    Faults,
    Lack,
    LiveMarket,
    Massive,
    Quote,
    Trade,
    VenueServer,
    follow,
    scheduled,
)

NOON_US = 1_723_118_400_000_000
WITHIN_S = 5.0
BTC, ETH, AAPL = "BTC-USD", "ETH-USD", "AAPL"


class Talk:
    """A client of the server in few words."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, action: str, params: str) -> None:
        await self.socket.send_str(json.dumps({"action": action, "params": params}))

    async def hear(self) -> list[dict[str, Any]]:
        """The next frame."""
        return await self.socket.receive_json(timeout=WITHIN_S)  # type: ignore[no-any-return]

    async def statuses(self, n: int = 1) -> list[tuple[str, str]]:
        """The next ``n`` statuses."""
        told: list[tuple[str, str]] = []
        while len(told) < n:
            told += [(event["status"], event["message"]) for event in await self.hear()]
        return told

    async def log_in(self, key: str = "test-key") -> None:
        await self.say("auth", key)
        assert [kind for kind, _ in await self.statuses(2)] == ["connected", "auth_success"]

    async def subscribe(self, params: str) -> list[tuple[str, str]]:
        await self.say("subscribe", params)
        return await self.statuses(params.count(",") + 1)

    async def close_code(self) -> int | None:
        """The code of the close frame, which must be the next frame."""
        message = await self.socket.receive(timeout=WITHIN_S)
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED), message
        return self.socket.close_code


class Room:
    """A server and how to reach it."""

    def __init__(self, server: VenueServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.market = server.market
        self.session = session

    @asynccontextmanager
    async def talk(self, cluster: str = "crypto") -> AsyncIterator[Talk]:
        async with self.session.ws_connect(f"{self.server.url}/{cluster}") as socket:
            yield Talk(socket)

    async def get(self, path: str, status: int = 200, key: str = "test-key", **query: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        url = path if path.startswith("http") else self.server.rest_url + path
        async with self.session.get(url, params=query, headers=headers) as response:
            assert response.status == status, await response.text()
            return await response.json()  # type: ignore[no-any-return]


def with_server(
    scenario: Callable[[Room], Awaitable[None]], faults: Faults | None = None, **options: Any
) -> None:
    """Run a scenario against a server at noon of a day in August 2024."""

    async def run() -> None:
        market = LiveMarket([BTC, ETH, AAPL], clock=ManualClock(NOON_US * NS_PER_US))
        async with (
            VenueServer(Massive(market, **options), faults=faults) as server,
            aiohttp.ClientSession() as session,
        ):
            await scenario(Room(server, session))

    asyncio.run(run())


def test_given_no_auth_when_subscribing_then_it_is_refused_and_nothing_comes() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.say("subscribe", "XT.*")
            assert await talk.statuses(2) == [
                ("connected", "Connected Successfully"),
                ("error", "not authorized"),
            ]
            room.market.trade(BTC)
            await talk.say("auth", "test-key")
            assert (await talk.statuses())[0][0] == "auth_success"
            assert not room.server.log.spans_handed()

    with_server(scenario)


@pytest.mark.parametrize(
    ("key", "message"),
    [("wrong", "authentication failed"), ("basic", "Your plan doesn't include websocket access.")],
)
def test_given_a_key_without_rights_then_auth_fails_and_the_connection_ends(key: str, message: str) -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.statuses()
            await talk.say("auth", key)
            [(kind, told)] = await talk.statuses()
            assert (kind, told[: len(message)]) == ("auth_failed", message)
            assert await talk.close_code() == 1008

    with_server(scenario, accounts={"basic": Account(crypto="basic", stocks="basic")})


def test_given_silence_instead_of_auth_then_the_connection_times_out() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            assert [kind for kind, _ in await talk.statuses(2)] == ["connected", "auth_timeout"]
            assert await talk.close_code() == 1008

    with_server(scenario, auth_within_s=0.05)


@pytest.mark.parametrize("together", [False, True])
def test_given_several_params_then_each_is_confirmed_by_its_own_status(together: bool) -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.log_in()
            await talk.say("subscribe", "XT.BTC-USD, XQ.BTC-USD")
            first = await talk.hear()
            assert len(first) == (2 if together else 1)
            told = first if together else first + await talk.hear()
            assert [status["message"] for status in told] == [
                "subscribed to: XT.BTC-USD",
                "subscribed to: XQ.BTC-USD",
            ]
            assert {status["status"] for status in told} == {"success"}

    with_server(scenario, together=together)


def test_given_crypto_events_then_they_come_in_the_documented_form() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.log_in()
            await talk.subscribe("XT.*,XQ.BTC-USD")
            room.market.trade(BTC, price="33021.90", size="0.01616617", side=-1, ts_us=NOON_US + 1_999)
            room.market.trade(ETH, side=1)
            room.market.quote(ETH)
            room.market.quote(BTC, bid="33052.79", bid_size="0.48", ask="33073.19", ask_size="0.601")
            [trade] = await talk.hear()
            ms = NOON_US // 1_000
            assert trade == {
                "ev": "XT",
                "pair": BTC,
                "p": 33021.9,
                "t": ms + 1,
                "s": 0.01616617,
                "c": [1],
                "i": 1,
                "x": 1,
                "r": ms + 13,
            }
            [other] = await talk.hear()
            assert (other["pair"], other["c"]) == (ETH, [2])
            [quote] = await talk.hear()
            assert quote == {
                "ev": "XQ",
                "pair": BTC,
                "bp": 33052.79,
                "bs": 0.48,
                "ap": 33073.19,
                "as": 0.601,
                "t": ms,
                "x": 1,
                "r": ms + 12,
            }

    with_server(scenario)


def test_given_stock_events_then_quotes_are_in_round_lots_and_the_log_agrees() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk("stocks") as talk:
            await talk.log_in()
            await talk.subscribe("T.AAPL,Q.AAPL")
            room.market.trade(AAPL, price="228.10", size="3.5")
            room.market.quote(AAPL, bid="228.09", bid_size="570", ask="228.11", ask_size="40")
            [trade], [quote] = await talk.hear(), await talk.hear()
            assert (trade["i"], trade["p"], trade["s"], trade["ds"]) == ("1", 228.1, 3, "3.5")
            assert (quote["bs"], quote["as"]) == (5, 1)
            [shown] = room.server.venue.seen(room.market.quotes[AAPL].newest(1))
            assert isinstance(shown, Quote)
            assert (shown.bid_size, shown.ask_size) == ("500", "100")

    with_server(scenario)


def test_given_many_stock_events_then_sequences_grow_with_holes() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk("stocks") as talk:
            await talk.log_in()
            await talk.subscribe("T.*")
            for _ in range(8):
                room.market.trade(AAPL)
            q = [(await talk.hear())[0]["q"] for _ in range(8)]
            steps = {after - before for before, after in pairwise(q)}
            assert min(steps) > 0
            assert len(steps) > 1

    with_server(scenario)


def test_given_a_batch_then_frames_hold_several_events_up_to_the_bound() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.log_in()
            await talk.subscribe("XT.*,XQ.*")
            made = [event for event in room.market.make(trades=60, quotes=60) if event.symbol != AAPL]
            frames = [await talk.hear() for _ in range(-(-len(made) // 25))]
            assert [len(frame) for frame in frames[:-1]] == [25] * (len(frames) - 1)
            told = [(event["pair"], event["ev"]) for frame in frames for event in frame]
            assert told == [(event.symbol, "XT" if isinstance(event, Trade) else "XQ") for event in made]

    with_server(scenario, events_per_frame=25)


def test_given_unsubscribe_then_that_symbol_ends_and_the_others_go_on() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.log_in()
            await talk.subscribe("XT.BTC-USD,XT.ETH-USD")
            await talk.say("unsubscribe", "XT.BTC-USD")
            assert await talk.statuses() == [("success", "unsubscribed to: XT.BTC-USD")]
            room.market.trade(BTC)
            room.market.trade(ETH)
            assert [event["pair"] for event in await talk.hear()] == [ETH]

    with_server(scenario)


def test_given_a_withheld_channel_then_only_that_one_is_not_authorized() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk("stocks") as talk:
            await talk.log_in()
            told = await talk.subscribe("T.AAPL,Q.AAPL,XT.BTC-USD")
            assert told == [
                ("success", "subscribed to: T.AAPL"),
                ("error", "not authorized"),
                ("error", "invalid subscription: XT.BTC-USD"),
            ]
            room.market.quote(AAPL)
            room.market.trade(BTC)
            room.market.trade(AAPL)
            assert [event["ev"] for event in await talk.hear()] == ["T"]

    with_server(scenario, accounts={"test-key": Account(withheld=frozenset({"Q"}))})


def test_given_a_starter_key_then_stocks_are_refused_in_real_time_and_crypto_is_not() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk("stocks") as talk:
            await talk.log_in()
            [(kind, message)] = await talk.subscribe("T.AAPL")
            assert kind == "error"
            assert message.startswith("You don't have access real-time data.")
        async with room.talk("crypto") as talk:
            await talk.log_in()
            assert (await talk.subscribe("XT.*"))[0][0] == "success"

    with_server(scenario, accounts={"test-key": Account(crypto="starter", stocks="starter")})


def test_given_the_delayed_host_then_everything_happened_15_minutes_ago() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk("stocks") as talk:
            await talk.log_in()
            assert (await talk.subscribe("T.AAPL"))[0][0] == "success"
            room.market.trade(AAPL)
            [trade] = await talk.hear()
            then_us = NOON_US - 15 * MINUTE_US
            assert trade["t"] == then_us // 1_000
            [span] = room.server.log.spans_made(AAPL, Channel.TRADES)
            assert span.minute_us == then_us
            page = await room.get("/v3/trades/AAPL", **{"timestamp.gte": then_us * 1_000})
            assert [row["sip_timestamp"] for row in page["results"]] == [then_us * 1_000]

    with_server(scenario, delayed=True, accounts={"test-key": Account(stocks="starter")})


@pytest.mark.parametrize("evict", ["newest", "oldest"])
def test_given_a_second_connection_then_one_is_sent_away_after_subscribing(evict: str) -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as first, room.talk() as second, room.talk("stocks") as elsewhere:
            for talk, params in ((first, "XT.*"), (elsewhere, "T.*"), (second, "XT.*")):
                await talk.log_in()
                assert (await talk.subscribe(params))[0][0] == "success"
            gone, left = (second, first) if evict == "newest" else (first, second)
            [(kind, message)] = await gone.statuses()
            assert kind == "max_connections"
            assert message.startswith("Maximum number of websocket connections exceeded.")
            assert await gone.close_code() == 1008
            room.market.trade(BTC)
            room.market.trade(AAPL)
            assert [event["ev"] for event in await left.hear() + await elsewhere.hear()] == ["XT", "T"]

    with_server(scenario, evict=evict)


def test_given_the_first_connection_has_ended_then_the_next_one_is_welcome() -> None:
    async def scenario(room: Room) -> None:
        for _ in range(2):
            async with room.talk() as talk:
                await talk.log_in()
                await talk.subscribe("XT.*")
                room.market.trade(BTC)
                assert (await talk.hear())[0]["ev"] == "XT"
            await room.server.until(lambda: not room.server.connections)

    with_server(scenario)


@pytest.mark.parametrize("message", ["{", '{"action":7}', '{"action":"dance","params":""}', "[]"])
def test_given_a_message_that_makes_no_sense_then_an_error_and_the_connection_stays(message: str) -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.log_in()
            await talk.socket.send_str(message)
            assert (await talk.statuses())[0][0] == "error"
            assert (await talk.subscribe("XT.*"))[0][0] == "success"

    with_server(scenario)


def test_given_another_path_then_the_handshake_is_refused() -> None:
    async def scenario(room: Room) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await room.session.ws_connect(f"{room.server.url}/options")
        assert caught.value.status == 404

    with_server(scenario)


# Faults.


def test_given_go_away_then_a_clean_1001() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.log_in()
            await talk.subscribe("XT.*")
            room.server.act("go_away")
            assert await talk.close_code() == 1001

    with_server(scenario)


def test_given_a_muted_symbol_then_the_others_go_on_and_rest_has_it() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.log_in()
            await talk.subscribe("XT.*")
            room.server.faults.mute.add(f"{BTC}/trades")
            room.market.trade(BTC)
            room.market.trade(ETH)
            assert [event["pair"] for event in await talk.hear()] == [ETH]
            assert room.server.log.never_handed(BTC, Channel.TRADES) == [1]
            assert len((await room.get("/v3/trades/X:BTCUSD"))["results"]) == 1

    with_server(scenario)


@pytest.mark.parametrize("act", ["drop", "cut"])
def test_given_a_broken_connection_then_no_close_frame_comes(act: str) -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.log_in()
            await talk.subscribe("XT.*")
            room.server.act(act)
            message = await talk.socket.receive(timeout=WITHIN_S)
            assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
            assert talk.socket.close_code in (None, 1006)

    with_server(scenario)


def test_given_duplicates_lies_and_rubbish_then_they_come_as_asked_for() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.log_in()
            await talk.subscribe("XT.*")
            room.server.faults.change(duplicate_share=1.0, lie_s=3_600.0)
            room.market.trade(BTC)
            twice = await talk.hear()
            assert [event["i"] for event in twice] == [1, 1]
            assert twice[0]["t"] == NOON_US // 1_000 + 3_600_000
            room.server.act("not_json")
            with pytest.raises(json.JSONDecodeError):
                await talk.hear()

    with_server(scenario)


def test_given_any_plan_of_faults_then_the_server_survives_it_and_serves_again() -> None:
    async def client(room: Room) -> None:
        while True:
            with suppress(aiohttp.ClientError, AssertionError, TimeoutError, ValueError, TypeError, KeyError):
                async with room.talk() as talk:
                    await talk.log_in()
                    await talk.subscribe("XT.*,XQ.*")
                    async for _ in talk.socket:
                        pass
            await asyncio.sleep(0.01)

    async def scenario(room: Room) -> None:
        clients = asyncio.create_task(client(room))
        trading = asyncio.create_task(room.market.run(500.0, 500.0))
        plan = scheduled(seed=3, seconds=0.5, faults=25, longest_s=0.15, symbols=[BTC])
        await follow(room.server, plan)
        for task in (clients, trading):
            task.cancel()
        await asyncio.gather(clients, trading, return_exceptions=True)
        assert len(room.server.log.noted("fault")) >= 10
        await room.server.until(lambda: not room.server.connections)
        async with room.talk() as talk:
            await talk.log_in()
            await talk.subscribe("XT.*")
            room.market.trade(BTC)
            assert (await talk.hear())[0]["ev"] == "XT"

    with_server(scenario)


# REST.


def test_given_an_ascending_range_then_pages_follow_each_other_to_its_end() -> None:
    async def scenario(room: Room) -> None:
        for second in range(7):
            room.market.trade(BTC, ts_us=NOON_US + second * 1_000_000)
        bounds = {
            "timestamp.gte": (NOON_US + 1_000_000) * 1_000,
            "timestamp.lt": (NOON_US + 6_000_000) * 1_000,
        }
        page = await room.get("/v3/trades/X:BTCUSD", order="asc", limit=2, **bounds)
        assert page["status"] == "OK"
        pages = [page]
        while "next_url" in pages[-1]:
            assert "test-key" not in pages[-1]["next_url"]
            pages.append(await room.get(pages[-1]["next_url"]))
        assert [[row["id"] for row in page["results"]] for page in pages] == [["2", "3"], ["4", "5"], ["6"]]
        first = page["results"][0]
        assert first["participant_timestamp"] == (NOON_US + 1_000_000) * 1_000
        assert set(first) == {"conditions", "exchange", "id", "participant_timestamp", "price", "size"}

    with_server(scenario)


def test_given_no_order_then_the_newest_come_first_in_pages_too() -> None:
    async def scenario(room: Room) -> None:
        for _ in range(5):
            room.market.trade(AAPL, size="2")
        page = await room.get("/v3/trades/AAPL", limit=3, apiKey="test-key", key="")
        rest = await room.get(page["next_url"])
        assert [row["id"] for row in page["results"] + rest["results"]] == ["5", "4", "3", "2", "1"]
        row = page["results"][0]
        assert row["sip_timestamp"] > row["participant_timestamp"]
        assert (row["size"], row["sequence_number"]) == (2, 55)

    with_server(scenario)


@pytest.mark.parametrize(
    ("bounds", "ids"),
    [
        ({"timestamp": "2024-08-08"}, ["1", "2", "3"]),
        ({"timestamp": "2024-08-09"}, []),
        ({"timestamp.gt": "2024-08-07"}, ["1", "2", "3"]),
        ({"timestamp.gt": "2024-08-08"}, []),
        ({"timestamp.lte": "2024-08-08"}, ["1", "2", "3"]),
        ({"timestamp.lt": "2024-08-08"}, []),
        ({"timestamp.gt": NOON_US * 1_000}, ["2", "3"]),
        ({"timestamp.gte": NOON_US * 1_000 + 1}, ["2", "3"]),
        ({"timestamp.lte": (NOON_US + 1) * 1_000}, ["1", "2"]),
        ({"timestamp.lt": (NOON_US + 1) * 1_000}, ["1"]),
        ({"timestamp": (NOON_US + 2) * 1_000}, ["3"]),
    ],
)
def test_given_a_bound_then_exactly_what_lies_within(bounds: dict[str, Any], ids: list[str]) -> None:
    async def scenario(room: Room) -> None:
        assert datetime.fromtimestamp(NOON_US / 1e6, UTC).date().isoformat() == "2024-08-08"
        for n in range(3):
            room.market.trade(BTC, ts_us=NOON_US + n)
        page = await room.get("/v3/trades/X:BTCUSD", order="asc", **bounds)
        assert [row["id"] for row in page["results"]] == ids

    with_server(scenario)


@pytest.mark.parametrize(
    ("key", "path", "query", "status", "told"),
    [
        ("", "/v3/trades/X:BTCUSD", {}, 401, {"error": "API Key was not provided"}),
        ("wrong", "/v3/trades/X:BTCUSD", {}, 401, {"error": "Unknown API Key"}),
        ("basic", "/v3/trades/AAPL", {}, 403, {"status": "NOT_AUTHORIZED"}),
        ("basic", "/v3/trades/X:BTCUSD", {}, 200, {"status": "OK"}),
        ("basic", "/v3/trades/X:NOSUCH", {}, 200, {"results": []}),
        ("basic", "/v3/trades/X:BTCUSD", {"limit": "50001"}, 400, {"status": "ERROR"}),
        ("basic", "/v3/trades/X:BTCUSD", {"order": "up"}, 400, {"status": "ERROR"}),
        ("basic", "/v3/trades/X:BTCUSD", {"timestamp": "noon"}, 400, {"status": "ERROR"}),
        ("basic", "/v3/trades/X:BTCUSD", {"cursor": "abc"}, 400, {"status": "ERROR"}),
    ],
)
def test_given_a_request_without_right_or_sense_then_the_vendors_form_of_no(
    key: str, path: str, query: dict[str, str], status: int, told: dict[str, Any]
) -> None:
    async def scenario(room: Room) -> None:
        body = await room.get(path, status, key, **query)
        assert body | told == body

    with_server(scenario, accounts={"basic": Account(stocks="basic")})


def test_given_too_many_requests_then_429_with_a_time_to_wait() -> None:
    async def scenario(room: Room) -> None:
        await room.get("/v3/trades/X:BTCUSD")
        body = await room.get("/v3/trades/X:BTCUSD", 429)
        assert body["error"].startswith("You've exceeded the maximum requests per minute")

    with_server(scenario, faults=Faults(rest_limit=(1, 60.0)))


def test_given_trades_that_rest_lacks_then_pages_go_on_without_them() -> None:
    async def scenario(room: Room) -> None:
        for _ in range(6):
            room.market.trade(BTC)
        page = await room.get("/v3/trades/X:BTCUSD", order="asc", limit=2)
        rest = await room.get(page["next_url"])
        assert [row["id"] for row in page["results"] + rest["results"]] == ["1", "2", "5", "6"]
        assert "next_url" not in rest

    with_server(scenario, faults=Faults(rest_lacks=[Lack(BTC, 3, 4)]))
