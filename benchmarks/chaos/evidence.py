"""What is held against the servers' logs: the tape, read with ``wire.py``, and the tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from barograph import connect
from barograph.records import Kind
from barograph.tape import TapeReader
from benchmarks.chaos import wire

Minute = tuple[str, str, str, int]
"""Venue, symbol, channel, minute."""


@dataclass
class Taped:
    """What stands on the tape."""

    end: int = 0
    last_us: int = 0
    hashes: list[int] = field(default_factory=list)
    trades: dict[tuple[str, str, int], tuple[float, ...]] = field(default_factory=dict)
    by_rest: set[tuple[str, str, int]] = field(default_factory=set)
    numbered_quotes: set[tuple[str, str, int]] = field(default_factory=set)
    quotes_at: Counter[tuple[str, int]] = field(default_factory=Counter)
    quote_values: dict[tuple[str, str], Counter[tuple[float, ...]]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    frames: int = 0


def read_tape(path: Path) -> Taped:
    """Everything on the tape at ``path``."""
    taped = Taped()
    for run in TapeReader(path).read():
        taped.hashes += map(hash, run.payloads)
        for record in run:
            venue = record.stream.feed
            taped.last_us = record.recv_ns // 1000
            if record.kind == Kind.REST:
                for one in wire.of_rest(venue, record.payload):
                    taped.by_rest.add((venue, one.symbol, _number(one)))
            if record.kind != Kind.FRAME:
                continue
            taped.frames += 1
            for one in wire.of_frame(venue, record.payload):
                if one.channel == "trades":
                    taped.trades[venue, one.symbol, _number(one)] = one.values
                    continue
                taped.quote_values[venue, one.symbol][one.values] += 1
                if one.number is None:
                    taped.quotes_at[venue, record.pos] += 1
                else:
                    taped.numbered_quotes.add((venue, one.symbol, one.number))
        taped.end = run.next_pos
    return taped


def _number(one: wire.Seen) -> int:
    assert one.number is not None
    return one.number


@dataclass
class Stored:
    """What the tables say."""

    ticks: Counter[tuple[str, str, int]]
    tick_rows: dict[tuple[str, str, int], tuple[int, tuple[float, ...]]]
    quotes: Counter[tuple[str, str, int]]
    quotes_at: Counter[tuple[str, int]]
    coverage: dict[Minute, tuple[str, int, str]]


def read_tables(data: Path) -> Stored:
    """The tables of a data directory."""
    market = connect(data)
    ticks: Counter[tuple[str, str, int]] = Counter()
    rows = {}
    sql = "SELECT venue, symbol, trade_id, epoch_us(ts), price, size, side FROM ticks"
    for venue, symbol, number, ts_us, *values in market.sql(sql).rows():
        ticks[venue, symbol, number] += 1
        rows[venue, symbol, number] = (ts_us, tuple(map(float, values)))
    quotes: Counter[tuple[str, str, int]] = Counter()
    at: Counter[tuple[str, int]] = Counter()
    for venue, symbol, seq, pos in market.sql("SELECT venue, symbol, seq, tape_pos FROM quotes").rows():
        if venue == "kraken":
            at[venue, pos] += 1
        else:
            # Coinbase's sequence is not a number that its log has; the server counts it up by sevens.
            quotes[venue, symbol, (seq - 1_000_000) // 7 if venue == "coinbase" else seq] += 1
    sql = "SELECT venue, symbol, channel, epoch_us(minute), state, messages, reason FROM coverage"
    coverage = {(v, s, c, us): (state, n, why or "") for v, s, c, us, state, n, why in market.sql(sql).rows()}
    return Stored(ticks, rows, quotes, at, coverage)
