"""``barograph db init | status | migrate | retention``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from barograph.cli.options import DEFAULTS, Everywhere, Options, Words, split
from barograph.cli.output import write, write_object, write_records
from barograph.errors import SettingsError, UsageError

if TYPE_CHECKING:
    import psycopg

    from barograph.settings import Settings
    from barograph.settings.keeping import DatabaseSection
    from barograph.store.postgres.inspecting import DatabaseState
    from barograph.store.postgres.partitions import Partition
    from barograph.store.postgres.roles import Role
    from barograph.store.postgres.server import Server

_PASSWORDS = {"writer": "BAROGRAPH_WRITER_PASS", "reader": "BAROGRAPH_READER_PASS"}


def init(
    *,
    roles: bool = False,
    writer: str | None = None,
    reader: str | None = None,
    login: bool = False,
    plain: bool = False,
    dry_run: bool = False,
    common: Options = DEFAULTS,
) -> None:
    """Make the tables in PostgreSQL, and roles for who writes and who reads. Safe to run again.

    The section [database] of the settings says where, or DATABASE_URL, or DB_HOST and so on. Run
    it as whom the tables are to belong to.

    Parameters
    ----------
    roles
        Make the roles barograph_writer and barograph_reader.
    writer
        Make a role of this name that may do what a recorder does.
    reader
        Make a role of this name that may read every table and nothing else.
    login
        The roles may log in themselves: their passwords come from BAROGRAPH_WRITER_PASS and
        BAROGRAPH_READER_PASS, or are asked for.
    plain
        Native partitions, even where TimescaleDB is installed.
    dry_run
        Print the SQL and run nothing.
    """
    settings = common.settings()
    with _connected(settings) as (connection, server):
        wanted = _wanted(connection, _names(roles, writer, reader), login and not dry_run)
        if dry_run:
            _print_plan(connection, server, settings.database, wanted, plain=plain)
            return
        _bring_up(connection, server, settings.database, wanted, common, plain=plain)


def migrate(*, dry_run: bool = False, common: Options = DEFAULTS) -> None:
    """Bring the tables in PostgreSQL up to this version, and its jobs to the settings. Safe to run again.

    Parameters
    ----------
    dry_run
        Print the SQL and run nothing.
    """
    from barograph.store.postgres.migrating import applied

    settings = common.settings()
    with _connected(settings) as (connection, server):
        if not applied(connection, settings.database.namespace):
            raise SettingsError("the database has no tables yet; make them: barograph db init")
        if dry_run:
            _print_plan(connection, server, settings.database, [], plain=False)
            return
        _bring_up(connection, server, settings.database, [], common, plain=False)


def retention(
    *,
    keep_days: float | None = None,
    table: Words = None,
    dry_run: bool = False,
    common: Options = DEFAULTS,
) -> None:
    """Drop old partitions of the tables in PostgreSQL, never the newest; says what goes.

    Bars of hours and days and completed trades stay, and so does the tape.

    Parameters
    ----------
    keep_days
        Drop what ended longer ago than this; the setting database.keep_days when absent.
    table
        Of these tables only.
    dry_run
        Drop nothing, only say what would go.
    """
    from barograph.clock import SystemClock
    from barograph.store.postgres.migrating import check
    from barograph.store.postgres.retention import drop_old

    settings = common.settings()
    days = keep_days if keep_days is not None else settings.database.keep_days
    if days is None or days <= 0:
        raise UsageError("say how many days to keep, more than 0: --keep-days N, or database.keep_days")
    namespace = settings.database.namespace
    with _connected(settings) as (connection, _):
        check(connection, namespace)
        now_us = SystemClock().now_ns() // 1_000
        gone = drop_old(connection, namespace, now_us, days, tables=split(table) or None, dry_run=dry_run)
    rows = [_partition_row(piece) for piece in gone]
    write_records(rows, ["table", "partition", "since", "until", "rows", "bytes"], common.form())
    size = sum(piece.bytes for piece in gone)
    verb = "would go" if dry_run else "dropped"
    common.remark(f"{verb}: {len(gone)} partitions, {size:,} bytes")


def status(*, common: Options = DEFAULTS) -> None:
    """The server, the tables in it, how far they are, and what is wrong."""
    from datetime import UTC, datetime

    from barograph.store.postgres.inspecting import inspect

    settings = common.settings()
    with _connected(settings) as (connection, _):
        state = inspect(connection, settings.database.namespace, datetime.now(UTC))
    fields, tables = _status_fields(state), _table_rows(state)
    if common.json:
        write_object({**fields, "tables": tables, "problems": _problem_rows(state)}, as_json=True)
        return
    write_object(fields, as_json=False)
    if tables:
        write("\n")
        write_records(tables, list(tables[0]), "table")
    for problem in state.problems:
        write(f"\n{problem.message}\n  remedy: {problem.remedy}\n")


@contextmanager
def _connected(settings: Settings) -> Iterator[tuple[psycopg.Connection[Any], Server]]:
    """A connection to the database of the settings, whatever ``store`` says: it may be wanted later."""
    from contextlib import closing

    from barograph.store.postgres.address import Address
    from barograph.store.postgres.connection import connect
    from barograph.store.postgres.server import detect

    with closing(connect(Address.of(settings.database))) as connection:
        yield connection, detect(connection)


def _names(roles: bool, writer: str | None, reader: str | None) -> dict[Literal["writer", "reader"], str]:
    from barograph.store.postgres.roles import READER, WRITER

    names = {"writer": writer or (WRITER if roles else None), "reader": reader or (READER if roles else None)}
    if names["writer"] is not None and names["writer"] == names["reader"]:
        raise UsageError(f"writer and reader are both called {names['writer']!r}; they must be two roles")
    return {kind: name for kind, name in names.items() if name is not None}  # type: ignore[misc]


def _wanted(
    connection: psycopg.Connection[Any], names: dict[Literal["writer", "reader"], str], login: bool
) -> list[Role]:
    from barograph.store.postgres.roles import Role, verifier

    made = []
    for kind, name in names.items():
        proof = verifier(connection, name, _password(kind, name)) if login else None
        made.append(Role(name, kind, proof))
    return made


def _password(kind: str, role: str) -> str:
    """A password from the environment, or from the person at the terminal: never from the command line."""
    given = os.environ.get(_PASSWORDS[kind])
    if given:
        return given
    if not sys.stdin.isatty():
        raise UsageError(f"no password for {role}: set {_PASSWORDS[kind]}, or run it at a terminal")
    from getpass import getpass

    first = getpass(f"Password for {role}: ")
    if first != getpass("Once more: "):
        raise UsageError("the two passwords are not the same; nothing was changed")
    return first


def _bring_up(
    connection: psycopg.Connection[Any],
    server: Server,
    database: DatabaseSection,
    roles: list[Role],
    common: Everywhere,
    *,
    plain: bool,
) -> None:
    from barograph.clock import SystemClock
    from barograph.store.postgres.migrating import applied, migrate
    from barograph.store.postgres.partitions import make_ahead
    from barograph.store.postgres.roles import make_roles
    from barograph.store.postgres.timescale import set_policies

    made = migrate(connection, database.namespace, server.timescaledb, plain=plain)
    make_roles(connection, database.namespace, roles)
    done = applied(connection, database.namespace)
    set_policies(connection, done[0].ways, server.timescaledb.schema, database)
    ahead = make_ahead(connection, database.namespace, SystemClock().now_ns() // 1_000, database.ahead_days)
    fields = {
        "database": server.database,
        "namespace": database.namespace,
        "version": done[-1].version,
        "kept_as": ", ".join(done[0].ways),
        "applied": [f"{each.version:04d} {each.name}" for each in made],
        "roles": [role.name for role in roles],
        "partitions_made": ahead,
    }
    write_object(fields, as_json=common.json)


def _print_plan(
    connection: psycopg.Connection[Any],
    server: Server,
    database: DatabaseSection,
    roles: list[Role],
    *,
    plain: bool,
) -> None:
    """The SQL, so that psql would take it."""
    from barograph.store.postgres.migrating import applied, planned, ways_for
    from barograph.store.postgres.roles import grants, role_statements
    from barograph.store.postgres.timescale import policies

    done = applied(connection, database.namespace)
    ways = done[0].ways if done else ways_for(server.timescaledb, plain=plain)
    statements = list(planned(done, database.namespace, server.timescaledb, plain=plain))
    statements += role_statements(database.namespace, roles, hide=True)
    for role in roles:
        statements += grants(database.namespace, role)
    statements += policies(ways, server.timescaledb.schema, database)
    ended = (f"{each.rstrip().removesuffix(';')};" for each in statements)
    write("".join(f"{each}\n" for each in ended) or "-- nothing to do\n")


def _status_fields(state: DatabaseState) -> dict[str, Any]:
    server = state.server
    extension = server.timescaledb
    return {
        "server": f"PostgreSQL {server.version}",
        "database": server.database,
        "user": server.user,
        "tls": server.tls,
        "timescaledb": extension.installed,
        "timescaledb_available": extension.available,
        "timescaledb_licence": extension.licence,
        "namespace": state.namespace,
        "version": state.version,
        "pending": list(state.waiting),
        "kept_as": ", ".join(state.ways) or None,
        "committed": state.committed,
        "lineage": state.lineage or None,
        "roles": [f"{role.name} ({role.kind})" for role in state.roles],
    }


def _table_rows(state: DatabaseState) -> list[dict[str, Any]]:
    return [
        {
            "table": each.name,
            "rows": each.rows,
            "bytes": each.bytes,
            "partitions": each.partitions,
            "since": each.since and f"{each.since:%Y-%m-%d}",
            "until": each.until and f"{each.until:%Y-%m-%d}",
        }
        for each in state.tables
    ]


def _problem_rows(state: DatabaseState) -> list[dict[str, str]]:
    return [{"problem": each.message, "remedy": each.remedy} for each in state.problems]


def _partition_row(piece: Partition) -> dict[str, Any]:
    return {
        "table": piece.relation,
        "partition": piece.name,
        "since": f"{piece.since:%Y-%m-%d}",
        "until": f"{piece.until:%Y-%m-%d}",
        "rows": piece.rows,
        "bytes": piece.bytes,
    }
