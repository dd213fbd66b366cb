"""SQL that goes through to PostgreSQL: what it answers, what it refuses, how it streams."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from barograph.errors import StorageError, UsageError
from barograph.store import Scan, read
from barograph.store.postgres import Address, PostgresStore
from barograph.store.postgres.sql import PostgresSql

from ..making import DAY_0, DAY_1, MINUTE, bar, commit, tick
from .making_tables import run


@pytest.fixture
def sql(tables: Address) -> Iterator[PostgresSql]:
    opened = PostgresSql(tables, statement_timeout_s=30.0)
    yield opened
    opened.close()


def answer(sql: PostgresSql, query: str, *parameters: Any) -> list[dict[str, Any]]:
    return sql.query(query, parameters).read_all().to_pylist()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS one",
        "SELECT 1 AS one;",
        "SELECT 1 AS one ; -- and a word",
        "-- a word\n/* and\nanother */ (SELECT 1)",
        "WITH t AS (SELECT * FROM ticks) SELECT * FROM t",
        "TABLE ticks",
        "VALUES (1)",
        "SHOW TimeZone",
        "EXPLAIN SELECT * FROM ticks",
        "EXPLAIN ANALYZE SELECT * FROM ticks",
        "SELECT * FROM ticks_simple",
        "SELECT * FROM last_prices",
    ],
)
def test_reading_statements_are_answered(sql: PostgresSql, query: str) -> None:
    sql.query(query).read_all()


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO barograph_commits VALUES (0, 5)",
        "WITH gone AS (DELETE FROM barograph_commits RETURNING *) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM barograph_commits",
        "COPY (SELECT 1) TO '/tmp/made.csv'",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "CREATE TABLE made (i int)",
        "SELECT 1 INTO made",
        "SELECT * FROM barograph_commits FOR UPDATE",
        "SELECT nextval('a_sequence')",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "TRUNCATE ticks",
        "SET statement_timeout = 0",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "DO $$ BEGIN END $$",
        "SELECT 1; SELECT 2",
        "SELECT 1) TO STDOUT; DROP TABLE ticks; --",
        "SELECT 1; COMMIT; DROP TABLE ticks",
        "",
        "-- nothing",
        "SELEC 1",
        "SELECT nonsense FROM ticks",
        "SELECT * FROM nonsense",
        "SELECT nonsense(1)",
        "SELECT 1 / 0",
        "SELECT 1 / (i - 99999) FROM generate_series(1, 100000) i",
        "SELECT '1.1.1.1'::inet",
    ],
)
def test_all_else_is_refused_and_leaves_nothing(sql: PostgresSql, tables: Address, query: str) -> None:
    run(tables, "CREATE SEQUENCE IF NOT EXISTS a_sequence")
    run(tables, "INSERT INTO barograph_commits VALUES (70, 71) ON CONFLICT DO NOTHING")
    with pytest.raises(UsageError) as refused:
        sql.query(query).read_all()
    assert "Query was" not in str(refused.value)
    assert run(tables, "SELECT to_regclass('made'), to_regclass('ticks')") == [(None, "ticks")]
    assert run(tables, "SELECT first_pos FROM barograph_commits WHERE first_pos = 70") == [(70,)]
    assert answer(sql, "SELECT 1 AS one") == [{"one": 1}]


def test_what_a_statement_sets_does_not_outlive_it(sql: PostgresSql) -> None:
    answer(
        sql,
        "SELECT set_config('default_transaction_read_only', 'off', false),"
        " set_config('work_mem', '1MB', false)",
    )
    assert answer(sql, "SHOW transaction_read_only") == [{"transaction_read_only": "on"}]
    assert answer(sql, "SHOW work_mem") == [{"work_mem": "32MB"}]


def test_values_stand_for_marks_and_not_within_text(sql: PostgresSql) -> None:
    nasty = "o'b\\\"x'); DROP TABLE ticks; --"
    moment = datetime(2024, 8, 8, 1, 2, 3, 4, UTC)
    query = "SELECT ?::text AS a, '?' AS b, $tag$ ? $tag$ AS c, ? AS d /* ? */ -- ?"
    assert answer(sql, query, nasty, moment) == [{"a": nasty, "b": "?", "c": " ? ", "d": moment}]
    assert answer(sql, "SELECT $2 + $1 AS a, $1 AS b", 1, 41) == [{"a": 42, "b": 1}]
    assert answer(sql, "SELECT 5 = ANY ($1::int[]) AS a, $2::float8 AS b", [4, 5], float("inf")) == [
        {"a": True, "b": float("inf")}
    ]
    assert answer(sql, "SELECT 7 -? AS a", -1) == [{"a": 8}]
    for wrong in ((), (1, 2)):
        with pytest.raises(UsageError, match=r"value|syntax"):
            sql.query("SELECT ? AS a", wrong)


def test_types_that_only_postgresql_has_come_as_plain_ones(sql: PostgresSql) -> None:
    query = """SELECT 1.5::numeric AS n, NULL::numeric AS m, 'NaN'::numeric IS NOT NULL AS nan,
        'a3bb189e-8bf9-3893-b3ae-9ace654501a7'::uuid AS u, '{"a": 1}'::jsonb AS j, ARRAY[1, 2] AS l,
        DATE '2024-08-08' AS d, 3::smallint AS s"""
    assert answer(sql, query) == [
        {
            "n": 1.5,
            "m": None,
            "nan": True,
            "u": "a3bb189e-8bf9-3893-b3ae-9ace654501a7",
            "j": '{"a": 1}',
            "l": [1, 2],
            "d": date(2024, 8, 8),
            "s": 3,
        }
    ]


def test_rows_come_in_batches_before_all_are_made(sql: PostgresSql) -> None:
    endless = sql.query("SELECT generate_series(1, 1000000000) AS i, repeat('x', 100) AS t", batch_rows=500)
    sizes = [endless.read_next_batch().num_rows for _ in range(3)]
    assert sizes == [500, 500, 500]
    assert answer(sql, "SELECT 1 AS one") == [{"one": 1}]
    endless.close()
    del endless
    assert answer(sql, "SELECT 1 AS one") == [{"one": 1}]


def test_a_statement_that_takes_too_long_is_ended(tables: Address) -> None:
    impatient = PostgresSql(tables, statement_timeout_s=0.05)
    for query in (
        "SELECT count(*) FROM generate_series(1, 100000000000)",
        "SELECT i, pg_sleep(i / 10000)::text FROM generate_series(1, 100000000) i",
    ):
        with pytest.raises(UsageError, match="statement_timeout_s"):
            impatient.query(query).read_all()
    impatient.close()


def test_it_sees_what_is_committed_in_one_state(store: PostgresStore, sql: PostgresSql) -> None:
    for number in range(3):
        store.commit(commit(number, number + 1, ticks=[tick(DAY_0 + number, number)]))
        assert answer(sql, "SELECT count(*) AS n FROM ticks") == [{"n": number + 1}]
    rows = sql.query("SELECT * FROM ticks ORDER BY ts").read_all()
    assert rows.drop_columns(["ordinal"]).to_pylist() == read(store, Scan("ticks")).to_pylist()


def test_last_prices_compares_with_the_day_before(store: PostgresStore, sql: PostgresSql) -> None:
    minutes = [bar(DAY_0 + 5 * MINUTE, 0, "A", price=100.0), bar(DAY_1 + 3 * MINUTE, 1, "A", price=110.0)]
    store.commit(commit(0, 9, market_microstructure=minutes))
    (found,) = answer(sql, "SELECT * FROM last_prices")
    assert (found["symbol"], found["price"], round(found["change_pct_day"], 9)) == ("A", 110.0, 10.0)


def test_a_connection_that_broke_while_nobody_used_it_is_opened_again(
    sql: PostgresSql, tables: Address
) -> None:
    answer(sql, "SELECT 1 AS one")
    run(
        tables,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database()",
    )
    assert answer(sql, "SELECT 1 AS one") == [{"one": 1}]


def test_a_connection_that_breaks_while_rows_stream_is_the_stores_error(
    sql: PostgresSql, tables: Address
) -> None:
    rows = sql.query("SELECT generate_series(1, 10000000) AS i, repeat('x', 100) AS t", batch_rows=500)
    rows.read_next_batch()
    run(
        tables,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'"
        " AND datname = current_database()",
    )
    with pytest.raises(StorageError):
        rows.read_all()
    assert answer(sql, "SELECT 1 AS one") == [{"one": 1}]
