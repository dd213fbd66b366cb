"""Rows into tables: COPY straight from Arrow where that can be, else by way of a temporary table.

COPY in PostgreSQL's binary format is several times as fast as anything else, and it knows nothing of
conflicts. Where a row may be there already, rows go into a temporary table of this session, and
from there those that are new, or newer than what is there, into the table.
"""

# ruff: noqa: S608 - names come from schema.py

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import pgpq
import pyarrow as pa
import pyarrow.compute as pc

from barograph.errors import StorageError
from barograph.store.postgres.preparing import EPOCH, Prepared
from barograph.store.postgres.quoting import literal
from barograph.store.postgres.schema import Physical, all_physical

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]

_BLOCK_ROWS = 16_384
_FIRST_ROWS = 1_024
"""Few, so that the server has something to do while we encode the rest."""
_FEW_ROWS = 16_384
_PARTITIONS = "SELECT {}.barograph_make_partitions(%s, %s::timestamptz, %s::timestamptz + interval '1 us')"


class Loader:
    """Puts rows into the tables of one namespace. What it remembers holds for one connection."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._staging: set[str] = set()
        self._periods: set[tuple[str, date]] = set()
        self._taken: set[str] = set()

    def load(
        self, connection: Connection, parts: Sequence[Prepared], note: Callable[[Connection], None]
    ) -> int:
        """Put rows in, all or none, and ``note`` something in the same transaction.

        Of two versions of a row the newer wins; a row that is there as it is given stays untouched.

        Returns:
            How many rows were new or newer.
        """
        import psycopg

        self._make_partitions(connection, parts)
        staged = {part.physical.name for part in parts} & self._taken
        while True:
            self._make_staging(connection, [part.physical for part in parts if part.physical.name in staged])
            at: Physical | None = None
            try:
                with connection.transaction():
                    changed = 0
                    for part in parts:
                        at = part.physical
                        changed += self._put(connection, part, at.name in staged)
                    note(connection)
            except psycopg.errors.UniqueViolation:
                if at is None or at.name in staged:
                    raise
                staged.add(at.name)
                self._taken.add(at.name)  # it will not be the last time
            except psycopg.errors.CheckViolation as error:
                # A partition was dropped since: the next try makes it again.
                self._periods.clear()
                raise StorageError(f"putting rows into {at.name if at else 'a table'}: {error}") from error
            else:
                return changed

    def always_stage(self) -> None:
        """Take the longer way with every table, at once."""
        self._taken = {each.name for each in all_physical()}

    def _put(self, connection: Connection, part: Prepared, staged: bool) -> int:
        target = f"{self._namespace}.{part.physical.name}"
        if not staged:
            copy_rows(connection, target, part.rows)
            return int(part.rows.num_rows)
        copy_rows(connection, f"pg_temp.{_staging_name(part.physical)}", part.rows)
        return int(connection.execute(_merging(part, target)).rowcount)

    def _make_staging(self, connection: Connection, tables: Sequence[Physical]) -> None:
        for each in tables:
            if each.name not in self._staging:
                connection.execute(
                    f"CREATE TEMP TABLE IF NOT EXISTS {_staging_name(each)}"
                    f" (LIKE {self._namespace}.{each.name}) ON COMMIT DELETE ROWS"
                )
                self._staging.add(each.name)

    def _make_partitions(self, connection: Connection, parts: Sequence[Prepared]) -> None:
        """Ask for the partitions of days not seen before, apart from the rows: locks are held shortly."""
        query = _PARTITIONS.format(self._namespace)
        for part in parts:
            for period in _periods(part):
                if (part.physical.name, period) not in self._periods:
                    since = f"{period.isoformat()} 00:00:00+00"
                    connection.execute(query, [part.physical.name, since, since])
                    self._periods.add((part.physical.name, period))


def copy_rows(connection: Connection, target: str, rows: pa.Table) -> None:
    """COPY rows into a table; its columns have the names and the types of theirs."""
    names = ", ".join(f'"{name}"' for name in rows.schema.names)
    encoder = pgpq.ArrowToPostgresBinaryEncoder(rows.schema)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {target} ({names}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(encoder.write_header())
        for part in (rows.slice(0, _FIRST_ROWS), rows.slice(_FIRST_ROWS)):
            for batch in part.to_batches(max_chunksize=_BLOCK_ROWS):
                copy.write(encoder.write_batch(batch))
        copy.write(encoder.finish())


def _periods(part: Prepared) -> Iterator[date]:
    days = [date.fromordinal(EPOCH + day) for day in part.days]
    yield from sorted({day.replace(day=1) for day in days} if part.physical.period == "month" else days)


def _staging_name(table: Physical) -> str:
    return f"barograph_new_{table.name}"


def _merging(part: Prepared, target: str) -> str:
    """Take from the temporary table what is new or newer.

    The first condition spares a row that is there already: the conflict alone would lock, and so write, it.
    Its bounds let the server look at the stretch of the table that is at hand, and nowhere else.
    """
    table, key = part.physical.table, part.physical.key
    names = part.physical.names
    others = [name for name in names if name not in key]
    same = " AND ".join(f"o.{name} = n.{name}" for name in key)
    since, until = (f"'{moment}+00'" for moment in part.span)
    near = f"o.{table.time} BETWEEN {since} AND {until}"
    if pa.types.is_string(part.rows.schema.field(key[0]).type):
        least, most = map(literal, pc.min_max(part.rows.column(key[0])).as_py().values())
        near += f" AND o.{key[0]} BETWEEN {least} AND {most}"
    # With an OFFSET the server looks each row up; else it may read all of a large table for a few rows.
    one_by_one = " OFFSET 0" if part.rows.num_rows < _FEW_ROWS else ""
    stays = ""
    conflict = "DO NOTHING"
    if table.versioned:
        old, new = _row("o", table.version), _row("n", table.version)
        equal = f"{_row('o', others)} IS NOT DISTINCT FROM {_row('n', others)}"
        stays = f" AND ({old} > {new} OR ({old} = {new} AND {equal}))"
        news = ", ".join(f"{name} = excluded.{name}" for name in others)
        conflict = f"DO UPDATE SET {news} WHERE {old} <= {_row('excluded', table.version)}"
    return (
        f"INSERT INTO {target} AS o ({', '.join(names)})"
        f" SELECT {', '.join(names)} FROM pg_temp.{_staging_name(part.physical)} AS n WHERE NOT EXISTS"
        f" (SELECT FROM {target} AS o WHERE {same} AND {near}{stays}{one_by_one})"
        f" ON CONFLICT ({', '.join(key)}) {conflict}"
    )


def _row(alias: str, names: Sequence[str]) -> str:
    return f"ROW({', '.join(f'{alias}.{name}' for name in names)})"
