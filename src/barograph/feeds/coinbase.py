"""Coinbase Exchange.

Source: docs.cdp.coinbase.com/exchange, websocket feed and REST.

``match``
    a tick. Its ``side`` is the **maker's**: "sell" means that the buyer was the aggressor.
    ``trade_id`` runs without holes for each product; ``sequence`` is ``seq``.
``ticker``
    a quote; its time is that of the trade that caused it, so the ticker that comes with a
    subscription is as old as the product's last trade. Captures from before the sizes
    were added (2021) give NaN sizes.
``heartbeat``
    a mark: it carries the venue's time and no row.
``last_match``
    the last trade before a subscription: no new trade, counted.
the rest
    ``l2update``, ``snapshot``, ``subscriptions``, ``error``, ... are counted and not parsed.

Trades refilled over REST (``/products/{id}/trades``, newest first, ``side`` the maker's as well)
are ticks flagged REPAIRED, oldest first; they have no ``seq``. Symbols are kept as they are.
"""

from __future__ import annotations

import math
import re
from operator import attrgetter
from typing import Annotated, Literal

import msgspec
import numpy as np

from barograph.feeds.answers import read_answer
from barograph.feeds.assemble import NO_SAMPLES, Draft, OffsetState, QuoteRows, TickRows, assemble, records_of
from barograph.feeds.batch import UNREADABLE, UNSURE, Heads, fault, read, read_list
from barograph.feeds.feed import Feed
from barograph.feeds.times import IsoTime, read_time
from barograph.records import Frames, Kind
from barograph.rows import ABSENT, Decoded
from barograph.tables import Flag

Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

AGGRESSOR = {"buy": -1, "sell": 1}
"""The aggressor's side by the maker's."""


class Match(msgspec.Struct, gc=False, tag_field="type", tag="match"):
    """A trade."""

    trade_id: Number
    side: Literal["buy", "sell"]
    size: float
    price: float
    product_id: str
    sequence: Number
    time: IsoTime


class Ticker(msgspec.Struct, gc=False, tag_field="type", tag="ticker"):
    """The best bid and ask after a trade."""

    product_id: str
    best_bid: float
    best_ask: float
    sequence: Number
    time: IsoTime
    best_bid_size: float = math.nan
    best_ask_size: float = math.nan


class Heartbeat(msgspec.Struct, gc=False, tag_field="type", tag="heartbeat"):
    """The venue is there; comes every second for each product."""

    time: IsoTime


class RefilledTrade(msgspec.Struct, gc=False):
    """A trade in an answer of ``/products/{id}/trades``."""

    trade_id: Number
    side: Literal["buy", "sell"]
    size: float
    price: float
    time: IsoTime


_TYPE = re.compile(rb'\{"type":"([^"\\]+)"\}?')
_TRADES = re.compile(r"/products/([^/]+)/trades")

_match = msgspec.json.Decoder(Match, strict=False, dec_hook=read_time).decode
_ticker = msgspec.json.Decoder(Ticker, strict=False, dec_hook=read_time).decode
_heartbeat = msgspec.json.Decoder(Heartbeat, strict=False, dec_hook=read_time).decode
_refilled = msgspec.json.Decoder(RefilledTrade, strict=False, dec_hook=read_time).decode


def decode(state: OffsetState, frames: Frames) -> Decoded:
    """Ticks, quotes and marks of Coinbase's frames and refills; see the module."""
    draft = Draft()
    payloads = frames.payloads
    kinds = _HEADS.sort(payloads, records_of(frames, Kind.FRAME), draft.faults)
    if found := kinds.pop("match", None):
        draft.ticks.append(_ticks(*read(_match, payloads, found, draft.faults)))
    if found := kinds.pop("ticker", None):
        draft.quotes.append(_quotes(*read(_ticker, payloads, found, draft.faults)))
    if found := kinds.pop("heartbeat", None):
        found, beats = read(_heartbeat, payloads, found, draft.faults)
        draft.marks += [(frame, beat.time) for frame, beat in zip(found, beats, strict=True)]
    for kind, others in kinds.items():
        draft.count(kind, len(others))
    for frame in records_of(frames, Kind.REST):
        _read_refill(frame, payloads[frame], draft)
    return assemble(state, frames, draft, str)


def _kind_of(head: bytes) -> str:
    match = _TYPE.fullmatch(head)
    return match[1].decode("utf-8", "replace") if match else UNSURE


def _closer(payload: bytes) -> str:
    message = msgspec.json.decode(payload)
    kind = message.get("type") if isinstance(message, dict) else type(message).__name__
    return kind if isinstance(kind, str) and kind else "other"


_HEADS = Heads(_kind_of, _closer)


def _ticks(frames: list[int], matches: list[Match]) -> TickRows:
    ts_us = np.array([match.time for match in matches], dtype=np.int64)
    return TickRows(
        frame=np.array(frames, dtype=np.int64),
        name=[match.product_id for match in matches],
        ts_us=ts_us,
        price=[match.price for match in matches],
        size=[match.size for match in matches],
        side=[AGGRESSOR[match.side] for match in matches],
        trade_id=[match.trade_id for match in matches],
        seq=[match.sequence for match in matches],
        sent_us=ts_us,
        flags=np.zeros(len(matches), dtype=np.int16),
    )


def _quotes(frames: list[int], tickers: list[Ticker]) -> QuoteRows:
    ts_us = np.array([ticker.time for ticker in tickers], dtype=np.int64)
    return QuoteRows(
        frame=np.array(frames, dtype=np.int64),
        name=[ticker.product_id for ticker in tickers],
        ts_us=ts_us,
        bid_price=[ticker.best_bid for ticker in tickers],
        bid_size=[ticker.best_bid_size for ticker in tickers],
        ask_price=[ticker.best_ask for ticker in tickers],
        ask_size=[ticker.best_ask_size for ticker in tickers],
        seq=[ticker.sequence for ticker in tickers],
        sent_us=ts_us,
    )


def _read_refill(frame: int, payload: bytes, draft: Draft) -> None:
    """The trades of an answer over REST; answers to other questions are counted."""
    try:
        path, body = read_answer(payload)
        product = _TRADES.fullmatch(path)
        if product is None:
            draft.count(f"rest {path}")
            return
        trades = read_list(_refilled, body, frame, draft.faults)
    except UNREADABLE as error:
        draft.faults.append(fault(frame, error, payload))
        return
    draft.ticks.append(_refilled_ticks(frame, product[1], sorted(trades, key=attrgetter("trade_id"))))


def _refilled_ticks(frame: int, product: str, trades: list[RefilledTrade]) -> TickRows:
    n = len(trades)
    return TickRows(
        frame=np.full(n, frame),
        name=[product] * n,
        ts_us=np.array([trade.time for trade in trades], dtype=np.int64),
        price=[trade.price for trade in trades],
        size=[trade.size for trade in trades],
        side=[AGGRESSOR[trade.side] for trade in trades],
        trade_id=[trade.trade_id for trade in trades],
        seq=[ABSENT] * n,
        sent_us=NO_SAMPLES,
        flags=np.full(n, Flag.REPAIRED, dtype=np.int16),
    )


FEED = Feed(
    name="coinbase",
    state=OffsetState,
    decode=decode,
    describe="Coinbase Exchange: trades, best bid and ask, heartbeats",
)
