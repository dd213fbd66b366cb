"""Binance's usual frames read in machine code, a run at a time; see ``scan.py``.

What is not understood here goes through ``binance.py``, which defines what a frame means.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from barograph.compiled import compiled, compiled_part
from barograph.feeds.scan import Bytes, Op, grow, literal, match
from barograph.feeds.scanned import Scanned
from barograph.feeds.symbols import USDM
from barograph.records import Frames, Kind
from barograph.rows import ABSENT, Codes, Floats, Ints, Mask, Quotes, Ticks

BLOCK = 4_096
"""Frames that are joined and scanned at once; few enough to stay in the processor's cache."""

# Modulo 2: spot, futures. By 2: the tables of ticks and quotes.
_SPOT_TRADE, _USDM_TRADE, _SPOT_BOOK, _USDM_BOOK, _DEPTH = range(5)
_EVENTS = {
    _SPOT_TRADE: '"e":"trade","E":<sent>,"s":"<name>","t":<seq>,"p":"<price>","q":"<size>","T":<time>,'
    '"m":<maker>,"M":<best>',
    _USDM_TRADE: '"e":"trade","E":<sent>,"T":<time>,"s":"<name>","t":<seq>,"p":"<price>","q":"<size>",'
    '"X":"<word>","m":<maker>',
    _SPOT_BOOK: '"u":<seq>,"s":"<name>","b":"<price>","B":"<size>","a":"<ask>","A":"<ask_size>"',
    _USDM_BOOK: '"e":"bookTicker","u":<seq>,"s":"<name>","b":"<price>","B":"<size>","a":"<ask>",'
    '"A":"<ask_size>","T":<time>,"E":<sent>',
}
_DEPTH_FORMS = (
    '{"stream":"<word>@depth@<word>",<rest>',
    '{"stream":"<word>@depth",<rest>',
    '{"e":"depthUpdate",<rest>',
)

# Columns of a row: ints, then floats. A name is two ints, as is a word, which nobody reads.
_FRAME, _TIME, _SENT, _SEQ, _MAKER, _NAME = range(6)
_LENGTH, _UNREAD = 6, 7
_PRICE, _SIZE, _ASK, _ASK_SIZE = range(4)
_KEPT, _INTS, _FLOATS = 6, 9, 4
_FIELDS = {
    "time": (Op.TIME, _TIME),
    "sent": (Op.TIME, _SENT),
    "seq": (Op.INTEGER, _SEQ),
    "maker": (Op.FLAG, _MAKER),
    "name": (Op.NAME, _NAME),
    "best": (Op.FLAG, _UNREAD),
    "word": (Op.NAME, _UNREAD),
    "rest": (Op.REST, 0),
    "price": (Op.DECIMAL, _PRICE),
    "size": (Op.DECIMAL, _SIZE),
    "ask": (Op.DECIMAL, _ASK),
    "ask_size": (Op.DECIMAL, _ASK_SIZE),
}
_MOST_NAMES = 2_048  # in a block; frames with more are left
_SLOTS = 4 * _MOST_NAMES
_HASH = 2**32 - 1

# What is counted of a block.
_TICKS, _QUOTES, _DEPTHS, _NAMES, _LEFT = range(5)


def _forms() -> Iterator[tuple[str, int]]:
    for number, event in _EVENTS.items():
        stream = "bookTicker" if number // 2 else "trade"
        yield f'{{"stream":"<word>@{stream}","data":{{{event}}}}}', number
        yield f"{{{event}}}", number
    yield from product(_DEPTH_FORMS, [_DEPTH])


_FORMS = grow(dict(_forms()), _FIELDS)


class _Names(NamedTuple):
    """The names of a block in the order in which they appear, found by their hash.

    Attributes:
        slots: int32, zeros at first: number of the name plus one, by hash, with open addressing.
        known: int64, shape (names, 4): where each begins, its length, 1 for futures, its first frame.
    """

    slots: Codes
    known: Ints


class _Rows(NamedTuple):
    """Room for what a block of frames gives.

    Attributes:
        ints, floats: a table of ticks and one of quotes; columns by rows.
        left: frames that were not understood.
        filled: how many ticks, quotes, depth updates, names, frames left there are.
    """

    ints: Ints
    floats: Floats
    left: Ints
    filled: Ints


def scan(frames: Frames) -> tuple[list[Scanned], list[int], int]:
    """What is understood of the frames, the indices of the rest, and the number of depth updates."""
    parts: list[Scanned] = []
    left: list[int] = []
    depths = 0
    for begin in range(0, len(frames), BLOCK):
        payloads = frames.payloads[begin : begin + BLOCK]
        wanted = frames.kind[begin : begin + BLOCK] == Kind.FRAME
        joined = b"".join(payloads)
        names, rows = _scan_block(payloads, joined, wanted)
        parts.append(_part(begin, joined, names, rows))
        left += (rows.left[: rows.filled[_LEFT]] + begin).tolist()
        depths += int(rows.filled[_DEPTHS])
    return parts, left, depths


def _scan_block(payloads: list[bytes], joined: bytes, wanted: Mask) -> tuple[_Names, _Rows]:
    n = len(payloads)
    ends = np.cumsum(np.fromiter(map(len, payloads), dtype=np.int64, count=n))
    names = _Names(np.zeros(_SLOTS, dtype=np.int32), np.empty((_MOST_NAMES, 4), dtype=np.int64))
    rows = _Rows(
        np.empty((2, _INTS, n), dtype=np.int64),
        np.empty((2, _FLOATS, n), dtype=np.float64),
        np.empty(n, dtype=np.int64),
        np.zeros(5, dtype=np.int64),
    )
    _scan(_FORMS.nodes, _FORMS.text, np.frombuffer(joined, dtype=np.uint8), ends, wanted, names, rows)
    return names, rows


def _part(begin: int, joined: bytes, names: _Names, rows: _Rows) -> Scanned:
    ticks, quotes, _, known, _ = rows.filled.tolist()
    trades, books = rows.ints[0, :, :ticks], rows.ints[1, :, :quotes]
    for ints in (trades, books):
        ints[_FRAME] += begin
    return Scanned(
        _ticks(trades, rows.floats[0, :, :ticks]),
        _quotes(books, rows.floats[1, :, :quotes]),
        [(ints[_FRAME], ints[_SENT]) for ints in (trades, books) if np.any(ints[_SENT] != ABSENT)],
        [
            (begin + frame, USDM * usdm + joined[at : at + length].decode("ascii"))
            for at, length, usdm, frame in names.known[:known].tolist()
        ],
    )


def _ticks(ints: Ints, floats: Floats) -> Ticks:
    return Ticks(
        record=ints[_FRAME],
        ts_us=ints[_TIME],
        instrument=ints[_NAME].astype(np.int32),
        price=floats[_PRICE],
        size=floats[_SIZE],
        side=(1 - 2 * ints[_MAKER]).astype(np.int8),
        trade_id=ints[_SEQ],
        seq=ints[_SEQ],
        flags=np.zeros(ints.shape[1], dtype=np.int16),
    )


def _quotes(ints: Ints, floats: Floats) -> Quotes:
    return Quotes(
        record=ints[_FRAME],
        ts_us=ints[_TIME],
        estimated=ints[_TIME] == ABSENT,
        instrument=ints[_NAME].astype(np.int32),
        bid_price=floats[_PRICE],
        bid_size=floats[_SIZE],
        ask_price=floats[_ASK],
        ask_size=floats[_ASK_SIZE],
        seq=ints[_SEQ],
        flags=np.zeros(ints.shape[1], dtype=np.int16),
    )


@compiled
def _scan(
    nodes: Ints, text: Bytes, joined: Bytes, ends: Ints, wanted: Mask, names: _Names, rows: _Rows
) -> None:
    """Match each wanted frame of a block and put it where it belongs."""
    # Out of their tuples once: each time costs counting references.
    slots, known = names
    all_ints, all_floats, left, filled = rows
    ints, floats = np.empty(_INTS, dtype=np.int64), np.empty(_FLOATS, dtype=np.float64)
    stop = 0
    for frame in range(len(ends)):
        start, stop = stop, ends[frame]
        if not wanted[frame]:
            continue
        ints[_FRAME], ints[_TIME], ints[_SENT] = frame, ABSENT, ABSENT
        form = match(nodes, text, joined, start, stop, ints, floats)
        if form == _DEPTH:
            filled[_DEPTHS] += 1
        elif form < 0 or not _number_name(joined, ints, form % 2, slots, known, filled):
            left[filled[_LEFT]] = frame
            filled[_LEFT] += 1
        else:
            table = form // 2
            row = filled[table]
            filled[table] += 1
            for column in range(_KEPT):
                all_ints[table, column, row] = ints[column]
            for column in range(_FLOATS):
                all_floats[table, column, row] = floats[column]


@compiled_part
def _number_name(joined: Bytes, ints: Ints, usdm: int, slots: Codes, known: Ints, filled: Ints) -> bool:
    """Put the name's number in the place of its beginning; whether there was room for it."""
    at, length = ints[_NAME], ints[_LENGTH]
    slot = 0
    for i in range(at, at + length):
        slot = (slot * 31 + joined[i]) & _HASH
    slot &= _SLOTS - 1
    while slots[slot] > 0:
        number = slots[slot] - 1
        same = known[number, 1] == length and known[number, 2] == usdm
        if same and literal(joined, at, at + length, joined, known[number, 0], length) > 0:
            ints[_NAME] = number
            return True
        slot = (slot + 1) & (_SLOTS - 1)
    number = filled[_NAMES]
    if number == _MOST_NAMES:
        return False
    known[number, 0], known[number, 1] = at, length
    known[number, 2], known[number, 3] = usdm, ints[_FRAME]
    slots[slot] = filled[_NAMES] = number + 1
    ints[_NAME] = number
    return True
