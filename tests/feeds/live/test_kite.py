"""Kite live: the day's token, symbols from the list of instruments, and a talk without confirmations."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from barograph.clock import ManualClock, to_us
from barograph.errors import SettingsError, StorageError
from barograph.feeds.live.kite import Kite, kite
from barograph.feeds.live.kite_token import Token, access, read_token, token_file, write_token
from barograph.feeds.live.venue import (
    Again,
    Conversation,
    Ready,
    Refilled,
    Refused,
    Request,
    Response,
    Send,
    Stop,
    Warn,
)
from barograph.gaps import Channel, Gap
from barograph.settings import Settings
from barograph.testing.kite import Kite as KiteVenue
from barograph.testing.market import LiveMarket
from barograph.testing.server import VenueServer

KEY, TOKEN = "test-key", "test-token"
NOW = 1_723_161_255_000_000_000
HEARTBEAT, TICK = b"\x00", b"\x00\x01\x00\x08" + bytes(8)
HEADER = (
    b"instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    b"instrument_type,segment,exchange\n"
)
LIST = HEADER + (
    b'408065,1594,INFY,"INFOSYS, LIMITED",0,,0,0.05,1,EQ,NSE,NSE\n'
    b"2953217,11536,TCS,TCS,0,,0,0.05,1,EQ,NSE,NSE\n"
    b"128053508,500209,INFY,INFOSYS,0,,0,0.05,1,EQ,BSE,BSE\n"
    b'256265,1001,NIFTY 50,"NIFTY 50",0,,0,0,0,EQ,INDICES,NSE\n'
)


def settings(data_dir: Path = Path("data"), **section: Any) -> Settings:
    base = {"api_key": KEY, "access_token": TOKEN, "symbols": ["NSE:INFY"]}
    return Settings(data_dir=data_dir, feeds={"kite": {**base, **section}})  # type: ignore[arg-type]


def prepared(described: Kite, body: bytes = LIST) -> Kite:
    asking = described.prepare()
    next(asking)
    with pytest.raises(StopIteration):
        asking.send(Response(200, body))
    return described


def talking(symbols: Sequence[str] = ("NSE:INFY",)) -> Conversation:
    described = prepared(kite(settings(symbols=symbols)))
    return described.conversation(described.plans()[0])


def frames(actions: Sequence[Any]) -> list[Any]:
    return [msgspec.json.decode(action.frame) for action in actions if isinstance(action, Send)]


def at(text: str) -> int:
    return to_us(datetime.fromisoformat(text).astimezone(UTC))


# The day's token.


@pytest.mark.parametrize(
    ("login", "until"),
    [
        ("2024-08-08T08:50+05:30", "2024-08-09T06:00+05:30"),
        ("2024-08-08T05:59+05:30", "2024-08-08T06:00+05:30"),
        ("2024-08-08T06:00+05:30", "2024-08-09T06:00+05:30"),
        ("2024-12-31T23:59+05:30", "2025-01-01T06:00+05:30"),
    ],
)
def test_given_a_login_then_its_token_holds_until_the_next_six_in_india(login: str, until: str) -> None:
    assert Token("k", "t", at(login)).holds_until == datetime.fromisoformat(until)


def test_given_a_stored_token_then_it_is_taken_until_it_expires_and_then_the_remedy_is_told(
    tmp_path: Path,
) -> None:
    write_token(token_file(tmp_path), Token(KEY, "stored-token", at("2024-08-08T08:50+05:30")))
    given = settings(tmp_path, access_token=None)
    clock = ManualClock(at("2024-08-09T05:59:59+05:30") * 1_000)
    assert access(given, clock) == (KEY, "stored-token")
    clock.advance(1)
    with pytest.raises(
        SettingsError, match=r"expired \(2024-08-09 06:00 in India\); run 'barograph login kite'"
    ):
        kite(given, clock)


def test_given_a_token_in_the_settings_then_no_file_is_looked_at(tmp_path: Path) -> None:
    token_file(tmp_path).parent.mkdir()
    token_file(tmp_path).write_text("rubbish")
    assert access(settings(tmp_path)) == (KEY, TOKEN)


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"api_key":"test-key"}', b"\xff\xfe"])
def test_given_no_token_or_a_broken_file_then_the_login_is_named(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        token_file(tmp_path).parent.mkdir()
        token_file(tmp_path).write_bytes(content)
    with pytest.raises(SettingsError, match="barograph login kite"):
        kite(settings(tmp_path, access_token=None))


def test_given_a_token_of_another_app_then_it_is_not_used(tmp_path: Path) -> None:
    write_token(token_file(tmp_path), Token("another-key", "t", at("2024-08-08T08:50+05:30")))
    with pytest.raises(SettingsError, match="KITE_API_KEY") as refusal:
        kite(settings(tmp_path, access_token=None))
    assert "another-key" not in str(refusal.value)


def test_given_a_token_written_twice_then_the_file_is_whole_private_and_alone(tmp_path: Path) -> None:
    file = token_file(tmp_path)
    for secret in ("first", "second"):
        write_token(file, Token(KEY, secret, 0))
    assert read_token(file) == Token(KEY, "second", 0)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]
    assert "second" not in repr(read_token(file))


def test_given_a_disk_that_refuses_then_the_old_token_stays(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")
    with pytest.raises(StorageError):
        write_token(token_file(tmp_path), Token(KEY, "t", 0))
    assert (tmp_path / "state").read_text() == "not a folder"


# Settings, symbols, plans.


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({"api_key": None}, "KITE_API_KEY"),
        ({"symbols": ["INFY"]}, "NSE:INFY"),
        ({"symbols": ["NSE:"]}, "feeds.kite.symbols"),
        ({"symbols": [f"NFO:N{n}" for n in range(9_001)]}, "allows 9000"),
    ],
)
def test_given_a_wrong_setting_then_it_is_named_at_the_start(section: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        kite(settings(**section))


@pytest.mark.parametrize(
    ("symbol", "near"),
    [("NSE:INFI", "NSE:INFY"), ("NFO:TCS", "NSE:TCS"), ("NSE:NIFTY50", "NSE:NIFTY 50"), ("MCX:GOLD", "MCX")],
)
def test_given_a_symbol_that_is_not_listed_then_near_names_are_told(symbol: str, near: str) -> None:
    with pytest.raises(SettingsError, match=f"'{symbol}'.*{near}"):
        prepared(kite(settings(symbols=["NSE:INFY", symbol])))


@pytest.mark.parametrize("body", [b"", b"<html>", HEADER, b'{"status":"success"}'])
def test_given_an_answer_that_is_no_list_then_the_address_is_doubted(body: bytes) -> None:
    with pytest.raises(SettingsError, match=r"feeds\.kite\.rest_url"):
        prepared(kite(settings()), body)


def test_given_a_refused_list_then_the_venues_words_and_the_remedy_without_secrets() -> None:
    asking = kite(settings()).prepare()
    request = next(asking)
    assert request == Request(
        "https://api.kite.trade/instruments",
        (("X-Kite-Version", "3"), ("Authorization", f"token {KEY}:{TOKEN}")),
    )
    body = b'{"status":"error","message":"Incorrect `test-key`.","error_type":"TokenException"}'
    with pytest.raises(SettingsError, match=r"TokenException.*barograph login kite") as refusal:
        asking.throw(Refused(403, body))
    assert KEY not in str(refusal.value)


def test_given_many_symbols_then_three_connections_share_them_and_nothing_shows_the_secrets() -> None:
    symbols = [f"NFO:N{n}" for n in range(6_001)]
    rows = b"".join(b"%d,%d,N%d,,0,,0,0.05,1,CE,NFO-OPT,NFO\n" % (n << 8 | 2, n, n) for n in range(6_001))
    described = prepared(kite(settings(symbols=symbols)), HEADER + rows)
    plans = described.plans()
    assert [(plan.name, len(plan.wanted)) for plan in plans] == [
        ("kite-0", 3000),
        ("kite-1", 3000),
        ("kite-2", 1),
    ]
    assert {plan.url for plan in plans} == {f"wss://ws.kite.trade?api_key={KEY}&access_token={TOKEN}"}
    assert TOKEN not in repr(plans)


def test_given_an_index_then_neither_trades_nor_quotes_are_expected_of_it() -> None:
    described = prepared(kite(settings(symbols=["NSE:NIFTY 50", "NSE:INFY"])))
    [plan] = described.plans()
    assert plan.wanted == {"NSE:NIFTY 50": (), "NSE:INFY": (Channel.TRADES, Channel.QUOTES)}
    assert frames(described.conversation(plan).opened(NOW))[0]["v"] == [256265, 408065]


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("NSE:INFY", "XBOM"),
        ("BFO:SENSEX24AUGFUT", "XBOM"),
        ("CDS:USDINR24AUGFUT", "CDS"),
        ("CDS:EURUSD24AUGFUT", "CDS-cross"),
        ("MCX:GOLD24OCTFUT", "MCX"),
        ("NSEIX:GIFT NIFTY", "24/7"),
    ],
)
def test_given_an_exchange_then_its_calendar(symbol: str, name: str) -> None:
    assert kite(settings()).calendar(symbol) == name


# The talk, turn by turn.


def test_given_an_open_socket_then_subscribe_and_full_mode_and_ready_with_the_first_binary_frame() -> None:
    talk = talking(["NSE:INFY", "BSE:INFY"])
    assert frames(talk.opened(NOW)) == [
        {"a": "subscribe", "v": [408065, 128053508]},
        {"a": "mode", "v": ["full", [408065, 128053508]]},
    ]
    assert talk.received([b'{"type":"instruments_meta","data":{"count":1}}'], NOW) == []
    assert talk.received([HEARTBEAT], NOW) == [Ready()]
    assert talk.received([HEARTBEAT, TICK], NOW) == []


def test_given_a_tick_before_any_heartbeat_then_it_is_ready_as_well() -> None:
    assert talking().received([TICK], NOW) == [Ready()]


def test_given_a_reload_then_tokens_come_and_go_without_the_list_being_asked_for_again() -> None:
    talk = talking()
    talk.opened(NOW)
    assert frames(talk.change({"NSE:TCS": (Channel.TRADES,)}, NOW)) == [
        {"a": "unsubscribe", "v": [408065]},
        {"a": "subscribe", "v": [2953217]},
        {"a": "mode", "v": ["full", [2953217]]},
    ]
    [warned] = talk.change({"NSE:TCS": (Channel.TRADES,), "NSE:NEW": (Channel.TRADES,)}, NOW)
    assert isinstance(warned, Warn)
    assert "NSE:NEW" in warned.message


def test_given_a_mute_symbol_then_its_token_is_taken_anew() -> None:
    assert [frame["a"] for frame in frames(talking().renew("NSE:INFY", Channel.TRADES, NOW))] == [
        "unsubscribe",
        "subscribe",
        "mode",
    ]


def test_given_texts_then_errors_are_told_once_orders_never_and_a_dead_session_stops() -> None:
    talk = talking()
    error = b'{"type":"error","data":"Can\'t subscribe to more than 3000 instruments."}'
    told = talk.received([error, error, b'{"type":"order","data":{"order_id":"1"}}'], NOW)
    assert [type(action) for action in told] == [Warn]
    [stop] = talk.received([b'{"type":"error","data":"Incorrect `api_key` or `access_token`."}'], NOW)
    assert isinstance(stop, Stop)
    assert "barograph login kite" in stop.message


@pytest.mark.parametrize(("status", "meaning"), [(400, Stop), (403, Stop), (429, Again), (500, Again)])
def test_given_an_answer_in_place_of_a_websocket_then_only_a_bad_session_stops(
    status: int, meaning: type
) -> None:
    said = kite(settings()).refused(status, b'{"error_type":"TokenException","message":"test-token"}')
    assert isinstance(said, meaning)
    assert TOKEN not in repr(said)


def test_given_a_gap_then_the_reason_is_given_at_once() -> None:
    refilling = kite(settings()).refill(Gap("kite", "NSE:INFY", Channel.TRADES, 0, 1))
    with pytest.raises(StopIteration) as end:
        next(refilling)
    assert isinstance(end.value.value, Refilled)
    assert "no trade history" in (end.value.value.missing or "")


# With a server.


async def _prepared_over(session: aiohttp.ClientSession, described: Kite) -> None:
    asking = described.prepare()
    request = next(asking)
    async with session.get(request.url, headers=dict(request.headers)) as answer:
        body = await answer.read()
    with pytest.raises(StopIteration):
        asking.send(Response(200, body))


async def talked(described: Kite) -> int:
    """Prepare, connect and listen until a tick comes; its length."""
    async with asyncio.timeout(5), aiohttp.ClientSession() as session:
        await _prepared_over(session, described)
        [plan] = described.plans()
        talk, ready = described.conversation(plan), False
        async with session.ws_connect(plan.url, headers=dict(plan.headers)) as socket:
            for action in talk.opened(NOW):
                assert isinstance(action, Send)
                await socket.send_str(action.frame.decode())
            async for message in socket:
                frame = message.data if isinstance(message.data, bytes) else message.data.encode()
                ready = ready or Ready() in talk.received([frame], NOW)
                if ready and len(frame) == 2 + 2 + 184:
                    return len(frame)
    raise AssertionError("the connection ended before a tick came")


def test_given_a_venue_then_full_packets_come_and_after_expiry_the_next_connection_is_refused() -> None:
    async def scenario() -> None:
        venue = KiteVenue(LiveMarket(["NSE:INFY"]), heartbeat_s=0.01)
        async with VenueServer(venue) as server:
            venue.market.trade("NSE:INFY", price="1500.05", size="3")
            described = kite(settings(url=server.url, rest_url=server.rest_url))
            assert await talked(described) == 188
            venue.sessions.expire()
            async with aiohttp.ClientSession() as session:
                with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                    await session.ws_connect(described.plans()[0].url)
            said = described.refused(refusal.value.status, b"")
            assert isinstance(said, Stop)
            assert "barograph login kite" in said.message

    asyncio.run(scenario())
