"""Binance: spot and a USD-M future."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from barograph.feeds.live.venue import Request
from barograph.gaps import Channel, Gap

SETTING = "feeds.binance.symbols"
SECRETS = ["the-key-of-binance"]
SYMBOLS = ["BTC-USDT", "ETH-USDT", "BTC-USDT-PERP", "BTC-USDT-240927"]
SETTINGS: dict[str, Any] = {"feeds": {"binance": {"symbols": SYMBOLS, "api_key": SECRETS[0]}}}
WITHOUT_SYMBOLS: dict[str, Any] = {"feeds": {"binance": {"api_key": SECRETS[0]}}}
OTHER = "SOL-USDT"

GREETING: list[bytes] = []
CONFIRMS = True


def replies(sent: bytes) -> list[bytes]:
    return [msgspec.json.encode({"result": None, "id": msgspec.json.decode(sent)["id"]})]


DATA = [
    b'{"e":"trade","E":1723161255000,"s":"BTCUSDT","t":7,"p":"61000.1","q":"0.2","T":1723161255000,"m":true,"M":true}',
    b'{"u":400900217,"s":"BTCUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}',
    b'{"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":8,"p":"1","q":"1","X":"MARKET","m":true}',
    b'{"e":"bookTicker","u":3,"s":"BTCUSDT","b":"1","B":"1","a":"1","A":"1","T":1723161255000,"E":1723161255000}',
]

CONTROL = [
    b'{"result":null,"id":1}',
    b'{"result":["btcusdt@trade"],"id":3}',
    b'{"error":{"code":2,"msg":"Invalid request: too many parameters"},"id":1}',
    b'{"code":2,"msg":"Invalid request","id":2}',
    b'{"e":"serverShutdown","E":1770123456789}',
    b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":7,"p":"1","q":"1","T":1,"m":true}}',
]

FIRST, IN_GAP, START_MS = 1_000, 2_345, 1_723_161_255_000
GAP = Gap(
    feed="binance",
    symbol="BTC-USDT",
    channel=Channel.TRADES,
    first_us=START_MS * 1000,
    last_us=START_MS * 1000 + 60_000_000,
    first_id=FIRST,
    last_id=FIRST + IN_GAP - 1,
)


def answer(request: Request) -> bytes:
    url = urlsplit(request.url)
    asked = {key: values[0] for key, values in parse_qs(url.query).items()}
    if url.path.endswith("exchangeInfo"):
        names = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "BTCUSDT_240927"]
        return msgspec.json.encode({"symbols": [{"symbol": n, "status": "TRADING"} for n in names]})
    start = int(asked["fromId"])
    ids = range(start, min(start + int(asked["limit"]), FIRST + IN_GAP + 100))
    row = {"price": "61000.1", "qty": "0.5", "quoteQty": "1", "isBuyerMaker": True, "isBestMatch": True}
    return msgspec.json.encode([{"id": i, "time": START_MS + i, **row} for i in ids])
