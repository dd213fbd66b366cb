"""The simulated market, live."""

from typing import Any

import msgspec

from barograph.feeds.live.venue import Request
from barograph.gaps import Gap

SETTING = "feeds.sim.symbols"
SECRETS: list[str] = []
SETTINGS: dict[str, Any] = {"feeds": {"sim": {"symbols": ["BTC-USD", "ETH-USD", "SOL-USD"], "seed": 7}}}
WITHOUT_SYMBOLS: dict[str, Any] = {"feeds": {"sim": {"symbols": []}}}
OTHER = "ADA-USD"

GREETING: list[bytes] = []
CONFIRMS = True


def replies(sent: bytes) -> list[bytes]:
    return [msgspec.json.encode({"e": "done", "id": msgspec.json.decode(sent)["id"]})]


DATA = [
    b'{"e":"trade","s":"BTC-USD","t":1723075200123456,"i":1,"p":64010.12,"q":0.08123,"b":1}',
    (
        b'{"e":"quote","s":"BTC-USD","t":1723075200120001,"u":1,"bp":63999.50,"bq":0.30000,"ap":64010.12,'
        b'"aq":0.20000}'
    ),
]

CONTROL = [
    b'{"e":"done","id":1}',
    b'{"e":"refused","id":1,"name":"trades ETH-USD","why":"it is not simulated"}',
    b'{"e":"refused","id":1,"name":"quotes ETH-USD","why":"it is not simulated"}',
    b'{"e":"done","id":2}',
]

GAP: Gap | None = None
IN_GAP = 0


def answer(request: Request) -> bytes:
    raise AssertionError("the simulated market is not asked over HTTP")
