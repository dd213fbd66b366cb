"""Massive live: plans and addresses, the talk turn by turn and with a server, refills that keep the key."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import aiohttp
import msgspec
import pytest

from barograph.errors import SettingsError
from barograph.feeds.live.massive import Massive, crypto, stocks
from barograph.feeds.live.venue import (
    Again,
    Conversation,
    Ready,
    Refilled,
    Refused,
    Response,
    Send,
    Stop,
    Warn,
)
from barograph.gaps import Channel, Gap
from barograph.settings import Settings
from barograph.testing.market import LiveMarket
from barograph.testing.massive import Account
from barograph.testing.massive import Massive as MassiveVenue
from barograph.testing.server import VenueServer

KEY = "test-key"
NOW, SECOND = 1_723_161_255_000_000_000, 1_000_000_000
CONNECTED = ("connected", "Connected Successfully")
AUTHENTICATED = ("auth_success", "authenticated")
TRADE = b'{"ev":"XT","pair":"BTC-USD","p":1,"t":1610462007425,"s":1,"c":[2],"i":1,"x":3}'


def settings(**polygon: Any) -> Settings:
    base = {"api_key": KEY, "tier_crypto": "starter", "tier_stocks": "developer", "crypto": ["BTC-USD"]}
    return Settings(feeds={"polygon": {**base, "stocks": ["AAPL"], **polygon}})  # type: ignore[arg-type]


def status(*events: tuple[str, str]) -> bytes:
    return msgspec.json.encode([{"ev": "status", "status": kind, "message": text} for kind, text in events])


def subscribed(*names: str) -> bytes:
    return status(*(("success", f"subscribed to: {name}") for name in names))


def begun(described: Massive) -> Conversation:
    """A talk in which the key was accepted and everything was asked for."""
    talk = described.conversation(described.plans()[0])
    assert talk.opened(NOW) == []
    talk.received([status(CONNECTED)], NOW)
    talk.received([status(AUTHENTICATED)], NOW)
    return talk


def frames(actions: Sequence[Any]) -> list[Any]:
    return [msgspec.json.decode(action.frame) for action in actions if isinstance(action, Send)]


# Which address, and whether at all.


@pytest.mark.parametrize(
    ("tier", "url"),
    [
        ("starter", "wss://delayed.massive.com/stocks"),
        ("developer", "wss://socket.massive.com/stocks"),
        ("advanced", "wss://socket.massive.com/stocks"),
    ],
)
def test_given_a_stocks_plan_then_its_host_is_taken(tier: str, url: str) -> None:
    assert [plan.url for plan in stocks(settings(tier_stocks=tier)).plans()] == [url]


def test_given_any_crypto_plan_with_a_websocket_then_it_is_in_real_time() -> None:
    for tier in ("starter", "developer", "advanced"):
        assert crypto(settings(tier_crypto=tier)).plans()[0].url == "wss://socket.massive.com/crypto"


@pytest.mark.parametrize(
    ("make", "given", "named"),
    [
        (crypto, {"tier_crypto": "basic"}, "POLYGON_TIER_CRYPTO"),
        (stocks, {"tier_stocks": "basic"}, "POLYGON_TIER_STOCKS"),
        (stocks, {"tier_stocks": "basic"}, "REST only"),
        (crypto, {"api_key": None}, "POLYGON_API_KEY"),
        (stocks, {"api_key": ""}, "POLYGON_API_KEY"),
        (crypto, {"crypto": ["X:BTCUSD"]}, "BTC-USD"),
        (crypto, {"crypto": ["BTC-USD,XQ.*"]}, "feeds.polygon.crypto"),
        (stocks, {"stocks": ["*"]}, "feeds.polygon.stocks"),
    ],
)
def test_given_a_wrong_setting_then_it_is_named_at_the_start(make: Any, given: Any, named: str) -> None:
    with pytest.raises(SettingsError, match=named.replace("*", r"\*")) as refusal:
        make(settings(**given))
    assert KEY not in str(refusal.value)


def test_given_channels_then_only_those_are_wanted() -> None:
    assert crypto(settings(channels=["trades"])).plans()[0].wanted == {"BTC-USD": (Channel.TRADES,)}


# The talk, turn by turn.


def test_given_the_greeting_then_the_key_then_the_names_and_ready_with_the_last_confirmation() -> None:
    described = stocks(settings(stocks=["AAPL", "MSFT"]))
    talk = described.conversation(described.plans()[0])
    assert talk.opened(NOW) == []
    login = talk.received([status(CONNECTED)], NOW)
    assert frames(login) == [{"action": "auth", "params": KEY}]
    assert KEY not in repr(login)
    asked = talk.received([status(AUTHENTICATED)], NOW)
    assert frames(asked) == [{"action": "subscribe", "params": "T.AAPL,Q.AAPL,T.MSFT,Q.MSFT"}]
    assert talk.received([subscribed("T.AAPL", "Q.AAPL", "T.MSFT")], NOW) == []
    assert talk.received([subscribed("Q.MSFT")], NOW) == [Ready()]
    assert talk.received([subscribed("Q.MSFT")], NOW) == []


def test_given_many_symbols_then_names_are_asked_for_in_several_frames() -> None:
    many = [f"S{n}" for n in range(1_300)]
    described = stocks(settings(stocks=many, channels=["trades"]))
    talk = described.conversation(described.plans()[0])
    talk.received([status(CONNECTED)], NOW)
    asked = frames(talk.received([status(AUTHENTICATED)], NOW))
    assert len(asked) == 3
    assert [name for frame in asked for name in frame["params"].split(",")] == [f"T.{name}" for name in many]


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (("auth_failed", "authentication failed"), "POLYGON_API_KEY"),
        (("error", "authentication failed"), "POLYGON_API_KEY"),
        (("max_connections", "Maximum number of websocket connections exceeded."), "another program"),
        (("not_authorized", ""), "POLYGON_TIER_CRYPTO"),
        (("error", "not authorized"), "POLYGON_TIER_CRYPTO"),
        (("error", "You don't have access real-time data."), "POLYGON_TIER_CRYPTO"),
        (("auth_failed", "Your plan doesn't include websocket access."), "POLYGON_TIER_CRYPTO"),
    ],
)
def test_given_a_refusal_behind_data_in_one_array_then_the_feed_stops(said: Any, named: str) -> None:
    talk = begun(crypto(settings()))
    frame = b"[" + TRADE + b"," + status(said)[1:]
    actions = talk.received([b"[" + TRADE + b"]", frame], NOW)
    assert [type(action) for action in actions] == [Stop]
    assert named in actions[0].message


def test_given_max_connections_after_ready_then_close_1008_stops_and_1008_alone_does_not() -> None:
    described = crypto(settings())
    talk = begun(described)
    assert talk.received([subscribed("XT.BTC-USD", "XQ.BTC-USD")], NOW) == [Ready()]
    slow = described.closed(1008, "")
    assert isinstance(slow, Again)
    assert slow.wait_s >= 10
    talk.received([status(("max_connections", "Maximum number of websocket connections exceeded."))], NOW)
    assert isinstance(described.closed(1008, ""), Stop)
    assert isinstance(described.closed(1001, "going away"), Again)


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1011])
def test_given_another_end_then_it_connects_again(code: int | None) -> None:
    assert isinstance(crypto(settings()).closed(code, ""), Again)


def test_given_an_error_repeated_for_every_name_then_it_is_told_once_and_without_the_key() -> None:
    talk = begun(crypto(settings()))
    actions = talk.received([status(*[("error", f"invalid {KEY}")] * 50)], NOW)
    assert actions == [Warn("polygon-crypto: error: invalid ***")]


def test_given_a_thousand_different_errors_then_a_refusal_behind_them_still_stops() -> None:
    talk = begun(crypto(settings()))
    talk.received([status(*(("error", f"invalid {n}") for n in range(1_000)))], NOW)
    actions = talk.received([status(("max_connections", ""))], NOW)
    assert isinstance(actions[0], Stop)


def test_given_a_name_that_is_never_confirmed_then_the_others_do_not_wait_for_it() -> None:
    talk = begun(crypto(settings(crypto=["BTC-USD", "NO-SUCH"])))
    assert talk.due(NOW + 60 * SECOND) == []
    talk.received([subscribed("XT.BTC-USD", "XQ.BTC-USD", "XT.NO-SUCH")], NOW)
    assert talk.due(NOW + SECOND) == []
    warned, ready = talk.due(NOW + 6 * SECOND)
    assert isinstance(warned, Warn)
    assert "XQ.NO-SUCH" in warned.message
    assert ready == Ready()
    assert talk.due(NOW + 20 * SECOND) == []


def test_given_a_reload_before_the_login_then_only_the_new_symbols_are_asked_for() -> None:
    described = crypto(settings())
    talk = described.conversation(described.plans()[0])
    assert talk.change({"ETH-USD": (Channel.TRADES,)}, NOW) == []
    talk.received([status(CONNECTED)], NOW)
    assert frames(talk.received([status(AUTHENTICATED)], NOW)) == [
        {"action": "subscribe", "params": "XT.ETH-USD"}
    ]


def test_given_a_mute_channel_then_that_one_name_is_taken_anew() -> None:
    talk = begun(crypto(settings()))
    assert frames(talk.renew("BTC-USD", Channel.QUOTES, NOW)) == [
        {"action": "unsubscribe", "params": "XQ.BTC-USD"},
        {"action": "subscribe", "params": "XQ.BTC-USD"},
    ]


# With a server.


async def listened(described: Massive, server: VenueServer, until: type, within_s: float = 5.0) -> list[Any]:
    """Everything that the talk asked for until it asked for an ``until``."""
    plan = described.plans()[0]
    talk, asked = described.conversation(plan), []
    async with (
        asyncio.timeout(within_s),
        aiohttp.ClientSession() as session,
        session.ws_connect(plan.url) as socket,
    ):
        asked += talk.opened(NOW)
        while not any(isinstance(action, until) for action in asked):
            actions = talk.received([(await socket.receive_str()).encode()], NOW)
            asked += actions
            for action in actions:
                if isinstance(action, Send):
                    await socket.send_str(action.frame.decode())
    return asked


@pytest.mark.parametrize(
    ("account", "until", "told"),
    [
        (Account(), Ready, ""),
        (Account(crypto="basic"), Stop, "POLYGON_TIER_CRYPTO"),
        (Account(withheld=frozenset({"XQ"})), Stop, "feeds.polygon.channels"),
    ],
)
def test_given_a_venue_and_an_account_then_it_gets_ready_or_stops_with_the_setting(
    account: Account, until: type, told: str
) -> None:
    async def scenario() -> list[Any]:
        venue = MassiveVenue(LiveMarket(["BTC-USD", "AAPL"]), {KEY: account})
        async with VenueServer(venue) as server:
            return await listened(crypto(settings(url=server.url)), server, until)

    *_, last = asyncio.run(scenario())
    assert isinstance(last, until)
    assert told in getattr(last, "message", "")


# Refills.

GAP = Gap("polygon-crypto", "BTC-USD", Channel.TRADES, 1_723_161_255_000_000, 1_723_161_256_500_000)


def answered(refilling: Any, *bodies: bytes) -> tuple[list[Any], Refilled]:
    """What is asked when the answers are ``bodies``, and how it ends."""
    asked = [next(refilling)]
    for body in bodies:
        try:
            following = refilling.send(Response(200, body))
        except StopIteration as end:
            return asked, end.value
        asked.append(following)
    raise AssertionError(f"it asks for more: {asked[-1]}")


def page(following: str | None = None) -> bytes:
    return msgspec.json.encode({"status": "OK", "results": [], "next_url": following})


def test_given_a_gap_then_its_window_ends_a_millisecond_later_and_the_key_is_in_a_header_only() -> None:
    [request], result = answered(crypto(settings()).refill(GAP), page())
    assert request.url == (
        "https://api.massive.com/v3/trades/X:BTCUSD?timestamp.gte=1723161255000000000"
        "&timestamp.lt=1723161256501000000&order=asc&limit=10000"
    )
    assert request.headers == (("Authorization", f"Bearer {KEY}"),)
    assert KEY not in request.url
    assert result == Refilled()


def test_given_pages_then_they_are_followed_on_our_own_host() -> None:
    following = "/v3/trades/X:BTCUSD?cursor=abc"
    asked, result = answered(
        crypto(settings()).refill(GAP), page(f"https://api.polygon.io{following}"), page()
    )
    assert asked[1].url == f"https://api.massive.com{following}"
    assert result == Refilled()


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/v3/trades/X:BTCUSD",
        "http://api.massive.com/v3",
        "https://api.massive.com.evil.example/",
        "https://[bad/",
    ],
)
def test_given_a_next_page_elsewhere_then_the_key_does_not_go_there(following: str) -> None:
    asked, result = answered(crypto(settings(rest_url="https://proxy.example")).refill(GAP), page(following))
    assert len(asked) == 1
    assert result.missing


def test_given_a_stock_then_its_ticker_is_the_symbol() -> None:
    gap = msgspec.structs.replace(GAP, symbol="BRK.A")
    request = next(stocks(settings(stocks=["BRK.A"])).refill(gap))
    assert request.url.startswith("https://api.massive.com/v3/trades/BRK.A?")


def test_given_a_plan_without_old_trades_then_the_setting_is_named() -> None:
    refilling = stocks(settings()).refill(GAP)
    next(refilling)
    body = b'{"status":"NOT_AUTHORIZED","message":"You are not entitled to this data."}'
    with pytest.raises(StopIteration) as end:
        refilling.throw(Refused(403, body))
    assert "not entitled" in end.value.value.missing
    assert "POLYGON_TIER_STOCKS" in end.value.value.missing
