"""Tapes for the bar kernels: made by hand, or by chance from a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from barograph.bars import Run
from barograph.records import Kind
from barograph.rows import ABSENT, Bars, Quotes, Ticks, columns, concatenate, none_of

START_US = 1_723_075_200_000_000
"""2024-08-08 00:00 UTC."""
SECOND = 1_000_000
MINUTE = 60 * SECOND


@dataclass
class Tape:
    """Records by hand: each call adds one. Times are microseconds after START_US."""

    recv_us: list[int] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    stream: list[int] = field(default_factory=list)
    trades: list[dict] = field(default_factory=list)
    quotes: list[dict] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)

    def record(self, recv_us: int, kind: Kind = Kind.FRAME, stream: int = 0) -> int:
        self.recv_us.append(START_US + recv_us)
        self.kind.append(int(kind))
        self.stream.append(stream)
        return len(self.kind) - 1

    def trade(
        self, ts: int, price: float, size: float = 1.0, side: int = 0, *, at: int | None = None, **more
    ) -> int:
        """A trade in a record of its own, received 50 ms after it (or ``recv`` after START_US)."""
        record = self._record(ts, at, more)
        self.trades.append(
            {"record": record, "ts_us": START_US + ts, "price": price, "size": size, "side": side}
            | {
                "instrument": more.get("instrument", 0),
                "seq": more.get("seq", ABSENT),
                "flags": more.get("flags", 0),
            }
        )
        return record

    def quote(self, ts: int, bid: float, ask: float, *, at: int | None = None, **more) -> int:
        record = self._record(ts, at, more)
        self.quotes.append(
            {"record": record, "ts_us": START_US + ts, "bid_price": bid, "ask_price": ask}
            | {
                "instrument": more.get("instrument", 0),
                "seq": more.get("seq", ABSENT),
                "flags": more.get("flags", 0),
            }
        )
        return record

    def mark(self, ts: int, stream: int = 0) -> int:
        record = self.record(ts + 50_000, stream=stream)
        self.marks.append((record, START_US + ts))
        return record

    def _record(self, ts: int, at: int | None, more: dict) -> int:
        if at is not None:
            return at
        return self.record(more.get("recv", ts + 50_000), more.get("kind", Kind.FRAME), more.get("stream", 0))

    def run(self) -> Run:
        def table(kind, rows):
            if not rows:
                return none_of(kind)
            return columns(kind, **{name: [row[name] for row in rows] for name in rows[0]})

        return Run(
            0,
            np.array(self.recv_us, dtype=np.int64) * 1000,
            np.array(self.kind, dtype=np.uint8),
            np.array(self.stream, dtype=np.uint32),
            table(Ticks, self.trades),
            table(Quotes, self.quotes),
            np.array([record for record, _ in self.marks], dtype=np.int64),
            np.array([ts for _, ts in self.marks], dtype=np.int64),
        )


@pytest.fixture
def tape() -> Tape:
    """An empty tape to be written by hand."""
    return Tape()


def cut(run: Run, start: int, stop: int) -> Run:
    """The records ``start`` to ``stop`` of ``run`` as a run."""

    def part(rows):
        first, last = np.searchsorted(rows.record, [start, stop])
        rows = rows.take(slice(int(first), int(last)))
        return rows.with_(record=rows.record - start)

    first, last = np.searchsorted(run.mark_record, [start, stop])
    return Run(
        run.first_pos + start,
        run.recv_ns[start:stop],
        run.kind[start:stop],
        run.stream[start:stop],
        part(run.ticks),
        part(run.quotes),
        run.mark_record[first:last] - start,
        run.mark_ts_us[first:last],
    )


def pieces(run: Run, cuts: Sequence[int]) -> Iterator[Run]:
    """``run`` cut at the records ``cuts``."""
    at = [0, *sorted(cuts), len(run)]
    for start, stop in pairwise(at):
        if start < stop:
            yield cut(run, start, stop)


class Given:
    """A Recall of everything that was given to earlier runs."""

    def __init__(self) -> None:
        self.ticks: list[Ticks] = []
        self.quotes: list[Quotes] = []
        self.calls = 0

    def add(self, run: Run) -> None:
        self.ticks.append(run.ticks.with_(record=run.ticks.record + run.first_pos))
        self.quotes.append(run.quotes.with_(record=run.quotes.record + run.first_pos))

    def rows(self, instrument: int, start_us: int, end_us: int) -> tuple[Ticks, Quotes]:
        self.calls += 1

        def wanted(parts, kind):
            rows = concatenate(parts, kind)
            return rows.take(
                (rows.instrument == instrument) & (rows.ts_us >= start_us) & (rows.ts_us < end_us)
            )

        return wanted(self.ticks, Ticks), wanted(self.quotes, Quotes)


@dataclass(frozen=True)
class Chance:
    """What a tape made by chance is like."""

    n: int = 300
    instruments: int = 3
    streams: int = 2
    step_s: float = 4.0
    late: float = 0.05
    deep: float = 0.0
    future: float = 0.01
    control: float = 0.03
    quotes: float = 0.4
    flagged: float = 0.02


def by_chance(seed: int, chance: Chance) -> Run:
    """Trades and quotes on several streams, some late, some from the future, some flagged."""
    rng = np.random.default_rng(seed)
    n = chance.n
    recv_us = START_US + np.cumsum(rng.exponential(chance.step_s * SECOND, n).astype(np.int64)) + 10 * SECOND
    kind = np.where(
        rng.random(n) < chance.control,
        rng.choice([Kind.OPEN, Kind.CLOSE, Kind.CLOCK, Kind.REST, Kind.SENT], n),
        Kind.FRAME,
    ).astype(np.uint8)
    with_rows = (kind == Kind.FRAME) | (kind == Kind.REST)
    record = np.repeat(np.arange(n), np.where(with_rows, rng.integers(0, 4, n), 0))
    ts = recv_us[record] - rng.integers(0, 3 * SECOND, len(record))
    ts -= np.where(rng.random(len(record)) < chance.late, rng.integers(0, 10 * MINUTE, len(record)), 0)
    ts -= np.where(rng.random(len(record)) < chance.deep, rng.integers(0, 90 * MINUTE, len(record)), 0)
    ts += np.where(rng.random(len(record)) < chance.future, rng.integers(0, 30 * MINUTE, len(record)), 0)
    ts -= np.where(rng.random(len(record)) < 0.5, ts % SECOND, 0)  # many at the very same time
    shared = {
        "record": record,
        "ts_us": ts,
        "instrument": rng.integers(0, chance.instruments, len(record)),
        "seq": np.where(rng.random(len(record)) < 0.5, ABSENT, rng.integers(0, 5, len(record))),
        "flags": np.where(rng.random(len(record)) < chance.flagged, rng.choice([1, 2, 4, 8], len(record)), 0),
    }
    price = np.round(100 + np.cumsum(rng.choice([-0.01, 0, 0, 0.01], len(record))), 2)
    quote = rng.random(len(record)) < chance.quotes
    mark = rng.random(len(record)) < 0.02
    values = {"price": price, "size": rng.choice([0.1, 0.5, 1.0, 7.3], len(record))}
    values["side"] = rng.choice([-1, 0, 1], len(record))
    sides = {"bid_price": price - 0.01, "ask_price": price + rng.choice([0.01, 0.02], len(record))}

    def chosen(which: npt.NDArray[np.bool_], more: dict) -> dict:
        return {name: np.asarray(column)[which] for name, column in (shared | more).items()}

    return Run(
        0,
        recv_us * 1000,
        kind,
        rng.integers(0, chance.streams, n).astype(np.uint32),
        columns(Ticks, **chosen(~quote & ~mark, values)),
        columns(Quotes, **chosen(quote & ~mark, sides)),
        record[mark],
        ts[mark],
    )


def same_bits(a: Bars, b: Bars, but: Sequence[str] = ()) -> None:
    """Fail unless two structs of bars are equal, bit for bit, but for some columns."""
    assert len(a) == len(b)
    for column in fields(Bars):
        if column.name not in but:
            left, right = getattr(a, column.name), getattr(b, column.name)
            assert left.dtype == right.dtype, column.name
            assert left.tobytes() == right.tobytes(), (column.name, left, right)


def final(bars: Bars) -> Bars:
    """The newest version of each minute, by instrument and time."""
    keys = zip(bars.instrument.tolist(), bars.timestamp_us.tolist(), strict=True)
    newest = {key: i for i, key in enumerate(keys)}
    return bars.take(np.array([newest[key] for key in sorted(newest)], dtype=np.int64))


class Kit:
    """The functions above for tests in other files."""

    Tape, Given, Chance = Tape, Given, Chance
    START_US, SECOND, MINUTE = START_US, SECOND, MINUTE
    cut, pieces = staticmethod(cut), staticmethod(pieces)
    by_chance, same_bits, final = staticmethod(by_chance), staticmethod(same_bits), staticmethod(final)


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    """Tapes, recalls and comparisons for tests of bars."""
    return Kit
