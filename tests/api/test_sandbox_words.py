"""What a statement over PostgreSQL may hold, by its words alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.api.sandbox.database import check_words
from barograph.errors import UsageError

READS = [
    "SELECT 1",
    "SELECT symbol, count(*) FROM ticks GROUP BY symbol;",
    "WITH a AS (SELECT * FROM ticks) SELECT max(price) FROM a",
    "VALUES (1), (2)",
    "TABLE ticks",
    "SELECT * FROM generate_series(1, 10) AS n (i)",
    "SELECT date_trunc('hour', ts), avg(price) OVER (ORDER BY ts) FROM ticks WHERE ts > $1",
    "SELECT \"price\", price::numeric(10, 2), CAST(size AS real) FROM ticks WHERE symbol IN ($1, 'it''s')",
    "SELECT * FROM ticks t JOIN LATERAL (SELECT * FROM quotes q WHERE q.symbol = t.symbol LIMIT 1) x ON true",
    "SELECT extract(epoch FROM ts), percentile_cont(0.5) WITHIN GROUP (ORDER BY price) FROM ticks",
    "SELECT detail::json->>'x' FROM anomalies",
]

REFUSED = [
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT PG_READ_FILE('/etc/passwd')",
    "SELECT \"pg_read_file\"('/etc/passwd')",
    "SELECT U&\"\\0070g_read_file\"('/etc/passwd')",
    "SELECT pg_catalog.pg_read_file('/etc/passwd')",
    "SELECT pg_read_file ('/etc/passwd')",
    "SELECT pg_read_file/**/('/etc/passwd')",
    "SELECT pg_read_file--\n('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_sleep(100)",
    "SELECT pg_terminate_backend(1)",
    "SELECT pg_cancel_backend(1)",
    "SELECT pg_reload_conf()",
    "SELECT set_config('statement_timeout', '0', false)",
    "SELECT current_setting('data_directory')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/x')",
    "SELECT * FROM dblink('host=x', 'SELECT 1') AS t (a int)",
    "SELECT * FROM dblink_exec('x', 'y')",
    "SELECT query_to_xml('SELECT 1', true, true, '')",
    "SELECT table_to_xml('ticks', true, true, '')",
    "SELECT * FROM ts_stat('SELECT 1')",
    "SELECT * FROM pg_authid",
    "TABLE pg_shadow",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM barograph_state",
    "SELECT * FROM public.barograph_roles",
    "SELECT current_user",
    "SELECT session_user, inet_server_addr()",
    "SELECT version()",
    "SELECT 'pg_authid'::regclass",
    "SELECT txid_current()",
    "SELECT ctid FROM ticks",
    "SELECT nextval('x')",
    "SELECT public.anything(1)",
    "SELECT anything(1)",
    "SELECT 1 OPERATOR(pg_catalog.+) 1",
    "SELECT 1 INTO x",
    "SELECT 1; SELECT 2",
    "SELECT 1; COMMIT; DROP TABLE ticks",
    "SELECT $$ text $$",
    "SELECT $a$ text $a$",
    "SELECT E'\\'; SELECT pg_sleep(1) --'",
    "SELECT '\\'; SELECT pg_sleep(1) --'",
    "SELECT 'no end",
    'SELECT "no end',
    "COPY ticks TO PROGRAM 'sh'",
    "SET ROLE postgres",
    "SHOW data_directory",
    "EXPLAIN ANALYZE SELECT 1",
    "INSERT INTO ticks VALUES (1)",
    "DELETE FROM ticks",
    "DO $$ BEGIN END $$",
    "CALL x()",
    "LISTEN x",
    "BEGIN",
    "",
    "SELECT 1\0",
    "SELECT repeat('x', 1000000000)",
    "SELECT lpad('', 1000000000)",
]


@pytest.mark.parametrize("statement", READS)
def test_what_reads_the_tables_is_let_through(statement: str) -> None:
    check_words(statement)


@pytest.mark.parametrize("statement", REFUSED)
def test_what_leads_out_of_the_tables_is_refused(statement: str) -> None:
    with pytest.raises(UsageError):
        check_words(statement)


@given(
    st.lists(
        st.sampled_from(["'", '"', "\\", "$$", "--", "/*", "*/", "E'", "x", " ", "\n", "''", "$1"]),
        max_size=12,
    )
)
def test_nothing_hides_a_function_behind_quotes_or_comments(pieces: list[str]) -> None:
    """Whatever stands before it: it is refused, or it is text, whose end the server sees where we do."""
    statement = f"SELECT {''.join(pieces)} , pg_sleep(1)"
    try:
        check_words(statement)
    except UsageError:
        return
    # Let through, it can only be inside one text that is closed by a later quote, and there is none.
    raise AssertionError(statement)
