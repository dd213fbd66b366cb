"""Kite's binary frames and list of instruments, written from the venue's documents.

Source: kite.trade/docs/connect/v3, "WebSocket streaming" and "Market quotes and instruments".
Everything is big-endian. A frame is u16 count, then count times (u16 length, packet). Prices
are integers: the price times the divisor of the instrument's segment.

======  ==============================================================================
bytes   packet
======  ==============================================================================
8       ltp: token, last price
44      quote: ltp, then last quantity, average price, volume of the day, total buy and
        sell quantity, open, high, low, close of the previous day
184     full: quote, then last trade's time, open interest and its day's high and low,
        exchange's time, five bids and five asks of 12 bytes (quantity, price, u16
        orders, 2 bytes of padding)
28, 32  index in quote and full mode: token, last price, high, low, open, close, price
        change (signed); in full mode the exchange's time
======  ==============================================================================
"""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

HEARTBEAT = b"\x00"
"""A frame of one byte, which says no more than that the connection lives."""
DEPTH = 5


class Mode(StrEnum):
    """How much of an instrument is sent."""

    LTP = "ltp"
    QUOTE = "quote"
    FULL = "full"


class Segment(IntEnum):
    """The low byte of a token."""

    NSE = 1
    NFO = 2
    CDS = 3
    BSE = 4
    BFO = 5
    BCD = 6
    MCX = 7
    MCXSX = 8
    INDICES = 9
    NCO = 12


_DIVISORS = {Segment.CDS: 10_000_000, Segment.BCD: 10_000, Segment.NCO: 10_000}
_OTHERS_DIVISOR = 100

_LTP = struct.Struct(">II")
_QUOTE = struct.Struct(">11I")
_FULL = struct.Struct(">16I")
_LEVEL = struct.Struct(">IIHxx")
_INDEX = struct.Struct(">6Ii")
_INDEX_FULL = struct.Struct(">6IiI")
_COUNT = struct.Struct(">H")

HEADER = (
    "instrument_token",
    "exchange_token",
    "tradingsymbol",
    "name",
    "last_price",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
)
"""The columns of ``GET /instruments``."""


class Level(NamedTuple):
    """One level of depth; the price is in the segment's smallest unit."""

    quantity: int = 0
    price: int = 0
    orders: int = 0


class Snapshot(NamedTuple):
    """All that Kite tells of one instrument at one moment. Prices are integers as on the wire.

    Attributes:
        token: its low byte is the :class:`Segment`.
        last_quantity, average_price, volume: of trades; the volume is the day's.
        buy_quantity, sell_quantity: waiting in the whole book.
        open, high, low: of the day.
        close: of the day before.
        last_trade_s, exchange_s: seconds since the epoch; 0 where there is none.
        bids, asks: best first, up to :data:`DEPTH` levels; the rest is sent as zeros.
    """

    token: int
    last_price: int
    last_quantity: int = 0
    average_price: int = 0
    volume: int = 0
    buy_quantity: int = 0
    sell_quantity: int = 0
    open: int = 0
    high: int = 0
    low: int = 0
    close: int = 0
    last_trade_s: int = 0
    oi: int = 0
    oi_high: int = 0
    oi_low: int = 0
    exchange_s: int = 0
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True)
class Instrument:
    """One row of the list of instruments: ``408065`` is ``NSE:INFY``.

    Attributes:
        token: ``exchange_token * 256 + segment``.
        tick_size: the smallest change of its price, as the list writes it.
    """

    token: int
    exchange: str
    tradingsymbol: str
    name: str = ""
    tick_size: str = "0.05"
    lot_size: int = 1
    instrument_type: str = "EQ"
    segment: str = ""

    @property
    def symbol(self) -> str:
        """``EXCHANGE:TRADINGSYMBOL``."""
        return f"{self.exchange}:{self.tradingsymbol}"

    @property
    def is_index(self) -> bool:
        """Whether it has the short packets of an index, and no trades."""
        return self.token & 0xFF == Segment.INDICES


def divisor(token: int) -> int:
    """What prices of the instrument are multiplied by on the wire."""
    return _DIVISORS.get(Segment(token & 0xFF), _OTHERS_DIVISOR)


def packet(snapshot: Snapshot, mode: Mode) -> bytes:
    """The packet of one instrument. An index has its own forms; its ltp is like any other."""
    if mode is Mode.LTP:
        return _LTP.pack(snapshot.token, snapshot.last_price)
    if snapshot.token & 0xFF == Segment.INDICES:
        return _index(snapshot, mode)
    s = snapshot
    quote = (
        *(s.token, s.last_price, s.last_quantity, s.average_price, s.volume),
        *(s.buy_quantity, s.sell_quantity, s.open, s.high, s.low, s.close),
    )
    if mode is Mode.QUOTE:
        return _QUOTE.pack(*quote)
    more = (s.last_trade_s, s.oi, s.oi_high, s.oi_low, s.exchange_s)
    return _FULL.pack(*quote, *more) + _side(s.bids) + _side(s.asks)


def _index(s: Snapshot, mode: Mode) -> bytes:
    words = (s.token, s.last_price, s.high, s.low, s.open, s.close, s.last_price - s.close)
    return _INDEX.pack(*words) if mode is Mode.QUOTE else _INDEX_FULL.pack(*words, s.exchange_s)


def _side(levels: Sequence[Level]) -> bytes:
    return b"".join([_LEVEL.pack(*level) for level in levels[:DEPTH]]).ljust(DEPTH * _LEVEL.size, b"\0")


def frame(packets: Sequence[bytes]) -> bytes:
    """Several packets in one frame, as they go on the wire."""
    return _COUNT.pack(len(packets)) + b"".join(_COUNT.pack(len(each)) + each for each in packets)


def instruments_csv(instruments: Iterable[Instrument]) -> str:
    """The list of instruments as ``GET /instruments`` answers it; the last price in it is always 0."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    for each in instruments:
        segment = each.segment or ("INDICES" if each.is_index else each.exchange)
        numbers = ("0", "", "0", each.tick_size, each.lot_size)
        names = (each.tradingsymbol, each.name or each.tradingsymbol)
        kind = (each.instrument_type, segment, each.exchange)
        rows.writerow((each.token, each.token >> 8, *names, *numbers, *kind))
    return text.getvalue()
