"""Massive's crypto cluster."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from barograph.feeds.live.venue import Request
from barograph.gaps import Channel, Gap

KEY = "k3y0fMassive"
SETTING = "feeds.polygon.crypto"
SECRETS = [KEY]
WITHOUT_SYMBOLS: dict[str, Any] = {"feeds": {"polygon": {"api_key": KEY, "tier_crypto": "starter"}}}
SETTINGS: dict[str, Any] = {
    "feeds": {"polygon": {"api_key": KEY, "tier_crypto": "starter", "crypto": ["BTC-USD", "ETH-EUR"]}}
}
OTHER = "SOL-USD"

GREETING = [b'[{"ev":"status","status":"connected","message":"Connected Successfully"}]']
CONFIRMS = True


def replies(sent: bytes) -> list[bytes]:
    request = msgspec.json.decode(sent)
    if request["action"] == "auth":
        good = request["params"] == KEY
        return [
            _status("auth_success", "authenticated")
            if good
            else _status("auth_failed", "authentication failed")
        ]
    verb = {"subscribe": "subscribed to", "unsubscribe": "unsubscribed to"}[request["action"]]
    return [_status("success", f"{verb}: {name}") for name in request["params"].split(",")]


def _status(kind: str, message: str) -> bytes:
    return msgspec.json.encode([{"ev": "status", "status": kind, "message": message}])


DATA = [
    b'[{"ev":"XT","pair":"BTC-USD","p":33021.9,"t":1610462007425,"s":0.016,"c":[2],"i":14272084,"x":3,"r":1610462007576}]',
    (
        b'[{"ev":"XQ","pair":"BTC-USD","bp":33052.79,"bs":0.48,"ap":33073.19,"as":0.601,"t":1610462411115,"x":1,'
        b'"r":1610462411128},{"ev":"XT","pair":"ETH-EUR","p":1101.5,"t":1610462411120,"s":2.5,"c":[1],"i":"a-7","x":1}]'
    ),
]

CONTROL = [
    *GREETING,
    _status("auth_success", "authenticated"),
    _status("auth_failed", f"authentication failed for {KEY}"),
    _status("auth_timeout", "No authentication request received."),
    _status("success", "subscribed to: XT.BTC-USD"),
    _status("max_connections", "Maximum number of websocket connections exceeded."),
    _status("error", "not authorized"),
    _status("slow_consumer", f"for {KEY}: reading too slowly"),
    DATA[0][:-1] + b',{"ev":"status","status":"force_disconnect","message":"bye"}]',
]

FIRST_MS, IN_GAP, PAGE = 1_723_161_255_000, 2_345, 1_000
GAP = Gap(
    feed="polygon-crypto",
    symbol="BTC-USD",
    channel=Channel.TRADES,
    first_us=FIRST_MS * 1_000,
    last_us=(FIRST_MS + IN_GAP - 1) * 1_000,
)


def answer(request: Request) -> bytes:
    """Trades a millisecond apart, long before the gap and long after it, in pages smaller than asked for."""
    asked = {key: values[0] for key, values in parse_qs(urlsplit(request.url).query).items()}
    if "cursor" in asked:
        begin, end = (int(part) for part in asked["cursor"].split("-"))
    else:
        begin, end = int(asked["timestamp.gte"]), int(asked["timestamp.lt"])
    first = -(-begin // 1_000_000)
    times = range(first, min(first + PAGE, -(-end // 1_000_000)))
    rows = [
        {
            "conditions": [2],
            "exchange": 3,
            "id": str(ms),
            "participant_timestamp": ms * 1_000_000,
            "price": 9.5,
            "size": 1,
        }
        for ms in times
    ]
    more = times.stop * 1_000_000 < end
    path = f"https://api.massive.com{urlsplit(request.url).path}"
    following = {"next_url": f"{path}?cursor={times.stop * 1_000_000}-{end}"} if more else {}
    return msgspec.json.encode({"status": "OK", "request_id": "r", "results": rows, **following})
