"""Kraken: websocket v2, the older v1 (``kraken_v1.py``), and refills over REST.

Source: docs.kraken.com, spot websocket v2 and REST. Both versions are served; each frame
tells which it is: v1's data frames are arrays, v2's are objects with a ``channel``.

``trade``
    ticks, several a frame; ``side`` is the taker's, ``trade_id`` runs without holes for
    each book and is ``seq`` as well. A ``snapshot`` (the last 50 trades, sent on subscribing
    unless ``"snapshot": false``) is the venue's own refill: its trades are ticks flagged
    REPAIRED, and their ids let deduplication drop those that are known already.
``ticker``
    a quote; captures from before ``timestamp`` was added are estimated (``offset.py``).
the rest
    ``heartbeat`` and ``status`` have no time; they, books, candles and replies are counted.

Trades refilled over REST (``/0/public/Trades``) are ticks flagged REPAIRED, with the ids of
v2. **v1 gives no ids**: a refill beside v1 frames cannot be told from what came by the wire,
so gaps of v1 should be left as gaps. Names: ``XBT/USD`` (v1) and ``BTC/USD`` (v2) are ``BTC-USD``.
"""

from __future__ import annotations

import re
from decimal import Decimal
from operator import attrgetter
from typing import Annotated, Literal

import msgspec
import numpy as np

from barograph.feeds.answers import asked_for, read_answer
from barograph.feeds.assemble import NO_SAMPLES, Draft, OffsetState, QuoteRows, TickRows, assemble, records_of
from barograph.feeds.batch import UNREADABLE, UNSURE, Heads, fault, read, read_list
from barograph.feeds.feed import Feed
from barograph.feeds.kraken_v1 import read_arrays
from barograph.feeds.symbols import kraken_symbol
from barograph.feeds.times import IsoTime, decimal_us, read_time
from barograph.records import Frames, Kind
from barograph.rows import ABSENT, Decoded
from barograph.tables import Flag

Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

AGGRESSOR = {"buy": 1, "sell": -1, "b": 1, "s": -1}


class Trade(msgspec.Struct, gc=False):
    """One trade of a frame."""

    symbol: str
    side: Literal["buy", "sell"]
    price: float
    qty: float
    trade_id: Number
    timestamp: IsoTime


class Ticker(msgspec.Struct, gc=False):
    """The best bid and ask."""

    symbol: str
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float
    timestamp: IsoTime = IsoTime(ABSENT)


class Trades(msgspec.Struct, gc=False, tag_field="channel", tag="trade"):
    """A frame of the trade channel."""

    type: Literal["snapshot", "update"]
    data: list[Trade]


class Tickers(msgspec.Struct, gc=False, tag_field="channel", tag="ticker"):
    """A frame of the ticker channel."""

    data: list[Ticker]


class Answer(msgspec.Struct):
    """An answer of ``/0/public/Trades``: trades by pair, and ``last``."""

    result: dict[str, msgspec.Raw]


class RefilledTrade(msgspec.Struct, array_like=True, gc=False):
    """A trade in an answer; ``misc`` is empty."""

    price: float
    volume: float
    time: Decimal
    side: Literal["b", "s"]
    order_type: str
    misc: str
    trade_id: Number = ABSENT
    ts_us: int = ABSENT


_ARRAY = "array"
_V2 = "channel "
_NAMED = re.compile(rb'\{"(channel|event|method)":"([^"\\]+)"\}?')
_LANDMARKS = ("channel", "event", "method", "error")

_trades = msgspec.json.Decoder(Trades, strict=False, dec_hook=read_time).decode
_tickers = msgspec.json.Decoder(Tickers, strict=False, dec_hook=read_time).decode
_answer = msgspec.json.Decoder(Answer).decode
_refilled = msgspec.json.Decoder(RefilledTrade, strict=False).decode


def decode(state: OffsetState, frames: Frames) -> Decoded:
    """Ticks and quotes of Kraken's frames and refills; see the module."""
    draft = Draft()
    payloads = frames.payloads
    kinds = _HEADS.sort(payloads, records_of(frames, Kind.FRAME), draft.faults)
    if found := kinds.pop(_V2 + "trade", None):
        found, trades = read(_trades, payloads, found, draft.faults)
        _count_empty(trades, draft)
        draft.ticks.append(_ticks(found, trades))
    if found := kinds.pop(_V2 + "ticker", None):
        found, tickers = read(_tickers, payloads, found, draft.faults)
        _count_empty(tickers, draft)
        draft.quotes.append(_quotes(found, tickers))
    if found := kinds.pop(_ARRAY, None):
        read_arrays(payloads, found, draft)
    for kind, others in kinds.items():
        draft.count(kind.removeprefix(_V2), len(others))
    for frame in records_of(frames, Kind.REST):
        _read_refill(frame, payloads[frame], draft)
    return assemble(state, frames, draft, kraken_symbol)


def _kind_of(head: bytes) -> str:
    if head.startswith(b"["):
        return _ARRAY
    match = _NAMED.fullmatch(head)
    if match is None:
        return UNSURE
    name = match[2].decode("utf-8", "replace")
    return _V2 + name if match[1] == b"channel" else name


def _closer(payload: bytes) -> str:
    message = msgspec.json.decode(payload)
    if not isinstance(message, dict):
        return _ARRAY if isinstance(message, list) else type(message).__name__
    landmark = next((key for key in _LANDMARKS if isinstance(message.get(key), str)), "other")
    if landmark in ("other", "error"):
        return landmark
    name: str = message[landmark]
    return _V2 + name if landmark == "channel" else name or "other"


_HEADS = Heads(_kind_of, _closer)


def _count_empty(found: list[Trades] | list[Tickers], draft: Draft) -> None:
    if empty := sum(not one.data for one in found):
        draft.count("empty", empty)


def _ticks(frames: list[int], found: list[Trades]) -> TickRows:
    trades = [trade for one in found for trade in one.data]
    numbers = [trade.trade_id for trade in trades]
    ts_us = np.array([trade.timestamp for trade in trades], dtype=np.int64)
    flags = [Flag.REPAIRED if one.type == "snapshot" else 0 for one in found for _ in one.data]
    return TickRows(
        frame=np.array(
            [frame for frame, one in zip(frames, found, strict=True) for _ in one.data],
            dtype=np.int64,
        ),
        name=[trade.symbol for trade in trades],
        ts_us=ts_us,
        price=[trade.price for trade in trades],
        size=[trade.qty for trade in trades],
        side=[AGGRESSOR[trade.side] for trade in trades],
        trade_id=numbers,
        seq=numbers,
        sent_us=ts_us,
        flags=np.array(flags, dtype=np.int16),
    )


def _quotes(frames: list[int], found: list[Tickers]) -> QuoteRows:
    tickers = [ticker for one in found for ticker in one.data]
    ts_us = np.array([ticker.timestamp for ticker in tickers], dtype=np.int64)
    return QuoteRows(
        frame=np.array(
            [frame for frame, one in zip(frames, found, strict=True) for _ in one.data],
            dtype=np.int64,
        ),
        name=[ticker.symbol for ticker in tickers],
        ts_us=ts_us,
        bid_price=[ticker.bid for ticker in tickers],
        bid_size=[ticker.bid_qty for ticker in tickers],
        ask_price=[ticker.ask for ticker in tickers],
        ask_size=[ticker.ask_qty for ticker in tickers],
        seq=[ABSENT] * len(tickers),
        sent_us=ts_us,
    )


def _read_refill(frame: int, payload: bytes, draft: Draft) -> None:
    """The trades of an answer over REST; answers to other questions are counted."""
    try:
        path, body = read_answer(payload)
        if path != "/0/public/Trades":
            draft.count(f"rest {path}")
            return
        pair = asked_for(payload, "pair")
        listed = [trades for key, trades in _answer(body).result.items() if key != "last"]
        trades = [trade for one in listed for trade in read_list(_timed, one, frame, draft.faults)]
    except UNREADABLE as error:
        draft.faults.append(fault(frame, error, payload))
        return
    draft.ticks.append(_refilled_ticks(frame, pair, sorted(trades, key=attrgetter("trade_id"))))


def _timed(raw: bytes | msgspec.Raw) -> RefilledTrade:
    trade = _refilled(raw)
    trade.ts_us = decimal_us(trade.time)
    return trade


def _refilled_ticks(frame: int, pair: str, trades: list[RefilledTrade]) -> TickRows:
    n = len(trades)
    numbers = [trade.trade_id for trade in trades]
    return TickRows(
        frame=np.full(n, frame),
        name=[pair] * n,
        ts_us=np.array([trade.ts_us for trade in trades], dtype=np.int64),
        price=[trade.price for trade in trades],
        size=[trade.volume for trade in trades],
        side=[AGGRESSOR[trade.side] for trade in trades],
        trade_id=numbers,
        seq=numbers,
        sent_us=NO_SAMPLES,
        flags=np.full(n, Flag.REPAIRED, dtype=np.int16),
    )


FEED = Feed(
    name="kraken",
    state=OffsetState,
    decode=decode,
    describe="Kraken websocket v2 and v1: trades, best bid and ask",
)
