"""What a waiting order and the event that it meets make: a position, a trade, or nothing. Plain Python."""

from __future__ import annotations

import math
from typing import NamedTuple

from barograph.paper.book import Book
from barograph.paper.dip import ENTRY, Watch
from barograph.paper.events import TradeEvent
from barograph.paper.positions import Position, Trade, completed
from barograph.paper.purse import Purse, Refusal, Terms, entry_size, forbidden


class Refused(NamedTuple):
    """An entry that was decided and not made."""

    venue: str
    symbol: str
    ts_us: int
    why: Refusal


class Fill(NamedTuple):
    """All as it is after the event, once the ledger knows."""

    watch: Watch
    book: Book
    purse: Purse
    done: Position | Trade | Refused


def fill(
    terms: Terms, book: Book, watch: Watch, purse: Purse, event: TradeEvent, *, known: bool = False
) -> Fill:
    """Let the order of ``watch``, which stays as it is, meet ``event``.

    Args:
        purse: the symbol's own, or the account's.
        known: the ledger knows an entry of this event's identity, and it was not this one.
    """
    after, purse = watch.copy(), purse.at(event.ts_us)
    after.left()
    position: Position | None = None
    done: Position | Trade | Refused
    if watch.order == ENTRY:
        done = _entry(terms, book, watch, purse, event, known)
        if isinstance(done, Position):
            position, purse = done, purse.bought(done, terms)
            after.held(done.entry_price, done.entry_ts_us)
    else:
        done = _exit(terms, book, watch, event)
        purse = purse.sold(done, _fee(terms, done.quantity, done.exit_price), terms)
    after.take(event.ts_us, event.price, event.identity)
    own = None if book.purse is None else purse
    book = book._replace(position=position, orders=book.orders + 1, purse=own)
    return Fill(after, book, purse, done)


def _entry(
    terms: Terms, book: Book, watch: Watch, purse: Purse, event: TradeEvent, known: bool
) -> Position | Refused:
    """Of the event, only the price of the fill matters: the volatility is that of before."""
    price = terms.buys_at(event.price, event.half_spread)
    volatility = watch.volatility(terms.year_s) if terms.sizing == "volatility" else math.nan
    size: float | Refusal | None = "known" if known else forbidden(purse, terms, event.ts_us)
    if size is None:
        size = entry_size(purse, terms, price, volatility)
    if isinstance(size, str):
        return Refused(event.venue, event.symbol, event.ts_us, size)
    return Position(
        strategy=book.key.strategy,
        venue=event.venue,
        symbol=event.symbol,
        quantity=size,
        entry_price=price,
        entry_ts_us=event.ts_us,
        entry_fee=_fee(terms, size, price),
        entry_id=event.identity,
    )


def _exit(terms: Terms, book: Book, watch: Watch, event: TradeEvent) -> Trade:
    assert book.position is not None
    assert watch.order is not None
    price = terms.sells_at(event.price, event.half_spread)
    return completed(
        book.position,
        exit_price=price,
        exit_ts_us=event.ts_us,
        exit_fee=_fee(terms, book.position.quantity, price),
        exit_id=event.identity,
        reason=watch.order,
    )


def _fee(terms: Terms, quantity: float, price: float) -> float:
    return quantity * price * terms.fee
