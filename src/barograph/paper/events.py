"""Trade events: what a consumer is given, one trade each.

Plain Python, as everything that ``consumer`` imports.
"""

from __future__ import annotations

from typing import NamedTuple


class TradeEvent(NamedTuple):
    """One trade.

    Attributes:
        symbol: canonical name.
        price: what it was made at.
        size: how much changed hands.
        ts_us: when, by the venue's clock, in microseconds since 1970 (UTC).
        identity: what makes it the same trade when it comes again: ``t`` and the venue's trade id where there
            is one, else ``s`` with shard and sequence number (a producer's retry changes those, not the
            trade).
        venue: where; empty where nobody says.
        half_spread: half of the distance from bid to ask as last seen before; 0 where nobody knows.
    """

    symbol: str
    price: float
    size: float
    ts_us: int
    identity: str
    venue: str = ""
    half_spread: float = 0.0
