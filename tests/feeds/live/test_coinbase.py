"""Coinbase Exchange live."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from barograph.feeds.live.coinbase import Coinbase
from barograph.feeds.live.venue import Again, Plan, Ready, Refilled, Refused, Request, Send, Stop, Warn
from barograph.gaps import Channel, Gap
from barograph.settings.venues import CoinbaseSection

SECOND_NS = 1_000_000_000
ALL = ("matches", "ticker", "heartbeat")


def venue(*symbols: str, **more: Any) -> Coinbase:
    return Coinbase(CoinbaseSection(symbols=symbols or ("BTC-USD", "ETH-EUR"), **more))


def talk(*symbols: str, **more: Any) -> Any:
    made = venue(*symbols, **more)
    return made.conversation(made.plans()[0])


def sent(actions: Any) -> list[Any]:
    return [msgspec.json.decode(action.frame) for action in actions if isinstance(action, Send)]


def listed(products: list[str], *channels: str) -> bytes:
    names = [{"name": name, "product_ids": products, "account_ids": None} for name in channels or ALL]
    return msgspec.json.encode({"type": "subscriptions", "channels": names})


def error(reason: str) -> bytes:
    return msgspec.json.encode({"type": "error", "message": "Failed to subscribe", "reason": reason})


def test_products_are_spread_over_connections() -> None:
    plans = venue(*(f"A{n}-USD" for n in range(120))).plans()
    assert [len(plan.wanted) for plan in plans] == [50, 50, 20]
    both = (Channel.TRADES, Channel.QUOTES)
    assert venue("BTC-USD").plans() == [
        Plan("ws-0", "wss://ws-feed.exchange.coinbase.com", {"BTC-USD": both})
    ]


def test_one_message_subscribes_everything_at_once() -> None:
    assert sent(talk().opened(0)) == [
        {"type": "subscribe", "product_ids": ["BTC-USD", "ETH-EUR"], "channels": list(ALL)}
    ]


def test_heartbeats_come_whatever_is_wanted() -> None:
    (request,) = sent(talk(channels=("trades",)).opened(0))
    assert request["channels"] == ["matches", "heartbeat"]


def test_ready_when_everything_is_listed_and_not_before() -> None:
    made = talk()
    made.opened(0)
    assert made.received([listed(["BTC-USD"])], 0) == []
    assert made.received([listed(["BTC-USD", "ETH-EUR"], "matches", "ticker")], 0) == []
    assert made.received([listed(["BTC-USD", "ETH-EUR"])], 0) == [Ready()]
    assert made.received([listed(["BTC-USD", "ETH-EUR"])], 0) == []


def test_an_unknown_product_is_told_and_the_rest_asked_for_without_it() -> None:
    made = talk("BTC-USD", "NO-SUCH", "ETH-EUR")
    made.opened(0)
    warning, request = made.received([error("NO-SUCH is not a valid product")], 0)
    assert warning == Warn("Coinbase does not know 'NO-SUCH'; take it out of feeds.coinbase.symbols")
    assert sent([request])[0]["product_ids"] == ["BTC-USD", "ETH-EUR"]
    assert made.received([listed(["BTC-USD", "ETH-EUR"])], 0) == [Ready()]


def test_a_feed_without_any_known_product_stops() -> None:
    made = talk("NO-SUCH")
    made.opened(0)
    (stop,) = made.received([error("NO-SUCH is not a valid product")], 0)
    assert isinstance(stop, Stop)
    assert "feeds.coinbase.symbols" in stop.message


@pytest.mark.parametrize(
    "reason", ["No channels provided", "", " is not a valid product", "X-Y is not a valid product"]
)
def test_another_error_is_told_and_the_request_repeated_when_due(reason: str) -> None:
    made = talk()
    first = made.opened(0)
    (warning,) = made.received([error(reason)], 0)
    assert isinstance(warning, Warn)
    assert "Failed to subscribe" in warning.message
    assert made.due(6 * SECOND_NS) == first


def test_what_is_not_listed_is_asked_for_once_more_and_then_given_up() -> None:
    made = talk()
    made.opened(0)
    made.received([listed(["BTC-USD"])], 0)
    assert made.due(5 * SECOND_NS) == []
    assert sent(made.due(6 * SECOND_NS)) == [
        {"type": "subscribe", "product_ids": ["ETH-EUR"], "channels": list(ALL)}
    ]
    assert made.due(11 * SECOND_NS) == []
    assert isinstance(made.due(12 * SECOND_NS)[0], Again)


def test_a_reload_subscribes_what_is_new_and_unsubscribes_what_is_not_wanted() -> None:
    made = talk(channels=("trades",))
    made.opened(0)
    made.received([listed(["BTC-USD", "ETH-EUR"], "matches", "heartbeat")], 0)
    requests = sent(made.change({"ETH-EUR": (Channel.TRADES,), "SOL-USD": (Channel.TRADES,)}, 0))
    assert requests == [
        {"type": "unsubscribe", "product_ids": ["BTC-USD"], "channels": ["matches", "heartbeat"]},
        {"type": "subscribe", "product_ids": ["SOL-USD"], "channels": ["matches", "heartbeat"]},
    ]
    made.received([listed(["ETH-EUR", "SOL-USD"], "matches", "heartbeat")], 0)
    assert made.due(60 * SECOND_NS) == []


def test_a_product_that_stays_subscribed_is_unsubscribed_again() -> None:
    made = talk(channels=("trades",))
    made.opened(0)
    made.received([listed(["BTC-USD", "ETH-EUR"], "matches", "heartbeat")], 0)
    made.change({"ETH-EUR": (Channel.TRADES,)}, 0)
    (request,) = sent(made.due(6 * SECOND_NS))
    assert request["type"] == "unsubscribe"
    assert request["product_ids"] == ["BTC-USD"]
    assert sorted(request["channels"]) == ["heartbeat", "matches"]


def test_a_mute_channel_is_taken_anew() -> None:
    made = talk()
    made.opened(0)
    assert sent(made.renew("BTC-USD", Channel.TRADES, 0)) == [
        {"type": "unsubscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]},
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]},
    ]


def gap(first_id: int | None = 10, last_id: int | None = 14) -> Gap:
    return Gap("coinbase", "BTC-USD", Channel.TRADES, 1_000_000, 2_000_000, first_id, last_id)


class Trades:
    """A venue that has the trades ``ids``."""

    def __init__(self, ids: Any, rest: Any) -> None:
        self.ids = sorted(ids, reverse=True)
        self.rest = rest

    def __call__(self, request: Request) -> bytes:
        asked = self.rest.query(request)
        found = [i for i in self.ids if "after" not in asked or i < int(asked["after"])][
            : int(asked["limit"])
        ]
        return msgspec.json.encode([{"trade_id": i, "price": "1", "size": "1"} for i in found])


def test_a_small_gap_is_one_question_for_exactly_its_trades(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap()), Trades(range(100), rest))
    assert [request.url for request in asked] == [
        "https://api.exchange.coinbase.com/products/BTC-USD/trades?after=15&limit=5"
    ]
    assert result == Refilled()


def test_a_long_gap_is_asked_for_backwards(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap(last_id=2_509)), Trades(range(9_999), rest))
    assert [rest.query(r) for r in asked] == [
        {"after": "2510", "limit": "1000"},
        {"after": "1510", "limit": "1000"},
        {"after": "510", "limit": "500"},
    ]
    assert result == Refilled()


def test_an_open_gap_is_asked_for_from_the_newest_trade_back(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap(last_id=None)), Trades(range(1_500), rest))
    assert [rest.query(r).get("after") for r in asked] == [None, "500"]
    assert result == Refilled()
    asked, result = rest.run(venue().refill(gap(last_id=None)), Trades(range(10), rest))
    assert len(asked) == 1
    assert result == Refilled()


def test_ids_that_the_venue_skips_are_told(rest: Any) -> None:
    _, result = rest.run(venue().refill(gap(last_id=19)), Trades([5, 10, 11, 14, 15, 19, 20], rest))
    assert result == Refilled("5 trades did not come: 12 to 13, 16 to 18")


def test_a_venue_without_the_trades_is_asked_no_further(rest: Any) -> None:
    asked, result = rest.run(venue().refill(gap()), lambda _: b"[]")
    assert len(asked) == 1
    assert result == Refilled("5 trades did not come: 10 to 14")


def test_a_refusal_is_told_in_the_venues_words(rest: Any) -> None:
    _, result = rest.run(venue().refill(gap()), lambda _: Refused(404, b'{"message":"NotFound"}'))
    assert result.missing == 'Coinbase said no: HTTP 404 {"message":"NotFound"}'
