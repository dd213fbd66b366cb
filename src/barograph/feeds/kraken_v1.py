"""Kraken's older websocket format, of arrays: ``[id, data, "trade", "XBT/USD"]``.

Source: docs.kraken.com, spot websocket v1. What :mod:`barograph.feeds.kraken` knows of it.

``trade``
    ticks, several a frame; ``side`` is the taker's. They have no id: ``trade_id`` is ABSENT.
``ticker``
    a quote without a time: estimated from the trades of the same connection.
``spread``
    a quote with a time.
the rest
    books and candles are counted and not parsed.
"""

from __future__ import annotations

import math
import re
from typing import Literal

import msgspec
import numpy as np

from barograph.feeds.assemble import NO_SAMPLES, Draft, QuoteRows, TickRows
from barograph.feeds.batch import UNREADABLE, fault, read
from barograph.feeds.times import SecondsTime, read_time
from barograph.rows import ABSENT

AGGRESSOR = {"b": 1, "s": -1}


class Trade(msgspec.Struct, array_like=True, gc=False):
    """One trade of a frame; order type and miscellany follow."""

    price: float
    volume: float
    time: SecondsTime
    side: Literal["b", "s"]


class Level(msgspec.Struct, array_like=True, gc=False):
    """Best price, whole lots, size."""

    price: float
    whole_lots: float
    size: float


class Best(msgspec.Struct, gc=False):
    """Best ask and bid of a ticker, among much else."""

    a: Level
    b: Level


class Spread(msgspec.Struct, array_like=True, gc=False):
    """Best bid and ask with their time; old captures have no sizes."""

    bid: float
    ask: float
    time: SecondsTime
    bid_size: float = math.nan
    ask_size: float = math.nan


class Trades(msgspec.Struct, array_like=True, gc=False):
    """A frame of the trade channel."""

    channel_id: int
    trades: list[Trade]
    channel: Literal["trade"]
    pair: str


class TickerFrame(msgspec.Struct, array_like=True, gc=False):
    """A frame of the ticker channel."""

    channel_id: int
    best: Best
    channel: Literal["ticker"]
    pair: str


class SpreadFrame(msgspec.Struct, array_like=True, gc=False):
    """A frame of the spread channel."""

    channel_id: int
    spread: Spread
    channel: Literal["spread"]
    pair: str


_TAIL = re.compile(rb'"([a-z]+)(?:-[0-9]+)?","[^"\\]+"\]\s*\Z')
_LONGEST_TAIL = 80

_trades = msgspec.json.Decoder(Trades, strict=False, dec_hook=read_time).decode
_ticker = msgspec.json.Decoder(TickerFrame, strict=False).decode
_spread = msgspec.json.Decoder(SpreadFrame, strict=False, dec_hook=read_time).decode


def read_arrays(payloads: list[bytes], frames: list[int], draft: Draft) -> None:
    """Put what the frames that are arrays say into ``draft``."""
    channels: dict[str, list[int]] = {}
    for frame in frames:
        try:
            channels.setdefault(_channel(payloads[frame]), []).append(frame)
        except UNREADABLE as error:
            draft.faults.append(fault(frame, error, payloads[frame]))
    if found := channels.pop("trade", None):
        found, trades = read(_trades, payloads, found, draft.faults)
        if empty := sum(not one.trades for one in trades):
            draft.count("empty", empty)
        draft.ticks.append(_ticks(found, trades))
    if found := channels.pop("ticker", None):
        draft.quotes.append(_ticker_quotes(*read(_ticker, payloads, found, draft.faults)))
    if found := channels.pop("spread", None):
        draft.quotes.append(_spread_quotes(*read(_spread, payloads, found, draft.faults)))
    for channel, others in channels.items():
        draft.count(channel, len(others))


def _channel(payload: bytes) -> str:
    """The channel, which stands at the frame's end."""
    tail = _TAIL.search(payload[-_LONGEST_TAIL:])
    if tail:
        return tail[1].decode()
    msgspec.json.decode(payload)
    return "list"


def _ticks(frames: list[int], found: list[Trades]) -> TickRows:
    trades = [trade for one in found for trade in one.trades]
    n = len(trades)
    ts_us = np.array([trade.time for trade in trades], dtype=np.int64)
    return TickRows(
        frame=np.array(
            [frame for frame, one in zip(frames, found, strict=True) for _ in one.trades],
            dtype=np.int64,
        ),
        name=[one.pair for one in found for _ in one.trades],
        ts_us=ts_us,
        price=[trade.price for trade in trades],
        size=[trade.volume for trade in trades],
        side=[AGGRESSOR[trade.side] for trade in trades],
        trade_id=[ABSENT] * n,
        seq=[ABSENT] * n,
        sent_us=ts_us,
        flags=np.zeros(n, dtype=np.int16),
    )


def _ticker_quotes(frames: list[int], found: list[TickerFrame]) -> QuoteRows:
    return QuoteRows(
        frame=np.array(frames, dtype=np.int64),
        name=[one.pair for one in found],
        ts_us=np.full(len(found), ABSENT),
        bid_price=[one.best.b.price for one in found],
        bid_size=[one.best.b.size for one in found],
        ask_price=[one.best.a.price for one in found],
        ask_size=[one.best.a.size for one in found],
        seq=[ABSENT] * len(found),
        sent_us=NO_SAMPLES,
    )


def _spread_quotes(frames: list[int], found: list[SpreadFrame]) -> QuoteRows:
    spreads = [one.spread for one in found]
    ts_us = np.array([spread.time for spread in spreads], dtype=np.int64)
    return QuoteRows(
        frame=np.array(frames, dtype=np.int64),
        name=[one.pair for one in found],
        ts_us=ts_us,
        bid_price=[spread.bid for spread in spreads],
        bid_size=[spread.bid_size for spread in spreads],
        ask_price=[spread.ask for spread in spreads],
        ask_size=[spread.ask_size for spread in spreads],
        seq=[ABSENT] * len(found),
        sent_us=ts_us,
    )
