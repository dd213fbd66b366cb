"""SQL over the lake: what it shows, what it refuses, and what it does not hold in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from barograph.errors import StorageError, StoreCorrupt, UsageError
from barograph.store import Lake, Sql
from barograph.store.sql import check_reads_only
from barograph.tables import TABLES

from .making import DAY_0, DAY_1, MINUTE, bar, commit, tick


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = Lake(tmp_path / "lake")
    yield opened
    opened.close()


@pytest.fixture
def sql(lake: Lake) -> Iterator[Sql]:
    opened = Sql(lake)
    yield opened
    opened.close()


def answer(sql: Sql, query: str, *parameters: Any) -> list[dict[str, Any]]:
    return sql.query(query, parameters).read_all().to_pylist()


@pytest.mark.parametrize("name", TABLES)
def test_given_an_empty_lake_tables_are_empty_in_their_schema(sql: Sql, name: str) -> None:
    found = sql.query(f"SELECT * FROM {name}").read_all()
    assert found.num_rows == 0
    assert found.schema.names == list(TABLES[name].names)
    assert found.schema.types == TABLES[name].schema().types


def test_a_long_lived_connection_sees_new_rows(lake: Lake, sql: Sql) -> None:
    for number in range(3):
        lake.commit(commit(number, number + 1, ticks=[tick(DAY_0 + number, number)]))
        assert answer(sql, "SELECT count(*) AS n FROM ticks") == [{"n": number + 1}]
        lake.seal(all=True, grace_s=-1e9)
        assert answer(sql, "SELECT count(*) AS n FROM ticks") == [{"n": number + 1}]


def test_parameters_stand_for_values(lake: Lake, sql: Sql) -> None:
    lake.commit(commit(0, 2, ticks=[tick(DAY_0, 0, "A"), tick(DAY_0, 1, "B")]))
    assert answer(sql, "SELECT tape_pos FROM ticks WHERE symbol = ?", "B") == [{"tape_pos": 1}]


def test_times_are_utc_whatever_the_machine_says(lake: Lake, sql: Sql) -> None:
    lake.commit(commit(0, 2, ticks=[tick(DAY_0 - 1, 0)]))
    assert answer(sql, "SELECT CAST(ts AS DATE)::TEXT AS day, hour(ts) AS hour FROM ticks") == [
        {"day": "2024-08-07", "hour": 23}
    ]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS one",
        "FROM ticks",
        "WITH t AS (SELECT * FROM ticks) SELECT * FROM t",
        "DESCRIBE ticks",
        "SHOW TABLES",
        "SUMMARIZE SELECT 1 AS a",
        "EXPLAIN SELECT * FROM ticks",
        "EXPLAIN ANALYZE SELECT * FROM ticks",
        "VALUES (1)",
        "SELECT * FROM ticks_simple;",
    ],
)
def test_reading_statements_are_answered(sql: Sql, query: str) -> None:
    sql.query(query).read_all()


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO '{root}/made.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{root}/made.csv'",
        "EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{root}/made.csv'",
        "explain/**/analyze/**/copy (select 1) to '{root}/made.csv'",
        "EXPORT DATABASE '{root}/made'",
        "ATTACH '{root}/made.db'",
        "CREATE TABLE made (i INT)",
        "CREATE TABLE made AS SELECT 1",
        "DROP VIEW ticks",
        "INSERT INTO ticks VALUES (1)",
        "UPDATE ticks SET price = 0",
        "DELETE FROM ticks",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '1GB'",
        "RESET memory_limit",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "USE memory",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "BEGIN",
        "CHECKPOINT",
        "VACUUM",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY (SELECT 1) TO '{root}/made.csv'",
        "",
        "-- nothing",
        "SELEC 1",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('{root}/../beside.parquet')",
        "SELECT * FROM read_parquet('https://localhost/x.parquet')",
        "SELECT nonsense FROM ticks",
        "SELECT error('no')",
    ],
)
def test_all_else_is_refused_and_leaves_nothing(lake: Lake, sql: Sql, query: str, tmp_path: Path) -> None:
    lake.commit(commit(0, 2, ticks=[tick(DAY_0, 0)]))
    (tmp_path / "beside.parquet").write_bytes(next(lake.root.rglob("*.parquet")).read_bytes())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError):
        sql.query(query.format(root=lake.root)).read_all()
    assert sorted(tmp_path.rglob("*")) == before
    assert answer(sql, "SELECT count(*) AS n FROM ticks") == [{"n": 1}]


def test_a_name_of_the_callers_is_not_a_table(sql: Sql) -> None:
    mine = pa.table({"a": [1]})
    with pytest.raises(UsageError, match=r"'mine'; there are: anomalies, .*ticks_simple"):
        sql.query("SELECT * FROM mine")
    assert mine.num_rows == 1


def test_explaining_an_explanation_is_no_way_around() -> None:
    with pytest.raises(UsageError):
        check_reads_only("EXPLAIN EXPLAIN ANALYZE COPY (SELECT 1) TO 'x'")


def test_last_prices_compares_with_the_day_before(lake: Lake, sql: Sql) -> None:
    minutes = [
        bar(DAY_0 + 5 * MINUTE, 0, "A", price=100.0),
        bar(DAY_1 + 3 * MINUTE, 1, "A", price=110.0),
        bar(DAY_1 + 4 * MINUTE, 2, "A", price=None),
        bar(DAY_1, 3, "B", open=50.0, price=60.0),
        bar(DAY_1 + MINUTE, 4, "B", open=60.0, price=45.0),
    ]
    candle = {"symbol": "C", "venue": "file", "interval_s": 300, "open": 8.0}
    candles = [
        {"timestamp": DAY_0, "tape_pos": 5, "price": 10.0, **candle},
        {"timestamp": DAY_1, "tape_pos": 6, "price": 12.0, **candle},
        {"timestamp": DAY_1, "tape_pos": 7, "price": 99.0, **candle, "symbol": "A"},
    ]
    lake.commit(commit(0, 9, market_microstructure=minutes, candles=candles))
    found = answer(sql, "SELECT * FROM last_prices ORDER BY symbol")
    assert [(row["symbol"], row["price"], round(row["change_pct_day"], 9)) for row in found] == [
        ("A", 110.0, 10.0),
        ("B", 45.0, -10.0),
        ("C", 12.0, 20.0),
    ]
    assert found[0]["ts"] == datetime(2024, 8, 9, 0, 3, tzinfo=UTC)


def test_ticks_simple_has_the_four_plain_columns(lake: Lake, sql: Sql) -> None:
    lake.commit(commit(0, 9, ticks=[tick(DAY_0, 0, price=7.0, size=2.0)]))
    (row,) = answer(sql, "SELECT * FROM ticks_simple")
    assert row == {
        "time": datetime(2024, 8, 8, tzinfo=UTC),
        "symbol": "BTC-USD",
        "price": 7.0,
        "volume": 2.0,
    }


def test_asof_join_with_a_filter_on_a_symbol_ends(lake: Lake, sql: Sql) -> None:
    ticks = [tick(DAY_0 + 10 * pos, pos, "AB"[pos % 2]) for pos in range(50)]
    quotes = [{"ts": DAY_0 + 10 * pos + 5, "symbol": "AB"[pos % 2], "tape_pos": pos} for pos in range(50)]
    lake.commit(commit(0, 50, ticks=ticks, quotes=quotes))
    lake.seal(all=True)
    query = """SELECT count(*) AS n FROM ticks t ASOF JOIN quotes q
        ON t.symbol = q.symbol AND t.ts >= q.ts WHERE t.symbol = 'A'"""
    assert answer(sql, query) == [{"n": 24}]
    setting = "SELECT current_setting('asof_loop_join_threshold') AS n"
    assert answer(sql, setting) == [{"n": 0}]  # above it, DuckDB 2.0.0 may loop for ever


def test_query_larger_than_its_memory_streams_through_files(lake: Lake, tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    sql = Sql(lake, memory_limit="64MB", temp_folder=spill)
    seen, last, peak = 0, "", 0
    query = "SELECT md5(i::TEXT) AS k FROM range(1000000) t(i) ORDER BY k"
    for batch in sql.query(query, batch_rows=10_000):
        words = batch.column("k").to_pylist()
        assert words == sorted(words)
        assert last <= words[0]
        seen, last = seen + batch.num_rows, words[-1]
        peak = max(peak, sum(path.stat().st_size for path in spill.rglob("*") if path.is_file()))
        assert batch.num_rows <= 10_000
    sql.close()
    assert seen == 1_000_000
    assert peak > 0
    assert list(spill.iterdir()) == []


def test_query_beyond_memory_and_disk_says_which_setting_helps(lake: Lake) -> None:
    sql = Sql(lake, memory_limit="12MB")
    with pytest.raises(StorageError, match="memory"):
        sql.query("SELECT list(i) FROM range(100000000) t(i)").read_all()
    sql.close()
    with pytest.raises(UsageError, match="memory_limit"):
        Sql(lake, memory_limit="plenty")


def test_an_error_while_streaming_is_the_houses(sql: Sql) -> None:
    query = "SELECT CASE WHEN i = 900000 THEN error('late') ELSE i END FROM range(1000000) t(i)"
    with pytest.raises(UsageError, match="late"):
        sql.query(query, batch_rows=1_000).read_all()


def test_a_damaged_page_is_named(lake: Lake, sql: Sql) -> None:
    lake.commit(commit(0, 9, ticks=[tick(DAY_0 + pos, pos, price=pos * 0.7) for pos in range(9)]))
    path = next(lake.root.rglob("*.parquet"))
    data = path.read_bytes()
    path.write_bytes(data[:20] + bytes(len(data) // 3) + data[20 + len(data) // 3 :])
    with pytest.raises(StoreCorrupt, match=rf"{path.name}.*rebuild"):
        sql.query("SELECT * FROM ticks").read_all()


def test_queries_interleave(lake: Lake, sql: Sql) -> None:
    lake.commit(commit(0, 9, ticks=[tick(DAY_0 + pos, pos) for pos in range(9)]))
    first = sql.query("SELECT i FROM range(300000) t(i)", batch_rows=1_000)
    assert first.read_next_batch().num_rows == 1_000
    assert answer(sql, "SELECT count(*) AS n FROM ticks") == [{"n": 9}]
    assert first.read_all().num_rows == 299_000


def test_reading_the_store_room_alone_loads_no_engine() -> None:
    program = "import sys, barograph.store; print(sorted({'pyarrow', 'duckdb', 'polars'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_connection_that_is_never_closed_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from barograph.store import Lake, Sql\n"
        "sql = Sql(Lake(sys.argv[1]), temp_folder=Path(sys.argv[2]))\n"
        "assert list(Path(sys.argv[2]).iterdir()); sql.query('select 1').read_all()"
    )
    (tmp_path / "temp").mkdir()
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "lake"), str(tmp_path / "temp")], check=True)
    assert list((tmp_path / "temp").iterdir()) == []
