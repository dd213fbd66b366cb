"""Tables that were made anew in another namespace take the place of the old ones, all at once.

The tables themselves stay, with their rights and with views that people have made of them: it is
their partitions that change places. Until the one transaction that does it, the old rows are read.
"""

# ruff: noqa: S608 - names are quoted

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from barograph.errors import SettingsError, UsageError
from barograph.store.postgres.aggregates import AGGREGATES, refresh
from barograph.store.postgres.connection import errors
from barograph.store.postgres.migrating import applied, begun, check
from barograph.store.postgres.partitions import PARTITIONED, Partition, partitions
from barograph.store.postgres.quoting import quoted
from barograph.store.postgres.schema import COMMITS, MIGRATIONS, STATE, all_physical

if TYPE_CHECKING:
    import psycopg

_WHOLE = (STATE, COMMITS, "barograph_dropped", "barograph_aggregates", *AGGREGATES)
"""Tables of one piece whose rows are taken over. Completed trades are not made from the tape: they stay."""
_VIEWS = ("last_prices", "market_minutes", "ticks_simple", "anomalies", "barograph_partitions")
_FUNCTIONS = ("barograph_make_partitions", "barograph_drop_before", "barograph_refresh_aggregates")
_WITHIN = "cut_by_time"
_LOCKS_A_PIECE = 8
"""A partition, its indexes and its toast table are locked each."""


def exchange(connection: psycopg.Connection[Any], made: str, namespace: str) -> None:
    """Put the tables of ``made`` in the place of those of ``namespace``, in one transaction; drop the rest.

    A kill before the transaction's end leaves the old tables as they are; do it again.

    Raises:
        UsageError: the two are the same, or the tables are hypertables, which cannot change places.
        SettingsError: one of them is not migrated, they belong to others, or the server allows too
            few locks.
        StorageBusy: a reader has held a table for a minute.
    """
    if made == namespace:
        raise UsageError(f"the namespace {namespace!r} cannot take its own place")
    for each in (made, namespace):
        check(connection, each)
        if "hypertables" in applied(connection, each)[0].ways:
            raise UsageError(
                f"the tables of {each!r} are TimescaleDB's, which cannot change places; let the new ones "
                f"stay where they are: database.namespace = {made!r}"
            )
    refresh(connection, made)
    new, old = partitions(connection, made), partitions(connection, namespace)
    _check_locks(connection, len(new) + len(old))
    for piece in new:
        _prove(connection, made, piece)
    with errors(f"putting {made} in the place of {namespace}"), connection.transaction():
        for statement in begun(namespace):
            connection.execute(statement)
        connection.execute("SET LOCAL lock_timeout TO '60s'")
        tables = ", ".join(f"{quoted(namespace)}.{quoted(each.name)}" for each in PARTITIONED)
        connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
        for piece in old:
            connection.execute(f"DROP TABLE {quoted(namespace)}.{quoted(piece.name)}")
        for piece in new:
            _move(connection, made, namespace, piece)
        for name in _WHOLE:
            connection.execute(f"DELETE FROM {quoted(namespace)}.{name}")
            connection.execute(f"INSERT INTO {quoted(namespace)}.{name} SELECT * FROM {quoted(made)}.{name}")
    drop(connection, made)


def drop(connection: psycopg.Connection[Any], namespace: str) -> None:
    """Remove our tables from a namespace, and the namespace if nothing else is in it.

    No error if there is none. Not in one transaction: partitions are many, and each would
    stay locked. After a kill, do it again.
    """
    where = quoted(namespace)
    with errors(f"dropping the tables of {namespace}"):
        found = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", (where,)).fetchone()
        if found is None or not found[0]:
            return
        names = ", ".join(f"'{each.name}'" for each in PARTITIONED)
        pieces = connection.execute(
            "SELECT child.relname FROM pg_inherits i JOIN pg_class parent ON parent.oid = i.inhparent "
            "JOIN pg_class child ON child.oid = i.inhrelid "
            f"WHERE parent.relnamespace = to_regnamespace(%s) AND parent.relname IN ({names}) "
            "AND child.relnamespace = parent.relnamespace",
            (where,),
        ).fetchall()
        for (name,) in pieces:
            connection.execute(f"DROP TABLE IF EXISTS {where}.{quoted(name)}")
        for name in _VIEWS:
            connection.execute(f"DROP VIEW IF EXISTS {where}.{name}")
        for each in all_physical():
            # With TimescaleDB its aggregates go with the table.
            connection.execute(f"DROP TABLE IF EXISTS {where}.{quoted(each.name)} CASCADE")
        for name in (*_WHOLE, "barograph_roles", "barograph_partitioned", MIGRATIONS):
            connection.execute(f"DROP TABLE IF EXISTS {where}.{name}")
        for name in _FUNCTIONS:
            connection.execute(f"DROP FUNCTION IF EXISTS {where}.{name}")
        connection.execute(
            "DO $$ BEGIN "
            f"IF '{namespace}' <> 'public' THEN DROP SCHEMA {where}; END IF; "
            "EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END $$"
        )


def _check_locks(connection: psycopg.Connection[Any], pieces: int) -> None:
    row = connection.execute(
        "SELECT current_setting('max_locks_per_transaction')::int, current_setting('max_connections')::int"
    ).fetchone()
    assert row is not None
    each, connections = row
    if pieces * _LOCKS_A_PIECE > each * connections:
        least = -(-pieces * _LOCKS_A_PIECE // connections)
        raise SettingsError(
            f"{pieces} partitions change places at once, for which the server has too few locks: set "
            f"max_locks_per_transaction = {least} (now {each}) in postgresql.conf and restart the server"
        )


def _prove(connection: psycopg.Connection[Any], namespace: str, piece: Partition) -> None:
    """Let the server look at the rows' times now: then it need not while everybody waits."""
    time = next(each.table.time for each in PARTITIONED if each.name == piece.relation)
    table = f"{quoted(namespace)}.{quoted(piece.name)}"
    since, until = piece.since.isoformat(), piece.until.isoformat()
    with errors(f"checking {piece.name}"):
        connection.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {_WITHIN}, ADD CONSTRAINT {_WITHIN} "
            f"CHECK ({quoted(time)} >= '{since}' AND {quoted(time)} < '{until}')"
        )


def _move(connection: psycopg.Connection[Any], made: str, namespace: str, piece: Partition) -> None:
    """One partition from its table to the table of the same name in another namespace."""
    old, new, name = quoted(made), quoted(namespace), quoted(piece.name)
    table, where = quoted(piece.relation), f"'{quoted(namespace)}.{quoted(piece.relation)}'::regclass"
    connection.execute(f"ALTER TABLE {old}.{table} DETACH PARTITION {old}.{name}")
    connection.execute(f"ALTER TABLE {old}.{name} SET SCHEMA {new}")
    row = connection.execute(f"SELECT relowner::regrole::text FROM pg_class WHERE oid = {where}").fetchone()
    assert row is not None
    connection.execute(f"ALTER TABLE {new}.{name} OWNER TO {row[0]}")
    connection.execute(
        f"ALTER TABLE {new}.{table} ATTACH PARTITION {new}.{name} "
        f"FOR VALUES FROM ('{piece.since.isoformat()}') TO ('{piece.until.isoformat()}')"
    )
    connection.execute(f"ALTER TABLE {new}.{name} DROP CONSTRAINT {_WITHIN}")
    # Rights by default are those of where it was made.
    readers = connection.execute(
        f"SELECT DISTINCT a.grantee::regrole::text FROM pg_class c, aclexplode(c.relacl) a "
        f"WHERE c.oid = {where} "
        "AND a.privilege_type = 'SELECT' AND a.grantee NOT IN (c.relowner, 0)"
    ).fetchall()
    for (reader,) in readers:
        connection.execute(f"GRANT SELECT ON {new}.{name} TO {reader}")
