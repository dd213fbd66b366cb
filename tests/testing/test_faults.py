"""Each fault does what its name says, on a real socket."""

from __future__ import annotations

import asyncio
import socket as sockets
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import WSMsgType

from barograph.errors import UsageError
from barograph.gaps import Channel
from barograph.testing import Binance, Coinbase, Faults, Lack, LiveMarket, VenueServer

STREAMS = "/ws/btcusdt@trade/btcusdt@bookTicker/ethusdt@trade"


def venue() -> Binance:
    return Binance(LiveMarket(["BTC-USDT", "ETH-USDT"]), messages=1_000)


async def read_into(reader: asyncio.StreamReader, got: bytearray) -> None:
    while byte := await reader.read(1):
        got += byte


async def numbers(socket: Any, n: int) -> list[int]:
    return [(await socket.json())["t"] for _ in range(n)]


def test_a_drop_is_a_reset_without_a_close_frame() -> None:
    """Read as bytes, since a websocket client does not tell a reset from an end."""

    async def scenario() -> None:
        async with VenueServer(venue()) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(
                b"GET /ws/btcusdt@trade HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: MDAwMDAwMDAwMDAwMDAwMA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            await reader.readuntil(b"\r\n\r\n")
            await server.connected(1)
            assert server.act("drop") == 1
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    asyncio.run(scenario())


def test_a_dropped_client_sees_1006(wire: Any) -> None:
    async def scenario() -> int | None:
        async with VenueServer(venue()) as server, wire.connect(server.url + STREAMS) as socket:
            await server.connected(1)
            server.act("drop")
            code = await socket.ended()
            await server.until(lambda: not server.connections)
            assert server.log.noted("ended")[0].detail == {"how": "dropped"}
            return code

    assert asyncio.run(scenario()) == 1006


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 4003])
def test_a_clean_close_has_its_code_and_reason(wire: Any, code: int) -> None:
    async def scenario() -> None:
        async with VenueServer(venue()) as server, wire.connect(server.url + STREAMS) as socket:
            await server.connected(1)
            server.act("close", code=code, reason="as told")
            message = await socket.message()
            assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, code, "as told")
            await server.until(lambda: not server.connections)

    asyncio.run(scenario())


def test_a_client_that_does_not_answer_a_close_is_cut_off() -> None:
    async def scenario() -> None:
        async with VenueServer(venue()) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(
                b"GET /ws/btcusdt@trade HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: MDAwMDAwMDAwMDAwMDAwMA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            await reader.readuntil(b"\r\n\r\n")
            [client] = await server.connected(1)
            client.close_within_s = 0.05
            server.act("close", code=1001)
            assert await reader.readexactly(4) == b"\x88\x02\x03\xe9"
            assert await reader.read() == b""
            await server.until(lambda: not server.connections)
            writer.close()

    asyncio.run(scenario())


def test_a_cut_sends_half_a_frames_bytes_and_resets() -> None:
    async def scenario() -> bytes:
        async with VenueServer(venue()) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(
                b"GET /ws/btcusdt@trade HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: MDAwMDAwMDAwMDAwMDAwMA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            await reader.readuntil(b"\r\n\r\n")
            await server.connected(1)
            server.act("cut")
            got = bytearray()
            with pytest.raises(ConnectionResetError):
                await read_into(reader, got)
            writer.close()
            return bytes(got)

    got = asyncio.run(scenario())
    assert got[:1] == b"\x81"
    size = got[1] if got[1] < 126 else int.from_bytes(got[2:4], "big")
    assert 10 < len(got) < size
    assert b'{"e":"trade"' in got


def test_a_stall_sends_nothing_not_even_pings_and_loses_what_was_made(wire: Any) -> None:
    async def scenario() -> None:
        stalled = Binance(LiveMarket(["BTC-USDT"]), ping_s=0.02, messages=1_000)
        async with (
            VenueServer(stalled) as server,
            wire.connect(f"{server.url}/ws/btcusdt@trade") as socket,
        ):
            await server.connected(1)
            server.faults.stall = True
            server.market.trade("BTC-USDT")
            await socket.ws.ping()
            assert await socket.silent(0.1)
            server.faults.stall = False
            server.market.trade("BTC-USDT")
            assert await numbers(socket, 1) == [2]
            assert server.log.never_handed("BTC-USDT", Channel.TRADES) == [1]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("mute", "expected"),
    [
        ("BTC-USDT/trades", ["quote", "eth"]),
        ("BTC-USDT/quotes", ["btc", "eth"]),
        ("BTC-USDT", ["eth"]),
        ("*", []),
    ],
)
def test_what_is_muted_is_silent_and_the_rest_goes_on(wire: Any, mute: str, expected: list[str]) -> None:
    async def scenario() -> list[str]:
        async with VenueServer(venue()) as server, wire.connect(server.url + STREAMS) as socket:
            await server.connected(1)
            server.faults.mute = {mute}
            server.market.trade("BTC-USDT")
            server.market.quote("BTC-USDT")
            server.market.trade("ETH-USDT")
            server.faults.clear()
            server.market.trade("ETH-USDT", price="7777")
            seen: list[str] = []
            while (event := await socket.json()).get("p") != "7777.00000000":
                seen.append("quote" if "u" in event else event["s"][:3].lower())
            return seen

    assert asyncio.run(scenario()) == expected


def test_skipped_ids_are_missing_on_the_socket_and_there_over_rest(wire: Any) -> None:
    async def scenario() -> None:
        async with VenueServer(venue()) as server, wire.connect(server.url + STREAMS) as socket:
            await server.connected(1)
            server.market.trade("BTC-USDT")
            server.faults.skip = {"BTC-USDT/trades": 2}
            for _ in range(4):
                server.market.trade("BTC-USDT")
            assert await numbers(socket, 3) == [1, 4, 5]
            url = f"{server.rest_url}/api/v3/historicalTrades?symbol=BTCUSDT&fromId=1"
            assert [row["id"] for row in (await wire.get(url))[1]] == [1, 2, 3, 4, 5]
            assert server.log.never_handed("BTC-USDT", Channel.TRADES) == [2, 3]

    asyncio.run(scenario())


def test_a_share_of_events_is_skipped_doubled_or_misplaced(wire: Any) -> None:
    async def scenario(**fields: Any) -> list[int]:
        async with (
            VenueServer(venue(), faults=Faults(seed=3, **fields)) as server,
            wire.connect(f"{server.url}/ws/btcusdt@trade/ethusdt@trade") as socket,
        ):
            await server.connected(1)
            made = [event for event in server.market.make(trades=400) if event.symbol == "BTC-USDT"]
            server.faults.clear()
            server.market.trade("ETH-USDT", price="7777")
            seen = []
            while (event := await socket.json())["p"] != "7777.00000000":
                seen += [event["t"]] if event["s"] == "BTCUSDT" else []
            assert made
            return seen

    skipped = asyncio.run(scenario(skip_share=0.2))
    assert skipped == sorted(set(skipped))
    assert 0.7 < len(skipped) / (skipped[-1] or 1) < 0.9
    doubled = asyncio.run(scenario(duplicate_share=0.2))
    assert doubled == sorted(doubled)
    assert len(set(doubled)) < len(doubled)
    assert set(doubled) == set(range(1, max(doubled) + 1))
    misplaced = asyncio.run(scenario(reorder_share=0.2))
    assert misplaced != sorted(misplaced)
    assert sorted(misplaced) == list(range(1, len(misplaced) + 1))


def test_events_made_one_by_one_change_places_too(wire: Any) -> None:
    async def scenario() -> None:
        async with (
            VenueServer(venue(), faults=Faults(reorder_share=1.0)) as server,
            wire.connect(server.url + STREAMS) as socket,
        ):
            await server.connected(1)
            server.market.trade("BTC-USDT")
            server.market.trade("BTC-USDT")
            assert await numbers(socket, 1) == [2]
            assert await numbers(socket, 1) == [1], "it does not wait for ever"
            server.market.trade("BTC-USDT")
            server.faults.clear()
            server.market.trade("BTC-USDT")
            assert await numbers(socket, 2) == [3, 4]

    asyncio.run(scenario())


def test_one_connection_of_two_can_stall(wire: Any) -> None:
    async def scenario() -> None:
        async with (
            VenueServer(venue()) as server,
            wire.connect(f"{server.url}/ws/btcusdt@trade") as one,
            wire.connect(f"{server.url}/ws/btcusdt@trade") as two,
        ):
            first, _ = await server.connected(2)
            first.stall = True
            server.market.trade("BTC-USDT")
            assert await numbers(two, 1) == [1]
            first.stall = False
            server.market.trade("BTC-USDT")
            assert await numbers(one, 1) == [2]

    asyncio.run(scenario())


def test_delayed_events_come_later_and_in_order(wire: Any) -> None:
    async def scenario() -> None:
        async with VenueServer(venue()) as server, wire.connect(server.url + STREAMS) as socket:
            await server.connected(1)
            server.faults.delay_s = 0.1
            loop = asyncio.get_running_loop()
            begun = loop.time()
            server.market.trade("BTC-USDT")
            server.market.trade("BTC-USDT")
            assert await numbers(socket, 2) == [1, 2]
            assert loop.time() - begun >= 0.09

    asyncio.run(scenario())


def test_a_lie_about_time_is_told_to_the_socket_only(wire: Any) -> None:
    async def scenario() -> None:
        async with VenueServer(venue()) as server, wire.connect(server.url + STREAMS) as socket:
            await server.connected(1)
            server.faults.lie_s = 3_600
            made = server.market.trade("BTC-USDT")
            assert (await socket.json())["T"] == made.ts_us // 1_000 + 3_600_000
            url = f"{server.rest_url}/api/v3/trades?symbol=BTCUSDT"
            assert (await wire.get(url))[1][0]["time"] == made.ts_us // 1_000

    asyncio.run(scenario())


def test_so_many_handshakes_are_refused_as_told(wire: Any) -> None:
    async def scenario() -> None:
        faults = Faults(refuse=503, refuse_times=2, retry_after_s=7)
        async with VenueServer(venue(), faults=faults) as server:
            for _ in range(2):
                with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                    await wire.connect(f"{server.url}/ws").__aenter__()
                assert caught.value.status == 503
                assert caught.value.headers is not None
                assert caught.value.headers["Retry-After"] == "7"
            async with wire.connect(f"{server.url}/ws"):
                pass
            assert [note.detail["status"] for note in server.log.noted("refused")] == [503, 503]

    asyncio.run(scenario())


def test_messages_are_limited_as_told(wire: Any) -> None:
    async def scenario() -> int | None:
        async with (
            VenueServer(venue(), faults=Faults(message_limit=(2, 1.0))) as server,
            wire.connect(f"{server.url}/ws") as socket,
        ):
            for number in range(3):
                await socket.send({"method": "LIST_SUBSCRIPTIONS", "id": number})
            return await socket.ended()

    assert asyncio.run(scenario()) == 1008


def test_rest_fails_is_slow_and_limited_as_told(wire: Any) -> None:
    async def scenario() -> None:
        async with VenueServer(venue()) as server:
            url = f"{server.rest_url}/api/v3/ping"
            server.faults.change(rest_status=502, rest_times=1)
            assert [(await wire.get(url))[0] for _ in range(2)] == [502, 200]
            server.faults.change(rest_limit=[1, 60.0], retry_after_s=3)
            assert (await wire.get(url))[0] == 200
            status, body, headers = await wire.get(url)
            assert (status, body["code"], headers["retry-after"]) == (429, -1003, "3")
            server.faults.clear()
            server.faults.rest_slow_s = 0.1
            begun = asyncio.get_running_loop().time()
            assert (await wire.get(url))[0] == 200
            assert asyncio.get_running_loop().time() - begun >= 0.09

    asyncio.run(scenario())


def test_rest_may_lack_a_part_of_the_past(wire: Any) -> None:
    async def scenario() -> list[int]:
        async with VenueServer(venue()) as server:
            for _ in range(6):
                server.market.trade("BTC-USDT")
            server.faults.rest_lacks = [Lack("BTC-USDT", 2, 4), Lack("ETH-USDT", 1, 9)]
            url = f"{server.rest_url}/api/v3/historicalTrades?symbol=BTCUSDT&fromId=1"
            return [row["id"] for row in (await wire.get(url))[1]]

    assert asyncio.run(scenario()) == [1, 5, 6]


@pytest.mark.parametrize("act", ["not_json", "wrong_types", "binary", "huge"])
def test_rubbish_comes_between_good_frames(wire: Any, act: str) -> None:
    async def scenario() -> aiohttp.WSMessage:
        async with VenueServer(venue()) as server, wire.connect(server.url + STREAMS) as socket:
            await server.connected(1)
            server.act(act)
            server.market.trade("BTC-USDT")
            rubbish = await socket.message()
            assert await numbers(socket, 1) == [1]
            return rubbish

    rubbish = asyncio.run(scenario())
    if act == "binary":
        assert rubbish.type is WSMsgType.BINARY
    elif act == "not_json":
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(rubbish.data)
    elif act == "wrong_types":
        assert isinstance(msgspec.json.decode(rubbish.data)["t"], list)
    else:
        assert len(rubbish.data) > 16_000_000


def test_a_client_that_does_not_read_is_disconnected() -> None:
    async def scenario() -> None:
        slow = venue()
        slow.slow_bytes = 200_000
        async with VenueServer(slow) as server:
            connection = sockets.socket()
            connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(
                b"GET /ws/btcusdt@trade HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: MDAwMDAwMDAwMDAwMDAwMA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            await server.connected(1)
            while server.connections:
                server.market.make(trades=2_000)
                await asyncio.sleep(0)
            assert server.log.noted("ended")[0].detail == {"how": "too slow"}
            connection.close()

    asyncio.run(scenario())


def test_a_slow_client_of_coinbase_is_told_why() -> None:
    async def scenario() -> bytes:
        slow = Coinbase(LiveMarket(["BTC-USD"]))
        slow.slow_bytes = 200_000
        async with VenueServer(slow) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(
                b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: MDAwMDAwMDAwMDAwMDAwMA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            request = b'{"type":"subscribe","product_ids":["BTC-USD"],"channels":["matches"]}'
            writer.write(bytes((0x81, 0x80 | len(request), 0, 0, 0, 0)) + request)
            [client] = await server.connected(1)
            while client.open:
                server.market.make(trades=2_000)
                await asyncio.sleep(0)
            assert client.ended == "too slow"
            heard = await reader.read(-1)
            writer.close()
            return heard

    heard = asyncio.run(scenario())
    assert b"ErrSlowConsume" in heard[-200:]
    assert heard.endswith(b"\x03\xf0ErrSlowConsume")


def test_a_fault_that_is_none_is_refused_with_its_name() -> None:
    faults = Faults()
    with pytest.raises(UsageError, match="colour"):
        faults.change(colour="red")
    with pytest.raises(UsageError, match="refuse"):
        faults.change(refuse="often")
    assert faults == Faults()


def test_an_act_that_is_none_is_refused() -> None:
    async def scenario() -> None:
        async with VenueServer(venue()) as server:
            with pytest.raises(UsageError, match="explode"):
                server.act("explode")

    asyncio.run(scenario())


def test_faults_can_be_told_and_read_as_json() -> None:
    faults = Faults()
    faults.change(
        mute=["BTC-USDT"], rest_lacks=[{"symbol": "A", "first": 1, "last": 2}], message_limit=[1, 2]
    )
    assert faults.mute == {"BTC-USDT"}
    assert faults.rest_lacks == [Lack("A", 1, 2)]
    assert msgspec.json.decode(msgspec.json.encode(faults), type=Faults) == faults
