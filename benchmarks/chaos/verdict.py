"""The verdict: what venues made and sent, what stands on the tape, what the tables and the ledger say."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from barograph import connect
from barograph.records import Kind
from barograph.recorder import rebuild
from barograph.recorder.shaping import line_settings
from barograph.settings import Settings
from barograph.tape import TapeReader
from benchmarks.chaos import truth as truths
from benchmarks.chaos import wire
from benchmarks.chaos.run import WRITTEN_S, Survived
from benchmarks.chaos.truth import MINUTE_US, Truth
from benchmarks.recorder import SYMBOLS, VENUES

UP = ("complete", "repaired", "idle")
_MOST = 8
_TABLES = ("ticks", "quotes", "market_microstructure", "anomalies", "rejects", "coverage")
_BESIDE_US = 1_000
"""Binance's trades are stamped in milliseconds."""

Minute = tuple[str, str, str, int]
"""Venue, symbol, channel, minute."""


@dataclass
class Verdict:
    """What is wrong, in words, and the figures."""

    wrong: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def say(self, what: str, cases: Iterable[Any]) -> None:
        """Something is wrong, if there are cases of it."""
        found = sorted(set(cases))
        if found:
            shown = ", ".join(map(str, found[:_MOST])) + (", ..." if len(found) > _MOST else "")
            self.wrong.append(f"{len(found)} {what}: {shown}")


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
            taped.last_us = max(taped.last_us, record.recv_ns // 1000)
            if record.kind == Kind.REST:
                taped.by_rest.update(
                    (venue, one.symbol, one.number) for one in wire.of_rest(venue, record.payload)
                )
            if record.kind != Kind.FRAME:
                continue
            taped.frames += 1
            for one in wire.of_frame(venue, record.payload):
                if one.channel == "trades":
                    taped.trades[venue, one.symbol, one.number] = one.values
                    continue
                taped.quote_values[venue, one.symbol][one.values] += 1
                if one.number is None:
                    taped.quotes_at[venue, record.pos] += 1
                else:
                    taped.numbered_quotes.add((venue, one.symbol, one.number))
        taped.end = run.next_pos
    return taped


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


def judged(folder: Path, survived: Survived, record: dict[str, Any]) -> Verdict:
    """The verdict over a run that was kept in ``folder``."""
    verdict = Verdict()
    data = folder / "data"
    truth = {venue: truths.read(folder / f"{venue}.jsonl") for venue in VENUES}
    taped, stored = read_tape(data / "tape"), read_tables(data)
    _acknowledged(verdict, survived, taped)
    _ticks(verdict, truth, taped, stored)
    _quotes(verdict, taped, stored)
    _minutes(verdict, truth, survived, taped, stored)
    _again(verdict, folder, data)
    verdict.figures |= {
        "made_trades": sum(len(one.trades) for one in truth.values()),
        "made_quotes": sum(len(one.quotes) for one in truth.values()),
        "records": taped.end,
        "frames": taped.frames,
        "ticks": sum(stored.ticks.values()),
        "quotes": sum(stored.quotes.values()) + sum(stored.quotes_at.values()),
        "trades_by_rest": len(taped.by_rest),
        "trades_by_rest_alone": len(taped.by_rest - taped.trades.keys()),
    }
    return verdict


def _acknowledged(verdict: Verdict, survived: Survived, taped: Taped) -> None:
    if survived.promised > taped.end:
        verdict.wrong.append(f"the tables told of record {survived.promised}, the tape ends at {taped.end}")
    if survived.seen != taped.hashes[: len(survived.seen)]:
        verdict.wrong.append("records that could be read at a kill are others now, or gone")
    verdict.say("ends of the recorder by itself", survived.unexplained)
    if survived.stop_s is None:
        verdict.wrong.append("SIGTERM did not end it with 0 within 30 s")
    verdict.figures["records_checked_after_kills"] = len(survived.seen)


def _ticks(verdict: Verdict, truth: dict[str, Truth], taped: Taped, stored: Stored) -> None:
    """Every trade on the tape is in ticks, once, as the venue made it; and no other is."""
    verdict.say("trades twice in ticks", (key for key, count in stored.ticks.items() if count > 1))
    verdict.say("trades of frames not in ticks", taped.trades.keys() - stored.ticks.keys())
    verdict.say("trades of REST answers not in ticks", taped.by_rest - stored.ticks.keys())
    invented, different = [], []
    for (venue, symbol, number), (ts_us, values) in stored.tick_rows.items():
        made = truth[venue].trades.get((symbol, number))
        if made is None:
            invented.append((venue, symbol, number))
        elif values != made.values or not 0 <= made.ts_us - ts_us < _BESIDE_US:
            different.append((venue, symbol, number, ts_us - made.ts_us, values, made.values))
    verdict.say("ticks that no venue made", invented)
    verdict.say("ticks that differ from what the venue made", different)


def _quotes(verdict: Verdict, taped: Taped, stored: Stored) -> None:
    """Every quote on the tape is in quotes, once."""
    verdict.say("quotes twice in the table", (key for key, count in stored.quotes.items() if count > 1))
    verdict.say("quotes of frames not in the table", taped.numbered_quotes - stored.quotes.keys())
    verdict.say("quotes in the table and in no frame", stored.quotes.keys() - taped.numbered_quotes)
    verdict.say("frames of Kraken's with other quotes", _differences(taped.quotes_at, stored.quotes_at))


def _differences(one: Counter[Any], other: Counter[Any]) -> list[Any]:
    return [(key, one[key], other[key]) for key in one.keys() | other.keys() if one[key] != other[key]]


def _minutes(
    verdict: Verdict, truth: dict[str, Truth], survived: Survived, taped: Taped, stored: Stored
) -> None:
    """Coverage against the servers' logs, minute for minute."""
    until_us = taped.last_us - round(WRITTEN_S * 1e6) - MINUTE_US
    states: Counter[str] = Counter()
    for venue in VENUES:
        for symbol in SYMBOLS[venue]:
            _trades_by_minute(verdict, (venue, symbol), truth[venue], stored, until_us, states)
            _quotes_by_minute(
                verdict, (venue, symbol), truth[venue], survived, taped, stored, until_us, states
            )
    verdict.figures["minutes"] = dict(sorted(states.items()))


def _trades_by_minute(
    verdict: Verdict, name: tuple[str, str], truth: Truth, stored: Stored, until_us: int, states: Counter[str]
) -> None:
    venue, symbol = name
    made: Counter[int] = Counter()
    kept: Counter[int] = Counter()
    for (of, number), trade in truth.trades.items():
        if of == symbol:
            minute = trade.ts_us - trade.ts_us % MINUTE_US
            made[minute] += 1
            kept[minute] += (venue, symbol, number) in stored.ticks
    wrong = []
    for minute in sorted(made):
        row = stored.coverage.get((venue, symbol, "trades", minute))
        if row is None:
            if minute <= until_us:
                wrong.append((venue, symbol, _clock(minute), "no row", made[minute], kept[minute]))
            continue
        state, messages, reason = row
        states[f"trades {state}"] += 1
        whole = made[minute] == kept[minute]
        if messages != kept[minute] or whole != (state in UP) or (state == "missing" and not reason):
            counts = f"made {made[minute]}, stored {kept[minute]}, coverage {messages}"
            wrong.append((venue, symbol, _clock(minute), state, counts, reason))
    verdict.say("minutes of trades in which coverage is not true", wrong)


def _quotes_by_minute(
    verdict: Verdict,
    name: tuple[str, str],
    truth: Truth,
    survived: Survived,
    taped: Taped,
    stored: Stored,
    until_us: int,
    states: Counter[str],
) -> None:
    venue, symbol = name
    lost: Counter[int] = Counter()
    made: Counter[int] = Counter()
    withheld = 0
    # Kraken does not number its quotes: they are known by their values, as often as these were sent.
    left = Counter(taped.quote_values[venue, symbol])
    for (of, number), quote in sorted(truth.quotes.items(), key=lambda item: item[1].ts_us):
        if of != symbol:
            continue
        minute = quote.ts_us - quote.ts_us % MINUTE_US
        made[minute] += 1
        if venue != "kraken":
            if (venue, symbol, number) in taped.numbered_quotes:
                continue
        elif left[quote.values] > 0:
            left[quote.values] -= 1
            continue
        if (symbol, number) not in truth.handed and _stalled(survived, venue, quote.at_ns // 1000):
            withheld += 1
        else:
            lost[minute] += 1
    wrong = []
    for minute in sorted(made):
        row = stored.coverage.get((venue, symbol, "quotes", minute))
        if row is None:
            if minute <= until_us:
                wrong.append((venue, symbol, _clock(minute), "no row", made[minute], lost[minute]))
            continue
        state, _, reason = row
        states[f"quotes {state}"] += 1
        states["quotes missing and none was lost"] += state == "missing" and not lost[minute]
        if (lost[minute] and state in UP) or (state == "missing" and not reason):
            wrong.append(
                (venue, symbol, _clock(minute), state, f"made {made[minute]}, lost {lost[minute]}", reason)
            )
    verdict.figures["quotes_withheld"] = verdict.figures.get("quotes_withheld", 0) + withheld
    verdict.figures["quotes_lost"] = verdict.figures.get("quotes_lost", 0) + lost.total()
    verdict.say("minutes of quotes in which coverage is not true", wrong)


def _stalled(survived: Survived, venue: str, us: int) -> bool:
    return any(of == venue and begin <= us <= end for of, begin, end in survived.stalls)


def _clock(us: int) -> str:
    return f"{us // 3_600_000_000 % 24:02d}:{us // 60_000_000 % 60:02d}"


def _again(verdict: Verdict, folder: Path, data: Path) -> None:
    """The same tables out of the tape alone."""
    other = folder / "again"
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(data / "tape", other / "tape")
    rebuild(other, line_settings(Settings.load(folder / "barograph.toml")))
    one, two = connect(data), connect(other)
    for table in _TABLES:
        here, there = (Counter(market.sql(f"SELECT * FROM {table}").rows()) for market in (one, two))
        names = one.sql(f"SELECT * FROM {table} LIMIT 0").columns
        only = [
            f"{'tables' if row in here else 'rebuilt'}: {_told(names, row)}"
            for row in (here - there) + (there - here)
        ]
        verdict.say(f"rows of {table} that a rebuild makes otherwise", only)


def _told(names: list[str], row: tuple[Any, ...]) -> str:
    return " ".join(f"{name}={value}" for name, value in zip(names, row, strict=True) if value is not None)
