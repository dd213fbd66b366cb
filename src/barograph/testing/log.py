"""What a server made and what it handed to whom: the other half of every test of completeness.

Consecutive numbers of one symbol, channel and venue minute are one :class:`Span`, so that a
day's log fits in memory and still knows every single event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from barograph.clock import MINUTE_US
from barograph.gaps import Channel
from barograph.testing.market import CHANNELS, Event, Quote, Trade

Key = tuple[str, Channel, int]
"""Symbol, channel, and the first microsecond of a minute of venue time."""


class Span(msgspec.Struct):
    """Events of a symbol and channel in one venue minute, numbered ``first`` to ``last`` without holes.

    ``first_ns`` and ``last_ns`` are the moments, by the server's clock, of the first and the last.
    """

    symbol: str
    channel: Channel
    minute_us: int
    first: int
    last: int
    first_ns: int
    last_ns: int

    @property
    def count(self) -> int:
        """How many events."""
        return self.last - self.first + 1


class Note(msgspec.Struct, frozen=True):
    """Something that happened: ``opened``, ``ended``, ``refused``, ``fault``, ``rest``."""

    at_ns: int
    what: str
    connection: int = 0
    detail: dict[str, Any] = msgspec.field(default_factory=dict)


class ServerLog:
    """The log of one server, in memory and, if asked, as JSON lines in a file.

    A line is written before what it tells is done, so that the file of a server that was
    killed has everything that can have arrived.

    Attributes:
        notes: what happened beside the events, in order.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.notes: list[Note] = []
        self._made: dict[tuple[str, Channel], list[Span]] = {}
        self._handed: dict[tuple[int, str, Channel], list[Span]] = {}
        self._file: IO[bytes] | None = _continued(file) if file is not None else None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def note(self, at_ns: int, what: str, connection: int = 0, **detail: Any) -> None:
        """Write down that something happened."""
        note = Note(at_ns, what, connection, detail)
        self.notes.append(note)
        if self._file is not None:
            self._write({"note": note})

    def made(self, events: Sequence[Event], at_ns: int) -> None:
        """Write down that the venue made ``events``."""
        if self._file is not None:
            trades = [event for event in events if type(event) is Trade]
            quotes = [event for event in events if type(event) is Quote]
            self._write({"at_ns": at_ns, "trades": trades, "quotes": quotes})
        for span in cut(events, at_ns):
            _append(self._made.setdefault((span.symbol, span.channel), []), span)

    def handed(self, connection: int, events: Sequence[Event], at_ns: int) -> None:
        """Write down that ``events`` are handed to a connection's socket."""
        spans = cut(events, at_ns)
        if self._file is not None:
            self._write({"at_ns": at_ns, "connection": connection, "handed": spans})
        for span in spans:
            _append(self._handed.setdefault((connection, span.symbol, span.channel), []), span)

    def _write(self, line: Any) -> None:
        assert self._file is not None
        self._file.write(msgspec.json.encode(line) + b"\n")

    def counts_made(self) -> Counter[Key]:
        """How many events were made, by symbol, channel and venue minute."""
        return _counted(span for spans in self._made.values() for span in spans)

    def counts_handed(self, connection: int | None = None) -> Counter[Key]:
        """How many different events were handed to a connection, or to any, by symbol, channel and minute."""
        if connection is not None:
            return _counted(self.spans_handed(connection=connection))
        gathered: dict[Key, list[Span]] = {}
        for span in self.spans_handed():
            gathered.setdefault((span.symbol, span.channel, span.minute_us), []).append(span)
        return Counter({key: _different(spans) for key, spans in gathered.items()})

    def spans_made(self, symbol: str, channel: Channel) -> list[Span]:
        """What was made of a symbol and channel."""
        return list(self._made.get((symbol, channel), ()))

    def spans_handed(
        self, symbol: str | None = None, channel: Channel | None = None, connection: int | None = None
    ) -> list[Span]:
        """What was handed over: all of it, or of one symbol, channel, connection."""
        return [
            span
            for (number, name, kind), spans in self._handed.items()
            if symbol in (None, name) and channel in (None, kind) and connection in (None, number)
            for span in spans
        ]

    def numbers_made(self, symbol: str, channel: Channel) -> set[int]:
        """The numbers of all events that were made."""
        return set(_numbers(self.spans_made(symbol, channel)))

    def numbers_handed(self, symbol: str, channel: Channel, connection: int | None = None) -> set[int]:
        """The numbers of all events that were handed to a connection, or to any."""
        return set(_numbers(self.spans_handed(symbol, channel, connection)))

    def never_handed(self, symbol: str, channel: Channel) -> list[int]:
        """The numbers of events that were made and handed to nobody."""
        return sorted(self.numbers_made(symbol, channel) - self.numbers_handed(symbol, channel))

    def noted(self, what: str) -> list[Note]:
        """The notes of one kind."""
        return [note for note in self.notes if note.what == what]

    def summary(self) -> dict[str, Any]:
        """All of it, ready for JSON: spans made, spans handed with their connections, notes."""
        handed = [[number, *_row(span)] for (number, *_), spans in self._handed.items() for span in spans]
        made = [_row(span) for spans in self._made.values() for span in spans]
        return {"made": made, "handed": handed, "notes": [msgspec.to_builtins(note) for note in self.notes]}


def _continued(file: Path) -> IO[bytes]:
    """``file`` to write on; a last line that a kill has cut is taken off, else the next would continue it."""
    log = file.open("ab", buffering=0)
    whole = file.read_bytes()
    log.truncate(whole.rfind(b"\n") + 1)
    return log


def cut(events: Sequence[Event], at_ns: int) -> list[Span]:
    """Cut ``events`` into spans, in the order in which they begin."""
    spans: list[Span] = []
    growing: dict[tuple[str, type], Span] = {}
    for event in events:
        key = (event.symbol, type(event))
        number, ts_us = event.number, event.ts_us
        span = growing.get(key)
        if span is not None and span.last + 1 == number and 0 <= ts_us - span.minute_us < MINUTE_US:
            span.last = number
            continue
        minute_us = ts_us - ts_us % MINUTE_US
        span = Span(event.symbol, CHANNELS[type(event)], minute_us, number, number, at_ns, at_ns)
        growing[key] = span
        spans.append(span)
    return spans


def read_events(file: Path) -> Iterator[Event]:
    """The events of a log's file, in the order in which they were made (trades before quotes of a batch).

    A last line that a kill has cut is left out.
    """
    for line in file.read_bytes().split(b"\n")[:-1]:
        made = msgspec.json.decode(line)
        yield from (Trade(*row) for row in made.get("trades", ()))
        yield from (Quote(*row) for row in made.get("quotes", ()))


def _append(spans: list[Span], span: Span) -> None:
    if spans and spans[-1].last + 1 == span.first and spans[-1].minute_us == span.minute_us:
        spans[-1].last, spans[-1].last_ns = span.last, span.last_ns
    else:
        spans.append(span)


def _row(span: Span) -> list[Any]:
    return [
        span.symbol,
        span.channel.value,
        span.minute_us,
        span.first,
        span.last,
        span.first_ns,
        span.last_ns,
    ]


def _counted(spans: Iterable[Span]) -> Counter[Key]:
    counts: Counter[Key] = Counter()
    for span in spans:
        counts[span.symbol, span.channel, span.minute_us] += span.count
    return counts


def _different(spans: list[Span]) -> int:
    """How many different numbers ``spans`` hold; they may overlap."""
    count, reached = 0, -1
    for first, last in sorted((span.first, span.last) for span in spans):
        count += max(0, last - max(first, reached + 1) + 1)
        reached = max(reached, last)
    return count


def _numbers(spans: Iterable[Span]) -> Iterator[int]:
    return (number for span in spans for number in range(span.first, span.last + 1))
