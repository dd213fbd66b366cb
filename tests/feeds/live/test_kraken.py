"""Kraken live, websocket v2."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from barograph.feeds.live.kraken import LIMITS, Kraken
from barograph.feeds.live.venue import Again, Plan, Ready, Refilled, Refused, Request, Send, Stop, Warn
from barograph.gaps import Channel, Gap
from barograph.settings.venues import KrakenSection

SECOND_NS = 1_000_000_000


def venue(*symbols: str, **more: Any) -> Kraken:
    return Kraken(KrakenSection(symbols=symbols or ("BTC-USD", "DOGE-EUR"), **more))


def talk(*symbols: str, **more: Any) -> Any:
    made = venue(*symbols, **more)
    return made.conversation(made.plans()[0])


def sent(actions: Any) -> list[Any]:
    return [msgspec.json.decode(action.frame) for action in actions if isinstance(action, Send)]


def success(number: int, symbol: str, method: str = "subscribe") -> bytes:
    result = {"channel": "trade", "symbol": symbol}
    return msgspec.json.encode({"method": method, "req_id": number, "result": result, "success": True})


def failure(
    number: int, symbol: str, error: str = "Currency pair not supported", method: str = "subscribe"
) -> bytes:
    head = {"error": f"{error} {symbol}", "method": method, "req_id": number}
    return msgspec.json.encode({**head, "success": False, "symbol": symbol})


def ready(*symbols: str, **more: Any) -> Any:
    made = talk(*symbols, channels=("trades",), **more)
    (request,) = sent(made.opened(0))
    assert made.received([success(1, symbol) for symbol in request["params"]["symbol"]], 0) == [Ready()]
    return made


def test_symbols_are_spread_over_connections() -> None:
    plans = venue(*(f"A{n}-USD" for n in range(120))).plans()
    assert [len(plan.wanted) for plan in plans] == [100, 20]
    both = (Channel.TRADES, Channel.QUOTES)
    assert venue("BTC-USD").plans() == [Plan("v2-0", "wss://ws.kraken.com/v2", {"BTC-USD": both})]


def test_trades_are_subscribed_without_a_snapshot_and_quotes_by_each_change() -> None:
    names = ["BTC/USD", "DOGE/EUR"]
    assert sent(talk().opened(0)) == [
        {
            "method": "subscribe",
            "params": {"channel": "trade", "symbol": names, "snapshot": False},
            "req_id": 1,
        },
        {
            "method": "subscribe",
            "params": {"channel": "ticker", "symbol": names, "event_trigger": "bbo"},
            "req_id": 2,
        },
    ]


def test_ready_when_every_symbol_of_every_channel_has_its_answer() -> None:
    made = talk()
    made.opened(0)
    answers = [success(n, symbol) for n in (1, 2) for symbol in ("BTC/USD", "DOGE/EUR")]
    for answer in answers[:3] + answers[:3]:
        assert made.received([b'{"channel":"heartbeat"}', answer], 0) == []
    assert made.received(answers[3:], 0) == [Ready()]


def test_a_symbol_that_the_venue_does_not_have_is_told_once_and_the_rest_is_ready() -> None:
    made = talk("BTC-USD", "NO-SUCH")
    made.opened(0)
    (warning,) = made.received([failure(1, "NO/SUCH"), success(1, "BTC/USD"), success(2, "BTC/USD")], 0)
    assert "take NO-SUCH out of feeds.kraken.symbols" in warning.message
    assert made.received([failure(2, "NO/SUCH")], 0) == [Ready()]
    assert made.due(SECOND_NS) == []


def test_a_feed_without_any_known_symbol_stops() -> None:
    made = talk("NO-SUCH", channels=("trades",))
    made.opened(0)
    (stop,) = made.received([failure(1, "NO/SUCH")], 0)
    assert isinstance(stop, Stop)
    assert "feeds.kraken.symbols" in stop.message


def test_a_refusal_that_may_pass_is_told_and_only_its_symbol_asked_again() -> None:
    made = talk(channels=("trades",))
    made.opened(0)
    (warning,) = made.received([failure(1, "BTC/USD", "EService:Unavailable"), success(1, "DOGE/EUR")], 0)
    assert isinstance(warning, Warn)
    made.received([b'{"channel":"heartbeat"}'], 6 * SECOND_NS)
    (again,) = sent(made.due(6 * SECOND_NS))
    assert again["params"]["symbol"] == ["BTC/USD"]
    assert again["req_id"] == 1
    late = [failure(1, "DOGE/EUR", "Already subscribed"), failure(1, "BTC/USD", "Already subscribed")]
    assert made.received(late, 7 * SECOND_NS) == [Ready()]


def test_a_request_that_is_not_understood_is_told() -> None:
    made = talk(channels=("trades",))
    made.opened(0)
    (warning,) = made.received(
        [b'{"error":"Malformed request","method":"subscribe","req_id":1,"success":false}'], 0
    )
    assert warning == Warn("Kraken has refused a request: Malformed request")
    (warning,) = made.received([b'{"error":"Unsupported","success":false}'], 0)
    assert warning == Warn("Kraken says: Unsupported")


def test_what_is_gone_already_counts_as_unsubscribed() -> None:
    made = ready("BTC-USD", "DOGE-EUR")
    ((request),) = sent(made.change({"BTC-USD": (Channel.TRADES,)}, 0))
    assert request["method"] == "unsubscribe"
    assert request["params"] == {"channel": "trade", "symbol": ["DOGE/EUR"]}
    assert made.received([failure(2, "DOGE/EUR", "Subscription not found", "unsubscribe")], 0) == []
    made.received([b'{"channel":"heartbeat"}'], 30 * SECOND_NS)
    assert made.due(30 * SECOND_NS) == []


def test_a_mute_quote_is_taken_anew_with_its_trigger() -> None:
    made = talk("BTC-USD", channels=("quotes",))
    made.opened(0)
    made.received([success(1, "BTC/USD")], 0)
    params = {"channel": "ticker", "symbol": ["BTC/USD"], "event_trigger": "bbo"}
    assert sent(made.renew("BTC-USD", Channel.QUOTES, 0)) == [
        {"method": "unsubscribe", "params": params, "req_id": 2},
        {"method": "subscribe", "params": params, "req_id": 3},
    ]


def test_a_silent_venue_is_pinged_and_a_talking_one_is_not() -> None:
    made = ready("BTC-USD")
    assert made.due(7 * SECOND_NS) == []
    assert sent(made.due(8 * SECOND_NS)) == [{"method": "ping", "req_id": -1}]
    assert made.received([b'{"method":"pong","req_id":-1}'], 9 * SECOND_NS) == []
    assert made.due(16 * SECOND_NS) == []
    assert sent(made.due(17 * SECOND_NS)) == [{"method": "ping", "req_id": -2}]


def test_a_status_is_told_when_it_changes() -> None:
    def status(system: str) -> bytes:
        return b'{"channel":"status","type":"update","data":[{"system":"%s"}]}' % system.encode()

    made = ready("BTC-USD")
    assert made.received([status("online")], 0) == []
    assert made.received([status("maintenance")] * 2, 0) == [Warn("Kraken's status is maintenance")]
    assert made.received([status("online")], 0) == [Warn("Kraken's status is online")]


def test_too_many_attempts_cost_ten_minutes() -> None:
    limited = venue().refused(429, b"")
    assert isinstance(limited, Again)
    assert limited.wait_s == 600


# Refilling.

T0_NS = 1_723_161_255_000_000_000


def gap(first_id: int = 10, last_id: int | None = 14, symbol: str = "XTZ-USD") -> Gap:
    return Gap(
        "kraken",
        symbol,
        Channel.TRADES,
        T0_NS // 1000 + (first_id - 1),
        T0_NS // 1000 + 9_999,
        first_id,
        last_id,
    )


class Trades:
    """A venue that has the trades ``ids``, a microsecond apart."""

    def __init__(self, ids: Any, rest: Any) -> None:
        self.ids = list(ids)
        self.rest = rest

    def __call__(self, request: Request) -> bytes:
        asked = self.rest.query(request)
        since, count = int(asked["since"]), int(asked["count"])
        found = [i for i in self.ids if T0_NS + 1000 * i > since][:count]
        rows = [["1.0", "1.0", (T0_NS + 1000 * i) / 1e9, "b", "l", "", i] for i in found]
        last = str(T0_NS + 1000 * found[-1]) if found else str(since)
        return msgspec.json.encode({"error": [], "result": {"XTZUSD": rows, "last": last}})


def test_a_small_gap_is_asked_for_from_a_moment_before_it(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap()), Trades(range(100), rest))
    since = T0_NS + 9_000 - 1_000_000
    assert [request.url for request in asked] == [
        f"https://api.kraken.com/0/public/Trades?pair=XTZ%2FUSD&since={since}&count=1000"
    ]
    assert result == Refilled()


def test_a_long_gap_is_asked_for_page_after_page_until_its_last_id(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap(last_id=2_509)), Trades(range(9_999), rest))
    assert [int(rest.query(r)["since"]) for r in asked[1:]] == [T0_NS + 999_000, T0_NS + 1_999_000]
    assert result == Refilled()


def test_an_open_gap_is_asked_for_until_a_page_is_not_full(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap(last_id=None)), Trades(range(1_500), rest))
    assert len(asked) == 2
    assert result == Refilled()
    asked, result = rest.run(venue().refill(gap(last_id=None)), Trades(range(10), rest))
    assert len(asked) == 1
    assert result == Refilled()


def test_ids_that_the_venue_skips_are_told(rest: Any) -> None:
    _, result = rest.run(venue().refill(gap(last_id=19)), Trades([5, 10, 11, 14, 15, 19, 20], rest))
    assert result == Refilled("5 trades did not come: 12 to 13, 16 to 18")


def test_a_venue_that_does_not_go_on_is_asked_no_further(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap()), Trades(range(13), rest))
    assert len(asked) == 2
    assert result == Refilled("2 trades did not come: 13 to 14")


def test_a_rate_limit_is_waited_for_by_heavier_questions(rest: Any) -> None:
    have = Trades(range(100), rest)
    answers = iter([b'{"error":["EGeneral:Too many requests"]}', b'{"error":["EAPI:Rate limit exceeded"]}'])
    asked, result = rest.run(venue().refill(gap()), lambda request: next(answers, None) or have(request))
    assert result == Refilled()
    assert [request.weight for request in asked] == [1, LIMITS.requests[0], LIMITS.requests[0]]


def test_a_rate_limit_that_lasts_is_given_up(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap()), lambda _: b'{"error":["EGeneral:Too many requests"]}')
    assert len(asked) == 5
    assert result == Refilled("Kraken said no: EGeneral:Too many requests")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b'{"error":["EQuery:Unknown asset pair"]}', "EQuery:Unknown asset pair"),
        (Refused(403, b"<html>"), "HTTP 403 <html>"),
    ],
)
def test_a_final_no_is_told_at_once(answer: bytes | Refused, told: str, rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap()), lambda _: answer)
    assert len(asked) == 1
    assert result.missing == f"Kraken said no: {told}"
