"""Scans as SQL, and their rows as Arrow in the table's own types."""

# ruff: noqa: S608 - names come from tables.py, values are quoted

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from barograph.errors import UsageError
from barograph.store.postgres.escaping import escaped_text, unescaped
from barograph.store.postgres.preparing import EPOCH, moment
from barograph.store.postgres.quoting import literal
from barograph.store.postgres.schema import COMMITS, ORDINAL, STATE, physical
from barograph.store.selection import Selection
from barograph.store.store import Scan
from barograph.tables import COMPLETED_TRADES, TABLES

if TYPE_CHECKING:
    from barograph.store.postgres.sessions import Readers

LINEAGE = "lineage"
_MIN_US, _MAX_US = (1 - EPOCH) * 86_400_000_000, 253_402_300_799_999_999
"""The first and the last microsecond of the calendar: no row is outside."""


def selected(wanted: Scan) -> Selection:
    """Check a scan; unlike the lake's, also one of completed trades.

    Raises:
        UsageError: no such table or column, or a filter on a column that the table lacks.
    """
    if wanted.table != COMPLETED_TRADES.name:
        return Selection.of(wanted)
    table = COMPLETED_TRADES
    columns = table.names if wanted.columns is None else tuple(wanted.columns)
    for name in columns:
        if name not in table.names:
            raise UsageError(f"{table.name} has no column {name!r}; it has: {', '.join(table.names)}")
    chosen = {"symbol": wanted.symbols, "venue": wanted.venues}
    filters = {name: tuple(sorted(set(values))) for name, values in chosen.items() if values is not None}
    return Selection(table, columns, filters, wanted.start_us, wanted.end_us)


def rows(readers: Readers, namespace: str, wanted: Scan) -> Iterator[pa.RecordBatch]:
    """The rows of a scan, streamed.

    Raises:
        UsageError: the scan asks for what there is not.
        StorageError: the server is away; also while rows are streamed.
    """
    selection = selected(wanted)
    return _streamed(readers, namespace, selection, wanted)


def _streamed(
    readers: Readers, namespace: str, selection: Selection, wanted: Scan
) -> Iterator[pa.RecordBatch]:
    own = selection.table.schema()
    schema = pa.schema([own.field(name) for name in selection.columns])
    statement = scan_sql(namespace, selection, wanted.from_pos, wanted.withdrawn)
    _, batches = readers.stream(f"reading {selection.table.name}", statement)
    for batch in batches:
        if batch.num_rows:
            yield conformed(batch, schema)


def conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """What the server sent, in the schema that was asked for."""
    columns = [
        unescaped(column) if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def scan_sql(namespace: str, selection: Selection, from_pos: int | None, withdrawn: bool) -> str:
    """The query for a scan: everything that can be left to the server is."""
    table, behind = selection.table, physical(selection.table.name)
    order = (*table.sort, ORDINAL) if behind.ordinal else table.sort
    columns = ", ".join(f'"{name}"' for name in selection.columns)
    conditions = [_among(name, values) for name, values in selection.chosen.items()]
    conditions += _within(table.time, selection.start_us, selection.end_us)
    if from_pos is not None and "tape_pos" in table.names:
        conditions.append(f"tape_pos >= {int(from_pos)}")
    if table.withdrawn and not withdrawn:
        conditions.append(f"{table.withdrawn} IS NOT NULL")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {columns} FROM {namespace}.{behind.name}{where} ORDER BY {', '.join(order)}"


def _among(name: str, values: tuple[str, ...]) -> str:
    words = [literal(escaped_text(value)) for value in values]
    if len(words) == 1:
        return f"{name} = {words[0]}"  # keeps the index's order, which = ANY may not
    return f"{name} = ANY (ARRAY[{', '.join(words)}]::text[])"


def _within(time: str, start_us: int | None, end_us: int | None) -> list[str]:
    conditions = []
    if start_us is not None and start_us > _MIN_US:
        conditions.append(f"{time} >= '{moment(start_us)}+00'" if start_us <= _MAX_US else "false")
    if end_us is not None and end_us <= _MAX_US:
        conditions.append(f"{time} < '{moment(end_us)}+00'" if end_us > _MIN_US else "false")
    return conditions


def committed_sql(namespace: str) -> str:
    """How far the tape is committed; no row when nothing is."""
    return f"SELECT next_pos FROM {namespace}.{COMMITS} ORDER BY first_pos DESC, next_pos DESC LIMIT 1"


def commits_sql(namespace: str) -> str:
    """The commits from a position on (its parameter), ascending."""
    return (
        f"SELECT first_pos, next_pos FROM {namespace}.{COMMITS} WHERE first_pos >= %s"
        f" ORDER BY first_pos, next_pos"
    )


def state_sql(namespace: str) -> str:
    """A value that is kept beside the tables, by name (its parameter)."""
    return f"SELECT value FROM {namespace}.{STATE} WHERE name = %s"


def symbols_sql(namespace: str) -> str:
    """Every symbol and venue with its first and last time: ``symbol, venue, first, last``.

    Steps along the index from one symbol to the next, and looks at the two ends of each: a few lookups
    a symbol, however many rows it has.
    """
    ends = " UNION ALL ".join(_ends(namespace, name) for name in _WITH_SYMBOLS)
    return (
        f"SELECT symbol, venue, min(first) AS first, max(last) AS last FROM ({ends}) AS every"
        f" GROUP BY symbol, venue ORDER BY symbol, venue"
    )


_WITH_SYMBOLS = ("ticks", "quotes", "market_microstructure", "candles")


def _ends(namespace: str, name: str) -> str:
    target, time = f"{namespace}.{physical(name).name}", TABLES[name].time
    following = f"SELECT symbol, venue FROM {target}"
    mine = f"FROM {target} AS r WHERE r.symbol = s.symbol AND r.venue = s.venue"
    return (
        f"(WITH RECURSIVE s AS (({following} ORDER BY symbol, venue LIMIT 1) UNION ALL"
        f" SELECT b.symbol, b.venue FROM s, LATERAL ({following} AS f WHERE (f.symbol, f.venue) >"
        f" (s.symbol, s.venue) ORDER BY f.symbol, f.venue LIMIT 1) AS b)"
        f" SELECT symbol, venue, (SELECT min({time}) {mine}) AS first, (SELECT max({time}) {mine}) AS last"
        f" FROM s)"
    )
