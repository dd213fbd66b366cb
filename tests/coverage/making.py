"""Tapes for the ledger, record by record: connections, frames with trades and quotes, refills, clocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from barograph.clock import NS_PER_US, from_us
from barograph.coverage import CoverageRows, Ledger, LedgerState
from barograph.coverage.hours import CalendarOf, no_calendar
from barograph.gaps import Alive, Channel, Gap, Missing, Subscribed
from barograph.records import Kind, Records, Stream
from barograph.rows import Quotes, Ticks, columns
from barograph.snapshot import pack, unpack
from barograph.tables import Flag

START_US = 1_723_118_400_000_000
"""2024-08-08 12:00, a Thursday. Tests count seconds from here."""
BOTH = (Channel.TRADES, Channel.QUOTES)


def us(seconds: float) -> int:
    return START_US + round(seconds * 1_000_000)


@dataclass
class Names:
    venues: list[str] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)

    def code(self, venue: str, symbol: str) -> int:
        pairs = list(zip(self.venues, self.symbols, strict=True))
        if (venue, symbol) not in pairs:
            self.venues.append(venue)
            self.symbols.append(symbol)
            return len(pairs)
        return pairs.index((venue, symbol))


@dataclass
class Tape:
    """Records of one feed, in the order in which they are added."""

    feed: str = "binance"
    names: Names = field(default_factory=Names)
    streams: list[Stream] = field(default_factory=list)
    records: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    trades: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    quotes: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, at: float, kind: Kind, connection: str = "a", payload: Any = b"") -> int:
        stream = Stream(self.feed, connection)
        if stream not in self.streams:
            self.streams.append(stream)
        encoded = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        self.records.append((us(at), int(kind), self.streams.index(stream), encoded))
        return len(self.records) - 1

    def subscribe(self, at: float, connection: str = "a", **wanted: Any) -> None:
        """OPEN and CONFIG, half a second apart; ``wanted`` may have the fields of ``Subscribed``."""
        self.add(at - 0.5, Kind.OPEN, connection, {"url": "ws:"})
        self.configure(at, connection, **wanted)

    def configure(self, at: float, connection: str = "a", **fields: Any) -> None:
        fields.setdefault("wanted", {"BTC-USDT": BOTH})
        self.add(at, Kind.CONFIG, connection, Subscribed(**fields))

    def close(self, at: float, connection: str = "a", **told: Any) -> None:
        self.add(at, Kind.CLOSE, connection, told or {"reason": "connection lost", "code": 1006})

    def alive(self, first: float, last: float, connection: str = "a", *, pinged: float = 0.1) -> None:
        """CLOCK each second; the venue's last ping came ``pinged`` seconds before each."""
        for at in range(round(first), round(last) + 1):
            told = Alive(us(at - pinged) * NS_PER_US)
            self.add(at, Kind.CLOCK, connection, told)

    def silent_until(self, first: float, last: float, connection: str = "a", *, alive: float) -> None:
        """CLOCK each second that says that the last sign of life was at ``alive``."""
        for at in range(round(first), round(last) + 1):
            self.add(at, Kind.CLOCK, connection, Alive(us(alive) * NS_PER_US))

    def trade(self, at: float, number: int, ts: float | None = None, **where: Any) -> None:
        self._row(at, Kind.FRAME, [(number, at if ts is None else ts)], **where)

    def refill(self, at: float, rows: Sequence[tuple[int, float]], **where: Any) -> None:
        """A REST record that brought trades: pairs of id and time."""
        self._row(at, Kind.REST, rows, connection="rest", flags=Flag.REPAIRED, **where)

    def _row(
        self,
        at: float,
        kind: Kind,
        rows: Iterable[tuple[int, float]],
        *,
        symbol: str = "BTC-USDT",
        connection: str = "a",
        flags: int = 0,
    ) -> None:
        record = self.add(at, kind, connection)
        code = self.names.code(self.feed, symbol)
        self.trades += [(record, us(ts), code, number, flags) for number, ts in rows]

    def quote(
        self, at: float, ts: float | None = None, symbol: str = "BTC-USDT", connection: str = "a"
    ) -> None:
        record = self.add(at, Kind.FRAME, connection)
        self.quotes.append((record, us(at if ts is None else ts), self.names.code(self.feed, symbol)))

    def missing(self, at: float, gap: Gap, reason: str = "") -> None:
        self.add(at, Kind.MISSING, "rest", Missing(gap, reason))

    def gap(self, first: float, last: float, *ids: int | None, **other: Any) -> Gap:
        numbers = dict(zip(("first_id", "last_id"), ids, strict=False))
        other = {"symbol": "BTC-USDT", "channel": Channel.TRADES} | other
        return Gap(self.feed, first_us=us(first), last_us=us(last), **numbers, **other)

    def sort(self) -> None:
        """Put the records in the order of their receipt."""
        order = sorted(range(len(self.records)), key=lambda k: self.records[k][0])
        place = {old: new for new, old in enumerate(order)}
        self.records = [self.records[k] for k in order]
        self.trades = sorted((place[row[0]], *row[1:]) for row in self.trades)
        self.quotes = sorted((place[row[0]], *row[1:]) for row in self.quotes)

    def run(self) -> Records:
        return Records(
            0,
            np.array([row[0] for row in self.records], dtype=np.int64) * NS_PER_US,
            np.array([row[1] for row in self.records], dtype=np.uint8),
            np.array([row[2] for row in self.records], dtype=np.uint32),
            self.streams,
            [row[3] for row in self.records],
        )

    def rows(self, start: int, stop: int) -> tuple[Ticks, Quotes]:
        """Ticks and quotes of the records from ``start`` to ``stop``."""
        trades = [row for row in self.trades if start <= row[0] < stop]
        quotes = [row for row in self.quotes if start <= row[0] < stop]
        ticks = columns(
            Ticks,
            record=[row[0] - start for row in trades],
            ts_us=[row[1] for row in trades],
            instrument=[row[2] for row in trades],
            trade_id=[row[3] for row in trades],
            flags=[row[4] for row in trades],
        )
        changes = columns(
            Quotes,
            record=[row[0] - start for row in quotes],
            ts_us=[row[1] for row in quotes],
            instrument=[row[2] for row in quotes],
        )
        return ticks, changes


@dataclass(frozen=True)
class Row:
    """A row of coverage, its minute counted from the start, and when it was written, in seconds."""

    minute: int
    channel: str
    state: str
    messages: int
    reason: str | None
    revision: int
    at: float
    pos: int
    symbol: str


def rows_of(made: CoverageRows, first_pos: int) -> list[Row]:
    return [
        Row(
            (int(made.minute_us[k]) - START_US) // 60_000_000,
            made.channel[k],
            made.state[k],
            int(made.messages[k]),
            made.reason[k],
            int(made.revision[k]),
            (int(made.updated_us[k]) - START_US) / 1e6,
            first_pos + int(made.record[k]),
            made.symbol[k],
        )
        for k in range(len(made))
    ]


def drive(
    tape: Tape, cuts: Iterable[int] = (), *, saved: bool = False, calendar_of: CalendarOf = no_calendar
) -> tuple[Ledger, list[Row]]:
    """Every row that the tape makes, in order."""
    run, ledger, rows = tape.run(), Ledger(None, calendar_of), []
    for start, stop in pairwise(sorted({0, len(run), *cuts})):
        made = ledger.advance(run.cut(start, stop), *tape.rows(start, stop), tape.names)
        rows += rows_of(made, start)
        if saved:
            ledger = Ledger(unpack(pack(ledger.state), LedgerState), calendar_of)
    return ledger, rows


def standing(tape: Tape, channel: str = "trades", symbol: str = "BTC-USDT", **how: Any) -> dict[int, Row]:
    """The newest row of each minute of one series."""
    return {
        row.minute: row for row in drive(tape, **how)[1] if row.channel == channel and row.symbol == symbol
    }


def states(tape: Tape, channel: str = "trades", symbol: str = "BTC-USDT", **how: Any) -> dict[int, str]:
    """The state of each minute of one series."""
    return {minute: row.state for minute, row in standing(tape, channel, symbol, **how).items()}


def clock_of(moment_us: int) -> str:
    return f"{from_us(moment_us):%H:%M:%S}"
