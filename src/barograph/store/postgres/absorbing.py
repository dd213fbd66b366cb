"""Rows that another store made, put in by key, a bounded number at a time."""

# ruff: noqa: S608 - names come from schema.py

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from barograph.errors import UsageError
from barograph.store.postgres.pipelining import Put, put_all
from barograph.store.postgres.preparing import Prepared, in_groups, prepared
from barograph.store.postgres.reading import LINEAGE
from barograph.store.postgres.schema import COMMITS, STATE, Physical, all_physical

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]

ROWS_AT_ONCE = 131_072
"""In one transaction: what has to be done again when it is interrupted."""
OWN = "own"
"""Named so in the state when the store has made rows from a tape itself."""


def absorb(
    physical: Physical,
    rows: Iterable[pa.RecordBatch],
    rows_at_once: int,
    put: Put,
    beside: Callable[[], Put | None],
) -> tuple[int, int]:
    """Put rows in, each so many in a transaction of their own; how many came, and how many changed it.

    Rows that are only added come in order, so that no two pieces have a key in common: two
    connections put them in side by side. Of rows with versions only one piece is on its way at a time.
    """
    came = 0

    def pieces() -> Iterator[Prepared]:
        nonlocal came
        for table in _tables(rows, physical, rows_at_once):
            came += table.num_rows
            yield prepared(physical, table)

    changed = put_all(pieces(), put, beside if physical.ordinal else lambda: None)
    return came, changed


def take_over(
    connection: Connection, namespace: str, lineage: str, commits: Sequence[tuple[int, int]]
) -> None:
    """Count as the content called ``lineage``.

    Raises:
        UsageError: the store has made rows of its own from a tape, or knows another lineage.
    """
    state, kept = f"{namespace}.{STATE}", f"{namespace}.{COMMITS}"
    with connection.transaction():
        known = dict(connection.execute(f"SELECT name, value FROM {state}").fetchall())
        if known.get(LINEAGE, lineage) != lineage:
            raise UsageError(
                f"the store holds the content {known[LINEAGE]}, and cannot count as {lineage}; "
                "clear it first, or take an empty one"
            )
        if OWN in known:
            raise UsageError(
                "the store has made rows of its own from a tape, so it cannot count as another's content; "
                "take an empty one (another database, or another database.namespace)"
            )
        _run(
            connection,
            f"INSERT INTO {state} (name, value) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [LINEAGE, lineage],
        )
        if commits:
            firsts, nexts = (list(each) for each in zip(*commits, strict=True))
            _run(
                connection,
                f"INSERT INTO {kept} (first_pos, next_pos) SELECT * FROM unnest(%s::bigint[], %s::bigint[])"
                " ON CONFLICT DO NOTHING",
                [firsts, nexts],
            )


def clear(connection: Connection, namespace: str) -> None:
    """Remove all rows, commits and the lineage, at once."""
    names = (*(each.name for each in all_physical()), COMMITS, STATE)
    with connection.transaction():
        _run(connection, f"TRUNCATE {', '.join(f'{namespace}.{name}' for name in names)}", [])


def _tables(rows: Iterable[pa.RecordBatch], physical: Physical, rows_at_once: int) -> Iterator[pa.Table]:
    if physical.ordinal:
        yield from in_groups(iter(rows), physical, rows_at_once)
        return
    pending: list[pa.RecordBatch] = []
    count = 0
    for batch in rows:
        pending.append(batch)
        count += batch.num_rows
        if count >= rows_at_once:
            yield pa.Table.from_batches(pending)
            pending, count = [], 0
    if count:
        yield pa.Table.from_batches(pending)


def _run(connection: Connection, statement: str, parameters: Sequence[Any]) -> None:
    connection.execute(statement, parameters)
