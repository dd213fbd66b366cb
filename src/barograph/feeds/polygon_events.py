"""Massive's events as they stand on the wire, and the numbers that name its trades.

Field names are the venue's. A field that the venue leaves out when it is zero has a
default; without the others an event cannot be a row.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated, TypeAlias

import msgspec

from barograph.clock import DAY_US, NS_PER_US
from barograph.feeds.times import END_US
from barograph.rows import ABSENT

Millis: TypeAlias = Annotated[int, msgspec.Meta(ge=1, lt=END_US // 1_000)]
Nanos: TypeAlias = Annotated[int, msgspec.Meta(ge=1_000, lt=END_US * NS_PER_US)]
Sequence: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Conditions: TypeAlias = list[int] | int | None
Identity: TypeAlias = int | str


class CryptoTrade(msgspec.Struct, tag_field="ev", tag="XT"):
    pair: str
    p: float
    t: Millis
    s: float
    i: Identity
    x: int = 0
    c: Conditions = None


class CryptoQuote(msgspec.Struct, tag_field="ev", tag="XQ"):
    pair: str
    t: Millis
    bp: float = 0.0
    bs: float = 0.0
    ap: float = 0.0
    as_: float = msgspec.field(name="as", default=0.0)


class StockTrade(msgspec.Struct, tag_field="ev", tag="T"):
    sym: str
    p: float
    t: Millis
    i: Identity
    x: int = 0
    s: float | None = None
    ds: str | None = None
    trfi: int = 0
    q: Sequence = ABSENT
    c: Conditions = None


class StockQuote(msgspec.Struct, tag_field="ev", tag="Q"):
    sym: str
    t: Millis
    bp: float = 0.0
    bs: float = 0.0
    ap: float = 0.0
    as_: float = msgspec.field(name="as", default=0.0)
    q: Sequence = ABSENT


class Other(msgspec.Struct):
    """An event of which only the type is wanted."""

    ev: Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,32}$")]


class RestTrade(msgspec.Struct):
    price: float
    id: Identity
    exchange: int = 0
    trf_id: int = 0
    size: float | None = None
    decimal_size: str | None = None
    sip_timestamp: Nanos | None = None
    participant_timestamp: Nanos | None = None
    sequence_number: Sequence = ABSENT
    conditions: Conditions = None


class RestTrades(msgspec.Struct):
    results: list[msgspec.Raw]


Event: TypeAlias = CryptoTrade | CryptoQuote | StockTrade | StockQuote


def crypto_trade_id(exchange: int, identity: Identity) -> int:
    """The stable number of a crypto trade, the same from the wire and over REST."""
    return _hash63(f"{exchange}|{identity}")


def stock_trade_id(ts_us: int, exchange: int, facility: int, identity: Identity) -> int:
    """The stable number of a stock trade; ``facility`` is 0 for trades on an exchange."""
    return _hash63(f"{ts_us // DAY_US}|{exchange}|{facility}|{identity}")


def _hash63(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") >> 1
