"""What a database holds and what is wrong with it, for ``barograph db status`` and ``doctor``."""

# ruff: noqa: S608 - names come from schema.py and the settings

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from barograph.errors import SettingsError
from barograph.store.postgres.aggregates import AGGREGATES
from barograph.store.postgres.connection import errors
from barograph.store.postgres.migrating import Applied, applied, pending
from barograph.store.postgres.partitions import PARTITIONED, Partition, partitions
from barograph.store.postgres.quoting import quoted
from barograph.store.postgres.roles import Role, known_roles
from barograph.store.postgres.schema import COMMITS, STATE
from barograph.store.postgres.server import LEAST_TIMESCALEDB, Server, detect
from barograph.tables import COMPLETED_TRADES

if TYPE_CHECKING:
    import psycopg

_HERE = ("", "localhost", "127.0.0.1", "::1")
_MANY = 1_000
_SMALL_BYTES = 64 << 20


class Problem(NamedTuple):
    """What is wrong, or worth knowing, and what to do."""

    message: str
    remedy: str


class TableState(NamedTuple):
    """One table.

    Attributes:
        rows: as the server estimates them; counted where it has not and the table is small.
        since, until: the span of the partitions that hold rows.
    """

    name: str
    rows: int | None
    bytes: int
    partitions: int
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """A database as it is now.

    Attributes:
        version: of its tables; 0 when there are none.
        waiting: names of migrations that are to be applied.
        ways: how the tables are kept, see ``migrating.py``.
        committed: the tape position up to which all rows are there.
        lineage: of its content; empty when there is none.
    """

    server: Server
    namespace: str
    version: int
    waiting: tuple[str, ...]
    ways: tuple[str, ...]
    committed: int
    lineage: str
    tables: tuple[TableState, ...]
    roles: tuple[Role, ...]
    problems: tuple[Problem, ...]


def inspect(connection: psycopg.Connection[Any], namespace: str, now: datetime) -> DatabaseState:
    """Look at everything; changes nothing.

    Raises:
        StorageError: the server went away.
        SettingsError: it is too old, or we may not even look.
    """
    server = detect(connection)
    done = applied(connection, namespace)
    problems = list(_of_server(connection, server, namespace, done))
    waiting: tuple[str, ...] = ()
    try:
        waiting = tuple(f"{each.version:04d} {each.name}" for each in pending(done))
    except SettingsError as error:
        problems.append(Problem(str(error), "see docs/postgres.md"))
    if not done:
        problems.append(Problem("there are no tables yet", "barograph db init"))
        return DatabaseState(server, namespace, 0, waiting, (), 0, "", (), (), tuple(problems))
    if waiting:
        problems.append(Problem(f"the tables are behind: {', '.join(waiting)}", "barograph db migrate"))
    pieces = partitions(connection, namespace)
    if "partitions" in done[0].ways:
        problems += _of_partitions(pieces, now)
    committed, lineage = _content(connection, namespace)
    with errors("looking at the tables"):
        tables = tuple(_tables(connection, namespace, pieces, len(done)))
        roles = tuple(known_roles(connection, namespace))
    return DatabaseState(
        server,
        namespace,
        done[-1].version,
        waiting,
        done[0].ways,
        committed,
        lineage,
        tables,
        roles,
        tuple(problems),
    )


def _of_server(
    connection: psycopg.Connection[Any], server: Server, namespace: str, done: Sequence[Applied]
) -> Iterator[Problem]:
    extension = server.timescaledb
    least = ".".join(map(str, LEAST_TIMESCALEDB))
    if extension.installed is not None and not extension.usable:
        yield Problem(
            f"TimescaleDB {extension.installed} is too old to be used, the least is {least}",
            "ALTER EXTENSION timescaledb UPDATE",
        )
    elif extension.usable and done and "partitions" in done[0].ways:
        yield Problem(
            "TimescaleDB is installed, but the tables were made with native partitions and stay so",
            "to change: database.namespace = another one, barograph db init, barograph rebuild",
        )
    elif extension.installed is None and extension.available is not None and not done:
        loaded = "" if extension.preloaded else "shared_preload_libraries = 'timescaledb', a restart, then "
        yield Problem(
            f"the server could have TimescaleDB {extension.available}, and it is not installed here",
            f"{loaded}CREATE EXTENSION timescaledb, before `barograph db init`; or leave it",
        )
    host = connection.info.host
    if server.tls is None and host not in _HERE and not host.startswith("/"):
        yield Problem(
            f"the connection to {host} is not protected: rows can be read on the way",
            "database.sslmode = verify-full, with database.sslrootcert",
        )
    with errors("looking at rights"):
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a "
            "WHERE n.nspname = %s AND a.grantee = 0 AND a.privilege_type = 'CREATE')",
            (namespace,),
        ).fetchone()
    if row is not None and row[0]:
        yield Problem(
            f"everybody may make tables in the namespace {namespace!r}",
            f"REVOKE CREATE ON SCHEMA {namespace} FROM PUBLIC, or `barograph db init --roles`",
        )


def _of_partitions(pieces: Sequence[Partition], now: datetime) -> Iterator[Problem]:
    for each in PARTITIONED:
        mine = [piece for piece in pieces if piece.relation == each.name]
        ends = max((piece.until for piece in mine), default=None)
        if ends is None or ends < now + timedelta(days=1):
            yield Problem(
                f"{each.name} has no partition for tomorrow: nobody keeps the database in order",
                "let a recorder run, or call `barograph db migrate` daily",
            )
        if len(mine) > _MANY:
            yield Problem(
                f"{each.name} has {len(mine):,} partitions, beyond {_MANY:,} queries over all of it are slow",
                "barograph db retention --keep-days N, or raise max_locks_per_transaction",
            )


def _content(connection: psycopg.Connection[Any], namespace: str) -> tuple[int, str]:
    where = quoted(namespace)
    with errors("reading how far the tables are"):
        row = connection.execute(
            f"SELECT (SELECT coalesce(max(next_pos), 0) FROM {where}.{COMMITS}), "
            f"coalesce((SELECT value FROM {where}.{STATE} WHERE name = 'lineage'), '')"
        ).fetchone()
    assert row is not None
    return int(row[0]), str(row[1])


def _tables(
    connection: psycopg.Connection[Any], namespace: str, pieces: Sequence[Partition], version: int
) -> Iterator[TableState]:
    for each in PARTITIONED:
        mine = [piece for piece in pieces if piece.relation == each.name]
        counted = [(piece, _rows_of(connection, namespace, each.table.time, piece)) for piece in mine]
        held = [piece for piece, rows in counted if rows != 0]
        yield TableState(
            each.table.name,
            None if any(rows is None for _, rows in counted) else sum(rows or 0 for _, rows in counted),
            sum(piece.bytes for piece in mine),
            len(mine),
            min((piece.since for piece in held), default=None),
            max((piece.until for piece in held), default=None),
        )
    for name in (COMPLETED_TRADES.name, *(AGGREGATES if version > 1 else ())):
        yield _whole(connection, namespace, name)


def _rows_of(connection: psycopg.Connection[Any], namespace: str, time: str, piece: Partition) -> int | None:
    """The estimate; the count, by way of the table that we may read, where there is none."""
    if piece.rows is not None or piece.bytes > _SMALL_BYTES:
        return piece.rows
    row = connection.execute(
        f"SELECT count(*) FROM {quoted(namespace)}.{quoted(piece.relation)} "
        f"WHERE {quoted(time)} >= %s AND {quoted(time)} < %s",
        (piece.since, piece.until),
    ).fetchone()
    return row[0] if row is not None else None


def _whole(connection: psycopg.Connection[Any], namespace: str, name: str) -> TableState:
    table = f"{quoted(namespace)}.{name}"
    row = connection.execute(
        "SELECT CASE WHEN relkind = 'r' THEN nullif(reltuples, -1)::bigint END, "
        "pg_total_relation_size(oid), relkind FROM pg_class WHERE oid = to_regclass(%s)",
        (table,),
    ).fetchone()
    assert row is not None
    rows, size, kind = row
    if rows is None and kind == "r" and size <= _SMALL_BYTES:
        counted = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        rows = counted[0] if counted is not None else None
    return TableState(name, rows, size, 1)
