"""query, ticks, quotes, anomalies, symbols, export, lake: the tables through the command line."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from barograph.store import Commit, Lake
from barograph.tables import TABLES

START = datetime(2024, 8, 8, 13, 35, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
SECOND_US = 1_000_000


def rows_of(table: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Arrow rows; what a row does not say is null, or a plain value where null may not stand."""
    schema = TABLES[table].schema()
    blank = {"string": "x", "timestamp[us, tz=UTC]": START_US, "bool": False}
    filled = [
        {f.name: row.get(f.name, None if f.nullable else blank.get(str(f.type), 0)) for f in schema}
        for row in rows
    ]
    return pa.Table.from_pylist(filled, schema=schema)


def tick(n: int, symbol: str = "BTC-USD", venue: str = "sim") -> dict[str, Any]:
    moment = START_US + n * SECOND_US
    return {"ts": moment, "recv_ts": moment, "venue": venue, "symbol": symbol, "price": 100.0 + n} | {
        "size": 0.5,
        "trade_id": n,
        "tape_pos": n,
    }


def quote(n: int) -> dict[str, Any]:
    return tick(n) | {"bid_price": 99.0, "bid_size": float("nan"), "ask_price": 101.0, "seq": n}


def anomaly(n: int, kind: str, symbol: str = "BTC-USD") -> dict[str, Any]:
    return {
        "ts": START_US + n * 60 * SECOND_US,
        "kind": kind,
        "symbol": symbol,
        "venue": "sim",
        "score": 4.5,
    } | {
        "threshold": 3.0,
        "tape_pos": n,
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a small lake."""
    lake = Lake(tmp_path / "d" / "lake")
    ticks = [tick(n) for n in range(100)] + [tick(7, "ETH-USD", "other")]
    tables = {
        "ticks": rows_of("ticks", ticks),
        "quotes": rows_of("quotes", [quote(n) for n in range(3)]),
        "anomalies": rows_of("anomalies", [anomaly(1, "volume_spike"), anomaly(2, "price_jump", "ETH-USD")]),
        "market_microstructure": rows_of(
            "market_microstructure",
            [
                {"timestamp": START_US + m * 60 * SECOND_US, "symbol": "BTC-USD", "venue": "sim"}
                for m in range(2)
            ],
        ),
        "candles": rows_of("candles", [{"timestamp": START_US, "symbol": "ETH-USD", "venue": "file"}]),
    }
    lake.commit(Commit(0, 200, tables))
    lake.close()
    return tmp_path / "d"


def test_a_count_in_json(call: Any, data: Path) -> None:
    assert call("query", "SELECT count(*) AS n FROM ticks", "--data", data, "--json").json == [{"n": 101}]


def test_times_and_what_is_missing_in_json(call: Any, data: Path) -> None:
    sql = "SELECT ts, bid_price, bid_size, seq, 'nan'::DOUBLE AS no FROM quotes ORDER BY ts LIMIT 1"
    assert call("query", sql, "--data", data, "--json").json == [
        {"ts": "2024-08-08T13:35:00.000000Z", "bid_price": 99.0, "bid_size": None, "seq": 0, "no": None}
    ]


def test_a_query_comes_from_standard_input_or_a_file(
    execute: Any, call: Any, data: Path, tmp_path: Path
) -> None:
    sql = "-- how many?\nSELECT sum(trade_id) AS n FROM ticks"
    expected = [{"n": sum(range(100)) + 7}]
    assert execute("query", "-", "--data", data, "--json", stdin=sql).json == expected
    (tmp_path / "q.sql").write_text(sql)
    assert call("query", "--file", "q.sql", "--data", data, "--json").json == expected
    assert call("query", sql, "--data", data, "--json").json == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say one of"),
        (["SELECT 1", "--file", "q.sql"], "say one of"),
        (["--file", "absent.sql"], "no file absent.sql"),
        (["SELECT * FROM tick"], "ticks"),
        (["DROP TABLE ticks"], "DROP is refused"),
        (["SELECT 1; SELECT 2"], "one statement"),
        (["SELEC 1"], "SQL"),
    ],
)
def test_what_cannot_be_asked_gives_2(call: Any, data: Path, words: list[str], said: str) -> None:
    outcome = call("query", *words, "--data", data, code=2)
    assert said in outcome.err
    assert outcome.out == ""


def test_in_a_pipe_and_with_csv_there_is_a_header(call: Any, data: Path) -> None:
    sql = "SELECT symbol, count(*) AS n FROM ticks GROUP BY symbol ORDER BY symbol"
    expected = [["symbol", "n"], ["BTC-USD", "100"], ["ETH-USD", "1"]]
    for words in ([], ["--csv"]):
        assert list(csv.reader(io.StringIO(call("query", sql, "--data", data, *words).out))) == expected


def test_on_a_terminal_there_is_a_table(call: Any, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barograph.cli.options.Everywhere.form", lambda *_: "table")
    outcome = call("ticks", "BTC-USD", "--data", data, "--rows", 5)
    lines = outcome.out.splitlines()
    assert lines[0].split()[:5] == ["ts", "recv_ts", "venue", "symbol", "price"]
    assert lines[2].startswith("2024-08-08 13:35:00")
    assert len([line for line in lines if line.startswith("2024")]) == 5
    assert "95 more rows" in outcome.err


def test_ticks_in_a_span_of_time(call: Any, data: Path) -> None:
    span = ("--start", "2024-08-08T13:35:10", "--end", "2024-08-08T13:35:13Z")
    rows = call("ticks", "BTC-USD", *span, "--data", data, "--json").json
    assert [row["trade_id"] for row in rows] == [10, 11, 12]
    assert call("ticks", "BTC-USD", "--venue", "other", "--data", data, "--json").json == []
    assert len(call("ticks", "ETH-USD", "--venue", "other", "--data", data, "--json").json) == 1
    assert "--start" in call("ticks", "BTC-USD", "--start", "noon", "--data", data, code=2).err


def test_a_symbol_that_was_never_recorded_is_refused_with_the_nearest(call: Any, data: Path) -> None:
    for verb in ("ticks", "quotes", "bars"):
        assert "BTC-USD" in call(verb, "BTC-USDT", "--data", data, code=2).err
    assert call("quotes", "ETH-USD", "--data", data, "--json").json == []


def test_bars(call: Any, data: Path) -> None:
    minutes = call("bars", "BTC-USD", "--data", data, "--json").json
    assert [row["timestamp"] for row in minutes] == [
        "2024-08-08T13:35:00.000000Z",
        "2024-08-08T13:36:00.000000Z",
    ]
    assert set(minutes[0]) == set(TABLES["market_microstructure"].names)
    span = ("--start", "2024-08-08T13:36", "--end", "2024-08-08T13:37", "--venue", "sim")
    assert call("bars", "BTC-USD", *span, "--data", data, "--json").json == minutes[1:]
    assert len(call("bars", "BTC-USD", "--every", "5m", "--data", data, "--json").json) == 1
    assert "7m" in call("bars", "BTC-USD", "--every", "7m", "--data", data, code=2).err
    assert "--end" in call("bars", "BTC-USD", "--end", "soon", "--data", data, code=2).err


def test_quotes_anomalies_symbols(call: Any, data: Path) -> None:
    assert len(call("quotes", "BTC-USD", "--data", data, "--json").json) == 3
    kinds = [row["kind"] for row in call("anomalies", "--data", data, "--json").json]
    assert kinds == ["volume_spike", "price_jump"]
    assert [
        row["symbol"] for row in call("anomalies", "--symbol", "ETH-USD", "--data", data, "--json").json
    ] == ["ETH-USD"]
    assert len(call("anomalies", "--kind", "volume_spike", "--data", data, "--json").json) == 1
    symbols = call("symbols", "--data", data, "--json").json
    assert [(row["symbol"], row["venue"], row["minutes"], row["candles"]) for row in symbols] == [
        ("BTC-USD", "sim", 2, 0),
        ("ETH-USD", "file", 0, 1),
    ]


def test_without_tables_the_message_says_what_makes_them(call: Any) -> None:
    for words in (["query", "SELECT 1"], ["ticks", "X"], ["symbols"], ["anomalies"], ["lake", "seal"]):
        assert "barograph replay" in call(*words, "--data", "nowhere", code=4).err


def test_export_in_every_format(call: Any, data: Path, tmp_path: Path) -> None:
    told = call("export", "ticks", "--format", "parquet", "--out", "t.parquet", "--data", data, "--json").json
    assert (told["rows"], told["bytes"]) == (101, (tmp_path / "t.parquet").stat().st_size)
    assert pq.read_table("t.parquet").num_rows == 101
    call("export", "ticks", "--format", "arrow", "--out", "t.arrow", "--symbol", "ETH-USD", "--data", data)
    with pa.OSFile("t.arrow") as file:
        assert pa.ipc.open_file(file).read_all()["symbol"].to_pylist() == ["ETH-USD"]
    span = ("--start", "2024-08-08T13:35:01", "--end", "2024-08-08T13:35:02")
    call("export", "ticks", "--format", "csv", "--out", "t.csv", *span, "--data", data)
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 2
    assert "parquet" in call("export", "ticks", "--format", "xml", "--out", "t", "--data", data, code=2).err


def test_export_streams_to_standard_output(execute: Any, data: Path) -> None:
    outcome = execute("export", "quotes", "--format", "csv", "--out", "/dev/stdout", "--data", data)
    assert len(outcome.out.splitlines()) == 4


def test_sealing_changes_no_row(call: Any, data: Path) -> None:
    sql = "SELECT * FROM ticks ORDER BY symbol, ts"
    before = call("query", sql, "--data", data).out
    states = {row["table"]: row["state"] for row in call("lake", "status", "--data", data, "--json").json}
    assert set(states.values()) == {"hot"}
    sealed = {
        row["table"]: row["rows"] for row in call("lake", "seal", "--all", "--data", data, "--json").json
    }
    assert sealed["ticks"] == 101
    states = {row["table"]: row["state"] for row in call("lake", "status", "--data", data, "--json").json}
    assert set(states.values()) == {"sealed"}
    assert call("query", sql, "--data", data).out == before
    again = call("lake", "seal", "--all", "--data", data, "--json")
    assert (again.json, "nothing to seal" in again.err) == ([], True)


def test_a_broken_file_is_told_with_4_and_by_the_doctor(call: Any, data: Path) -> None:
    [file] = (data / "lake" / ".hot" / "ticks").rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:100])
    assert "rebuild" in call("query", "SELECT sum(price) FROM ticks", "--data", data, code=4).err
    doctor = call("doctor", "--data", data, "--json", code=4)
    assert [found["about"] for found in doctor.json if found["state"] == "wrong"] == ["lake"]
