"""From decoded messages to columns: the part that is the same for every venue.

A venue's decoder fills a :class:`Draft` with what its messages say; :func:`assemble` checks
times, numbers and names, gives out instrument numbers in the order of the tape, estimates
missing times (``offset.py``) and builds :class:`~barograph.rows.Decoded`.

What is rejected, always with a reason: a time before 1970 or from 2200 on, a price or
size that is not a finite number, a name that cannot be a symbol. Zero and negative
numbers are kept: cleaning flags them (``tables.Flag``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
import numpy as np

from barograph.feeds import offset
from barograph.feeds.batch import Fault, fault
from barograph.feeds.feed import FeedState
from barograph.feeds.scanned import Scanned, merged
from barograph.feeds.times import END_US
from barograph.records import Frames, Kind
from barograph.rows import (
    ABSENT,
    Bits,
    Candles,
    Codes,
    Decoded,
    Ints,
    Marks,
    Quotes,
    Reject,
    Ticks,
    columns,
    none_of,
)

NO_SAMPLES: Ints = np.empty(0, dtype=np.int64)
"""``sent_us`` of rows that say nothing about their connection's clock."""
_LONGEST_NAME = 64
_MAY_LACK = ("bid_size", "ask_size")
# Empty columns are made once: a live frame leaves three of the four kinds empty.
_NO_TICKS, _NO_QUOTES, _NO_MARKS, _NO_CANDLES = (
    none_of(Ticks),
    none_of(Quotes),
    none_of(Marks),
    none_of(Candles),
)


class OffsetState(FeedState):
    """``offsets``: what is known of each open connection's clock (``offset.py``)."""

    offsets: dict[int, int] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TickRows:
    """Trades as messages of one kind tell them, in the order of the frames; one entry a trade.

    Attributes:
        frame: index of the frame.
        name: the venue's own name of the instrument, key of ``FeedState.codes``.
        sent_us: the venue's clock when it sent the message, a sample of the offset; ABSENT
            where that is unknown or says nothing about this connection (a refill); no
            entries at all if it is so everywhere.
    """

    frame: Ints
    name: list[str]
    ts_us: Ints
    price: list[float]
    size: list[float]
    side: list[int]
    trade_id: list[int]
    seq: list[int]
    sent_us: Ints
    flags: Bits

    def numbers(self) -> dict[str, list[float]]:
        """The columns that must be finite."""
        return {"price": self.price, "size": self.size}


@dataclass(frozen=True, slots=True)
class QuoteRows:
    """Best bids and asks, like :class:`TickRows`. A ``ts_us`` of ABSENT: the venue gave none."""

    frame: Ints
    name: list[str]
    ts_us: Ints
    bid_price: list[float]
    bid_size: list[float]
    ask_price: list[float]
    ask_size: list[float]
    seq: list[int]
    sent_us: Ints

    def numbers(self) -> dict[str, list[float]]:
        """The columns that must be finite; a size may be NaN, not given."""
        bid = {"bid_price": self.bid_price, "bid_size": self.bid_size}
        return bid | {"ask_price": self.ask_price, "ask_size": self.ask_size}


AnyRows = TickRows | QuoteRows
R = TypeVar("R", TickRows, QuoteRows)


@dataclass(slots=True)
class Draft:
    """What a run of frames says, before it is checked.

    Attributes:
        marks: index of the frame and venue time, in order.
        unknown: how often each type was seen that is not used.
        faults: frames, and parts of them, that could not be decoded.
        scanned: rows that need no check.
    """

    ticks: list[TickRows] = field(default_factory=list)
    quotes: list[QuoteRows] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    scanned: list[Scanned] = field(default_factory=list)

    def count(self, kind: str, times: int = 1) -> None:
        """Note messages of a type that is not used."""
        kind = kind[:_LONGEST_NAME] or "other"
        self.unknown[kind] = self.unknown.get(kind, 0) + times


def records_of(frames: Frames, kind: Kind) -> range | list[int]:
    """The indices of the records of one kind, ascending."""
    kinds = frames.kind.tobytes()
    if kinds.count(kind) == len(kinds):
        return range(len(kinds))
    return np.flatnonzero(frames.kind == kind).tolist() if kind in kinds else []


def assemble(state: OffsetState, frames: Frames, draft: Draft, canonical: Callable[[str], str]) -> Decoded:
    """Check and number what ``draft`` holds, and build the columns.

    Args:
        state: gets the new symbols and what was learnt of the connections' clocks.
        canonical: the symbol of a venue's name.
    """
    ticks = _sound(state, frames, draft.faults, _joined(draft.ticks))
    quotes = _sound(state, frames, draft.faults, _joined(draft.quotes))
    _give_codes(state, canonical, draft.scanned, ticks, quotes)
    marks = _marks(frames, draft)
    samples = [(rows.frame, rows.sent_us) for rows in (ticks, quotes) if rows and len(rows.sent_us)]
    if len(marks):
        samples.append((marks.record, marks.ts_us))
    for part in draft.scanned:
        samples += part.samples
    resets = sorted((*records_of(frames, Kind.OPEN), *records_of(frames, Kind.CLOSE)))
    reached = offset.follow(state.offsets, frames, samples, resets)
    all_ticks, all_quotes = _ticks(state, frames, ticks), _quotes(state, frames, quotes, reached)
    if draft.scanned:
        placed = [part.placed(state.codes, frames, reached) for part in draft.scanned]
        all_ticks = merged([all_ticks, *(part[0] for part in placed)], Ticks)
        all_quotes = merged([all_quotes, *(part[1] for part in placed)], Quotes)
    return Decoded(
        all_ticks,
        all_quotes,
        marks.with_(record=frames.record[marks.record]) if len(marks) else _NO_MARKS,
        _NO_CANDLES,
        _rejects(frames, draft.faults),
        draft.unknown,
    )


def _joined(parts: list[R]) -> R | None:
    """The rows of all parts in the order of their frames."""
    if len(parts) < 2:
        return parts[0] if parts else None
    joined: dict[str, Any] = {}
    for column in fields(parts[0]):
        values = [_entries(part, column.name) for part in parts]
        joined[column.name] = list(chain(*values)) if isinstance(values[0], list) else np.concatenate(values)
    rows = replace(parts[0], **joined)
    return _select(rows, np.argsort(rows.frame, kind="stable").tolist())


def _entries(rows: AnyRows, column: str) -> Any:
    values = getattr(rows, column)
    return values if len(values) == len(rows.frame) else np.full(len(rows.frame), ABSENT)


def _select(rows: R, index: list[int]) -> R:
    selected: dict[str, Any] = {}
    for column in fields(rows):
        values = _entries(rows, column.name)
        selected[column.name] = [values[i] for i in index] if isinstance(values, list) else values[index]
    return replace(rows, **selected)


def _sound(state: OffsetState, frames: Frames, faults: list[Fault], rows: R | None) -> R | None:
    """The rows that can be kept, or None; a fault for each of the others."""
    if rows is None or not rows.name:
        return None
    if _beyond_doubt(state, rows):
        return rows
    kept = []
    for row, frame in enumerate(rows.frame.tolist()):
        why = _fault_of(rows, row)
        if why:
            faults.append(fault(frame, why, frames.payloads[frame]))
        else:
            kept.append(row)
    return _select(rows, kept) if kept else None


def _beyond_doubt(state: OffsetState, rows: AnyRows) -> bool:
    """Whether no row can be at fault, told from whole columns: a sum is finite only of finite numbers."""
    if not all(math.isfinite(sum(numbers)) for numbers in rows.numbers().values()):
        return False
    strange = np.count_nonzero((rows.ts_us <= 0) | (rows.ts_us >= END_US))
    if strange and isinstance(rows, QuoteRows):
        strange -= np.count_nonzero(rows.ts_us == ABSENT)
    return not strange and all(map(_is_name, set(rows.name) - state.codes.keys()))


def _is_name(name: str) -> bool:
    return 0 < len(name) <= _LONGEST_NAME and name.isprintable()


def _fault_of(rows: AnyRows, row: int) -> str:
    """What is wrong with a row; nothing if it can be kept."""
    ts_us = int(rows.ts_us[row])
    if not 0 < ts_us < END_US and not (isinstance(rows, QuoteRows) and ts_us == ABSENT):
        return _bad_time(ts_us)
    for name, numbers in rows.numbers().items():
        if not math.isfinite(numbers[row]) and not (math.isnan(numbers[row]) and name in _MAY_LACK):
            return f"{name} is {numbers[row]}, not a finite number"
    if not _is_name(rows.name[row]):
        return f"{rows.name[row][:_LONGEST_NAME]!r} cannot be the name of an instrument"
    return ""


def _bad_time(us: int) -> str:
    return f"the venue's time {us} us is not between 1970 and 2200"


def _give_codes(
    state: OffsetState, canonical: Callable[[str], str], scanned: list[Scanned], *parts: AnyRows | None
) -> None:
    """Number the names that are new, in the order of their frames, trades first."""
    new = [first for part in scanned for first in part.first if first[1] not in state.codes]
    for rows in parts:
        if rows and (unseen := set(rows.name) - state.codes.keys()):
            named = zip(rows.frame.tolist(), rows.name, strict=True)
            new += [(frame, name) for frame, name in named if name in unseen]
    for _, name in sorted(new, key=itemgetter(0)):
        if name not in state.codes:
            symbol = canonical(name)
            if symbol not in state.symbols:
                state.symbols.append(symbol)
            state.codes[name] = state.symbols.index(symbol)


def _marks(frames: Frames, draft: Draft) -> Marks:
    """The marks, ``record`` still the frame; one with an unbelievable time is a fault."""
    if not draft.marks:
        return _NO_MARKS
    sound = []
    for frame, us in draft.marks:
        if 0 < us < END_US:
            sound.append((frame, us))
        else:
            draft.faults.append(fault(frame, _bad_time(us), frames.payloads[frame]))
    return columns(Marks, record=[frame for frame, _ in sound], ts_us=[us for _, us in sound])


def _coded(state: OffsetState, names: list[str]) -> Codes:
    if names.count(names[0]) == len(names):
        return np.full(len(names), state.codes[names[0]], dtype=np.int32)
    return np.array([state.codes[name] for name in names], dtype=np.int32)


def _ticks(state: OffsetState, frames: Frames, rows: TickRows | None) -> Ticks:
    if rows is None:
        return _NO_TICKS
    numbers = np.array(rows.trade_id, dtype=np.int64)
    return Ticks(
        frames.record[rows.frame],
        rows.ts_us,
        _coded(state, rows.name),
        np.array(rows.price, dtype=np.float64),
        np.array(rows.size, dtype=np.float64),
        np.array(rows.side, dtype=np.int8),
        numbers,
        numbers if rows.seq is rows.trade_id else np.array(rows.seq, dtype=np.int64),
        rows.flags,
    )


def _quotes(state: OffsetState, frames: Frames, rows: QuoteRows | None, reached: Ints) -> Quotes:
    if rows is None:
        return _NO_QUOTES
    untimed = rows.ts_us == ABSENT
    return Quotes(
        frames.record[rows.frame],
        offset.timed_us(frames, rows.frame, rows.ts_us, untimed, reached),
        untimed,
        _coded(state, rows.name),
        np.array(rows.bid_price, dtype=np.float64),
        np.array(rows.bid_size, dtype=np.float64),
        np.array(rows.ask_price, dtype=np.float64),
        np.array(rows.ask_size, dtype=np.float64),
        np.array(rows.seq, dtype=np.int64),
        np.zeros(len(rows.name), dtype=np.int16),
    )


def _rejects(frames: Frames, faults: list[Fault]) -> list[Reject]:
    in_order = sorted(faults, key=itemgetter(0))
    return [Reject(int(frames.record[at]), reason, excerpt) for at, reason, excerpt in in_order]
