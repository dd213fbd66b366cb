"""Migrations: what they make is what schema.py says, from every version, twice, by two at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import Any

import psycopg
import pytest

from barograph.errors import SettingsError
from barograph.store.postgres.address import Address
from barograph.store.postgres.connection import connect
from barograph.store.postgres.migrating import applied, check, migrate, migrations, planned
from barograph.store.postgres.schema import all_physical
from barograph.store.postgres.server import TimescaleDB, detect

NONE = TimescaleDB()

CATALOGUE = """
SELECT c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    coalesce(pg_get_viewdef(c.oid), pg_get_partkeydef(c.oid), pg_get_indexdef(c.oid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 ORDER BY 1, a.attnum
"""


@pytest.fixture
def connection(postgres: Address) -> Iterator[psycopg.Connection[Any]]:
    with closing(connect(postgres)) as opened:
        yield opened


def described(connection: psycopg.Connection[Any]) -> list[Any]:
    functions = (
        "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE 'barograph%' ORDER BY 1"
    )
    return [*connection.execute(CATALOGUE), *connection.execute(functions)]


def test_the_tables_are_those_of_the_schema(connection: psycopg.Connection[Any]) -> None:
    migrate(connection, "public", NONE)
    for each in all_physical():
        made = connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) "
            "|| CASE WHEN atttypid = 'text'::regtype THEN ' COLLATE \"' || l.collname || '\"' ELSE '' END "
            "|| CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END "
            "FROM pg_attribute LEFT JOIN pg_collation l ON l.oid = attcollation "
            "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
            (each.name,),
        ).fetchall()
        assert tuple(name for name, _ in made) == each.names
        expected = [
            (name, kind.replace("timestamptz", "timestamp with time zone")) for name, kind in each.columns
        ]
        assert made == expected
        key = connection.execute(
            "SELECT array_agg(a.attname::text ORDER BY k.at) FROM pg_constraint c "
            "CROSS JOIN unnest(c.conkey) WITH ORDINALITY AS k(number, at) "
            "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number "
            "WHERE c.conrelid = %s::regclass AND c.contype = 'p'",
            (each.name,),
        ).fetchone()
        assert key == (list(each.key),)
        period = connection.execute(
            "SELECT period, time_column FROM barograph_partitioned WHERE relation = %s", (each.name,)
        ).fetchone()
        assert period in (None, (each.period, each.table.time))


def test_there_are_versions_without_holes_to_go_up() -> None:
    assert [each.version for each in migrations()] == list(range(1, len(migrations()) + 1))
    assert len(migrations()) >= 2


@pytest.mark.parametrize("version", range(len(migrations())))
def test_from_every_earlier_version_the_same_is_made(
    connection: psycopg.Connection[Any], postgres_server: Any, version: int
) -> None:
    migrate(connection, "public", NONE, upto=version)
    if version:
        connection.execute("INSERT INTO barograph_state VALUES ('lineage', 'kept')")
        with pytest.raises(SettingsError, match="db migrate"):
            check(connection, "public")
    migrate(connection, "public", NONE)
    check(connection, "public")
    with closing(connect(postgres_server.create())) as fresh:
        migrate(fresh, "public", NONE)
        assert described(fresh) == described(connection)
    rows = connection.execute("SELECT * FROM barograph_state").fetchall()
    assert rows == ([("lineage", "kept")] if version else [])


def test_a_second_run_changes_nothing(connection: psycopg.Connection[Any]) -> None:
    assert [each.version for each in migrate(connection, "public", NONE)] == [1, 2, 3]
    before = connection.execute("SELECT * FROM barograph_migrations ORDER BY version").fetchall()
    assert migrate(connection, "public", NONE) == []
    assert connection.execute("SELECT * FROM barograph_migrations ORDER BY version").fetchall() == before


def test_of_two_at_once_each_migration_is_applied_by_one(postgres: Address) -> None:
    together = Barrier(2)

    def run(_: int) -> list[int]:
        with closing(connect(postgres)) as mine:
            together.wait(30)
            return [each.version for each in migrate(mine, "odd_one", NONE)]

    with ThreadPoolExecutor(2) as pool:
        made = [version for versions in pool.map(run, range(2)) for version in versions]
    assert sorted(made) == [each.version for each in migrations()]


def test_a_migration_that_fails_leaves_nothing(connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE TABLE completed_trades (mine integer)")
    with pytest.raises(Exception, match="completed_trades"):
        migrate(connection, "public", NONE)
    found = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    assert found.fetchall() == [("completed_trades",)]


def test_a_newer_database_is_refused(connection: psycopg.Connection[Any]) -> None:
    migrate(connection, "public", NONE)
    connection.execute(
        "INSERT INTO barograph_migrations SELECT 99, 'later', '', ways, '9.9' "
        "FROM barograph_migrations LIMIT 1"
    )
    for refused in (lambda: migrate(connection, "public", NONE), lambda: check(connection, "public")):
        with pytest.raises(SettingsError, match=r"version 99.*newer Barograph"):
            refused()


def test_a_migration_applied_in_another_form_is_refused(connection: psycopg.Connection[Any]) -> None:
    migrate(connection, "public", NONE)
    connection.execute("UPDATE barograph_migrations SET checksum = 'other' WHERE version = 2")
    with pytest.raises(SettingsError, match=r"migration 2 .*another form"):
        migrate(connection, "public", NONE)


def test_no_tables_are_told_with_the_remedy(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(SettingsError, match="barograph db init"):
        check(connection, "public")


def test_the_plan_run_by_hand_makes_the_same(
    connection: psycopg.Connection[Any], postgres_server: Any
) -> None:
    plan = list(planned((), "public", NONE))
    assert described(connection) == []
    for statement in plan:
        connection.execute(statement)
    check(connection, "public")
    assert list(planned(applied(connection, "public"), "public", NONE)) == []
    with closing(connect(postgres_server.create())) as fresh:
        migrate(fresh, "public", NONE)
        assert described(fresh) == described(connection)


def test_two_namespaces_do_not_know_each_other(connection: psycopg.Connection[Any]) -> None:
    for namespace in ("one", "two"):
        migrate(connection, namespace, NONE)
    connection.execute("SELECT one.barograph_make_partitions('ticks', '2026-11-20', '2026-11-21')")
    found = connection.execute(
        "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname LIKE 'ticks_2026%'"
    )
    assert {name for (name,) in found} >= {"one"}
    assert connection.execute("SELECT count(*) FROM two.barograph_partitions").fetchone() == (0,)


def test_the_server_is_known(connection: psycopg.Connection[Any]) -> None:
    server = detect(connection)
    assert server.number // 10_000 == int(server.version.split(".")[0]) >= 14
    assert server.tls is None
