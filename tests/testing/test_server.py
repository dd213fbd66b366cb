"""The server itself: many clients, threads, lives, remote control, honesty about its own bugs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import aiohttp
import msgspec
import pytest

from barograph.gaps import Channel
from barograph.testing import (
    Binance,
    Client,
    Coinbase,
    Event,
    Kraken,
    LiveMarket,
    VenueServer,
    serving,
)
from barograph.testing.log import read_events


def test_every_client_gets_what_it_subscribed_to_and_the_log_says_so(wire: Any) -> None:
    async def scenario() -> None:
        market = LiveMarket(["BTC-USDT", "ETH-USDT"])
        async with (
            VenueServer(Binance(market)) as server,
            wire.connect(f"{server.url}/ws/btcusdt@trade") as one,
            wire.connect(f"{server.url}/stream?streams=btcusdt@trade/ethusdt@bookTicker") as two,
        ):
            first, second = await server.connected(2)
            market.make(trades=200, quotes=200)
            market.trade("BTC-USDT", price="7777")
            expected = [trade.number for trade in market.trades["BTC-USDT"].newest(1_000)]
            seen = [(await one.json())["t"] for _ in expected]
            assert seen == expected
            trades, quotes = [], []
            while len(trades) < len(expected):
                data = (await two.json())["data"]
                (trades if "t" in data else quotes).append(data.get("t", data.get("u")))
            assert trades == expected
            log = server.log
            assert log.numbers_handed("BTC-USDT", Channel.TRADES, first.number) == set(expected)
            assert log.numbers_handed("ETH-USDT", Channel.QUOTES, first.number) == set()
            assert log.numbers_handed("ETH-USDT", Channel.QUOTES, second.number) == set(quotes)
            assert sum(log.counts_made().values()) == 401
            assert second.frames == len(trades) + len(quotes)

    asyncio.run(scenario())


def test_coinbase_tickers_and_kraken_frames_are_logged_as_the_events_they_hold(wire: Any) -> None:
    async def scenario() -> None:
        market = LiveMarket(["BTC-USD"])
        async with (
            VenueServer(Coinbase(market)) as coinbase,
            VenueServer(Kraken(market)) as kraken,
            wire.connect(coinbase.url) as one,
            wire.connect(f"{kraken.url}/v2") as two,
        ):
            channels = {"product_ids": ["BTC-USD"], "channels": ["matches", "ticker"]}
            await one.ask({"type": "subscribe"} | channels)
            params = {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": False}
            await two.send({"method": "subscribe", "params": params})
            await kraken.connected(1)
            market.quote("BTC-USD")
            market.make(trades=5)
            assert coinbase.log.numbers_handed("BTC-USD", Channel.QUOTES) == {1, 2, 3, 4, 5}
            assert coinbase.log.numbers_handed("BTC-USD", Channel.TRADES) == {1, 2, 3, 4, 5}
            assert kraken.log.numbers_handed("BTC-USD", Channel.TRADES) == {1, 2, 3, 4, 5}
            assert kraken.log.numbers_handed("BTC-USD", Channel.QUOTES) == set()
            assert kraken.connections[1].frames == 1

    asyncio.run(scenario())


def test_a_server_that_stops_resets_its_clients_and_the_next_one_goes_on_with_the_market(wire: Any) -> None:
    async def scenario() -> None:
        market = LiveMarket(["BTC-USDT"])
        async with VenueServer(Binance(market)) as server:
            port = server.port
            async with wire.connect(f"{server.url}/ws/btcusdt@trade") as socket:
                await server.connected(1)
                market.trade("BTC-USDT")
                await server.stop()
                assert (await socket.json())["t"] == 1
                assert await socket.ended() == 1006
            market.trade("BTC-USDT")
            async with VenueServer(Binance(market), port) as again:
                async with wire.connect(f"{again.url}/ws/btcusdt@trade") as socket:
                    await again.connected(1)
                    market.trade("BTC-USDT")
                    assert (await socket.json())["t"] == 3
                url = f"{again.rest_url}/api/v3/historicalTrades?symbol=BTCUSDT&fromId=2"
                assert [row["id"] for row in (await wire.get(url))[1]] == [2, 3]

    asyncio.run(scenario())


def test_a_server_in_a_thread_serves_a_test_without_a_loop() -> None:
    with serving(Binance(LiveMarket(["BTC-USDT"]))) as served:
        served.market.trade("BTC-USDT", price="61800.10")
        with urlopen(f"{served.rest_url}/api/v3/trades?symbol=BTCUSDT") as answer:
            assert msgspec.json.decode(answer.read())[0]["price"] == "61800.10"

        async def scenario() -> Any:
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(f"{served.url}/ws/btcusdt@trade") as ws,
            ):
                await asyncio.to_thread(served.connected, 1)
                await asyncio.to_thread(served.market.trade, "BTC-USDT")
                number = (await ws.receive_json())["t"]
                assert await asyncio.to_thread(served.act, "close", code=1012) == 1
                await ws.receive()
                return number, ws.close_code

        assert asyncio.run(scenario()) == (2, 1012)
        served.until(lambda: not served.server.connections)


def test_a_port_that_is_taken_is_told_to_the_caller() -> None:
    with (
        serving(Binance(LiveMarket(["BTC-USDT"]))) as served,
        pytest.raises(OSError, match="address"),
        serving(Binance(LiveMarket(["A-USD"])), served.server.port),
    ):
        pass


def ask(url: str, value: Any = None) -> Any:
    """A GET, or a POST of JSON."""
    data = None if value is None else msgspec.json.encode(value)
    with urlopen(Request(url, data)) as answer:
        return msgspec.json.decode(answer.read())


def test_a_server_elsewhere_is_told_what_to_do_over_its_own_port() -> None:
    with serving(Binance(LiveMarket(["BTC-USDT"])), remote_control=True) as served:
        url = f"{served.rest_url}/_barograph"
        assert (
            ask(f"{url}/trade", {"symbol": "BTC-USDT", "price": "5.5", "size": "1", "side": -1})["number"]
            == 1
        )
        assert ask(f"{url}/quote", {"symbol": "BTC-USDT"})["number"] == 1
        assert ask(f"{url}/faults", {"refuse": 503, "mute": ["*"]})["refuse"] == 503
        assert served.faults.mute == {"*"}
        assert ask(f"{url}/faults", {"clear": True, "lie_s": 2})["lie_s"] == 2
        assert served.faults.refuse == 0
        assert ask(f"{url}/faults")["lie_s"] == 2
        assert ask(f"{url}/act", {"act": "drop"}) == {"connections": 0}
        made = ask(f"{url}/log")["made"]
        assert [row[:2] for row in made] == [["BTC-USDT", "trades"], ["BTC-USDT", "quotes"]]


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("faults", {"colour": 1}, "colour"),
        ("act", {"act": "explode"}, "explode"),
        ("trade", {"symbol": "NO-NO"}, "NO-NO"),
        ("trade", {"colour": 1}, "colour"),
        ("nothing", {}, "nothing"),
        ("log", {}, "log"),
    ],
)
def test_a_wrong_order_is_refused_with_the_reason(wire: Any, path: str, value: Any, reason: str) -> None:
    async def scenario() -> None:
        async with VenueServer(Binance(LiveMarket(["BTC-USDT"])), remote_control=True) as server:
            url = f"{server.rest_url}/_barograph/{path}"
            async with aiohttp.ClientSession() as session, session.post(url, json=value) as answer:
                assert answer.status == 400
                assert reason in await answer.text()

    asyncio.run(scenario())


def test_without_the_flag_there_is_no_remote_control(wire: Any) -> None:
    async def scenario() -> int:
        async with VenueServer(Binance(LiveMarket(["BTC-USDT"]))) as server:
            return int((await wire.get(f"{server.rest_url}/_barograph/log"))[0])

    assert asyncio.run(scenario()) == 404


def test_a_bug_in_a_venue_fails_the_test_that_uses_it(wire: Any) -> None:
    class Broken(Binance):
        async def talk(self, client: Client, path: str, query: Any) -> None:
            raise ZeroDivisionError

    async def scenario() -> None:
        async with (
            VenueServer(Broken(LiveMarket(["BTC-USDT"]))) as server,
            wire.connect(f"{server.url}/ws") as socket,
        ):
            await socket.ended()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(scenario())


def test_the_log_file_is_written_before_the_socket(wire: Any, tmp_path: Path) -> None:
    file = tmp_path / "server.jsonl"
    on_disk: list[int] = []

    class Watching(Binance):
        def encode(self, events: Sequence[Event], client: Client) -> list[bytes]:
            on_disk.append(len(list(read_events(file))))
            return super().encode(events, client)

    async def scenario() -> None:
        market = LiveMarket(["BTC-USDT"])
        async with (
            VenueServer(Watching(market), log_file=file) as server,
            wire.connect(f"{server.url}/ws/btcusdt@trade") as socket,
        ):
            await server.connected(1)
            market.trade("BTC-USDT")
            market.trade("BTC-USDT")
            await socket.json()

    asyncio.run(scenario())
    assert on_disk == [1, 2]
    assert b'"handed"' in file.read_bytes()


def test_a_key_in_an_address_is_not_in_the_log(wire: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        venue = Binance(LiveMarket(["BTC-USDT"]))
        async with VenueServer(venue, log_file=tmp_path / "log") as server:
            await wire.get(f"{server.rest_url}/api/v3/time?apiKey=hush&x=1")
            async with wire.connect(f"{server.url}/ws?access_token=hush"):
                await server.until(lambda: bool(server.connections))
            [rest] = server.log.noted("rest")
            assert rest.detail == {"url": "/api/v3/time?apiKey=***&x=1", "status": 200}

    asyncio.run(scenario())
    assert b"hush" not in (tmp_path / "log").read_bytes()


def test_waiting_for_what_never_comes_ends_in_time() -> None:
    async def scenario() -> None:
        async with VenueServer(Binance(LiveMarket(["BTC-USDT"]))) as server:
            await server.connected(1, within_s=0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(scenario())
