"""Massive's stocks cluster."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from barograph.feeds.live.venue import Request
from barograph.gaps import Channel, Gap

KEY = "k3y0fMassive"
SETTING = "feeds.polygon.stocks"
SECRETS = [KEY]
WITHOUT_SYMBOLS: dict[str, Any] = {"feeds": {"polygon": {"api_key": KEY, "tier_stocks": "advanced"}}}
SETTINGS: dict[str, Any] = {
    "feeds": {"polygon": {"api_key": KEY, "tier_stocks": "advanced", "stocks": ["AAPL", "BRK.A"]}}
}
OTHER = "MSFT"

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
    b'[{"ev":"T","sym":"AAPL","x":4,"i":"12345","z":3,"p":114.125,"s":100,"c":[0,12],"t":1536036818784,"q":3681328}]',
    (
        b'[{"ev":"Q","sym":"AAPL","bx":4,"bp":114.125,"bs":100,"ax":7,"ap":114.128,"as":160,"c":0,"i":[604],'
        b'"t":1536036818784,"q":50385480,"z":3}]'
    ),
]

CONTROL = [
    *GREETING,
    _status("auth_success", "authenticated"),
    _status("auth_failed", f"authentication failed for {KEY}"),
    _status("auth_timeout", "No authentication request received."),
    _status("success", "subscribed to: T.AAPL"),
    _status("max_connections", "Maximum number of websocket connections exceeded."),
    _status("error", "not authorized"),
    _status("slow_consumer", f"for {KEY}: reading too slowly"),
    DATA[0][:-1] + b',{"ev":"status","status":"force_disconnect","message":"bye"}]',
]

FIRST_MS, IN_GAP, PAGE = 1_723_161_255_000, 2_345, 1_000
GAP = Gap(
    feed="polygon-stocks",
    symbol="AAPL",
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
            "conditions": [12],
            "exchange": 3,
            "id": str(ms),
            "sip_timestamp": ms * 1_000_000,
            "price": 9.5,
            "size": 1,
        }
        for ms in times
    ]
    more = times.stop * 1_000_000 < end
    path = f"https://api.massive.com{urlsplit(request.url).path}"
    following = {"next_url": f"{path}?cursor={times.stop * 1_000_000}-{end}"} if more else {}
    return msgspec.json.encode({"status": "OK", "request_id": "r", "results": rows, **following})
