"""Rows on their way into the book: counted by minute, looked at for what their ids say.

Within a stretch of the tape without control records everything is counted in one go, though beats lie in
between: a row that comes before its minute may be written cannot be seen by an earlier beat. The others, late
rows and what ids tell of holes, are :class:`Event` s, each at its place between the beats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from barograph.clock import MINUTE_US, US_PER_S
from barograph.coverage.book import Book
from barograph.coverage.chains import MOST_HOLES, Stretch, fill, fills, grow, stretches
from barograph.coverage.judge import GRACE_US
from barograph.coverage.quiet import note_rows
from barograph.coverage.state import Chain, Hole
from barograph.gaps import Channel
from barograph.rows import ABSENT, Codes, Ints, Mask, Quotes, Ticks
from barograph.tables import Flag

MOST_AHEAD_US = 3_600 * US_PER_S
"""A row stamped further ahead of its receipt than this is not counted: its time means nothing."""


class Named(Protocol):
    """The venue and symbol of each instrument, by number."""

    @property
    def venues(self) -> list[str]: ...

    @property
    def symbols(self) -> list[str]: ...


class Event(NamedTuple):
    """Something to do after ``after`` beats, at a record."""

    after: int
    record: int
    do: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one channel, as far as the ledger looks at them. ``number`` is the series of each."""

    record: Ints
    ts_us: Ints
    recv_us: Ints
    number: Ints
    trade_id: Ints
    repaired: Mask

    def take(self, index: Ints | Mask | slice) -> Rows:
        """The rows that ``index`` names."""
        return Rows(
            self.record[index],
            self.ts_us[index],
            self.recv_us[index],
            self.number[index],
            self.trade_id[index],
            self.repaired[index],
        )


class Numbering:
    """The series of each instrument's trades and quotes."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._numbers: dict[Channel, Ints] = {channel: np.empty(0, dtype=np.int64) for channel in Channel}

    def rows(self, kept: Ticks | Quotes, recv_us: Ints, instruments: Named) -> Rows:
        """Ticks or quotes as rows of series."""
        ticks = kept if isinstance(kept, Ticks) else None
        channel = Channel.TRADES if ticks is not None else Channel.QUOTES
        repaired = (kept.flags & Flag.REPAIRED) != 0
        ids = ticks.trade_id if ticks is not None else np.full(len(kept), ABSENT, dtype=np.int64)
        number = self._of(channel, kept.instrument, instruments)
        rows = Rows(kept.record, kept.ts_us, recv_us[kept.record], number, ids, repaired)
        ahead = rows.ts_us > rows.recv_us + MOST_AHEAD_US
        return rows.take(~ahead) if ahead.any() else rows

    def _of(self, channel: Channel, codes: Codes, instruments: Named) -> Ints:
        numbers = self._numbers[channel]
        if len(numbers) < len(instruments.symbols):
            more = np.full(len(instruments.symbols) - len(numbers), -1, dtype=np.int64)
            numbers = self._numbers[channel] = np.concatenate([numbers, more])
        found = numbers[codes]
        if len(found) and found.min() < 0:
            for code in np.unique(codes[found < 0]).tolist():
                venue, symbol = instruments.venues[code], instruments.symbols[code]
                numbers[code] = self._book.number(venue, symbol, str(channel))
            found = numbers[codes]
        return found


class Beats(NamedTuple):
    """Places of beats in a stretch of the tape, and the due time before the first and after each."""

    record: Ints
    due_us: Ints

    def before(self, record: Ints) -> Ints:
        """How many beats come before each record, or at it."""
        return np.searchsorted(self.record, record, side="right")


def count_rows(book: Book, rows: Rows, beats: Beats) -> list[Event]:
    """Count ``rows``; the events that remain for late ones."""
    if not len(rows.record):
        return []
    minute = rows.ts_us // MINUTE_US
    after = beats.before(rows.record)
    due_us = (minute + 1) * MINUTE_US + GRACE_US
    delays = [series.delay_us for series in book.state.series]
    if any(delays):
        due_us += np.array(delays, dtype=np.int64)[rows.number]
    late = due_us <= beats.due_us[after]
    if not late.any():
        _add(book, rows.number, minute, rows.repaired)
        return []
    timely = ~late
    _add(book, rows.number[timely], minute[timely], rows.repaired[timely])
    return _late_events(book, rows.take(late), minute[late], after[late])


def _add(book: Book, number: Ints, minute: Ints, repaired: Mask) -> None:
    if not len(number):
        return
    low, width = int(minute.min()), int(minute.max() - minute.min()) + 1
    cells = (int(number.max()) + 1) * width
    code = number * width + (minute - low)
    if cells <= 8 * len(number) + 4096:
        counts = np.bincount(code, minlength=cells)
        refilled = np.bincount(code[repaired], minlength=cells) if repaired.any() else np.zeros_like(counts)
        used = np.flatnonzero(counts)
        counts, refilled = counts[used], refilled[used]
    else:
        used, inverse, counts = np.unique(code, return_inverse=True, return_counts=True)
        refilled = np.bincount(inverse[repaired], minlength=len(used))
    for one, messages, of_refill in zip(used.tolist(), counts.tolist(), refilled.tolist(), strict=True):
        book.count(one // width, low + one % width, messages, of_refill)


def _late_events(book: Book, rows: Rows, minute: Ints, after: Ints) -> list[Event]:
    events = []
    for ordinal in np.unique(after).tolist():
        here = np.flatnonzero(after == ordinal)
        number, of, repaired = rows.number[here], minute[here], rows.repaired[here]

        def add(number: Ints = number, of: Ints = of, repaired: Mask = repaired) -> None:
            _add(book, number, of, repaired)

        events.append(Event(ordinal, int(rows.record[here[0]]), add))
    return events


class Follower:
    """Follows the ids of trades in one stretch of the tape.

    Chains grow at once to the end of the stretch; what they were at a beat in between is told
    by :meth:`chain_span`.
    """

    def __init__(self, book: Book, rows: Rows, beats: Beats, proven_before: Callable[[int], None]) -> None:
        self._book, self._rows, self._beats = book, rows, beats
        self._proven_before = proven_before
        self._tops: dict[int, int] = {}
        self._froms: dict[int, list[tuple[int, int]]] = {}
        self._times: dict[int, tuple[Ints, Ints]] = {}

    def events(self) -> list[Event]:
        """Let the chains grow; what there is to do about holes."""
        rows = self._rows
        numbered = np.array([series.numbered for series in self._book.state.series], dtype=np.bool_)
        wanted = np.flatnonzero(numbered[rows.number]) if numbered.any() else rows.number[:0]
        if not len(wanted):
            return []
        found: list[Event] = []
        if (rows.trade_id[wanted] == ABSENT).any():
            found, wanted = self._not_numbered(wanted)
        whole = len(wanted) == len(rows.record)
        for one in stretches(rows.number[wanted], rows.trade_id[wanted], self._clipped(wanted)):
            self._take(one if whole else one._replace(rows=wanted[one.rows]), found)
        return found

    def _not_numbered(self, wanted: Ints) -> tuple[list[Event], Ints]:
        """A venue that numbers its trades has sent some without: from there on they are judged by time."""
        rows, events = self._rows, []
        bare = wanted[rows.trade_id[wanted] == ABSENT]
        numbers, first = np.unique(rows.number[bare], return_index=True)
        for number, at in zip(numbers.tolist(), bare[first].tolist(), strict=True):

            def do(number: int = number) -> None:
                self._book[number].numbered = False

            record = int(rows.record[at])
            events.append(Event(int(self._beats.before(rows.record[at : at + 1])[0]), record, do))
            wanted = wanted[(rows.number[wanted] != number) | (wanted < at)]
        return events, wanted

    def _take(self, one: Stretch, found: list[Event]) -> None:
        chain = self._book[one.series].chain
        if one.low <= chain.highest and _is_fill(chain, one):
            found += self._fills(one)
            return
        self._tops.setdefault(one.series, chain.top_us)
        from_us = chain.from_us
        hole = grow(chain, one.low, one.high, one.low_us, one.newest_us)
        if hole is None and chain.from_us == from_us:
            return
        first = one.rows[:1]
        record = int(self._rows.record[first[0]])
        if chain.from_us != from_us:
            self._froms.setdefault(one.series, [(-1, from_us)]).append((record, chain.from_us))
        if hole is None:
            return

        def do() -> None:
            self._proven_before(record)
            self._open(one.series, hole)

        found.append(Event(int(self._beats.before(self._rows.record[first])[0]), record, do))

    def _clipped(self, index: Ints) -> Ints:
        """Times that cannot be beyond their receipt: a wrong one must not prove anything."""
        return np.minimum(self._rows.ts_us[index], self._rows.recv_us[index])

    def _open(self, number: int, hole: Hole) -> None:
        series = self._book[number]
        for blank in series.blanks:
            if blank.begin_us < hole.end_us and hole.begin_us < blank.end_us:
                hole.cause = blank.cause
        series.chain.holes.append(hole)
        if len(series.chain.holes) > MOST_HOLES:
            series.chain.holes.pop(0)
        self._book.again(number, hole.begin_us, hole.end_us)

    def _fills(self, one: Stretch) -> list[Event]:
        events = []
        times = self._clipped(one.rows)
        after = self._beats.before(self._rows.record[one.rows])
        bounds = [0, *(np.flatnonzero(np.diff(after)) + 1).tolist(), len(after)]
        for begin, end in pairwise(bounds):

            def do(begin: int = begin, end: int = end) -> None:
                series = self._book[one.series]
                low_us, high_us = int(times[begin:end].min()), int(times[begin:end].max())
                for hole in fill(series.chain, one.low + begin, one.low + end - 1, low_us, high_us):
                    self._book.again(one.series, hole.begin_us, hole.end_us, deep=True)

            record = int(self._rows.record[one.rows[begin]])
            events.append(Event(int(after[begin]), record, do))
        return events

    def chain_span(self, number: int, record: int) -> tuple[int, int]:
        """Between which times the ids of a series prove what came, as of the record ``record``."""
        chain = self._book[number].chain
        if number not in self._tops:
            return chain.from_us, chain.top_us
        froms = self._froms.get(number, [(-1, chain.from_us)])
        from_us = [us for at, us in froms if at < record][-1]
        return from_us, self._top_us(number, record)

    def _top_us(self, number: int, record: int) -> int:
        if number not in self._times:
            index = np.flatnonzero(self._rows.number == number)
            reached = np.maximum.accumulate(self._clipped(index))
            self._times[number] = (self._rows.record[index], reached)
        records, reached = self._times[number]
        at = int(np.searchsorted(records, record))
        return max(self._tops[number], int(reached[at - 1])) if at else self._tops[number]


def _is_fill(chain: Chain, one: Stretch) -> bool:
    """Whether a stretch does not lie beyond the ids that are known."""
    return fills(chain, one.low, one.high) if one.low < chain.lowest else one.low <= chain.highest


def note_silences(book: Book, rows: Rows) -> None:
    """Note how long the series that are asked for were silent, but for rows that a refill brought."""
    if book.claimed and len(rows.record):
        asked = np.zeros(len(book.state.series), dtype=np.bool_)
        asked[: len(book.asked)] = book.asked
        wire = np.flatnonzero(asked[rows.number] & ~rows.repaired)
        note_rows(book.state, rows.number[wire], rows.recv_us[wire])
