"""Users' own tables: read for a backup, put back after a restore.

Numbers, truth values and text travel as such, all other types as the text that PostgreSQL prints for
them and reads back: dates and times (``infinity`` too), numeric, json, uuid, arrays, ranges, whatever
extensions bring.
"""

# ruff: noqa: S608 - names are quoted

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from barograph.errors import SettingsError
from barograph.store.own import OwnTable
from barograph.store.postgres.loading import copy_rows
from barograph.store.postgres.quoting import literal, quoted, quoted_path

if TYPE_CHECKING:
    import psycopg

    from barograph.store.postgres.sessions import Readers

    Connection = psycopg.Connection[Any]

_NATIVE = {
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
}
_WIRE = {
    pa.bool_(): "boolean",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.float64(): "double precision",
}

# What the server computes by itself (generated columns) is left to it.
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), coalesce(k.place, 0)
    FROM pg_attribute a
    LEFT JOIN (
        SELECT indrelid, attnum, place
        FROM pg_index, unnest(indkey::int2[]) WITH ORDINALITY AS u (attnum, place)
        WHERE indisprimary
    ) k ON k.indrelid = a.attrelid AND k.attnum = a.attnum
    WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    ORDER BY a.attnum
"""
_STAGED = "barograph_own_rows"


def described(
    connection: Connection, name: str, time_column: str, since: str | None, until: str | None
) -> OwnTable:
    """What a table is like.

    Raises:
        SettingsError: there is no such table, or it has no such column.
    """
    full = name if "." in name else f"public.{name}"
    found = connection.execute(_COLUMNS, [quoted_path(full)]).fetchall()
    if not found:
        raise SettingsError(f"backup.tables: the database has no table {full} that we may see")
    columns = tuple((column, kind) for column, kind, _ in found)
    if time_column not in dict(columns):
        names = ", ".join(column for column, _ in columns)
        raise SettingsError(f"backup.tables: {full} has no column {time_column!r}; it has: {names}")
    key = tuple(column for column, _, place in sorted(found, key=lambda each: each[2]) if place)
    return OwnTable(full, time_column, columns, key, since, until)


def rows(readers: Readers, table: OwnTable) -> Iterator[pa.RecordBatch]:
    """The chosen rows, streamed, in the order of the key and else of time."""
    columns = ", ".join(_read(column, kind) for column, kind in table.columns)
    order = ", ".join(quoted(column) for column in table.key or (table.time_column,))
    statement = f"SELECT {columns} FROM {quoted_path(table.name)}{_where(table)} ORDER BY {order}"
    schema, batches = readers.stream(f"reading {table.name}", statement)
    plain = pa.schema([pa.field(field.name, field.type) for field in schema])
    for batch in batches:
        yield pa.RecordBatch.from_arrays(batch.columns, schema=plain)


def restore(connection: Connection, table: OwnTable, batches: Iterable[pa.RecordBatch]) -> int:
    """Put rows back, in one transaction; how many. The table is made where it is not there.

    With a key, rows take the place of those with the same key. Without one, they take the place of
    all rows of the stretch that they were chosen from.
    """
    with connection.transaction():
        _make(connection, table)
        count, staged = 0, False
        for batch in batches:
            if not staged:
                kinds = ", ".join(f"{quoted(f.name)} {_WIRE.get(f.type, 'text')}" for f in batch.schema)
                _run(connection, f"CREATE TEMP TABLE {_STAGED} ({kinds}) ON COMMIT DROP")
                staged = True
            copy_rows(connection, f"pg_temp.{_STAGED}", pa.Table.from_batches([batch]))
            count += batch.num_rows
        if not table.key:
            _run(connection, f"DELETE FROM {quoted_path(table.name)}{_where(table)}")
        if staged:
            _run(connection, _put(table, _numbered(connection, table)))
    return count


def _make(connection: Connection, table: OwnTable) -> None:
    there: Any = connection.execute("SELECT to_regclass(%s)", [quoted_path(table.name)]).fetchone()
    if there[0] is not None:
        return
    schema = table.name.partition(".")[0]
    known: Any = connection.execute("SELECT to_regnamespace(%s)", [quoted(schema)]).fetchone()
    if known[0] is None:
        _run(connection, f"CREATE SCHEMA {quoted(schema)}")
    columns = [f"{quoted(column)} {kind}" for column, kind in table.columns]
    if table.key:
        columns.append(f"PRIMARY KEY ({', '.join(map(quoted, table.key))})")
    _run(connection, f"CREATE TABLE {quoted_path(table.name)} ({', '.join(columns)})")


def _numbered(connection: Connection, table: OwnTable) -> set[str]:
    """Columns that the server numbers itself: a new row may bring its number, an old one keeps it."""
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attidentity = 'a'",
        [quoted_path(table.name)],
    )
    return {name for (name,) in found}


def _put(table: OwnTable, numbered: set[str]) -> str:
    names = ", ".join(quoted(column) for column, _ in table.columns)
    values = ", ".join(f"{quoted(column)}::{kind}" for column, kind in table.columns)
    kept = {*table.key, *numbered}
    others = [quoted(column) for column, _ in table.columns if column not in kept]
    conflict = ""
    if table.key:
        news = ", ".join(f"{column} = excluded.{column}" for column in others)
        key = ", ".join(map(quoted, table.key))
        conflict = f" ON CONFLICT ({key}) DO {f'UPDATE SET {news}' if others else 'NOTHING'}"
    return (
        f"INSERT INTO {quoted_path(table.name)} ({names}) OVERRIDING SYSTEM VALUE"
        f" SELECT {values} FROM pg_temp.{_STAGED}{conflict}"
    )


def _where(table: OwnTable) -> str:
    kind = dict(table.columns)[table.time_column]
    column = quoted(table.time_column)
    bounds = [
        f"{column} {sign} {literal(bound)}::{kind}"
        for sign, bound in ((">=", table.since), ("<", table.until))
        if bound is not None
    ]
    return f" WHERE {' AND '.join(bounds)}" if bounds else ""


def _read(column: str, kind: str) -> str:
    return quoted(column) if kind in _NATIVE else f"{quoted(column)}::text AS {quoted(column)}"


def _run(connection: Connection, statement: str) -> None:
    connection.execute(statement)
