"""What a statement over the lake may hold, and what no statement may: the look alone, without a server."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from barograph.api.sandbox.lake import check, functions
from barograph.errors import UsageError

READS = [
    "SELECT 1",
    "FROM ticks",
    "TABLE ticks",
    "VALUES (1), (2)",
    'SELECT * FROM TICKS t JOIN "Quotes" q USING (symbol)',
    "WITH a AS (SELECT * FROM ticks), b AS (FROM a) SELECT count(*) FROM b",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT * FROM n",
    "SELECT symbol, rsi_14 FROM market_microstructure WHERE timestamp > now() - INTERVAL 1 DAY",
    "SELECT row_number() OVER (PARTITION BY symbol ORDER BY ts), lag(price) OVER w FROM ticks WINDOW w AS ()",
    "SELECT list_transform([1, 2], x -> x + 1), {'a': 1}.a, [1, 2][1], 'a' || 'b', 'x' LIKE 'y%', 1 IN (1)",
    "SELECT date_trunc('hour', ts), time_bucket(INTERVAL 5 MINUTE, ts), sum(size) FROM ticks GROUP BY ALL",
    "SELECT extract(hour FROM ts), CAST(price AS INTEGER), ts::DATE, coalesce(seq, 0) FROM ticks",
    "SELECT arg_max(price, ts), quantile_cont(price, 0.5), stddev(price), corr(price, size) FROM ticks",
    "SELECT * FROM range(10), generate_series(1, 3), unnest([1, 2])",
    "SELECT * FROM last_prices QUALIFY rank() OVER (ORDER BY price) = 1",
    "SELECT * EXCLUDE (flags), COLUMNS('p.*') FROM ticks USING SAMPLE 10",
    "SELECT * FROM ticks ASOF JOIN quotes USING (symbol, ts)",
    "SELECT detail->>'$.x', json_extract(detail, '$.y') FROM anomalies",
    "DESCRIBE ticks",
    "SUMMARIZE ticks",
    "SHOW TABLES",
    "SELECT $1 + $2",
    "SELECT 1 -- a comment\n",
    "SELECT /* inside */ 1;",
    "SELECT version, query, getenv FROM (SELECT 1 AS version, 2 AS query, 3 AS getenv)",
]

REFUSED = [
    # Files
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_json('x')",
    "SELECT * FROM read_parquet('lake/ticks/**/*.parquet')",
    "SELECT * FROM parquet_scan('x')",
    "SELECT * FROM parquet_metadata('x')",
    "SELECT * FROM glob('*')",
    "SELECT * FROM sniff_csv('x')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'x.parquet'",
    'SELECT * FROM "x.csv"',
    "SELECT * FROM (SELECT * FROM (SELECT * FROM 'x.json'))",
    "SELECT * FROM 'x.csv', (WITH \"x.csv\" AS (SELECT 1) SELECT 1)",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT 1 WHERE EXISTS (FROM read_text('/etc/passwd'))",
    "SELECT 1 UNION ALL SELECT content FROM read_text('/etc/passwd')",
    "WITH a AS MATERIALIZED (FROM read_text('x')) SELECT 1",
    "SELECT * FROM ticks ORDER BY (SELECT max(size) FROM read_blob('x'))",
    "SELECT x FROM ticks, LATERAL (FROM read_csv(symbol)) t(x)",
    "FROM/**/read_text/**/('x')",
    "FROM\u00a0read_text('x')",
    "FROM READ_TEXT('x')",
    "FROM \"read_text\"('x')",
    "FROM main.read_text('x')",
    "FROM system.main.read_text('x')",
    "SUMMARIZE FROM read_csv('x')",
    "DESCRIBE FROM read_csv('x')",
    "COPY ticks TO 'x.csv'",
    "COPY (SELECT 1) TO '/tmp/x'",
    "EXPORT DATABASE 'x'",
    "IMPORT DATABASE 'x'",
    # Statements in statements
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('ticks')",
    "SELECT * FROM query_table(['ticks'])",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SELECT json_serialize_sql('SELECT 1')",
    "SELECT json_serialize_plan('SELECT 1')",
    "SELECT 1; SELECT 2",
    "SELECT 1;DROP TABLE ticks",
    "SELECT 1 --\n; SELECT 2",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    # Settings, extensions, the database itself
    "SET memory_limit = '10GB'",
    "RESET ALL",
    "PRAGMA database_list",
    "PRAGMA version",
    "CALL pragma_version()",
    "ATTACH 'x.db'",
    "DETACH memory",
    "USE memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CREATE TABLE x AS SELECT 1",
    "CREATE SECRET s (TYPE s3)",
    "CREATE MACRO m() AS 1",
    "INSERT INTO ticks VALUES (1)",
    "UPDATE ticks SET price = 1",
    "DELETE FROM ticks",
    "DROP VIEW ticks",
    "TRUNCATE ticks",
    "VACUUM",
    "CHECKPOINT",
    "BEGIN",
    "SHOW DATABASES",
    "SHOW ALL TABLES",
    "SELECT * FROM (SHOW DATABASES)",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_extensions()",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM duckdb_views",
    "SELECT * FROM duckdb_functions()",
    "SELECT * FROM duckdb_databases()",
    "SELECT * FROM duckdb_temporary_files()",
    "SELECT * FROM duckdb_variables()",
    "SELECT * FROM pragma_version()",
    "SELECT * FROM pragma_user_agent()",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM main.ticks",
    "SELECT * FROM temp.main.ticks",
    "SELECT * FROM ticks AT (VERSION => 1)",
    "SELECT * FROM which_secret('x', 's3')",
    "SELECT * FROM checkpoint()",
    "SELECT * FROM enable_logging()",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM seq_scan('ticks')",
    "SELECT * FROM python_map_function(1)",
    "SELECT * FROM test_all_types()",
    "SELECT * FROM histogram('ticks', 'price')",
    # About the machine
    "SELECT getenv('HOME')",
    "SELECT list_transform([1], x -> getenv('HOME'))",
    "SELECT 'HOME'.getenv()",
    "SELECT * FROM ticks WHERE symbol = getenv('HOME')",
    "SELECT 1 ORDER BY getenv('HOME')",
    "SELECT count(*) FILTER (getenv('HOME') > 'a') FROM ticks",
    "SELECT current_setting('memory_limit')",
    "SELECT getvariable('x')",
    "SELECT version()",
    "SELECT current_query()",
    "SELECT pg_sleep(1)",
    "SELECT sleep_ms(1000)",
    "SELECT pg_postmaster_start_time()",
    "SELECT pg_get_viewdef('ticks')",
    "SELECT inet_server_addr()",
    "SELECT has_table_privilege('ticks', 'SELECT')",
    "SELECT write_log('x')",
    "SELECT nextval('x')",
    "SELECT setseed(1)",
    "SELECT finalize('x')",
    # Nothing, and too much
    "",
    ";",
    "   ",
    "-- only a comment",
    "not SQL",
    "SELECT 'no end",
    "SELECT * FROM nothing",
    "SELECT " + "(" * 2_000 + "1" + ")" * 2_000,
    "SELECT " + "-" * 9_000 + "1",
    "SELECT 1" + " " * 200_000,
    "SELECT 1\0; SELECT 2",
]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@pytest.mark.parametrize("statement", READS)
def test_what_reads_the_tables_is_let_through(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    check(connection, statement)


@pytest.mark.parametrize("statement", REFUSED, ids=lambda statement: statement[:60] or "nothing")
def test_what_leads_out_of_the_tables_is_refused(
    connection: duckdb.DuckDBPyConnection, statement: str
) -> None:
    with pytest.raises(UsageError):
        check(connection, statement)


def test_functions_of_this_engine_that_tell_of_the_machine_are_not_among_those_that_compute() -> None:
    """A new version of DuckDB may bring new ones: names that look like these do not slip in."""
    known = functions()
    assert {"sum", "lower", "date_trunc", "arg_max", "now", "row_number"} <= known
    words = (
        "file",
        "secret",
        "setting",
        "getenv",
        "duckdb",
        "pg_",
        "read_",
        "write_",
        "sleep",
        "query",
        "glob",
    )
    told = {name for name in known if any(word in name for word in words)}
    assert told <= {"pg_typeof", "pg_size_pretty", "parse_filename", "format_pg_type", "map_to_pg_oid"}
