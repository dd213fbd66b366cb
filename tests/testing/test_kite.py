"""Kite's server: packets byte by byte, commands, heartbeats, tokens, limits, and REST."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest

from barograph.clock import DAY_US, NS_PER_US, ManualClock
from barograph.gaps import Channel
from barograph.testing import Faults, Kite, LiveMarket, VenueServer, follow, scheduled
from barograph.testing.kite_wire import Level, Mode, Snapshot, divisor, frame, packet

NOON_US = 1_723_118_400_000_000
NOON_S = NOON_US // 1_000_000
WITHIN_S = 5.0
INFY, TATA, NIFTY, USDINR = "NSE:INFY", "NSE:TATAMOTORS", "NSE:NIFTY 50", "CDS:USDINR"
TOKENS = {INFY: 408065, TATA: 884737, NIFTY: 256265, USDINR: 20_003 << 8 | 3}
SYMBOLS = [INFY, TATA, NIFTY, USDINR]
FULL = Snapshot(
    token=408065,
    last_price=152_045,
    last_quantity=5,
    average_price=152_000,
    volume=1_000,
    buy_quantity=70,
    sell_quantity=80,
    open=151_000,
    high=153_000,
    low=150_000,
    close=149_000,
    last_trade_s=NOON_S - 1,
    oi=3,
    oi_high=4,
    oi_low=2,
    exchange_s=NOON_S,
    bids=(Level(10, 152_040, 1), Level(20, 152_035, 2)),
    asks=(Level(30, 152_050, 3),),
)


class Talk:
    """A client of the server in few words."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, action: str, value: Any) -> None:
        await self.socket.send_str(json.dumps({"a": action, "v": value}))

    async def text(self) -> dict[str, Any]:
        message = await self.socket.receive(timeout=WITHIN_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return json.loads(message.data)  # type: ignore[no-any-return]

    async def packets(self) -> list[bytes]:
        """The packets of the next frame that has any."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                message = await self.socket.receive()
                assert message.type is aiohttp.WSMsgType.BINARY, message
                if len(message.data) > 1:
                    return split(message.data)

    async def subscribe(self, mode: str, *symbols: str) -> list[bytes]:
        """Subscribe in a mode; the packets that come at once in that mode."""
        tokens = [TOKENS[symbol] for symbol in symbols]
        await self.say("subscribe", tokens)
        await self.packets()
        await self.say("mode", [mode, tokens])
        return await self.packets()


def split(data: bytes) -> list[bytes]:
    (count,), at, packets = struct.unpack_from(">H", data), 2, []
    for _ in range(count):
        (size,) = struct.unpack_from(">H", data, at)
        packets.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    assert at == len(data)
    return packets


def word(data: bytes, offset: int) -> int:
    return int(struct.unpack_from(">I", data, offset)[0])


class Room:
    """A server and how to reach it."""

    def __init__(self, server: VenueServer, session: aiohttp.ClientSession) -> None:
        assert isinstance(server.venue, Kite)
        self.server = server
        self.venue = server.venue
        self.market = server.market
        self.session = session

    @asynccontextmanager
    async def talk(self, token: str = "test-token") -> AsyncIterator[Talk]:
        """A connection whose first two messages have been read."""
        url = f"{self.server.url}?api_key=test-key&access_token={token}"
        async with self.session.ws_connect(url) as socket:
            talk = Talk(socket)
            assert [(await talk.text())["type"], (await talk.text())["type"]] == [
                "instruments_meta",
                "app_code",
            ]
            yield talk

    async def refused(self, token: str = "test-token") -> int:
        """The status of a handshake that must fail."""
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with self.talk(token):
                pass
        return caught.value.status

    async def asked(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        async with self.session.request(method, self.server.rest_url + path, **options) as response:
            return response.status, await response.json()


def with_server(
    scenario: Callable[[Room], Awaitable[None]], faults: Faults | None = None, **options: Any
) -> None:
    """Run a scenario against a server at noon (UTC) of a day in August 2024."""

    async def run() -> None:
        market = LiveMarket(SYMBOLS, clock=ManualClock(NOON_US * NS_PER_US))
        async with (
            VenueServer(Kite(market, **options), faults=faults) as server,
            aiohttp.ClientSession() as session,
        ):
            await scenario(Room(server, session))

    asyncio.run(run())


# Packets.


@pytest.mark.parametrize(
    ("snapshot", "mode", "size"),
    [
        (FULL, Mode.LTP, 8),
        (FULL, Mode.QUOTE, 44),
        (FULL, Mode.FULL, 184),
        (Snapshot(TOKENS[NIFTY], 2_400_000), Mode.LTP, 8),
        (Snapshot(TOKENS[NIFTY], 2_400_000), Mode.QUOTE, 28),
        (Snapshot(TOKENS[NIFTY], 2_400_000), Mode.FULL, 32),
    ],
)
def test_given_a_mode_then_the_packet_has_the_documented_length(
    snapshot: Snapshot, mode: Mode, size: int
) -> None:
    assert len(packet(snapshot, mode)) == size


def test_given_a_full_packet_then_every_field_lies_where_the_document_says() -> None:
    data = packet(FULL, Mode.FULL)
    assert struct.unpack(">16I", data[:64]) == (
        *(408065, 152_045, 5, 152_000, 1_000, 70, 80, 151_000, 153_000, 150_000, 149_000),
        *(NOON_S - 1, 3, 4, 2, NOON_S),
    )
    assert struct.unpack(">IIHxx", data[64:76]) == (10, 152_040, 1)
    assert struct.unpack(">IIHxx", data[76:88]) == (20, 152_035, 2)
    assert data[88:124] == bytes(36)
    assert struct.unpack(">IIHxx", data[124:136]) == (30, 152_050, 3)
    assert data[136:] == bytes(48)


def test_given_an_index_then_high_and_low_come_before_open_and_close() -> None:
    index = Snapshot(TOKENS[NIFTY], 100, open=90, high=110, low=80, close=120, exchange_s=NOON_S)
    assert struct.unpack(">6IiI", packet(index, Mode.FULL)) == (256265, 100, 110, 80, 90, 120, -20, NOON_S)


@pytest.mark.parametrize(
    ("segment", "expected"), [(1, 100), (3, 10_000_000), (6, 10_000), (9, 100), (12, 10_000)]
)
def test_given_a_segment_then_its_divisor(segment: int, expected: int) -> None:
    assert divisor(20_003 << 8 | segment) == expected


def test_given_packets_then_the_frame_counts_and_measures_them() -> None:
    assert frame([b"abc", b"d"]) == b"\x00\x02\x00\x03abc\x00\x01d"


# The connection.


def test_given_modes_then_each_instrument_comes_in_its_own() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.say("subscribe", list(TOKENS.values()))
            assert [len(each) for each in await talk.packets()] == [44, 44, 28, 44]
            await talk.say("mode", ["full", [TOKENS[INFY], TOKENS[NIFTY]]])
            assert [len(each) for each in await talk.packets()] == [184, 32]
            await talk.say("mode", ["ltp", [TOKENS[TATA]]])
            assert [len(each) for each in await talk.packets()] == [8]

    with_server(scenario)


def test_given_trades_then_the_day_adds_up_in_every_packet() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            [first] = await talk.subscribe("quote", INFY)
            assert (word(first, 16), word(first, 4), word(first, 40)) == (0, 10_000, 10_000)
            for price, size in (("1520.45", "5"), ("1521.00", "10"), ("1519.95", "1")):
                room.market.trade(INFY, price=price, size=size)
            seen = [(await talk.packets())[0] for _ in range(3)]
            assert [struct.unpack(">11I", each)[1:5] for each in seen] == [
                (152_045, 5, 152_045, 5),
                (152_100, 10, (152_045 * 5 + 152_100 * 10) // 15, 15),
                (151_995, 1, (152_045 * 5 + 152_100 * 10 + 151_995) // 16, 16),
            ]
            assert struct.unpack(">4I", seen[-1][28:]) == (152_045, 152_100, 151_995, 10_000)

    with_server(scenario)


def test_given_a_new_indian_day_then_the_volume_begins_again() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.subscribe("quote", INFY)
            room.market.trade(INFY, price="1500.00", size="7")
            # 18:30 UTC is midnight in India.
            room.market.trade(INFY, price="1510.00", size="3", ts_us=NOON_US + DAY_US // 4 + DAY_US // 40)
            before, after = (await talk.packets())[0], (await talk.packets())[0]
            assert (word(before, 16), word(after, 16)) == (7, 3)
            assert (word(after, 28), word(after, 40)) == (151_000, 150_000)

    with_server(scenario)


def test_given_a_quote_then_full_mode_has_its_book_and_quote_mode_is_not_told() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.subscribe("full", INFY)
            await talk.subscribe("quote", TATA)
            room.market.quote(TATA)
            room.market.quote(INFY, bid="1520.00", bid_size="40", ask="1520.10", ask_size="60")
            [data] = await talk.packets()
            assert (word(data, 0), word(data, 60)) == (TOKENS[INFY], NOON_S)
            levels = [struct.unpack(">IIHxx", data[at : at + 12]) for at in range(64, 184, 12)]
            assert levels[:2] == [(40, 152_000, 1), (50, 151_995, 2)]
            assert levels[5:7] == [(60, 152_010, 1), (70, 152_015, 2)]
            assert room.server.log.numbers_handed(TATA, Channel.QUOTES) == set()

    with_server(scenario)


def test_given_an_index_then_its_trades_move_it_and_its_quotes_are_not_shown() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.subscribe("full", NIFTY)
            room.market.quote(NIFTY)
            room.market.trade(NIFTY, price="24140.55")
            [data] = await talk.packets()
            assert (len(data), word(data, 4), word(data, 28)) == (32, 2_414_055, NOON_S)
            assert room.server.log.numbers_made(NIFTY, Channel.QUOTES) == set()

    with_server(scenario)


def test_given_a_batch_then_a_frame_has_several_packets_and_each_token_once() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.subscribe("ltp", INFY, TATA, USDINR)
            made = [event for event in room.market.make(trades=40) if event.symbol != NIFTY]
            frames = []
            while sum(map(len, frames)) < len(made):
                frames.append(await talk.packets())
            tokens = [[word(each, 0) for each in packets] for packets in frames]
            assert all(len(set(each)) == len(each) for each in tokens)
            assert max(map(len, tokens)) > 1
            assert [token for each in tokens for token in each] == [TOKENS[event.symbol] for event in made]

    with_server(scenario)


def test_given_a_currency_then_prices_have_seven_decimals() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.subscribe("ltp", USDINR)
            room.market.trade(USDINR, price="83.9475")
            assert word((await talk.packets())[0], 4) == 839_475_000

    with_server(scenario)


def test_given_unsubscribe_then_that_instrument_ends() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.subscribe("ltp", INFY, TATA)
            await talk.say("unsubscribe", [TOKENS[INFY]])
            await room.server.until(lambda: room.server.connections[1].trades == {TATA})
            room.market.trade(INFY)
            room.market.trade(TATA)
            assert [word(each, 0) for each in await talk.packets()] == [TOKENS[TATA]]

    with_server(scenario)


def test_given_silence_then_heartbeats_of_one_byte() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            for _ in range(3):
                message = await talk.socket.receive(timeout=WITHIN_S)
                assert (message.type, len(message.data)) == (aiohttp.WSMsgType.BINARY, 1)

    with_server(scenario, heartbeat_s=0.01)


def test_given_an_order_then_a_text_message() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            room.venue.postback({"order_id": "1", "status": "COMPLETE"})
            assert await talk.text() == {"type": "order", "data": {"order_id": "1", "status": "COMPLETE"}}

    with_server(scenario)


def test_given_too_many_instruments_then_an_error_and_the_old_ones_go_on() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.subscribe("ltp", INFY, TATA)
            await talk.say("subscribe", [TOKENS[NIFTY]])
            told = await talk.text()
            assert told == {"type": "error", "data": "Can't subscribe to more than 2 instruments."}
            room.market.trade(NIFTY)
            room.market.trade(INFY)
            assert [word(each, 0) for each in await talk.packets()] == [TOKENS[INFY]]

    with_server(scenario, most_instruments=2)


@pytest.mark.parametrize(
    "message",
    ["{", "[]", '{"a":"subscribe","v":["INFY"]}', '{"a":"mode","v":["deep",[1]]}', '{"a":"x","v":[]}'],
)
def test_given_a_message_that_makes_no_sense_then_an_error_and_the_connection_stays(message: str) -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.socket.send_str(message)
            assert (await talk.text())["type"] == "error"
            assert await talk.subscribe("ltp", INFY)

    with_server(scenario)


def test_given_trades_before_a_server_was_there_then_they_are_in_the_volume() -> None:
    async def scenario(room: Room) -> None:
        other = LiveMarket([INFY], clock=room.market.clock)
        other.trade(INFY, price="1500.00", size="10")
        async with VenueServer(Kite(other)) as server:
            async with Room(server, room.session).talk() as talk:
                [data] = await talk.subscribe("quote", INFY)
                assert (word(data, 4), word(data, 16)) == (150_000, 10)
            other.trade(INFY, size="1")
        other.trade(INFY, size="2")
        async with VenueServer(server.venue) as again:
            other.trade(INFY, size="3")
            async with Room(again, room.session).talk() as talk:
                assert word((await talk.subscribe("quote", INFY))[0], 16) == 16
                other.trade(INFY, size="4")
                assert word((await talk.packets())[0], 16) == 20

    with_server(scenario)


# Tokens and limits.


def test_given_a_wrong_token_then_the_handshake_is_refused_with_403() -> None:
    async def scenario(room: Room) -> None:
        assert await room.refused("wrong") == 403
        assert await room.refused("") == 403

    with_server(scenario)


def test_given_the_token_expires_then_open_connections_go_on_and_new_ones_are_refused() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.subscribe("ltp", INFY)
            room.venue.sessions.expire()
            room.market.trade(INFY)
            assert len(await talk.packets()) == 1
            assert await room.refused() == 403
            status, body = await room.asked(
                "GET", "/user/profile", headers={"Authorization": "token test-key:test-token"}
            )
            assert (status, body["error_type"]) == (403, "TokenException")

    with_server(scenario)


def test_given_a_fourth_connection_then_429_and_the_others_stay() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk(), room.talk(), room.talk() as third:
            assert await room.refused() == 429
            assert await third.subscribe("ltp", INFY)
        await room.server.until(lambda: not room.server.connections)
        async with room.talk():
            pass

    with_server(scenario)


# Faults.


def test_given_a_muted_instrument_then_not_even_its_first_packet_comes() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.say("subscribe", [TOKENS[INFY], TOKENS[TATA]])
            assert [word(each, 0) for each in await talk.packets()] == [TOKENS[TATA]]
            room.market.trade(INFY)
            room.market.trade(TATA)
            assert [word(each, 0) for each in await talk.packets()] == [TOKENS[TATA]]

    with_server(scenario, Faults(mute={INFY}))


def test_given_skipped_trades_then_the_volume_has_them_all_the_same() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.subscribe("quote", INFY)
            room.server.faults.skip[INFY] = 2
            for _ in range(3):
                room.market.trade(INFY, size="5")
            assert word((await talk.packets())[0], 16) == 15
            assert room.server.log.never_handed(INFY, Channel.TRADES) == [1, 2]

    with_server(scenario)


def test_given_reordering_and_duplicates_then_older_boards_come_after_newer_ones() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.subscribe("quote", INFY)
            room.server.faults.change(duplicate_share=1.0)
            room.market.trade(INFY, size="5")
            assert [word((await talk.packets())[0], 16) for _ in range(2)] == [5, 5]
            room.server.faults.change(duplicate_share=0.0, reorder_share=0.5)
            sizes = [int(event.size) for event in room.market.make(trades=400) if event.symbol == INFY]
            volumes = [word((await talk.packets())[0], 16) for _ in sizes]
            assert sorted(volumes) != volumes
            assert max(volumes) == 5 + sum(sizes)

    with_server(scenario)


def test_given_lies_then_the_times_of_the_exchange_are_off() -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.subscribe("full", INFY)
            room.server.faults.change(lie_s=86_400.0)
            room.market.trade(INFY)
            [data] = await talk.packets()
            assert (word(data, 44), word(data, 60)) == (NOON_S + 86_400, NOON_S + 86_400)

    with_server(scenario)


@pytest.mark.parametrize("act", ["drop", "cut", "go_away", "not_json", "wrong_types", "binary"])
def test_given_any_act_then_the_server_survives_it(act: str) -> None:
    async def scenario(room: Room) -> None:
        async with room.talk() as talk:
            await talk.subscribe("full", INFY)
            assert room.server.act(act) == 1
            await talk.socket.receive(timeout=WITHIN_S)
        async with room.talk() as talk:
            assert await talk.subscribe("full", INFY)

    with_server(scenario)


def test_given_any_plan_of_faults_then_the_server_survives_it_and_serves_again() -> None:
    async def client(room: Room) -> None:
        while True:
            with suppress(aiohttp.ClientError, AssertionError, TimeoutError, ValueError, struct.error):
                async with room.talk() as talk:
                    await talk.subscribe("full", INFY, NIFTY)
                    async for _ in talk.socket:
                        pass
            await asyncio.sleep(0.01)

    async def scenario(room: Room) -> None:
        clients = asyncio.create_task(client(room))
        trading = asyncio.create_task(room.market.run(500.0, 500.0))
        plan = scheduled(seed=4, seconds=0.5, faults=25, longest_s=0.15, symbols=[INFY])
        await follow(room.server, plan)
        for task in (clients, trading):
            task.cancel()
        await asyncio.gather(clients, trading, return_exceptions=True)
        assert len(room.server.log.noted("fault")) >= 10
        await room.server.until(lambda: not room.server.connections)
        async with room.talk() as talk:
            await talk.subscribe("ltp", INFY)
            room.market.trade(INFY)
            assert len(await talk.packets()) == 1

    with_server(scenario)


# REST.


def test_given_an_exchange_then_only_its_instruments_are_listed() -> None:
    async def listed(room: Room, path: str) -> list[dict[str, str]]:
        async with room.session.get(room.server.rest_url + path) as response:
            assert response.content_type == "text/csv"
            return list(csv.DictReader((await response.text()).splitlines()))

    async def scenario(room: Room) -> None:
        every = await listed(room, "/instruments")
        assert {
            f"{row['exchange']}:{row['tradingsymbol']}": int(row["instrument_token"]) for row in every
        } == TOKENS
        assert [row["tradingsymbol"] for row in await listed(room, "/instruments/CDS")] == ["USDINR"]
        nifty = next(row for row in every if row["tradingsymbol"] == "NIFTY 50")
        assert (nifty["segment"], nifty["exchange_token"]) == ("INDICES", "1001")

    with_server(scenario)


def form(request_token: str, secret: str = "test-secret", api_key: str = "test-key") -> dict[str, str]:
    checksum = hashlib.sha256(f"{api_key}{request_token}{secret}".encode()).hexdigest()
    return {"api_key": api_key, "request_token": request_token, "checksum": checksum}


def test_given_a_login_then_its_token_opens_everything_and_logging_out_closes_it() -> None:
    async def scenario(room: Room) -> None:
        given = form(room.venue.sessions.log_in("test-key"))
        status, body = await room.asked("POST", "/session/token", data=given)
        assert (status, body["status"]) == (200, "success")
        token = body["data"]["access_token"]
        assert body["data"]["login_time"] == "2024-08-08 17:30:00"
        async with room.talk(token) as talk:
            assert await talk.subscribe("ltp", INFY)
        header = {"headers": {"Authorization": f"token test-key:{token}"}}
        assert (await room.asked("GET", "/user/profile", **header))[1]["data"]["user_id"] == "XX0000"
        assert (await room.asked("POST", "/session/token", data=given))[0] == 403
        query = {"api_key": "test-key", "access_token": token}
        assert (await room.asked("DELETE", "/session/token", params=query))[0] == 200
        assert await room.refused(token) == 403

    with_server(scenario, access_token="")


@pytest.mark.parametrize(
    ("change", "status", "kind", "message"),
    [
        ({"checksum": "0" * 64}, 403, "TokenException", "Invalid `checksum`."),
        ({"request_token": "old"}, 403, "TokenException", "Token is invalid or has expired."),
        ({"api_key": "other"}, 403, "TokenException", "Invalid `api_key`."),
        ({"checksum": ""}, 400, "InputException", "Missing or empty field `checksum`"),
    ],
)
def test_given_a_wrong_exchange_then_the_vendors_exception(
    change: dict[str, str], status: int, kind: str, message: str
) -> None:
    async def scenario(room: Room) -> None:
        given = form(room.venue.sessions.log_in("test-key")) | change
        answered, body = await room.asked("POST", "/session/token", data=given)
        assert (answered, body["status"], body["error_type"], body["message"]) == (
            status,
            "error",
            kind,
            message,
        )

    with_server(scenario)


def test_given_another_path_or_too_many_requests_then_the_vendors_exceptions() -> None:
    async def scenario(room: Room) -> None:
        status, body = await room.asked("GET", "/nowhere")
        assert (status, body["error_type"]) == (404, "GeneralException")
        status, body = await room.asked("GET", "/nowhere")
        assert (status, body["error_type"]) == (429, "NetworkException")

    with_server(scenario, Faults(rest_limit=(1, 60.0)))
