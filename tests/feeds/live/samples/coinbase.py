"""Coinbase Exchange."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from barograph.feeds.live.venue import Request
from barograph.gaps import Channel, Gap

SETTING = "feeds.coinbase.symbols"
SECRETS: list[str] = []
SETTINGS: dict[str, Any] = {"feeds": {"coinbase": {"symbols": ["BTC-USD", "ETH-EUR"]}}}
WITHOUT_SYMBOLS: dict[str, Any] = {}
OTHER = "SOL-USD"

GREETING: list[bytes] = []
CONFIRMS = True


def replies(sent: bytes) -> list[bytes]:
    request = msgspec.json.decode(sent)
    channels = [{"name": name, "product_ids": request["product_ids"]} for name in request["channels"]]
    return [msgspec.json.encode({"type": "subscriptions", "channels": channels})]


DATA = [
    (
        b'{"type":"match","trade_id":10,"maker_order_id":"a","taker_order_id":"b","side":"sell","size":"1",'
        b'"price":"3","product_id":"BTC-USD","sequence":50,"time":"2024-08-08T23:54:15.037000Z"}'
    ),
    (
        b'{"type":"ticker","sequence":1,"product_id":"BTC-USD","price":"1","best_bid":"1","best_ask":"2",'
        b'"time":"2024-08-08T23:54:15.037000Z","trade_id":1}'
    ),
    b'{"type":"heartbeat","last_trade_id":1,"product_id":"BTC-USD","sequence":1,"time":"2024-08-08T23:54:15Z"}',
    b'{"type":"last_match","trade_id":9,"side":"sell","size":"1","price":"3","product_id":"BTC-USD","sequence":49}',
]

CONTROL = [
    b'{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"],"account_ids":null}]}',
    b'{"type":"subscriptions","channels":[{"name":"matches","product_ids":null}]}',
    b'{"type":"error","message":"Failed to subscribe","reason":"ETH-EUR is not a valid product"}',
    b'{"message":"Failed to subscribe","reason":"No channels provided","type":"error"}',
    b'{"type":"status","products":[]}',
]

FIRST, IN_GAP = 1_000, 2_345
GAP = Gap(
    feed="coinbase",
    symbol="BTC-USD",
    channel=Channel.TRADES,
    first_us=1_723_161_255_000_000,
    last_us=1_723_161_315_000_000,
    first_id=FIRST,
    last_id=FIRST + IN_GAP - 1,
)


def answer(request: Request) -> bytes:
    asked = {key: values[0] for key, values in parse_qs(urlsplit(request.url).query).items()}
    newest = FIRST + IN_GAP + 99
    top = min(int(asked.get("after", newest + 1)) - 1, newest)
    row = {"side": "sell", "size": "1", "price": "3", "time": "2024-08-08T23:54:15.1Z"}
    return msgspec.json.encode([{"trade_id": i, **row} for i in range(top, top - int(asked["limit"]), -1)])
