"""coverage: the calendar, the gaps, the percentages."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from barograph.cli.coverage_view import calendar_of
from barograph.coverage.summary import summarise
from barograph.store import Commit, Lake
from barograph.tables import TABLES

START_US = int(datetime(2024, 8, 8, 12, tzinfo=UTC).timestamp()) * 1_000_000
MINUTE_US = 60_000_000
LOST = "connection lost (1006) 12:03:04.1–12:04:09.8, 65.7 s"


def row(minute: int, state: str, **other: Any) -> dict[str, Any]:
    moment = START_US + minute * MINUTE_US
    plain = {"venue": "binance", "symbol": "BTC-USDT", "channel": "trades", "messages": 7, "reason": None}
    times = {"minute": moment, "updated_at": moment + MINUTE_US}
    return plain | times | {"state": state, "revision": 0, "tape_pos": minute} | other


def hour() -> list[dict[str, Any]]:
    """An hour of trades: two minutes missing, one repaired, ten closed; and quotes, whole."""
    states = ["complete"] * 60
    states[10], states[20:30] = "repaired", ["closed"] * 10
    rows = [row(minute, state) for minute, state in enumerate(states)]
    rows[3], rows[4] = (row(minute, "missing", reason=LOST) for minute in (3, 4))
    return rows + [row(minute, "idle", channel="quotes", messages=0) for minute in range(60)]


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=TABLES["coverage"].schema())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    lake = Lake(tmp_path / "d" / "lake")
    older = [row(-9 * 1440, "complete"), row(3, "complete", revision=0, tape_pos=1)]
    bars = TABLES["market_microstructure"].schema()
    plain = {"symbol": "BTC-USDT", "venue": "binance"}
    minutes: list[dict[str, Any]] = [plain | {"timestamp": START_US + n * MINUTE_US} for n in (2, 3, 70)]
    made = [{f.name: one.get(f.name, None if f.nullable else 0) for f in bars} for one in minutes]
    tables = {
        "coverage": table(older + [one | {"revision": 1} for one in hour()]),
        "market_microstructure": pa.Table.from_pylist(made, schema=bars),
    }
    lake.commit(Commit(0, 200, tables))
    lake.close()
    return tmp_path / "d"


def test_json_has_percentages_and_gaps_with_cause_and_length(call: Any, data: Path) -> None:
    told = call("coverage", "--data", data, "--symbol", "BTC-USDT", "--day", "2024-08-08", "--json").json
    assert told["missing"] == 2
    assert told["uptime_pct"] == pytest.approx(100 * 108 / 110)
    quotes, trades = told["series"]
    assert (quotes["channel"], quotes["uptime_pct"], quotes["gaps"]) == ("quotes", 100.0, [])
    assert trades["uptime_pct"] == pytest.approx(96.0)
    assert (trades["complete"], trades["repaired"], trades["closed"]) == (47, 1, 10)
    assert trades["gaps"] == [
        {"start": "2024-08-08T12:03:00Z", "end": "2024-08-08T12:05:00Z", "minutes": 2, "reason": LOST}
    ]
    assert [day["day"] for day in trades["days"]] == ["2024-08-08"]


def test_what_is_asked_for_is_what_is_told(call: Any, data: Path) -> None:
    def minutes(*words: object) -> int:
        told = call("coverage", "--data", data, "--json", *words).json
        return sum(told[state] for state in ("complete", "repaired", "missing", "closed", "idle"))

    assert minutes() == 120
    assert minutes("--from", "2024-07-01") == 121
    assert minutes("--channel", "quotes") == 60
    assert minutes("--venue", "kraken") == 0
    assert minutes("--start", "2024-08-08T12:10", "--to", "2024-08-08T12:20") == 20


def test_in_a_pipe_it_is_csv(call: Any, data: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(call("coverage", "--data", data).out)))
    assert [(one["channel"], one["missing"]) for one in rows] == [("quotes", "0"), ("trades", "2")]


def test_a_day_and_a_range_do_not_go_together(call: Any, data: Path) -> None:
    assert (
        "--day" in call("coverage", "--data", data, "--day", "2024-08-08", "--to", "2024-08-09", code=2).err
    )


def test_given_nothing_it_says_so(call: Any, data: Path) -> None:
    outcome = call("coverage", "--data", data, "--symbol", "NOPE")
    assert "nothing is known" in outcome.err


def test_the_calendar_has_a_sign_for_each_minute_and_the_gaps_below() -> None:
    order = ["symbol", "venue", "channel", "minute"]
    rows = table(hour()).sort_by([(name, "ascending") for name in order])
    text = calendar_of(summarise(rows), gaps=10, coloured=False)
    assert "BTC-USDT trades, binance: 96.00 % up, 420 messages" in text
    signs = "===MM=====r" + "=" * 9 + "." * 10 + "=" * 30
    assert f"  2024-08-08 12:00 {signs}  96.00 %" in text
    assert "  2024-08-08 12:03   2.0 min  connection lost (1006) 12:03:04.1" in text
    assert "98.18 % up over 2 series" in text
    assert "\x1b" not in text
    assert "\x1b[32m===\x1b[0m\x1b[1;31mMM\x1b[0m" in calendar_of(summarise(rows), gaps=10, coloured=True)


def test_more_than_two_days_are_a_line_a_day() -> None:
    rows = table(
        [row(minute, "missing" if minute == 2000 else "complete", reason="x") for minute in range(5000)]
    )
    lines = calendar_of(summarise(rows), gaps=10, coloured=False).splitlines()
    assert lines[1].startswith("  2024-08-08 " + " " * 48 + "=" * 48)
    assert lines[2].startswith("  2024-08-09 ")
    assert lines[2].count("M") == 1
    assert "99.93 %" in lines[2]


def test_the_minutes_view_says_whether_a_minute_is_complete(call: Any, data: Path) -> None:
    query = "SELECT complete FROM market_minutes ORDER BY timestamp"
    rows = call("query", query, "--data", data, "--json").json
    assert [one["complete"] for one in rows] == [True, False, None]
