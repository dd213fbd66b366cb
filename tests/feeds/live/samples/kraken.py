"""Kraken, websocket v2."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from barograph.feeds.live.venue import Request
from barograph.gaps import Channel, Gap

SETTING = "feeds.kraken.symbols"
SECRETS: list[str] = []
SETTINGS: dict[str, Any] = {"feeds": {"kraken": {"symbols": ["XTZ-USD", "BTC-USD", "ETH-EUR"]}}}
WITHOUT_SYMBOLS: dict[str, Any] = {}
OTHER = "SOL-USD"

GREETING = [
    (
        b'{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2",'
        b'"connection_id":12834019640987715974}]}'
    ),
]
CONFIRMS = True


def replies(sent: bytes) -> list[bytes]:
    request = msgspec.json.decode(sent)
    head = {"method": request["method"], "req_id": request["req_id"]}
    if head["method"] == "ping":
        return [msgspec.json.encode({"method": "pong", "req_id": request["req_id"]})]
    params = request["params"]
    results = [{"channel": params["channel"], "symbol": symbol} for symbol in params["symbol"]]
    return [msgspec.json.encode({**head, "result": result, "success": True}) for result in results]


DATA = [
    (
        b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":105944.20,"qty":0.0002,'
        b'"ord_type":"limit","trade_id":10218208,"timestamp":"2024-08-08T23:54:15.037123Z"}]}'
    ),
    (
        b'{"channel":"ticker","type":"snapshot","data":[{"symbol":"BTC/USD","bid":1.0,"bid_qty":1.0,"ask":2.0,'
        b'"ask_qty":1.0,"last":1.0,"timestamp":"2024-08-08T23:54:15.037123Z"}]}'
    ),
    b'{"channel":"heartbeat"}',
]

CONTROL = [
    *GREETING,
    b'{"channel":"status","type":"update","data":[{"system":"maintenance"}]}',
    b'{"method":"subscribe","req_id":1,"result":{"channel":"trade","symbol":"BTC/USD"},"success":true}',
    (
        b'{"error":"Currency pair not supported ETH/EUR","method":"subscribe","req_id":1,"success":false,'
        b'"symbol":"ETH/EUR"}'
    ),
    b'{"error":"Malformed request","method":"subscribe","req_id":1,"success":false}',
    b'{"error":"Already subscribed","method":"subscribe","req_id":2,"success":false,"symbol":"BTC/USD"}',
    b'{"method":"pong","req_id":-1}',
]

FIRST, IN_GAP, START_NS = 1_000, 2_345, 1_723_161_255_000_000_000
STEP_NS = 1_000_000
GAP = Gap(
    feed="kraken",
    symbol="XTZ-USD",
    channel=Channel.TRADES,
    first_us=START_NS // 1000 + (FIRST - 1) * STEP_NS // 1000,
    last_us=START_NS // 1000 + (FIRST + IN_GAP) * STEP_NS // 1000,
    first_id=FIRST,
    last_id=FIRST + IN_GAP - 1,
)


def answer(request: Request) -> bytes:
    asked = {key: values[0] for key, values in parse_qs(urlsplit(request.url).query).items()}
    first = max((int(asked["since"]) - START_NS) // STEP_NS + 1, 0)
    ids = range(first, min(first + int(asked["count"]), FIRST + IN_GAP + 100))
    times = [START_NS + i * STEP_NS for i in ids]
    rows = [
        f'["0.7","2.5",{ns // 10**9}.{ns % 10**9:09},"b","l","",{i}]'
        for i, ns in zip(ids, times, strict=True)
    ]
    last = times[-1] if times else asked["since"]
    return f'{{"error":[],"result":{{"XTZUSD":[{",".join(rows)}],"last":"{last}"}}}}'.encode()
