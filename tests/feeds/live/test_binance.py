"""Binance live: spot and USD-M futures."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from barograph.errors import SettingsError
from barograph.feeds.live.binance import LIMITS, Binance
from barograph.feeds.live.venue import (
    Again,
    Plan,
    Ready,
    Refilled,
    Refused,
    Replace,
    Request,
    Send,
    Stop,
    Warn,
)
from barograph.gaps import Channel, Gap
from barograph.settings.venues import BinanceSection

SECOND_NS = 1_000_000_000


def venue(*symbols: str, **more: Any) -> Binance:
    return Binance(BinanceSection(symbols=symbols or ("BTC-USDT", "ETH-USDT"), **more))


def talk(*symbols: str, **more: Any) -> Any:
    made = venue(*symbols, **more)
    return made.conversation(made.plans()[0])


def sent(actions: Any) -> list[Any]:
    return [msgspec.json.decode(action.frame) for action in actions if isinstance(action, Send)]


def test_spot_and_futures_go_to_their_own_addresses() -> None:
    spot, usdm = venue("BTC-USDT-PERP", "BTC-USDT", "BTC-USDT-240927").plans()
    both = (Channel.TRADES, Channel.QUOTES)
    assert spot == Plan("spot-0", "wss://stream.binance.com:9443/ws", {"BTC-USDT": both})
    futures = {"BTC-USDT-PERP": both, "BTC-USDT-240927": both}
    assert usdm == Plan("usdm-0", "wss://fstream.binance.com/public/ws", futures)


def test_an_address_with_a_path_is_taken_as_it_is() -> None:
    (plan,) = venue("BTC-USDT-PERP", futures_url="ws://127.0.0.1:9/ws").plans()
    assert plan.url == "ws://127.0.0.1:9/ws"
    (plan,) = venue(url="ws://127.0.0.1:9/").plans()
    assert plan.url == "ws://127.0.0.1:9/ws"


@pytest.mark.parametrize(
    ("channels", "sizes"),
    [(("trades", "quotes"), [200, 200, 50]), (("trades",), [400, 50]), (("quotes",), [400, 50])],
)
def test_a_connection_has_400_streams_at_most(channels: tuple[str, ...], sizes: list[int]) -> None:
    plans = venue(*(f"A{n}-USDT" for n in range(450)), channels=channels).plans()
    assert [len(plan.wanted) for plan in plans] == sizes
    assert [plan.name for plan in plans] == [f"spot-{n}" for n in range(len(sizes))]


def test_streams_are_subscribed_by_messages_of_a_hundred() -> None:
    requests = sent(talk(*(f"A{n}-USDT" for n in range(120))).opened(0))
    assert [len(request["params"]) for request in requests] == [100, 100, 40]
    assert requests[0]["method"] == "SUBSCRIBE"
    assert requests[0]["params"][:2] == ["a0usdt@trade", "a0usdt@bookTicker"]
    assert [request["id"] for request in requests] == [1, 2, 3]


def test_futures_streams_have_plain_names() -> None:
    (request,) = sent(talk("BTC-USDT-PERP", "BTC-USDT-240927", channels=("trades",)).opened(0))
    assert request["params"] == ["btcusdt@trade", "btcusdt_240927@trade"]


def test_an_answer_among_data_makes_ready() -> None:
    made = talk()
    made.opened(0)
    frames = [b'{"u":1,"s":"BTCUSDT"}', b'{"result":null,"id":1}', b'{"e":"trade","E":1}']
    assert made.received(frames, 0) == [Ready()]
    assert made.received(frames, 0) == []


@pytest.mark.parametrize(
    "error",
    [
        b'{"error":{"code":4,"msg":"Too many subscriptions"},"id":1}',
        b'{"code":4,"msg":"Too many subscriptions","id":1}',
    ],
)
def test_an_error_is_told_and_does_not_make_ready(error: bytes) -> None:
    made = talk()
    made.opened(0)
    (warning,) = made.received([error], 0)
    assert warning == Warn("Binance has refused a request: Too many subscriptions (code 4)")
    assert isinstance(made.due(6 * SECOND_NS)[0], Send)
    assert isinstance(made.due(12 * SECOND_NS)[0], Again)


def test_a_list_of_subscriptions_is_no_confirmation() -> None:
    made = talk()
    made.opened(0)
    assert made.received([b'{"result":["btcusdt@trade"],"id":1}'], 0) == []


@pytest.mark.parametrize(
    "event",
    [
        b'{"e":"serverShutdown","E":1770123456789}',
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
    ],
)
def test_the_notice_of_a_shutdown_asks_for_another_connection_once(event: bytes) -> None:
    made = talk()
    made.opened(0)
    (replace,) = made.received([event, event], 0)
    assert isinstance(replace, Replace)
    assert made.received([event], 0) == []


def test_wrapped_data_is_passed_over_as_well() -> None:
    made = talk()
    assert made.received([b'{"stream":"btcusdt@trade","data":{"e":"serverShutdown"}}'], 0) == []


def test_a_reload_subscribes_new_streams_and_unsubscribes_old_ones() -> None:
    made = talk(channels=("trades",))
    made.opened(0)
    made.received([b'{"result":null,"id":1}'], 0)
    requests = sent(made.change({"ETH-USDT": (Channel.TRADES,), "SOL-USDT": (Channel.TRADES,)}, 0))
    assert [(r["method"], r["params"]) for r in requests] == [
        ("UNSUBSCRIBE", ["btcusdt@trade"]),
        ("SUBSCRIBE", ["solusdt@trade"]),
    ]


def test_a_mute_stream_is_unsubscribed_and_subscribed() -> None:
    made = talk()
    made.opened(0)
    made.received([b'{"result":null,"id":1}'], 0)
    requests = sent(made.renew("ETH-USDT", Channel.QUOTES, 0))
    assert [(r["method"], r["params"]) for r in requests] == [
        ("UNSUBSCRIBE", ["ethusdt@bookTicker"]),
        ("SUBSCRIBE", ["ethusdt@bookTicker"]),
    ]


def test_connections_are_replaced_before_their_day_is_over() -> None:
    assert LIMITS.lifetime_s is not None
    assert 86_400 - 1_800 < LIMITS.lifetime_s < 86_400 - LIMITS.overlap_s - LIMITS.ready_within_s
    assert LIMITS.sends[0] / LIMITS.sends[1] < 5
    assert LIMITS.connects[0] / LIMITS.connects[1] < 300 / 300


def test_too_many_messages_cost_a_minute_and_too_many_attempts_five() -> None:
    policy = venue().closed(1008, "Too many requests")
    assert isinstance(policy, Again)
    assert policy.wait_s == 60
    for status in (418, 429):
        limited = venue().refused(status, b"")
        assert isinstance(limited, Again)
        assert limited.wait_s == 300
    assert isinstance(venue().refused(451, b""), Stop)


# Preparing.


def info(*words: str) -> bytes:
    return msgspec.json.encode({"symbols": [{"symbol": word, "status": "TRADING"} for word in words]})


def test_known_symbols_cost_one_question_a_market(rest: Any) -> None:
    made = venue("BTC-USDT", "ETH-USDT", "BTC-USDT-PERP")
    asked, _ = rest.run(made.prepare(), lambda _: info("BTCUSDT", "ETHUSDT"))
    assert [request.url.partition("?")[0] for request in asked] == [
        "https://api.binance.com/api/v3/exchangeInfo",
        "https://fapi.binance.com/fapi/v1/exchangeInfo",
    ]
    assert rest.query(asked[0])["symbols"] == '["BTCUSDT","ETHUSDT"]'
    assert [request.weight for request in asked] == [20, 1]


def test_an_unknown_spot_symbol_is_named_with_near_ones(rest: Any) -> None:
    def answer(request: Request) -> bytes | Refused:
        if "symbols" in rest.query(request):
            return Refused(400, b'{"code":-1121,"msg":"Invalid symbol."}')
        return info("BTCUSDT", "ETHUSDT", "DOGEUSDT")

    match = r"feeds\.binance\.symbols: Binance spot does not have DOG-USDT \(near: DOGE-USDT"
    with pytest.raises(SettingsError, match=match):
        rest.run(venue("BTC-USDT", "DOG-USDT").prepare(), answer)


def test_an_unknown_future_is_named(rest: Any) -> None:
    with pytest.raises(SettingsError, match=r"USD-M does not have BTC-USDT-230929 \(near: BTC-USDT-PERP"):
        rest.run(venue("BTC-USDT-230929").prepare(), lambda _: info("BTCUSDT", "ETHUSDT"))


def test_symbols_are_asked_for_by_the_hundred(rest: Any) -> None:
    words = [f"A{n}USDT" for n in range(250)]
    asked, _ = rest.run(venue(*(f"A{n}-USDT" for n in range(250))).prepare(), lambda _: info(*words))
    assert len(asked) == 3


@pytest.mark.parametrize("answer", [Refused(403, b"<html>"), b"rubbish", b'{"symbols":3}'])
def test_a_check_that_cannot_be_made_is_told_and_stops_nothing(answer: bytes | Refused, rest: Any) -> None:
    made = venue()
    rest.run(made.prepare(), lambda _: answer)
    (plan,) = made.plans()
    actions = made.conversation(plan).opened(0)
    assert isinstance(actions[0], Warn)
    assert "could not ask Binance" in actions[0].message
    assert not any(isinstance(action, Warn) for action in made.conversation(plan).opened(0))


def test_a_place_that_is_not_served_is_a_matter_of_settings(rest: Any) -> None:
    with pytest.raises(SettingsError, match=r"HTTP 451.*feeds\.binance\.url"):
        rest.run(venue().prepare(), lambda _: Refused(451, b""))


# Refilling.


def gap(symbol: str = "BTC-USDT", first_id: int | None = 10, last_id: int | None = 14) -> Gap:
    return Gap("binance", symbol, Channel.TRADES, 1_000_000, 2_000_000, first_id, last_id)


class Trades:
    """A venue that has the trades ``ids``."""

    def __init__(self, ids: Any, rest: Any) -> None:
        self.ids = list(ids)
        self.rest = rest

    def __call__(self, request: Request) -> bytes:
        asked = self.rest.query(request)
        found = [i for i in self.ids if i >= int(asked["fromId"])][: int(asked["limit"])]
        return msgspec.json.encode([{"id": i, "price": "1", "qty": "1", "time": 1} for i in found])


def test_a_small_gap_is_one_question_for_exactly_its_trades(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap()), Trades(range(100), rest))
    assert [request.url for request in asked] == [
        "https://api.binance.com/api/v3/historicalTrades?symbol=BTCUSDT&fromId=10&limit=5"
    ]
    assert asked[0].weight == 25
    assert asked[0].headers == ()
    assert result == Refilled()


def test_a_long_gap_is_asked_for_page_after_page(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap(last_id=2_509)), Trades(range(9_999), rest))
    assert [rest.query(r)["fromId"] for r in asked] == ["10", "1010", "2010"]
    assert [rest.query(r)["limit"] for r in asked] == ["1000", "1000", "500"]
    assert result == Refilled()


def test_an_open_gap_is_asked_for_until_a_page_is_not_full(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap(last_id=None)), Trades(range(1_500), rest))
    assert [rest.query(r)["fromId"] for r in asked] == ["10", "1010"]
    assert result == Refilled()
    asked, result = rest.run(venue().refill(gap(last_id=None)), Trades(range(10), rest))
    assert len(asked) == 1
    assert result == Refilled()


def test_ids_that_the_venue_skips_are_told(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap(last_id=19)), Trades([10, 11, 14, 15, 19, 20], rest))
    assert result == Refilled("5 trades did not come: 12 to 13, 16 to 18")
    assert len(asked) == 1


def test_a_venue_that_has_not_yet_the_end_is_asked_twice_and_the_rest_is_told(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap()), Trades(range(13), rest))
    assert [rest.query(r)["fromId"] for r in asked] == ["10", "13"]
    assert result == Refilled("2 trades did not come: 13 to 14")


def test_futures_need_a_key_and_get_it_in_the_header(rest: Any) -> None:
    _, result = rest.run(venue("BTC-USDT-PERP").refill(gap("BTC-USDT-PERP")), Trades(range(99), rest))
    assert "set feeds.binance.api_key" in result.missing
    keyed = venue("BTC-USDT-240927", api_key="secret")
    asked, result = rest.run(keyed.refill(gap("BTC-USDT-240927", last_id=700)), Trades(range(9_999), rest))
    assert result == Refilled()
    assert asked[0].url.startswith("https://fapi.binance.com/fapi/v1/historicalTrades?symbol=BTCUSDT_240927&")
    assert asked[0].headers == (("X-MBX-APIKEY", "secret"),)
    assert [(request.weight, rest.query(request)["limit"]) for request in asked] == [(20, "500"), (20, "191")]
    assert "secret" not in repr(asked)


def test_a_key_that_is_not_accepted_is_named(rest: Any) -> None:
    refused = Refused(401, b'{"code":-2014,"msg":"API-key format invalid."}')
    keyed = venue("BTC-USDT-PERP", api_key="secret")
    _, result = rest.run(keyed.refill(gap("BTC-USDT-PERP")), lambda _: refused)
    told = "HTTP 401, API-key format invalid. (code -2014); feeds.binance.api_key is not accepted"
    assert result.missing == f"Binance said no: {told}"
