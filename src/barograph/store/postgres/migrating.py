"""Versioned migrations: SQL files that are applied once each, in order, each in a transaction.

A file may hold pieces for one way of keeping tables only, between ``--@ if WAY`` and ``--@ end``.
The ways are chosen once, when a database is begun, and are kept: ``partitions`` (native) or
``hypertables`` (TimescaleDB); aggregates as ``tables`` or ``continuous``. What was
applied, in which form and by whom stands in ``barograph_migrations``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from barograph.errors import SettingsError
from barograph.store.postgres.connection import errors
from barograph.store.postgres.quoting import quoted
from barograph.store.postgres.schema import MIGRATIONS
from barograph.store.postgres.server import TimescaleDB

if TYPE_CHECKING:
    import psycopg

Ways = tuple[str, ...]

NATIVE: Ways = ("partitions", "tables")
_FILE = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from a version of the tables to the next.

    Attributes:
        version: 1 and up, without holes.
        checksum: of the file, in hex.
    """

    version: int
    name: str
    text: str
    checksum: str

    def sql(self, ways: Ways, extension: str | None = None) -> str:
        """What is run for these ways; ``extension`` is the schema that holds TimescaleDB's functions."""
        kept = "\n".join(_chosen(self.text, ways))
        return kept.replace("{timescaledb}", quoted(extension)) if extension is not None else kept


class Applied(NamedTuple):
    """A migration that a database has had."""

    version: int
    name: str
    checksum: str
    ways: Ways


@cache
def migrations() -> tuple[Migration, ...]:
    """Every migration that this version knows, ascending."""
    folder = resources.files("barograph.store.postgres").joinpath("migrations")
    found = []
    for file in folder.iterdir():
        match = _FILE.fullmatch(file.name)
        if match is not None:
            text = file.read_text(encoding="utf-8").replace("\r\n", "\n")
            checksum = hashlib.sha256(text.encode()).hexdigest()
            found.append(Migration(int(match[1]), match[2], text, checksum))
    return tuple(sorted(found, key=lambda each: each.version))


def ways_for(timescaledb: TimescaleDB, *, plain: bool = False) -> Ways:
    """How a new database keeps its tables: by TimescaleDB where it is installed, within its licence."""
    if plain or not timescaledb.usable:
        return NATIVE
    return ("hypertables", "continuous" if timescaledb.licence == "timescale" else "tables")


def applied(connection: psycopg.Connection[Any], namespace: str) -> tuple[Applied, ...]:
    """The migrations that the tables of ``namespace`` have had, ascending; none where there are no tables."""
    with errors("reading what was migrated"):
        there = connection.execute(
            "SELECT to_regclass(%s) IS NOT NULL", (f"{quoted(namespace)}.{MIGRATIONS}",)
        ).fetchone()
        if there is None or not there[0]:
            return ()
        rows = connection.execute(
            f"SELECT version, name, checksum, ways FROM {quoted(namespace)}.{MIGRATIONS} ORDER BY version"  # noqa: S608
        ).fetchall()
    return tuple(Applied(number, name, checksum, tuple(ways)) for number, name, checksum, ways in rows)


def pending(done: Sequence[Applied], upto: int | None = None) -> tuple[Migration, ...]:
    """The migrations that are still to be applied.

    Raises:
        SettingsError: the database is newer than this version, or had a migration in another form.
    """
    known = migrations()
    if done and done[-1].version > known[-1].version:
        raise SettingsError(
            f"the database's tables have version {done[-1].version}, this Barograph "
            f"({version('barograph')}) knows them up to {known[-1].version}; "
            "use the newer Barograph that migrated them"
        )
    for before, mine in zip(done, known, strict=False):
        if (before.version, before.checksum) != (mine.version, mine.checksum):
            raise SettingsError(
                f"migration {before.version} ({before.name}) was applied to the database in another form "
                "than this Barograph has it; use the version that applied it, or make the tables anew "
                "in another namespace (database.namespace)"
            )
    return tuple(each for each in known[len(done) :] if upto is None or each.version <= upto)


def check(connection: psycopg.Connection[Any], namespace: str) -> None:
    """See that the tables are there and are those of this version.

    Raises:
        SettingsError: they are not, with the remedy.
    """
    done = applied(connection, namespace)
    if not done:
        raise SettingsError(
            f"the database has no tables in the namespace {namespace!r}; make them: barograph db init"
        )
    missing = pending(done)
    if missing:
        raise SettingsError(
            f"the database's tables have version {done[-1].version}, this Barograph needs "
            f"{missing[-1].version}; bring them up: barograph db migrate"
        )


def migrate(
    connection: psycopg.Connection[Any],
    namespace: str,
    timescaledb: TimescaleDB,
    *,
    plain: bool = False,
    upto: int | None = None,
) -> list[Migration]:
    """Apply what is pending, each migration in a transaction of its own; those that were applied now.

    Safe to run twice and by two at once: one waits for the other and then finds it done.

    Args:
        plain: native partitions even where TimescaleDB is installed; of a new database only.
        upto: stop after this version, for tests.

    Raises:
        SettingsError: see :func:`pending`; or we may not make tables there.
    """
    made: list[Migration] = []
    while True:
        with errors("migrating the database"), connection.transaction():
            for statement in begun(namespace):
                connection.execute(statement)
            done = applied(connection, namespace)
            waiting = pending(done, upto)
            if not waiting:
                return made
            ways = done[-1].ways if done else ways_for(timescaledb, plain=plain)
            for statement in steps(waiting[0], namespace, ways, timescaledb):
                connection.execute(statement)
        made.append(waiting[0])


def planned(
    done: Sequence[Applied], namespace: str, timescaledb: TimescaleDB, *, plain: bool = False
) -> Iterator[str]:
    """The SQL that :func:`migrate` would run, statement by statement, as psql would take it."""
    ways = done[-1].ways if done else ways_for(timescaledb, plain=plain)
    for migration in pending(done):
        yield f"-- {migration.version:04d} {migration.name}\nBEGIN"
        yield from begun(namespace)
        yield from steps(migration, namespace, ways, timescaledb)
        yield "COMMIT"


def begun(namespace: str) -> Iterator[str]:
    """What every transaction of a migration begins with: alone, and in the namespace."""
    yield f"SELECT pg_advisory_xact_lock(hashtextextended('barograph migrations {namespace}', 0))"
    yield (
        f"DO $$ BEGIN IF to_regnamespace('{quoted(namespace)}') IS NULL THEN "
        f"CREATE SCHEMA {quoted(namespace)}; END IF; END $$"
    )
    yield f"SET LOCAL search_path TO {quoted(namespace)}, pg_temp"
    yield "SET LOCAL timezone TO 'UTC'"


def steps(migration: Migration, namespace: str, ways: Ways, timescaledb: TimescaleDB) -> Iterator[str]:
    """The statements of one migration, with the entry that it was applied."""
    table = f"{quoted(namespace)}.{MIGRATIONS}"
    yield (
        f"CREATE TABLE IF NOT EXISTS {table} (version integer PRIMARY KEY, name text NOT NULL, "
        "checksum text NOT NULL, ways text[] NOT NULL, made_by text NOT NULL, "
        "applied_at timestamptz NOT NULL DEFAULT now())"
    )
    yield migration.sql(ways, timescaledb.schema)
    yield (
        f"INSERT INTO {table} (version, name, checksum, ways, made_by) VALUES ({migration.version}, "  # noqa: S608
        f"'{migration.name}', '{migration.checksum}', '{{{','.join(ways)}}}', '{version('barograph')}')"
    )


def _chosen(text: str, ways: Ways) -> Iterator[str]:
    """The lines that are kept, without the marks."""
    keep = True
    for line in text.splitlines():
        if line.startswith("--@ if "):
            keep = line.removeprefix("--@ if ") in ways
        elif line == "--@ end":
            keep = True
        elif keep:
            yield line
