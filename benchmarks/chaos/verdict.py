"""The verdict: what venues made and sent, what stands on the tape, what the tables and the ledger say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from barograph import connect
from barograph.recorder import rebuild
from barograph.recorder.shaping import line_settings
from barograph.settings import Settings
from benchmarks.chaos import truth as truths
from benchmarks.chaos.evidence import Minute, Stored, Taped, read_tables, read_tape
from benchmarks.chaos.run import WRITTEN_S, Survived
from benchmarks.chaos.truth import MINUTE_US, Truth
from benchmarks.recorder import SYMBOLS, VENUES

UP = ("complete", "repaired", "idle")
_MOST = 8
_TABLES = ("ticks", "quotes", "market_microstructure", "anomalies", "rejects", "coverage")
_BESIDE_US = 1_000
"""Binance's trades are stamped in milliseconds."""


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


def judged(folder: Path, survived: Survived) -> Verdict:
    """The verdict over a run that was kept in ``folder``."""
    verdict = Verdict()
    data = folder / "data"
    truth = {venue: truths.read(folder / f"{venue}.jsonl") for venue in VENUES}
    taped, stored = read_tape(data / "tape"), read_tables(data)
    _acknowledged(verdict, survived, taped)
    _ticks(verdict, truth, taped, stored)
    _quotes(verdict, taped, stored)
    _minutes(verdict, truth, survived, taped, stored)
    _verb(verdict, folder, stored)
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
    for minute in sorted(one for one in made if one <= until_us):
        row = stored.coverage.get((venue, symbol, "trades", minute))
        if row is None:
            wrong.append((venue, symbol, _clock(minute), "no row", f"made {made[minute]}", ""))
            continue
        state, messages, reason = row
        states[f"trades {state}"] += 1
        whole = made[minute] == kept[minute]
        states["trades missing and none lacks"] += whole and state == "missing"
        untrue = state in UP and not whole
        if messages != kept[minute] or untrue or (state == "missing" and not reason):
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
    for minute in sorted(one for one in made if one <= until_us):
        row = stored.coverage.get((venue, symbol, "quotes", minute))
        if row is None:
            wrong.append((venue, symbol, _clock(minute), "no row", f"made {made[minute]}", ""))
            continue
        state, _, reason = row
        states[f"quotes {state}"] += 1
        states["quotes missing and none lacks"] += state == "missing" and not lost[minute]
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


def _verb(verdict: Verdict, folder: Path, stored: Stored) -> None:
    """``barograph coverage`` says what the table says, which has been held against the servers' logs."""
    command = [sys.executable, "-m", "barograph", "coverage", "--json", "--gaps", "0"]
    done = subprocess.run(
        [*command, "--config", str(folder / "barograph.toml")], check=True, capture_output=True
    )
    told: dict[Minute, str] = {}
    counts: Counter[tuple[str, str, str]] = Counter()
    for one in json.loads(done.stdout)["series"]:
        name = (one["venue"], one["symbol"], one["channel"])
        counts[name] = one["messages"]
        for gap in one["gaps"]:
            begin = round(datetime.fromisoformat(gap["start"]).timestamp())
            for number in range(gap["minutes"]):
                told[(*name, (begin + 60 * number) * 1_000_000)] = "missing"
    missing = {minute for minute, (state, _, _) in stored.coverage.items() if state == "missing"}
    verdict.say("minutes missing in `barograph coverage` or in its table alone", told.keys() ^ missing)
    messages: Counter[tuple[str, str, str]] = Counter()
    for minute, (_, count, _) in stored.coverage.items():
        messages[minute[:3]] += count
    verdict.say("series with other messages in `barograph coverage`", _differences(counts, messages))


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
