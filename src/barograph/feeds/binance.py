"""Binance: spot and USD-M futures, one venue.

Source: binance/binance-spot-api-docs (``web-socket-streams.md``, ``rest-api.md``) and the
USD-M documents. Frames come bare or wrapped as ``{"stream": ..., "data": ...}``.

``trade``
    a tick. ``m`` true means that the buyer was the maker: the seller was the aggressor.
    ``t`` runs without holes for each symbol; it is both ``trade_id`` and ``seq``.
``bookTicker``
    a quote; ``u`` is its ``seq``. Spot gives no time: it is estimated from the connection's
    trades (``offset.py``). USD-M gives one.
the rest
    replies, ``depthUpdate``, ``aggTrade``, ``kline``, ``serverShutdown``, ... are counted
    and not parsed.

Event time is ``T``, when the trade was made or the book changed; ``E``, when the frame was
sent, feeds the offset. Milliseconds and microseconds (``timeUnit=MICROSECOND``) are both
understood. A frame is of the futures if a trade has ``X`` (the kind of order) or a quote
has ``T``: neither exists on spot. A name alone would not tell, both have ``BTCUSDT``.

In runs of many frames the usual forms are read in machine code (``binance_scan.py``). What is
here defines what they mean, and reads all others.

Trades refilled over REST (``/api/v3/historicalTrades``, ``/api/v3/trades`` and the same under
``/fapi/v1``) are ticks flagged REPAIRED. Numbers may be JSON numbers or text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import attrgetter
from typing import Annotated

import msgspec
import numpy as np

from barograph.feeds.answers import asked_for, read_answer
from barograph.feeds.assemble import NO_SAMPLES, Draft, OffsetState, QuoteRows, TickRows, assemble, records_of
from barograph.feeds.batch import UNREADABLE, UNSURE, Heads, fault, read, read_list
from barograph.feeds.feed import Feed
from barograph.feeds.symbols import USDM, binance_symbol
from barograph.feeds.times import WireTime, to_microseconds
from barograph.records import Frames, Kind
from barograph.rows import ABSENT, Decoded
from barograph.tables import Flag

Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Trade(msgspec.Struct, gc=False, tag_field="e", tag="trade"):
    """A ``trade`` event."""

    E: WireTime
    s: str
    t: Number
    p: float
    q: float
    T: WireTime
    m: bool
    X: str | None = None


class BookTicker(msgspec.Struct, gc=False, tag_field="e", tag="bookTicker"):
    """A ``bookTicker`` event; spot has no ``e``, ``E`` and ``T``."""

    u: Number
    s: str
    b: float
    B: float
    a: float
    A: float
    T: WireTime = ABSENT
    E: WireTime = ABSENT


class RefilledTrade(msgspec.Struct, gc=False):
    """A trade in an answer of ``historicalTrades``."""

    id: Number
    price: float
    qty: float
    time: WireTime
    isBuyerMaker: bool  # noqa: N815 - the venue's name


class _WrappedTrade(msgspec.Struct, gc=False):
    data: Trade


class _WrappedBookTicker(msgspec.Struct, gc=False):
    data: BookTicker


SCANNED_FROM = 64
"""Runs of at least so many frames are scanned (``binance_scan.py``)."""

_WRAPPED = "wrapped "
_STREAM = re.compile(rb'\{"stream":"([^"\\]+)"')
_EVENT = re.compile(rb'\{"e":"([^"\\]+)"')
_STREAM_EVENTS = {"depth": "depthUpdate", "ticker": "24hrTicker", "miniTicker": "24hrMiniTicker"}
"""Streams whose events have another name than they."""
_LANDMARKS = ("lastUpdateId", "result", "error", "code")
"""What tells apart the messages that name no event."""
_QUOTE_KEYS = {"u", "s", "b", "B", "a", "A"}

_trade = msgspec.json.Decoder(Trade, strict=False).decode
_wrapped_trade = msgspec.json.Decoder(_WrappedTrade, strict=False).decode
_book = msgspec.json.Decoder(BookTicker, strict=False).decode
_wrapped_book = msgspec.json.Decoder(_WrappedBookTicker, strict=False).decode
_refilled = msgspec.json.Decoder(RefilledTrade, strict=False).decode


def decode(state: OffsetState, frames: Frames) -> Decoded:
    """Ticks and quotes of Binance's frames and refills; see the module."""
    draft = Draft()
    payloads = frames.payloads
    kinds = _HEADS.sort(payloads, _scan(frames, draft), draft.faults)
    _read_trades(payloads, kinds, draft)
    _read_books(payloads, kinds, draft)
    for kind, found in kinds.items():
        draft.count(kind.removeprefix(_WRAPPED), len(found))
    for frame in records_of(frames, Kind.REST):
        _read_refill(frame, payloads[frame], draft)
    return assemble(state, frames, draft, binance_symbol)


def _scan(frames: Frames, draft: Draft) -> Sequence[int]:
    """The frames that are left when those of the usual forms have been read in machine code.

    In a short run, or without a compiler, it is all of them: the rows are the same.
    """
    if len(frames) < SCANNED_FROM:
        return records_of(frames, Kind.FRAME)
    # Not before it is needed: a live process of a few frames at a time can do without the compiler.
    from barograph.compiled import COMPILED

    if not COMPILED:
        return records_of(frames, Kind.FRAME)
    from barograph.feeds.binance_scan import scan

    draft.scanned, left, depths = scan(frames)
    if depths:
        draft.count("depthUpdate", depths)
    return left


def _kind_of(head: bytes) -> str:
    """The event's name, marked where the frame is wrapped."""
    if head.startswith(b'{"u":'):
        return "bookTicker"
    bare = _EVENT.fullmatch(head)
    if bare:
        return bare[1].decode("utf-8", "replace")
    wrapped = _STREAM.fullmatch(head)
    return _WRAPPED + _event_of(wrapped[1].decode("utf-8", "replace")) if wrapped else UNSURE


def _event_of(stream: str) -> str:
    """The event that a stream carries: ``btcusdt@kline_1m`` gives ``kline``."""
    if stream.startswith("!"):
        event = stream[1:].partition("@")[0]
    else:
        event = stream.partition("@")[2].partition("@")[0].partition("_")[0]
    return _STREAM_EVENTS.get(event, event)


def _closer(payload: bytes) -> str:
    message = msgspec.json.decode(payload)
    if not isinstance(message, dict):
        return type(message).__name__
    wrapped = isinstance(message.get("data"), dict) and "stream" in message
    data = message["data"] if wrapped else message
    event = data.get("e")
    if event is None and data.keys() >= _QUOTE_KEYS:
        event = "bookTicker"
    if isinstance(event, str):
        return _WRAPPED + event if wrapped else event
    return next((key for key in _LANDMARKS if key in data), "other")


_HEADS = Heads(_kind_of, _closer)


def _read_trades(payloads: list[bytes], kinds: dict[str, list[int]], draft: Draft) -> None:
    if found := kinds.pop(_WRAPPED + "trade", None):
        found, wrapped = read(_wrapped_trade, payloads, found, draft.faults)
        draft.ticks.append(_ticks(found, [trade.data for trade in wrapped]))
    if found := kinds.pop("trade", None):
        draft.ticks.append(_ticks(*read(_trade, payloads, found, draft.faults)))


def _read_books(payloads: list[bytes], kinds: dict[str, list[int]], draft: Draft) -> None:
    if found := kinds.pop(_WRAPPED + "bookTicker", None):
        found, wrapped = read(_wrapped_book, payloads, found, draft.faults)
        draft.quotes.append(_quotes(found, [book.data for book in wrapped]))
    if found := kinds.pop("bookTicker", None):
        draft.quotes.append(_quotes(*read(_book, payloads, found, draft.faults)))


def _ticks(frames: list[int], trades: list[Trade]) -> TickRows:
    numbers = [trade.t for trade in trades]
    return TickRows(
        frame=np.array(frames, dtype=np.int64),
        name=[trade.s if trade.X is None else USDM + trade.s for trade in trades],
        ts_us=to_microseconds([trade.T for trade in trades]),
        price=[trade.p for trade in trades],
        size=[trade.q for trade in trades],
        side=[-1 if trade.m else 1 for trade in trades],
        trade_id=numbers,
        seq=numbers,
        sent_us=to_microseconds([trade.E for trade in trades]),
        flags=np.zeros(len(trades), dtype=np.int16),
    )


def _quotes(frames: list[int], books: list[BookTicker]) -> QuoteRows:
    times = [book.T for book in books]
    if max(times, default=ABSENT) == ABSENT:
        name = [book.s for book in books]
        ts_us, sent_us = np.full(len(books), ABSENT), NO_SAMPLES
    else:
        name = [book.s if book.T == ABSENT else USDM + book.s for book in books]
        ts_us = to_microseconds(times)
        sent_us = to_microseconds([ABSENT if book.T == ABSENT else book.E for book in books])
    return QuoteRows(
        frame=np.array(frames, dtype=np.int64),
        name=name,
        ts_us=ts_us,
        bid_price=[book.b for book in books],
        bid_size=[book.B for book in books],
        ask_price=[book.a for book in books],
        ask_size=[book.A for book in books],
        seq=[book.u for book in books],
        sent_us=sent_us,
    )


def _read_refill(frame: int, payload: bytes, draft: Draft) -> None:
    """The trades of an answer over REST; answers to other questions are counted."""
    try:
        path, body = read_answer(payload)
        if path.rpartition("/")[2] not in ("historicalTrades", "trades"):
            draft.count(f"rest {path}")
            return
        name = asked_for(payload, "symbol")
        trades = read_list(_refilled, body, frame, draft.faults)
    except UNREADABLE as error:
        draft.faults.append(fault(frame, error, payload))
        return
    name = USDM + name if path.startswith("/fapi/") else name
    draft.ticks.append(_refilled_ticks(frame, name, sorted(trades, key=attrgetter("id"))))


def _refilled_ticks(frame: int, name: str, trades: list[RefilledTrade]) -> TickRows:
    n = len(trades)
    numbers = [trade.id for trade in trades]
    return TickRows(
        frame=np.full(n, frame),
        name=[name] * n,
        ts_us=to_microseconds([trade.time for trade in trades]),
        price=[trade.price for trade in trades],
        size=[trade.qty for trade in trades],
        side=[-1 if trade.isBuyerMaker else 1 for trade in trades],
        trade_id=numbers,
        seq=numbers,
        sent_us=NO_SAMPLES,
        flags=np.full(n, Flag.REPAIRED, dtype=np.int16),
    )


FEED = Feed(
    name="binance",
    state=OffsetState,
    decode=decode,
    describe="Binance spot and USD-M futures: trades and best bid and ask",
)
