"""Rows that have been seen already are dropped, by the venue's own numbers.

Overlapping connections, snapshots after a reconnect and refills over REST bring the same
trade or quote again. A trade is known by ``(instrument, trade_id)``, a quote by
``(instrument, seq)``; rows without a number (``ABSENT``) always pass.

**The first one seen wins.** Stores only add, so a row that has been written cannot be
taken back for a better one. A refill follows a gap in what the wire brought, so that in
practice the wire's row, which is the canonical one, comes first; a trade that REST
brought first (``Flag.REPAIRED``) stays as REST told it.

Two kinds of memory, one an instrument and table:

* **Intervals.** Venues that number their trades 1, 2, 3... need one interval for all that
  came and one more for each hole that is still open. Nothing is ever forgotten: a refill
  may come days late.
* **Recent.** Hashes and numbers with gaps never grow together. When an instrument needs
  more than ``MOST_INTERVALS`` intervals, it goes over to two hash tables: when the newer
  is full it becomes the older, and the older is forgotten. At least ``TICK_HORIZON``
  (quotes: ``QUOTE_HORIZON``) ids are remembered, at most twice as many.

Which memory is used depends on the ids alone, in the order of the tape, so any cutting
of the tape gives the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import msgspec
import numpy as np

from barograph.compiled import compiled
from barograph.rows import ABSENT, Codes, Ints, Mask, Quotes, Ticks

MOST_INTERVALS = 1024
"""An instrument whose ids need more intervals than this is remembered by recent ids only."""

TICK_SLOTS = 8192
QUOTE_SLOTS = 1024
TICK_HORIZON = TICK_SLOTS * 3 // 4
"""Trades with ids that do not run densely: at least so many are remembered an instrument.

Two tables of 8,192 slots are 128 KiB, 500 instruments 64 MiB. A share with 100,000 trades
a day is remembered for half an hour or more, one with 5,000 for a day."""
QUOTE_HORIZON = QUOTE_SLOTS * 3 // 4
"""Quotes whose numbers have gaps: they repeat only where connections overlap, within seconds."""

_FIRST_ROOM = 16
_SMALL_RUN = 64
_HIGHEST, _INTERVALS, _HELD = 0, 1, 2


class Memory(msgspec.Struct):
    """The ids of one instrument that have been seen.

    ``low`` and ``high``: int64, ascending intervals with both ends in them, the first
    ``count[1]`` of which are in use. ``older`` and ``newer``: int64 hash tables with open
    addressing, empty slots are ``ABSENT``; both have length 0 until intervals no longer
    do. ``count``: the highest id, the number of intervals, the number of ids in ``newer``.
    """

    low: Ints
    high: Ints
    older: Ints
    newer: Ints
    count: Ints


class Seen(msgspec.Struct):
    """What a :class:`Deduplicator` remembers: a memory for each instrument, by its number."""

    ticks: list[Memory] = msgspec.field(default_factory=list)
    quotes: list[Memory] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows were dropped because they had been seen."""

    ticks: int
    quotes: int


@compiled
def _interval_after(low: Ints, count: int, wanted: int) -> int:
    """Index of the first interval that begins after ``wanted``."""
    first, last = 0, count
    while first < last:
        middle = (first + last) // 2
        if low[middle] <= wanted:
            first = middle + 1
        else:
            last = middle
    return first


@compiled
def _note_in_intervals(ids: Ints, at: int, fresh: Mask, low: Ints, high: Ints, count: Ints) -> int:
    """Note ``ids[at:]`` and mark the new ones in ``fresh``.

    Returns the index of the first id that was not noted because there is no room for
    another interval, or the number of ids.
    """
    used = count[_INTERVALS]
    for k in range(at, len(ids)):
        wanted = ids[k]
        if used > 0 and wanted - 1 == high[used - 1]:
            high[used - 1] = wanted
            fresh[k] = True
            continue
        after = _interval_after(low, used, wanted)
        if after > 0 and wanted <= high[after - 1]:
            continue
        joins_before = after > 0 and high[after - 1] == wanted - 1
        joins_after = after < used and low[after] - 1 == wanted
        if joins_before and joins_after:
            high[after - 1] = high[after]
            for j in range(after, used - 1):
                low[j] = low[j + 1]
                high[j] = high[j + 1]
            used -= 1
        elif joins_before:
            high[after - 1] = wanted
        elif joins_after:
            low[after] = wanted
        else:
            if used == len(low):
                count[_INTERVALS] = used
                return k
            for j in range(used, after, -1):
                low[j] = low[j - 1]
                high[j] = high[j - 1]
            low[after] = wanted
            high[after] = wanted
            used += 1
        fresh[k] = True
    count[_INTERVALS] = used
    return len(ids)


@compiled
def _slot(table: Ints, wanted: int) -> int:
    """The slot that holds ``wanted``, or the empty one where it belongs."""
    last = len(table) - 1
    slot = (wanted ^ (wanted >> 7) ^ (wanted >> 17) ^ (wanted >> 31)) & last
    while table[slot] != wanted and table[slot] != ABSENT:
        slot = (slot + 1) & last
    return slot


@compiled
def _is_recent(wanted: int, low: Ints, high: Ints, older: Ints, newer: Ints, used: int) -> bool:
    """Whether ``wanted`` is in a table or in the intervals that the tables took over from."""
    if newer[_slot(newer, wanted)] == wanted:
        return True
    if len(older) > 0 and older[_slot(older, wanted)] == wanted:
        return True
    after = _interval_after(low, used, wanted)
    return after > 0 and wanted <= high[after - 1]


@compiled
def _note_recent(
    ids: Ints, at: int, fresh: Mask, low: Ints, high: Ints, older: Ints, newer: Ints, count: Ints
) -> int:
    """As :func:`_note_in_intervals`, with the tables; stops when ``newer`` is three quarters full."""
    room = len(newer) * 3 // 4
    for k in range(at, len(ids)):
        wanted = ids[k]
        # An id above all that were ever seen needs no looking up: the ordinary quote.
        if wanted <= count[_HIGHEST] and _is_recent(wanted, low, high, older, newer, count[_INTERVALS]):
            continue
        if count[_HELD] >= room:
            return k
        newer[_slot(newer, wanted)] = wanted
        count[_HELD] += 1
        count[_HIGHEST] = max(wanted, count[_HIGHEST])
        fresh[k] = True
    return len(ids)


@compiled
def _pour(table: Ints, wider: Ints) -> None:
    """Put every id of ``table`` into ``wider``."""
    for k in range(len(table)):
        if table[k] != ABSENT:
            wider[_slot(wider, table[k])] = table[k]


def _empty(slots: int) -> Ints:
    return np.full(slots, ABSENT, dtype=np.int64)


def _new_memory() -> Memory:
    return Memory(
        low=_empty(_FIRST_ROOM),
        high=_empty(_FIRST_ROOM),
        older=_empty(0),
        newer=_empty(0),
        count=np.array([ABSENT, 0, 0], dtype=np.int64),
    )


def _make_room_for_intervals(memory: Memory) -> None:
    """Twice the room, or the change to recent ids when there are too many intervals."""
    if len(memory.low) < MOST_INTERVALS:
        memory.low = np.concatenate([memory.low, _empty(len(memory.low))])
        memory.high = np.concatenate([memory.high, _empty(len(memory.high))])
        return
    memory.count[_HIGHEST] = memory.high[-1]
    memory.newer = _empty(_FIRST_ROOM)


def _make_room_for_recent(memory: Memory, most_slots: int) -> None:
    """Twice the room, or a new generation when the table is as large as it may be."""
    if len(memory.newer) < most_slots:
        wider = _empty(2 * len(memory.newer))
        _pour(memory.newer, wider)
        memory.newer = wider
        return
    # The intervals were the generation before the first table: they go with the older one.
    memory.count[_INTERVALS] = 0
    memory.low, memory.high = _empty(0), _empty(0)
    memory.older, memory.newer = memory.newer, _empty(_FIRST_ROOM)
    memory.count[_HELD] = 0


def _note(memory: Memory, ids: Ints, fresh: Mask, most_slots: int) -> None:
    """Note ``ids`` of one instrument in order; ``fresh`` becomes True where one is new."""
    m = memory
    at = 0
    while True:
        if len(m.newer) == 0:
            at = _note_in_intervals(ids, at, fresh, m.low, m.high, m.count)
            if at == len(ids):
                return
            _make_room_for_intervals(m)
        else:
            at = _note_recent(ids, at, fresh, m.low, m.high, m.older, m.newer, m.count)
            if at == len(ids):
                return
            _make_room_for_recent(m, most_slots)


def _stretches(instrument: Codes) -> Iterator[tuple[int, int, int]]:
    """``(instrument, start, stop)`` of each stretch of rows of one instrument."""
    if len(instrument) <= _SMALL_RUN:  # arrays would cost more than they save
        start = 0
        for code, rows in groupby(instrument.tolist()):
            stop = start + sum(1 for _ in rows)
            yield code, start, stop
            start = stop
        return
    bounds = [0, *(np.flatnonzero(instrument[1:] != instrument[:-1]) + 1).tolist(), len(instrument)]
    codes = instrument[bounds[:-1]].tolist()
    yield from zip(codes, bounds[:-1], bounds[1:], strict=True)


def _by_instrument(instrument: Codes) -> Ints:
    """The rows ordered by instrument, in the order of the tape within each."""
    # NumPy sorts 16-bit numbers by radix, in a tenth of the time of wider ones.
    narrow = instrument.astype(np.int16) if instrument.max() < 2**15 else instrument
    return np.argsort(narrow, kind="stable")


def _fresh(memories: list[Memory], instrument: Codes, ids: Ints, most_slots: int) -> Mask:
    """Which rows are new; all rows have an id."""
    fresh = np.zeros(len(ids), dtype=np.bool_)
    order = None
    if len(ids) > _SMALL_RUN:
        order = _by_instrument(instrument)
        instrument, ids = instrument[order], ids[order]
    for code, start, stop in _stretches(instrument):
        while len(memories) <= code:
            memories.append(_new_memory())
        _note(memories[code], ids[start:stop], fresh[start:stop], most_slots)
    if order is None:
        return fresh
    in_tape_order = np.empty_like(fresh)
    in_tape_order[order] = fresh
    return in_tape_order


def _kept(memories: list[Memory], instrument: Codes, ids: Ints, most_slots: int) -> Mask | None:
    """Which rows stay, or None when all do."""
    if len(ids) == 0:
        return None
    numbered = ids != ABSENT
    if numbered.all():
        fresh = _fresh(memories, instrument, ids, most_slots)
        return None if fresh.all() else fresh
    rows = np.flatnonzero(numbered)
    if len(rows) == 0:
        return None
    keep = np.ones(len(ids), dtype=np.bool_)
    keep[rows] = _fresh(memories, instrument[rows], ids[rows], most_slots)
    return None if keep.all() else keep


class Deduplicator:
    """Drops the rows that it has seen before; ``state`` is all that it remembers.

    >>> import numpy as np
    >>> from barograph.rows import Quotes, Ticks, columns, none_of
    >>> ticks = columns(Ticks, record=[0, 1, 1], ts_us=[5, 6, 5], instrument=[0, 0, 0],
    ...                 price=[1.0, 2.0, 1.0], size=[1.0, 1.0, 1.0], trade_id=[17, 18, 17])
    >>> kept, _, dropped = Deduplicator().advance(ticks, none_of(Quotes))
    >>> kept.trade_id.tolist(), dropped
    ([17, 18], Counts(ticks=1, quotes=0))
    """

    def __init__(self, state: Seen | None = None) -> None:
        self.state = Seen() if state is None else state

    def advance(self, ticks: Ticks, quotes: Quotes) -> tuple[Ticks, Quotes, Counts]:
        """The rows that are new, in the order of the tape, and how many were not."""
        tick_rows = _kept(self.state.ticks, ticks.instrument, ticks.trade_id, TICK_SLOTS)
        quote_rows = _kept(self.state.quotes, quotes.instrument, quotes.seq, QUOTE_SLOTS)
        new_ticks = ticks if tick_rows is None else ticks.take(tick_rows)
        new_quotes = quotes if quote_rows is None else quotes.take(quote_rows)
        return new_ticks, new_quotes, Counts(len(ticks) - len(new_ticks), len(quotes) - len(new_quotes))
