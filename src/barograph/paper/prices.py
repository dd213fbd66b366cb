"""The last known price of what is held: the one that its trader saw, or that of a minute recorded later."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from barograph.clock import MINUTE_US, to_us
from barograph.paper.ledger import Item
from barograph.paper.positions import Position

LAST_RECORDED = """
    SELECT m.venue, m.symbol, m.price, m.timestamp AS ts
    FROM market_microstructure m
    JOIN (
        SELECT venue, symbol, max(timestamp) AS timestamp FROM market_microstructure
        WHERE price IS NOT NULL AND timestamp >= $1::timestamptz AND symbol = ANY($2::text[])
        GROUP BY venue, symbol
    ) AS newest ON newest.venue = m.venue AND newest.symbol = m.symbol AND newest.timestamp = m.timestamp
"""
"""The newest close of each venue and symbol, from a time on, of some symbols: see :func:`asked`."""


class Seen(NamedTuple):
    """A price and when it was seen."""

    price: float
    ts_us: int


def asked(held: Collection[Position]) -> tuple[int, tuple[str, ...]]:
    """What :data:`LAST_RECORDED` is asked of ``held``: no minute before the entries is read.

    Args:
        held: at least one.

    Returns:
        The beginning of the first entry's minute, in microseconds UTC, and the symbols.
    """
    first_us = min(one.entry_ts_us for one in held)
    return first_us - first_us % MINUTE_US, tuple(sorted({one.symbol for one in held}))


def recorded(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Seen]:
    """The rows of :data:`LAST_RECORDED` by venue and symbol."""
    return {(row["venue"], row["symbol"]): Seen(row["price"], to_us(row["ts"])) for row in rows}


def mark_of(item: Item, one: Position) -> Seen | None:
    """The last price that the trader of a position saw; an account of many symbols has no mark of each."""
    if item.mark <= 0 or item.key.symbol != one.symbol:
        return None
    return Seen(item.mark, item.newest_ts_us)


def newest(mark: Seen | None, known: Seen | None) -> Seen | None:
    """The trader's ``mark``, unless what was recorded is newer; None where neither is there.

    >>> newest(Seen(100.0, 7), Seen(101.0, 7))
    Seen(price=100.0, ts_us=7)
    """
    if mark is None or (known is not None and known.ts_us > mark.ts_us):
        return known
    return mark
