"""Binance's server keeps Binance's rules, each shown on a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from barograph.clock import NS_PER_S, ManualClock
from barograph.testing import Binance, LiveMarket, VenueServer

NOW_NS = 1_723_161_255_342_000_000


def market() -> LiveMarket:
    return LiveMarket(["BTC-USDT", "ETH-USDT", "BTC-USDT-PERP"], clock=ManualClock(NOW_NS))


def test_a_raw_stream_named_in_the_path_comes_bare(wire: Any) -> None:
    async def scenario() -> Any:
        async with (
            VenueServer(Binance(market())) as server,
            wire.connect(f"{server.url}/ws/btcusdt@trade") as socket,
        ):
            await server.connected(1)
            server.market.trade("BTC-USDT", price="61837.63", size="0.02", side=-1)
            return await socket.text()

    assert asyncio.run(scenario()) == (
        b'{"e":"trade","E":1723161255342,"s":"BTCUSDT","t":1,"p":"61837.63000000","q":"0.02000000",'
        b'"T":1723161255342,"m":true,"M":true}'
    )


def test_combined_streams_are_wrapped_and_a_spot_quote_has_no_time(wire: Any) -> None:
    async def scenario() -> Any:
        async with VenueServer(Binance(market())) as server:
            url = f"{server.url}/stream?streams=btcusdt@trade/ethusdt@bookTicker"
            async with wire.connect(url) as socket:
                await server.connected(1)
                server.market.quote("ETH-USDT", bid="25.35", bid_size="31", ask="25.36", ask_size="40.6")
                return await socket.json()

    assert asyncio.run(scenario()) == {
        "stream": "ethusdt@bookTicker",
        "data": {
            "u": 1, "s": "ETHUSDT",
            "b": "25.35000000", "B": "31.00000000", "a": "25.36000000", "A": "40.60000000",
        },
    }  # fmt: skip


def test_futures_show_their_own_symbols_with_kind_and_times(wire: Any) -> None:
    async def scenario() -> Any:
        async with (
            VenueServer(Binance(market(), usdm=True)) as server,
            wire.connect(f"{server.url}/ws/btcusdt@trade/btcusdt@bookTicker") as socket,
        ):
            await server.connected(1)
            server.market.trade("BTC-USDT", price="1", size="1")
            server.market.trade("BTC-USDT-PERP", price="61800.3", size="0.006", side=1)
            server.market.quote("BTC-USDT-PERP")
            return [await socket.json(), await socket.json()]

    trade, quote = asyncio.run(scenario())
    assert trade["s"] == "BTCUSDT"
    assert (trade["p"], trade["X"], trade["m"]) == ("61800.3", "MARKET", False)
    assert quote["e"] == "bookTicker"
    assert quote["T"] == quote["E"] == 1723161255342


def test_microseconds_are_told_to_a_connection_that_asks(wire: Any) -> None:
    async def scenario() -> Any:
        async with (
            VenueServer(Binance(market())) as server,
            wire.connect(f"{server.url}/ws/btcusdt@trade?timeUnit=MICROSECOND") as socket,
        ):
            await server.connected(1)
            server.market.trade("BTC-USDT", ts_us=1723161255342123)
            return (await socket.json())["T"]

    assert asyncio.run(scenario()) == 1723161255342123


def test_requests_get_their_replies(wire: Any) -> None:
    async def scenario() -> None:
        async with (
            VenueServer(Binance(market(), messages=100)) as server,
            wire.connect(f"{server.url}/ws") as socket,
        ):
            subscribe = {"method": "SUBSCRIBE", "params": ["btcusdt@trade", "ethusdt@trade"], "id": 1}
            assert await socket.ask(subscribe) == {"result": None, "id": 1}
            listed = await socket.ask({"method": "LIST_SUBSCRIPTIONS", "id": "abc"})
            assert listed == {"result": ["btcusdt@trade", "ethusdt@trade"], "id": "abc"}
            unsubscribe = {"method": "UNSUBSCRIBE", "params": ["ethusdt@trade"], "id": None}
            assert await socket.ask(unsubscribe) == {"result": None, "id": None}
            assert await socket.ask({"method": "GET_PROPERTY", "params": ["combined"], "id": 2}) == {
                "result": False, "id": 2,
            }  # fmt: skip
            await socket.ask({"method": "SET_PROPERTY", "params": ["combined", True], "id": 3})
            server.market.trade("ETH-USDT")
            server.market.trade("BTC-USDT")
            assert (await socket.json())["stream"] == "btcusdt@trade"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        ("not json", 3, "Invalid JSON"),
        ({"id": 1}, 2, "missing field `method`"),
        ({"method": "SUBSCRIBE", "params": ["a@trade"]}, 2, "request ID"),
        ({"method": "SUBSCRIBE", "params": ["a@trade"], "id": 1.5}, 2, "request ID"),
        ({"method": "SUBSCRIPE", "params": [], "id": 1}, 2, "unknown variant `SUBSCRIPE`"),
        ({"method": "SUBSCRIBE", "params": [7], "id": 1}, 2, "list of strings"),
        ({"method": "SET_PROPERTY", "params": ["combined", "yes"], "id": 1}, 1, "expected Boolean"),
        ({"method": "SET_PROPERTY", "params": [], "id": 1}, 2, "property name"),
        ({"method": "GET_PROPERTY", "params": ["nothing"], "id": 1}, 0, "Unknown property"),
    ],
)
def test_a_wrong_request_gets_its_error_and_the_connection_stays(
    wire: Any, request_: Any, code: int, words: str
) -> None:
    async def scenario() -> None:
        async with (
            VenueServer(Binance(market())) as server,
            wire.connect(f"{server.url}/ws") as socket,
        ):
            error = (await socket.ask(request_))["error"]
            assert error["code"] == code
            assert words in error["msg"]
            assert (await socket.ask({"method": "LIST_SUBSCRIPTIONS", "id": 9}))["id"] == 9

    asyncio.run(scenario())


def test_a_stream_that_does_not_exist_is_accepted_and_stays_silent(wire: Any) -> None:
    async def scenario() -> None:
        async with (
            VenueServer(Binance(market())) as server,
            wire.connect(f"{server.url}/ws/BTCUSDT@trade/nosuch@trade/ethusdt@trade") as socket,
        ):
            await server.connected(1)
            server.market.trade("BTC-USDT")
            server.market.trade("ETH-USDT")
            assert (await socket.json())["s"] == "ETHUSDT"

    asyncio.run(scenario())


def test_the_sixth_message_in_a_second_closes_with_1008(wire: Any) -> None:
    async def scenario() -> int | None:
        async with (
            VenueServer(Binance(market())) as server,
            wire.connect(f"{server.url}/ws") as socket,
        ):
            for number in range(6):
                await socket.send({"method": "LIST_SUBSCRIPTIONS", "id": number})
            return await socket.ended()

    assert asyncio.run(scenario()) == 1008


def test_pings_of_the_client_count_as_messages(wire: Any) -> None:
    async def scenario() -> int | None:
        async with (
            VenueServer(Binance(market())) as server,
            wire.connect(f"{server.url}/ws") as socket,
        ):
            for _ in range(6):
                await socket.ws.ping()
            return await socket.ended()

    assert asyncio.run(scenario()) == 1008


def test_more_than_1024_streams_close_the_connection(wire: Any) -> None:
    async def scenario() -> int | None:
        async with (
            VenueServer(Binance(market())) as server,
            wire.connect(f"{server.url}/ws") as socket,
        ):
            params = [f"s{n}@trade" for n in range(1025)]
            await socket.send({"method": "SUBSCRIBE", "params": params, "id": 1})
            return await socket.ended()

    assert asyncio.run(scenario()) == 1008


def test_a_thousand_streams_in_the_query_are_taken(wire: Any) -> None:
    async def scenario() -> int:
        async with VenueServer(Binance(market())) as server:
            names = "/".join(f"symbol{n}usdt@bookTicker" for n in range(1000))
            async with wire.connect(f"{server.url}/stream?streams={names}") as socket:
                return len((await socket.ask({"method": "LIST_SUBSCRIPTIONS", "id": 1}))["result"])

    assert asyncio.run(scenario()) == 1000


def test_pings_come_and_answered_ones_keep_the_connection(wire: Any) -> None:
    async def scenario() -> None:
        async with (
            VenueServer(Binance(market(), ping_s=0.02, pong_within_s=0.2, messages=1000)) as server,
            wire.connect(f"{server.url}/ws/btcusdt@trade") as socket,
        ):
            reading = asyncio.ensure_future(socket.text())
            await server.until(lambda: len(socket.pings) >= 15)
            server.market.trade("BTC-USDT")
            await reading

    asyncio.run(scenario())


def test_a_connection_without_pongs_is_closed_with_1008(wire: Any) -> None:
    async def scenario() -> int | None:
        async with (
            VenueServer(Binance(market(), ping_s=0.02, pong_within_s=0.06)) as server,
            wire.connect(f"{server.url}/ws", answers_pings=False) as socket,
        ):
            return await socket.ended()

    assert asyncio.run(scenario()) == 1008


def test_a_connection_is_cut_at_the_end_of_its_life(wire: Any) -> None:
    async def scenario() -> int | None:
        async with (
            VenueServer(Binance(market(), lifetime_s=0.05)) as server,
            wire.connect(f"{server.url}/ws") as socket,
        ):
            return await socket.ended()

    assert asyncio.run(scenario()) == 1000


@pytest.mark.parametrize(
    ("path", "wrapped"), [("/ws/btcusdt@trade", False), ("/stream?streams=btcusdt@trade", True)]
)
def test_server_shutdown_is_told_before_the_close(wire: Any, path: str, wrapped: bool) -> None:
    async def scenario() -> tuple[Any, int | None]:
        async with (
            VenueServer(Binance(market(), shutdown_s=0.02)) as server,
            wire.connect(server.url + path) as socket,
        ):
            await server.connected(1)
            server.act("go_away")
            return await socket.json(), await socket.ended()

    told, code = asyncio.run(scenario())
    event = {"e": "serverShutdown", "E": NOW_NS // 1_000_000}
    assert told == ({"stream": "!serverShutdown", "data": event} if wrapped else event)
    assert code == 1001


def test_a_path_that_is_none_refuses_the_handshake(wire: Any) -> None:
    async def scenario() -> None:
        async with VenueServer(Binance(market())) as server:
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                async with wire.connect(f"{server.url}/v2"):
                    pass
            assert caught.value.status == 404

    asyncio.run(scenario())


def test_old_trades_come_by_number_with_their_weight_in_the_headers(wire: Any) -> None:
    async def scenario() -> None:
        async with VenueServer(Binance(market())) as server:
            for price in range(10, 20):
                server.market.trade("BTC-USDT", price=price, size="0.5", side=-1 if price % 2 else 1)
            old = f"{server.rest_url}/api/v3/historicalTrades"
            status, rows, headers = await wire.get(f"{old}?symbol=BTCUSDT&fromId=3&limit=2")
            assert status == 200
            assert headers["x-mbx-used-weight-1m"] == "25"
            assert [row["id"] for row in rows] == [3, 4]
            assert rows[1] == {
                "id": 4, "price": "13", "qty": "0.5", "quoteQty": "6.5", "time": NOW_NS // 1_000_000,
                "isBuyerMaker": True, "isBestMatch": True,
            }  # fmt: skip
            _, rows, headers = await wire.get(f"{old}?symbol=BTCUSDT&limit=3")
            assert [row["id"] for row in rows] == [8, 9, 10]
            assert headers["x-mbx-used-weight-1m"] == "50"
            _, rows, _ = await wire.get(f"{server.rest_url}/api/v3/trades?symbol=BTCUSDT&limit=1")
            assert [row["id"] for row in rows] == [10]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("symbol=NOUSDT", 400, -1121),
        ("symbol=btcusdt", 400, -1121),
        ("", 400, -1102),
        ("symbol=BTCUSDT&limit=1001", 400, -1130),
        ("symbol=BTCUSDT&fromId=x", 400, -1100),
    ],
)
def test_a_wrong_rest_request_has_its_code(wire: Any, query: str, status: int, code: int) -> None:
    async def scenario() -> None:
        async with VenueServer(Binance(market())) as server:
            answer = await wire.get(f"{server.rest_url}/api/v3/historicalTrades?{query}")
            assert answer[0] == status
            assert answer[1]["code"] == code

    asyncio.run(scenario())


def test_too_much_weight_is_429_then_418_until_the_minute_and_the_ban_are_over(wire: Any) -> None:
    async def scenario() -> None:
        market_ = market()
        clock = market_.clock
        assert isinstance(clock, ManualClock)
        async with VenueServer(Binance(market_, weights=50)) as server:
            url = f"{server.rest_url}/api/v3/historicalTrades?symbol=BTCUSDT"
            assert [(await wire.get(url))[0] for _ in range(2)] == [200, 200]
            status, body, headers = await wire.get(url)
            assert (status, body["code"]) == (429, -1003)
            assert 0 < float(headers["retry-after"]) <= 60
            statuses = [(await wire.get(url))[0] for _ in range(10)]
            assert statuses == [429] * 9 + [418]
            clock.advance(61)
            assert (await wire.get(url))[0] == 418
            clock.advance(120)
            assert (await wire.get(url))[0] == 200

    asyncio.run(scenario())


def test_futures_want_a_key_for_old_trades(wire: Any) -> None:
    async def scenario() -> None:
        async with VenueServer(Binance(market(), usdm=True)) as server:
            server.market.trade("BTC-USDT-PERP")
            url = f"{server.rest_url}/fapi/v1/historicalTrades?symbol=BTCUSDT&fromId=1"
            assert (await wire.get(url))[:2] == (401, {"code": -2014, "msg": "API-key format invalid."})
            status, rows, headers = await wire.get(url, headers={"X-MBX-APIKEY": "k"})
            assert (status, rows[0]["id"], headers["x-mbx-used-weight-1m"]) == (200, 1, "40")
            assert (await wire.get(f"{server.rest_url}/api/v3/time"))[0] == 404

    asyncio.run(scenario())


def test_exchange_info_lists_the_venues_symbols(wire: Any) -> None:
    async def scenario() -> None:
        async with (
            VenueServer(Binance(market())) as server,
            VenueServer(Binance(market(), usdm=True)) as usdm,
        ):
            _, spot, _ = await wire.get(f"{server.rest_url}/api/v3/exchangeInfo")
            assert [(s["symbol"], s["baseAsset"], s["quoteAsset"]) for s in spot["symbols"]] == [
                ("BTCUSDT", "BTC", "USDT"), ("ETHUSDT", "ETH", "USDT"),
            ]  # fmt: skip
            wrong = await wire.get(f"{server.rest_url}/api/v3/exchangeInfo?symbol=NOUSDT")
            assert wrong[1]["code"] == -1121
            _, futures, _ = await wire.get(f"{usdm.rest_url}/fapi/v1/exchangeInfo")
            assert [(s["symbol"], s["contractType"]) for s in futures["symbols"]] == [
                ("BTCUSDT", "PERPETUAL")
            ]

    asyncio.run(scenario())


def test_time_is_the_clocks(wire: Any) -> None:
    async def scenario() -> Any:
        async with VenueServer(Binance(market())) as server:
            return (await wire.get(f"{server.rest_url}/api/v3/time"))[1]

    assert asyncio.run(scenario()) == {"serverTime": NOW_NS // (NS_PER_S // 1000)}
