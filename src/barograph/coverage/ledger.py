"""The resumable ledger: runs of the tape in, rows of ``coverage`` out, and the gaps that stand.

What it promises, and each rule, is in ``docs/coverage.md``. In short: any cutting of the tape into runs
gives the same rows in the same order; rows are written at beats (``beats.py``), judged by ids where the
venue numbers trades without holes, else by signs of life of the connections; what comes later revises.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgspec
import numpy as np

from barograph.clock import MINUTE_US, NS_PER_US, US_PER_S
from barograph.coverage.beats import Beat, find_beats
from barograph.coverage.book import Book, end_of_claims, next_claimed
from barograph.coverage.connections import Connections
from barograph.coverage.hours import CalendarOf, Hours, no_calendar
from barograph.coverage.incoming import Beats, Follower, Named, Numbering, Rows, count_rows, note_silences
from barograph.coverage.judge import MOST_US, Signs, Verdict, is_over, judge, proven
from barograph.coverage.proofs import Proofs, proofs_of
from barograph.coverage.rows import CoverageRows, Written, as_columns
from barograph.coverage.state import LedgerState, Minute, Series
from barograph.coverage.wanting import mute_series, standing_gaps
from barograph.gaps import Gap, Missing
from barograph.records import Kind, Records
from barograph.rows import Ints, Quotes, Ticks

MOST_ROWS = 20_000
"""Minutes that a beat takes up; after a long outage of many symbols the following beats go on."""

SILENCE_US = 60 * US_PER_S
"""A tape without a record for so long: nothing ran, and what was lost before may be back at once."""

_CONTROL = np.zeros(256, dtype=np.bool_)
_CONTROL[[Kind.CLOSE, Kind.CONFIG, Kind.MISSING]] = True
_missing = msgspec.json.Decoder(Missing)


class Ledger:
    """Coverage of all series of a tape, run by run.

    Args:
        state: to go on from; None before the first record of a tape. It is taken over.
        calendar_of: the calendar of a name that a ``CONFIG`` record has; without one all markets are open.
    """

    def __init__(self, state: LedgerState | None = None, calendar_of: CalendarOf = no_calendar) -> None:
        self.state = state or LedgerState()
        self._book = Book(self.state)
        self._hours = Hours(calendar_of)
        self._connections = Connections(self._book)
        self._numbering = Numbering(self._book)

    def advance(self, run: Records, ticks: Ticks, quotes: Quotes, instruments: Named) -> CoverageRows:
        """Take in the next records and what was made of them; the rows that are written by it.

        Args:
            ticks, quotes: those of the run that are stored, with their flags.
            instruments: names of what ``ticks.instrument`` and ``quotes.instrument`` number.
        """
        recv_us = run.recv_ns // NS_PER_US
        if not len(run):
            return as_columns([], recv_us)
        beats, self.state.now_us, self.state.beat_us = find_beats(
            recv_us, self.state.now_us, self.state.beat_us
        )
        trades = self._numbering.rows(ticks, recv_us, instruments)
        changes = self._numbering.rows(quotes, recv_us, instruments)
        written: list[Written] = []
        for begin, end, of_part in _parts(beats, len(run)):
            part = _Part(run, recv_us, begin, end, of_part, trades, changes)
            for rows in self._take(part):
                written += rows
        return as_columns(written, recv_us)

    def gaps(self) -> list[Gap]:
        """The gaps that stand and that a venue may be asked for, by name and time.

        The same however often it is asked; one is gone when its rows have come, or a ``MISSING`` record tells
        how the asking for it ended.
        """
        return standing_gaps(self._book, self._hours)

    def stale(self, now_us: int, after_s: float) -> list[Gap]:
        """Series that have been silent for unusually long, for them, on a connection that is alive.

        Args:
            now_us: the present, by the clock that stamps receipts.
            after_s: silence that is never unusual.

        Returns:
            For each an open gap from its last row on: of trades with the first id that is missing, if
            it is, and without a last one.
        """
        return mute_series(self._book, self._connections, self._hours, now_us, after_s)

    def _take(self, part: _Part) -> Iterator[list[Written]]:
        """A part of a run in which time does not jump back, from control record to control record."""
        signs: dict[int, Proofs] = {}
        for stream in list(self._connections.open):
            signs[stream] = part.proofs(stream)
        begin, at_once = part.begin, [beat for beat in part.beats if beat.record == part.begin]
        for beat in at_once:
            yield self._beat(beat, signs, None)
        controls = part.begin + np.flatnonzero(_CONTROL[part.run.kind[part.begin : part.end]])
        for end in [*controls.tolist(), part.end]:
            yield from self._span(part, signs, begin, end)
            if end < part.end:
                self._connections.prove(signs, end)
                self._control(part, signs, end)
            begin = end
        self._connections.prove(signs, part.end)

    def _span(self, part: _Part, signs: dict[int, Proofs], begin: int, end: int) -> Iterator[list[Written]]:
        """Rows of the records from ``begin`` on, and the beats up to ``end``."""
        # A beat at a control record comes before it, so it is the last of the span that ends there.
        inside = [beat for beat in part.beats if begin < beat.record <= end]
        trades, quotes = part.rows(begin, end)
        places = Beats(
            np.array([beat.record for beat in inside], dtype=np.int64),
            np.array([self.state.due_us, *(beat.after_us for beat in inside)], dtype=np.int64),
        )
        follower = Follower(self._book, trades, places, lambda record: self._connections.prove(signs, record))
        events = follower.events()
        events += count_rows(self._book, trades, places) + count_rows(self._book, quotes, places)
        note_silences(self._book, trades)
        note_silences(self._book, quotes)
        events.sort(key=lambda event: (event.after, event.record))
        done = 0
        for ordinal in range(len(inside) + 1):
            while done < len(events) and events[done].after == ordinal:
                events[done].do()
                done += 1
            if ordinal < len(inside):
                yield self._beat(inside[ordinal], signs, follower)

    def _control(self, part: _Part, signs: dict[int, Proofs], record: int) -> None:
        run, stream = part.run, int(part.run.stream[record])
        kind, payload, now_us = run.kind[record], run.payloads[record], int(part.recv_us[record])
        if kind == Kind.CONFIG:
            self._connections.configured(stream, run.streams[stream].feed, payload, now_us)
            if stream in self._connections.open and stream not in signs:
                signs[stream] = part.proofs(stream)
        elif kind == Kind.CLOSE:
            self._connections.closed(stream, payload, now_us)
        else:
            self._asked(payload)

    def _asked(self, payload: bytes) -> None:
        """A ``MISSING`` record: how the asking for a gap ended."""
        try:
            told = _missing.decode(payload)
        except ValueError:
            return
        gap = told.gap
        number = self._book.known(gap.feed, gap.symbol, str(gap.channel))
        if number is None:
            return
        series = self._book[number]
        if not _close_holes(series, told):
            _close_blanks(series, told)
        self._book.again(number, gap.first_us, gap.last_us, deep=True)

    def _beat(self, beat: Beat, signs: dict[int, Proofs], follower: Follower | None) -> list[Written]:
        if beat.now_us - self.state.due_us > SILENCE_US:
            self.state.woken_us = beat.now_us
        self._connections.prove(signs, beat.record)
        if beat.jumps_back:
            self._connections.set_back(beat.after_us)
        else:
            self._connections.bury_silent(beat.now_us)
            self._visit(beat, follower)
        rows = self._write(beat, follower)
        self._book.sweep(beat.after_us)
        self.state.due_us = beat.after_us
        return rows

    def _visit(self, beat: Beat, follower: Follower | None) -> None:
        """Take up the minutes of claims that are over, and settle what ids have proven."""
        left, ended = MOST_ROWS, False
        for number in self._book.claimed:
            series = self._book[number]
            if series.numbered and series.blanks:
                self._settle(number, self._signs(number, beat, follower))
            minute = next_claimed(series, series.next_minute)
            last = end_of_claims(series)
            if (outage := series.outage) is not None:
                last = min(last, (outage.begin_us + MOST_US) // MINUTE_US)
            while minute is not None and minute < last and left and is_over(series, minute, beat.now_us):
                self._book.visit(number, minute)
                series.next_minute = minute + 1
                left -= 1
                minute = next_claimed(series, minute + 1)
            ended |= minute is None
        if ended:
            self._book.order_claimed()

    def _settle(self, number: int, signs: Signs) -> None:
        series = self._book[number]
        for blank in series.blanks:
            if not blank.settled and proven(series, blank, signs):
                blank.settled = True
                self._book.again(number, blank.begin_us, blank.end_us, deep=True)

    def _signs(self, number: int, beat: Beat, follower: Follower | None) -> Signs:
        series = self._book[number]
        span = (series.chain.from_us, series.chain.top_us)
        if follower is not None and series.numbered:
            span = follower.chain_span(number, beat.record)
        return Signs(self._connections.alive_us(series), *span, beat.now_us, self.state.woken_us)

    def _write(self, beat: Beat, follower: Follower | None) -> list[Written]:
        """The rows of all minutes that are due, by minute and name."""
        pending, rows = self.state.pending, []
        for minute in sorted(pending):
            if not beat.jumps_back and (minute + 1) * MINUTE_US > beat.now_us:
                break
            waiting = pending[minute]
            for number in sorted(waiting):
                series = self._book[number]
                if not beat.jumps_back and not is_over(series, minute, beat.now_us):
                    continue
                signs = self._signs(number, beat, follower)
                counted = series.minutes.get(minute)
                if counted is not None:
                    verdict = judge(series, minute, counted, signs, self._hours)
                    if verdict is None:
                        continue
                    rows += _revised(series, minute, counted, verdict, beat.record)
                waiting.discard(number)
            if not waiting:
                del pending[minute]
        return sorted(rows, key=lambda row: (row.minute_us, row.venue, row.symbol, row.channel))


def _revised(series: Series, minute: int, counted: Minute, verdict: Verdict, record: int) -> list[Written]:
    """The row of a minute, if it is new or says something new."""
    state, reason = str(verdict.state), verdict.reason
    if counted.revision < 0 and not counted.messages and next_claimed(series, minute) != minute:
        del series.minutes[minute]  # nobody asked for it, and nothing came
        return []
    if counted.revision >= 0 and (counted.state, counted.reason, counted.counted) == (
        state,
        reason,
        counted.messages,
    ):
        return []
    counted.revision += 1
    counted.state, counted.reason, counted.counted = state, reason, counted.messages
    names = (series.venue, series.symbol, series.channel)
    return [Written(record, minute * MINUTE_US, *names, state, counted.messages, reason, counted.revision)]


def _close_holes(series: Series, told: Missing) -> bool:
    """The venue was asked for ids: those that are still missing will not come. Whether that is all."""
    gap = told.gap
    if gap.first_id is None:
        return False
    met = False
    for hole in series.chain.holes:
        if gap.first_id <= hole.last and (gap.last_id is None or hole.first <= gap.last_id):
            hole.given_up = told.reason or "the venue does not have them"
            met = True
    return met or gap.last_id is not None


def _close_blanks(series: Series, told: Missing) -> None:
    """The venue was asked for a time: what it has told is there, and the rest will not come.

    A symbol that was only mute lost nothing that is known of, so a refusal to tell changes nothing.
    """
    gap = told.gap
    for blank in series.blanks:
        if gap.first_us <= blank.begin_us and blank.end_us <= gap.last_us:
            blank.settled = blank.settled or not told.reason
            blank.given_up = told.reason


class _Part:
    """A part of a run, ``begin`` to ``end``, and the rows that were made of it."""

    def __init__(
        self,
        run: Records,
        recv_us: Ints,
        begin: int,
        end: int,
        beats: list[Beat],
        trades: Rows,
        quotes: Rows,
    ) -> None:
        self.run, self.recv_us, self.begin, self.end, self.beats = run, recv_us, begin, end, beats
        self._trades, self._quotes = trades, quotes

    def proofs(self, stream: int) -> Proofs:
        """The signs of life of a connection."""
        found = proofs_of(self.run.cut(self.begin, self.end), self.recv_us[self.begin : self.end], stream)
        return Proofs(found.record + self.begin, found.newest_us)

    def rows(self, begin: int, end: int) -> tuple[Rows, Rows]:
        """Trades and quotes of the records from ``begin`` to ``end``."""
        return _between(self._trades, begin, end), _between(self._quotes, begin, end)


def _between(rows: Rows, begin: int, end: int) -> Rows:
    first, last = np.searchsorted(rows.record, (begin, end)).tolist()
    return rows if (first, last) == (0, len(rows.record)) else rows.take(slice(first, last))


def _parts(beats: list[Beat], count: int) -> Iterator[tuple[int, int, list[Beat]]]:
    """Where a run is to be parted, so that time jumps back only at the beginning of a part."""
    bounds = sorted({0, count, *(beat.record for beat in beats if beat.jumps_back)})
    for begin, end in pairwise(bounds):
        yield begin, end, [beat for beat in beats if begin <= beat.record < end]
