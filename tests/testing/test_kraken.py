"""Kraken's server keeps Kraken's rules, each shown on a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from barograph.clock import ManualClock
from barograph.testing import Kraken, LiveMarket, VenueServer
from barograph.testing.kraken_rest import moment_ns

NOW_NS = 1_723_161_255_708_706_000


def market() -> LiveMarket:
    return LiveMarket(["BTC-USD", "ETH-USD"], clock=ManualClock(NOW_NS))


def subscribe(channel: str, *symbols: str, **params: Any) -> Any:
    chosen = {"channel": channel, "symbol": list(symbols), "snapshot": False} | params
    return {"method": "subscribe", "params": chosen, "req_id": 7}


def test_the_status_comes_first(wire: Any) -> None:
    async def scenario() -> Any:
        async with (
            VenueServer(Kraken(market())) as server,
            wire.connect(f"{server.url}/v2") as socket,
        ):
            return await socket.json()

    status = asyncio.run(scenario())
    assert (status["channel"], status["type"]) == ("status", "update")
    assert (status["data"][0]["system"], status["data"][0]["api_version"]) == ("online", "v2")


def test_only_version_two_is_served(wire: Any) -> None:
    async def scenario() -> None:
        async with VenueServer(Kraken(market())) as server:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                async with wire.connect(server.url):
                    pass

    asyncio.run(scenario())


def test_each_symbol_of_a_request_gets_its_own_reply(wire: Any) -> None:
    async def scenario() -> list[Any]:
        async with (
            VenueServer(Kraken(market())) as server,
            wire.connect(f"{server.url}/v2") as socket,
        ):
            await socket.json()
            await socket.send(subscribe("trade", "BTC/USD", "XBT/USD"))
            return [await socket.json(), await socket.json()]

    refused, taken = sorted(asyncio.run(scenario()), key=lambda reply: reply["success"])
    assert taken["result"] == {"channel": "trade", "snapshot": False, "symbol": "BTC/USD"}
    assert (taken["method"], taken["req_id"]) == ("subscribe", 7)
    assert "time_in" in taken
    assert "time_out" in taken
    assert (refused["error"], refused["symbol"]) == ("Currency pair not supported XBT/USD", "XBT/USD")
    assert refused["req_id"] == 7


def test_trades_are_json_numbers_with_the_takers_side(wire: Any) -> None:
    async def scenario() -> bytes:
        async with (
            VenueServer(Kraken(market())) as server,
            wire.connect(f"{server.url}/v2") as socket,
        ):
            await socket.json()
            await socket.ask(subscribe("trade", "BTC/USD"))
            server.market.trade("BTC-USD", price="105944.20", size="0.00027625", side=1)
            return bytes(await socket.text())

    assert asyncio.run(scenario()) == (
        b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":105944.20,'
        b'"qty":0.00027625,"ord_type":"market","trade_id":1,"timestamp":"2024-08-08T23:54:15.708706Z"}]}'
    )


def test_a_trade_snapshot_has_the_last_trades_when_asked_for(wire: Any) -> None:
    async def scenario() -> Any:
        async with VenueServer(Kraken(market())) as server:
            server.market.make(trades=200)
            async with wire.connect(f"{server.url}/v2") as socket:
                await socket.json()
                await socket.ask(subscribe("trade", "BTC/USD", snapshot=True))
                return await socket.json()

    snapshot = asyncio.run(scenario())
    assert snapshot["type"] == "snapshot"
    numbers = [row["trade_id"] for row in snapshot["data"]]
    assert len(numbers) == 50
    assert numbers == list(range(numbers[0], numbers[0] + 50))


def test_a_ticker_follows_the_book_with_bbo_and_trades_without(wire: Any) -> None:
    async def scenario() -> None:
        async with (
            VenueServer(Kraken(market())) as server,
            wire.connect(f"{server.url}/v2") as socket,
        ):
            await socket.json()
            await socket.ask(subscribe("ticker", "BTC/USD", event_trigger="bbo"))
            await socket.ask(subscribe("ticker", "ETH/USD"))
            server.market.quote("ETH-USD", bid="1", ask="2")
            server.market.quote("BTC-USD", bid="9.5", bid_size="1", ask="10.5", ask_size="2")
            told = (await socket.json())["data"][0]
            assert (told["symbol"], told["bid"], told["ask"], told["bid_qty"]) == (
                "BTC/USD",
                9.5,
                10.5,
                1,
            )
            assert told["timestamp"] == "2024-08-08T23:54:15.708706Z"
            server.market.trade("ETH-USD")
            assert (await socket.json())["data"][0]["symbol"] == "ETH/USD"

    asyncio.run(scenario())


def test_a_ping_is_answered(wire: Any) -> None:
    async def scenario() -> Any:
        async with (
            VenueServer(Kraken(market())) as server,
            wire.connect(f"{server.url}/v2") as socket,
        ):
            await socket.json()
            return await socket.ask({"method": "ping", "req_id": 101})

    pong = asyncio.run(scenario())
    assert (pong["method"], pong["req_id"]) == ("pong", 101)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("{", "Malformed request"),
        ({"method": "nothing"}, "Unsupported method"),
        ({"method": ["subscribe"]}, "Unsupported method"),
        ({"method": "subscribe", "params": []}, "Malformed request"),
        (subscribe("nothing", "BTC/USD"), "Channel nothing not supported"),
        (subscribe("trade"), "Symbol(s) missing"),
        (subscribe("trade", "BTC/USD") | {"method": "unsubscribe"}, "Subscription Not Found"),
    ],
)  # fmt: skip
def test_a_wrong_request_gets_its_error_and_the_connection_stays(
    wire: Any, request_: Any, error: str
) -> None:
    async def scenario() -> None:
        async with (
            VenueServer(Kraken(market())) as server,
            wire.connect(f"{server.url}/v2") as socket,
        ):
            await socket.json()
            reply = await socket.ask(request_)
            assert (reply["error"], reply["success"]) == (error, False)
            assert (await socket.ask({"method": "ping"}))["method"] == "pong"

    asyncio.run(scenario())


def test_subscribing_twice_is_an_error_and_unsubscribing_stops(wire: Any) -> None:
    async def scenario() -> None:
        async with (
            VenueServer(Kraken(market())) as server,
            wire.connect(f"{server.url}/v2") as socket,
        ):
            await socket.json()
            await socket.ask(subscribe("trade", "BTC/USD"))
            assert (await socket.ask(subscribe("trade", "BTC/USD")))["error"] == "Already subscribed"
            await socket.ask(subscribe("trade", "ETH/USD"))
            reply = await socket.ask(subscribe("trade", "BTC/USD") | {"method": "unsubscribe"})
            assert reply["success"]
            server.market.trade("BTC-USD")
            server.market.trade("ETH-USD")
            assert (await socket.json())["data"][0]["symbol"] == "ETH/USD"

    asyncio.run(scenario())


def test_heartbeats_come_only_to_the_subscribed_and_only_when_it_is_quiet(wire: Any) -> None:
    async def scenario() -> None:
        async with (
            VenueServer(Kraken(market(), heartbeat_s=0.05)) as server,
            wire.connect(f"{server.url}/v2") as socket,
        ):
            await socket.json()
            assert await socket.silent(0.12)

        async with (
            VenueServer(Kraken(market(), heartbeat_s=0.2)) as server,
            wire.connect(f"{server.url}/v2") as socket,
        ):
            await socket.json()
            await socket.ask(subscribe("trade", "BTC/USD"))
            trading = asyncio.ensure_future(server.market.run(200, seconds=0.5))
            while not trading.done():
                assert (await socket.json())["channel"] in ("trade", "heartbeat")
                heartbeats = [said for said in server.connections[1].said if b"heartbeat" in said]
                assert trading.done() or not heartbeats
            while (await socket.json())["channel"] != "heartbeat":
                pass

    asyncio.run(scenario())


def test_a_connection_that_asks_for_nothing_is_closed(wire: Any) -> None:
    async def scenario() -> int | None:
        async with (
            VenueServer(Kraken(market(), idle_s=0.05)) as server,
            wire.connect(f"{server.url}/v2") as socket,
        ):
            return await socket.ended()

    assert asyncio.run(scenario()) == 1000


def test_old_trades_come_after_a_moment_and_tell_the_next_one(wire: Any) -> None:
    async def scenario() -> None:
        async with VenueServer(Kraken(market())) as server:
            made = [server.market.trade("BTC-USD", price=n, size="1", side=-1) for n in range(1, 8)]
            url = f"{server.rest_url}/0/public/Trades?pair=XBTUSD"
            _, answer, _ = await wire.get(f"{url}&since={moment_ns(made[2])}&count=2")
            assert answer["error"] == []
            rows = answer["result"]["XXBTZUSD"]
            assert [row[6] for row in rows] == [4, 5]
            assert rows[0][:2] == ["4", "1"]
            assert rows[0][3] == "s"
            assert round(rows[0][2] * 1e6) == made[3].ts_us
            assert answer["result"]["last"] == str(moment_ns(made[4]))
            _, answer, _ = await wire.get(f"{url}&since={answer['result']['last']}")
            assert [row[6] for row in answer["result"]["XXBTZUSD"]] == [6, 7]
            last = answer["result"]["last"]
            _, answer, _ = await wire.get(f"{url}&since={last}")
            assert answer["result"] == {"XXBTZUSD": [], "last": last}
            _, answer, _ = await wire.get(f"{server.rest_url}/0/public/Trades?pair=XXBTZUSD&count=1")
            assert [row[6] for row in answer["result"]["XXBTZUSD"]] == [7]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("Trades?pair=NONO", "EQuery:Unknown asset pair"),
        ("Trades?pair=XBTUSD&since=x", "EGeneral:Invalid arguments"),
        ("Trades?pair=XBTUSD&count=0", "EGeneral:Invalid arguments:count"),
        ("Nothing", "EGeneral:Unknown method"),
    ],
)
def test_rest_errors_come_in_an_array_with_status_200(wire: Any, path: str, error: str) -> None:
    async def scenario() -> None:
        async with VenueServer(Kraken(market())) as server:
            status, body, _ = await wire.get(f"{server.rest_url}/0/public/{path}")
            assert (status, body) == (200, {"error": [error]})

    asyncio.run(scenario())


def test_too_many_requests_are_told_in_the_array_too(wire: Any) -> None:
    async def scenario() -> None:
        async with VenueServer(Kraken(market())) as server:
            server.faults.rest_limit = (1, 60.0)
            url = f"{server.rest_url}/0/public/Time"
            assert (await wire.get(url))[1]["error"] == []
            assert (await wire.get(url))[:2] == (200, {"error": ["EGeneral:Too many requests"]})

    asyncio.run(scenario())


def test_pairs_are_listed_with_their_names(wire: Any) -> None:
    async def scenario() -> Any:
        async with VenueServer(Kraken(market())) as server:
            return (await wire.get(f"{server.rest_url}/0/public/AssetPairs"))[1]["result"]

    pairs = asyncio.run(scenario())
    assert {name: (pair["altname"], pair["wsname"]) for name, pair in pairs.items()} == {
        "XXBTZUSD": ("XBTUSD", "XBT/USD"),
        "XETHZUSD": ("ETHUSD", "ETH/USD"),
    }
