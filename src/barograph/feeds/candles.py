r"""Imported candles: a file's rows on the tape, so that tables stay a function of the tape.

A frame is one line of JSON and then rows of text, in the order of time::

    {"venue":"binance","symbol":"BTC-USDT","interval_s":60}
    1640991660000000,46319.0,46385.0,46319.0,46377.0,2300413.7295

The columns are the start of the interval in microseconds, open, high, low, close and
volume; floats are written so that they read back exactly, an unknown volume as nothing.
A frame without rows is counted. This feed has the symbols ``venue|symbol``, since one
tape may hold files of many venues.
:mod:`barograph.feeds.candle_files` makes such frames of CSV files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from barograph.feeds.batch import UNREADABLE, fault
from barograph.feeds.feed import Feed, FeedState
from barograph.feeds.times import END_US
from barograph.records import Frames, Kind
from barograph.rows import Candles, Decoded, Reject, columns


class Candle(NamedTuple):
    """One row. ``volume`` is NaN where the file has none."""

    timestamp_us: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Heading(msgspec.Struct, frozen=True):
    """What the rows of a frame have in common."""

    venue: str
    symbol: str
    interval_s: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


_heading = msgspec.json.Decoder(Heading)


def why_not(candle: Candle) -> str | None:
    """Why ``candle`` cannot be one, or None.

    >>> why_not(Candle(0, 5.0, 4.0, 6.0, 5.0, 1.0))
    'high 4.0 is below low 6.0'
    """
    if not 0 <= candle.timestamp_us < END_US:
        return f"time {candle.timestamp_us} us is not between the years 1970 and 2200"
    for name, price in zip(("open", "high", "low", "close"), candle[1:5], strict=True):
        if not 0 < price < math.inf:
            return f"{name} is {price}; a price is above zero and finite"
    if candle.high < candle.low:
        return f"high {candle.high} is below low {candle.low}"
    if candle.volume < 0 or candle.volume == math.inf:
        return f"volume is {candle.volume}; it is zero or more and finite"
    return None


def encode_candles(heading: Heading, rows: Sequence[Candle]) -> bytes:
    """The payload of a frame with ``rows``."""
    lines = [msgspec.json.encode(heading).decode()]
    for row in rows:
        volume = "" if math.isnan(row.volume) else repr(row.volume)
        lines.append(f"{row.timestamp_us},{row.open!r},{row.high!r},{row.low!r},{row.close!r},{volume}")
    return "\n".join(lines).encode()


def decode(state: FeedState, frames: Frames) -> Decoded:
    """The candles of the run; a row that cannot be one is rejected alone."""
    rows: list[Candle] = []
    record: list[int] = []
    instrument: list[int] = []
    interval_s: list[int] = []
    rejects: list[Reject] = []
    empty = 0
    for at, kind, payload in zip(frames.record.tolist(), frames.kind, frames.payloads, strict=True):
        if kind != Kind.FRAME:
            continue
        head, _, body = payload.partition(b"\n")
        try:
            heading, text = _heading.decode(head), body.decode()
        except UNREADABLE as error:
            rejects.append(_reject(at, f"not a frame of candles: {error}", payload))
            continue
        good = _read_rows(text, at, rejects)
        rows += good
        record += [at] * len(good)
        instrument += [_instrument(state, heading)] * len(good) if good else []
        interval_s += [heading.interval_s] * len(good)
        empty += not text
    unknown = {"empty": empty} if empty else {}
    return Decoded(candles=_columns(rows, record, instrument, interval_s), rejects=rejects, unknown=unknown)


def _reject(record: int, reason: str, evidence: bytes | str) -> Reject:
    made = fault(record, reason, evidence)
    return Reject(record, made.reason, made.excerpt)


def _columns(rows: list[Candle], record: list[int], instrument: list[int], interval_s: list[int]) -> Candles:
    names = ("timestamp_us", "open", "high", "low", "price", "volume")
    values = zip(*rows, strict=True) if rows else ([] for _ in names)
    by_name = dict(zip(names, values, strict=True))
    return columns(Candles, record=record, instrument=instrument, interval_s=interval_s, **by_name)


def _instrument(state: FeedState, heading: Heading) -> int:
    name = f"{heading.venue}|{heading.symbol}"
    code = state.codes.get(name)
    if code is None:
        code = state.codes[name] = len(state.symbols)
        state.symbols.append(name)
    return code


def _read_rows(text: str, record: int, rejects: list[Reject]) -> list[Candle]:
    good = []
    for line in text.split("\n") if text else ():
        try:
            start, open_, high, low, close, volume = line.split(",")
            candle = Candle(
                int(start), float(open_), float(high), float(low), float(close), float(volume or "nan")
            )
            reason = why_not(candle)
        except ValueError as error:
            reason = f"not a row of candles: {error}"
        if reason is None:
            good.append(candle)
        else:
            rejects.append(_reject(record, reason, line))
    return good


FEED = Feed("candles", FeedState, decode, "candle files put on the tape by barograph import")
