"""Coinbase Exchange's server keeps its rules, each shown on a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from barograph.clock import ManualClock
from barograph.testing import Coinbase, LiveMarket, VenueServer
from barograph.testing.coinbase import sequence

NOW_NS = 1_723_161_255_708_706_000
SUBSCRIBE = {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches", "ticker"]}


def market() -> LiveMarket:
    return LiveMarket(["BTC-USD", "ETH-USD"], clock=ManualClock(NOW_NS))


def test_who_does_not_subscribe_in_time_is_disconnected(wire: Any) -> None:
    async def scenario() -> int | None:
        async with (
            VenueServer(Coinbase(market(), subscribe_within_s=0.03)) as server,
            wire.connect(server.url) as socket,
        ):
            return await socket.ended()

    assert asyncio.run(scenario()) == 1008


def test_subscribing_is_confirmed_and_followed_by_the_last_ticker_and_match(wire: Any) -> None:
    async def scenario() -> list[Any]:
        async with VenueServer(Coinbase(market())) as server:
            server.market.quote("BTC-USD", bid="99", ask="101")
            server.market.trade("BTC-USD", price="101", size="0.5", side=1)
            async with wire.connect(server.url) as socket:
                return [await socket.ask(SUBSCRIBE), await socket.json(), await socket.json()]

    confirmed, match, ticker = asyncio.run(scenario())
    assert confirmed["type"] == "subscriptions"
    assert [(c["name"], c["product_ids"]) for c in confirmed["channels"]] == [
        ("matches", ["BTC-USD"]), ("ticker", ["BTC-USD"]),
    ]  # fmt: skip
    assert (match["type"], match["trade_id"]) == ("last_match", 1)
    assert (ticker["type"], ticker["trade_id"], ticker["best_bid"]) == ("ticker", 1, "99")


def test_a_match_has_the_makers_side_and_its_ticker_the_takers(wire: Any) -> None:
    async def scenario() -> list[Any]:
        async with VenueServer(Coinbase(market())) as server:
            server.market.quote("BTC-USD", bid="99", bid_size="1", ask="101", ask_size="2")
            async with wire.connect(server.url) as socket:
                await socket.ask(SUBSCRIBE)
                server.market.quote("BTC-USD", bid="100", bid_size="3", ask="102", ask_size="4")
                server.market.trade("BTC-USD", price="102", size="0.5", side=1)
                return [await socket.json(), await socket.json()]

    match, ticker = asyncio.run(scenario())
    assert (match["type"], match["side"], match["price"], match["size"]) == ("match", "sell", "102", "0.5")
    assert (ticker["type"], ticker["side"]) == ("ticker", "buy")
    assert (ticker["best_bid"], ticker["best_bid_size"], ticker["best_ask"], ticker["best_ask_size"]) == (
        "100", "3", "102", "4",
    )  # fmt: skip
    assert match["sequence"] == ticker["sequence"] == sequence(1)
    assert match["time"] == ticker["time"] == "2024-08-08T23:54:15.708706Z"
    assert match["trade_id"] == ticker["trade_id"] == 1


def test_a_quote_alone_sends_no_ticker(wire: Any) -> None:
    async def scenario() -> str:
        async with VenueServer(Coinbase(market())) as server, wire.connect(server.url) as socket:
            await socket.ask(SUBSCRIBE)
            server.market.quote("BTC-USD")
            server.market.trade("BTC-USD")
            return str((await socket.json())["type"])

    assert asyncio.run(scenario()) == "match"


def test_heartbeats_name_the_last_trade(wire: Any) -> None:
    async def scenario() -> Any:
        async with VenueServer(Coinbase(market(), heartbeat_s=0.02)) as server:
            server.market.trade("BTC-USD")
            server.market.trade("BTC-USD")
            async with wire.connect(server.url) as socket:
                channels = [{"name": "heartbeat", "product_ids": ["BTC-USD"]}]
                await socket.ask({"type": "subscribe", "channels": channels})
                return await socket.json()

    beat = asyncio.run(scenario())
    assert (beat["type"], beat["product_id"], beat["last_trade_id"]) == ("heartbeat", "BTC-USD", 2)


@pytest.mark.parametrize(
    ("request_", "message", "reason"),
    [
        ("{", "Malformed JSON", ""),
        ({"type": "nothing"}, "Malformed message", "not a valid type"),
        ({"type": "subscribe", "product_ids": ["BTC-USD"]}, "Failed to subscribe", "No channels provided"),
        (SUBSCRIBE | {"product_ids": ["NO-NO"]}, "Failed to subscribe", "NO-NO is not a valid product"),
        (SUBSCRIBE | {"channels": ["nothing"]}, "Failed to subscribe", "nothing is not a valid channel"),
        (SUBSCRIBE | {"channels": ["full"]}, "Failed to subscribe", "requires authentication"),
        ({"type": "subscribe", "channels": ["ticker"]}, "Failed to subscribe", "at least one product ID"),
    ],
)
def test_a_wrong_request_is_refused_as_a_whole(wire: Any, request_: Any, message: str, reason: str) -> None:
    async def scenario() -> None:
        async with VenueServer(Coinbase(market())) as server, wire.connect(server.url) as socket:
            error = await socket.ask(request_)
            assert (error["type"], error["message"]) == ("error", message)
            assert reason in error.get("reason", "")
            assert not server.connections[1].trades

    asyncio.run(scenario())


def test_one_unknown_product_spoils_the_request_for_the_others(wire: Any) -> None:
    async def scenario() -> Any:
        async with VenueServer(Coinbase(market())) as server, wire.connect(server.url) as socket:
            await socket.ask(SUBSCRIBE | {"product_ids": ["BTC-USD", "NO-NO"]})
            return server.connections[1].state

    assert asyncio.run(scenario()) == {}


def test_unsubscribing_is_confirmed_and_stops_the_channel(wire: Any) -> None:
    async def scenario() -> None:
        async with VenueServer(Coinbase(market())) as server, wire.connect(server.url) as socket:
            await socket.ask(SUBSCRIBE | {"product_ids": ["BTC-USD", "ETH-USD"], "channels": ["matches"]})
            left = await socket.ask(
                {"type": "unsubscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]}
            )
            assert left["channels"][0]["product_ids"] == ["ETH-USD"]
            server.market.trade("BTC-USD")
            server.market.trade("ETH-USD")
            assert (await socket.json())["product_id"] == "ETH-USD"

    asyncio.run(scenario())


def test_the_hundred_and_first_message_in_a_second_closes(wire: Any) -> None:
    async def scenario() -> int | None:
        async with VenueServer(Coinbase(market())) as server, wire.connect(server.url) as socket:
            for _ in range(101):
                await socket.send("{")
            return await socket.ended()

    assert asyncio.run(scenario()) == 1008


def test_old_trades_come_newest_first_page_by_page(wire: Any) -> None:
    async def scenario() -> None:
        async with VenueServer(Coinbase(market())) as server:
            for price in range(1, 11):
                server.market.trade("BTC-USD", price=price, size="2", side=-1)
            url = f"{server.rest_url}/products/BTC-USD/trades"
            status, rows, headers = await wire.get(f"{url}?limit=3")
            assert (status, [row["trade_id"] for row in rows]) == (200, [10, 9, 8])
            assert (headers["cb-before"], headers["cb-after"]) == ("10", "8")
            assert rows[0] == {
                "trade_id": 10, "side": "buy", "size": "2", "price": "10",
                "time": "2024-08-08T23:54:15.708706Z",
            }  # fmt: skip
            _, rows, _ = await wire.get(f"{url}?limit=3&after={headers['cb-after']}")
            assert [row["trade_id"] for row in rows] == [7, 6, 5]
            _, rows, _ = await wire.get(f"{url}?before=8")
            assert [row["trade_id"] for row in rows] == [10, 9]
            _, rows, headers = await wire.get(f"{url}?after=1")
            assert rows == []
            assert "cb-after" not in headers

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/products/NO-NO/trades", 404, "NotFound"),
        ("/nothing", 404, "NotFound"),
        ("/products/BTC-USD/trades?limit=1001", 400, "limit"),
        ("/products/BTC-USD/trades?after=x", 400, "Invalid"),
    ],
)
def test_a_wrong_rest_request_is_refused(wire: Any, path: str, status: int, message: str) -> None:
    async def scenario() -> None:
        async with VenueServer(Coinbase(market())) as server:
            answer = await wire.get(server.rest_url + path)
            assert answer[0] == status
            assert message in answer[1]["message"]

    asyncio.run(scenario())


def test_products_are_listed(wire: Any) -> None:
    async def scenario() -> Any:
        async with VenueServer(Coinbase(market())) as server:
            return (await wire.get(f"{server.rest_url}/products"))[1]

    assert [(p["id"], p["base_currency"], p["status"]) for p in asyncio.run(scenario())] == [
        ("BTC-USD", "BTC", "online"), ("ETH-USD", "ETH", "online"),
    ]  # fmt: skip
