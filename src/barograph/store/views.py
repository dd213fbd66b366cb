"""The lake's tables as SQL for DuckDB: explicit lists of files under the reading rule."""

# ruff: noqa: S608 - the names come from tables.py, the paths (quoted) from our own listing

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from barograph.store.reading import Day, footer_at
from barograph.tables import Column, Table

_TYPES = {
    "time": "TIMESTAMPTZ",
    "string": "VARCHAR",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
}

_EMPTY = {"string": "''", "time": "to_timestamp(0)", "bool": "false"}
"""What stands, by type, for a column that an older file lacks and that may not be null; else 0."""

DERIVED = {
    "ticks_simple": """
        SELECT ts AS time, symbol, price, size AS volume FROM ticks
    """,
    # Complete: neither trades nor quotes of the minute are known to be missing; null: nothing is known.
    "market_minutes": """
        SELECT m.*, CASE WHEN t.state IS NULL AND q.state IS NULL THEN NULL
            ELSE coalesce(t.state <> 'missing', true) AND coalesce(q.state <> 'missing', true)
            END AS complete
        FROM market_microstructure m
        LEFT JOIN coverage t ON t.channel = 'trades' AND t.minute = m.timestamp
            AND t.symbol = m.symbol AND t.venue = m.venue
        LEFT JOIN coverage q ON q.channel = 'quotes' AND q.minute = m.timestamp
            AND q.symbol = m.symbol AND q.venue = m.venue
    """,
    # The change is against the last price of an earlier UTC day, else against the day's first open.
    "last_prices": """
        WITH minutes AS (
            SELECT symbol, timestamp, 60 AS interval_s, open, price FROM market_microstructure
            WHERE price IS NOT NULL
            UNION ALL
            SELECT symbol, timestamp, interval_s, open, price FROM candles
            WHERE symbol NOT IN (SELECT symbol FROM market_microstructure)
        ), newest AS (
            SELECT symbol, arg_max(price, (timestamp, -interval_s)) AS price, max(timestamp) AS ts
            FROM minutes GROUP BY symbol
        ), earlier AS (
            SELECT n.symbol, arg_max(m.price, (m.timestamp, -m.interval_s)) AS price
            FROM newest n JOIN minutes m ON m.symbol = n.symbol AND m.timestamp < date_trunc('day', n.ts)
            GROUP BY n.symbol
        ), opening AS (
            SELECT n.symbol, arg_min(coalesce(m.open, m.price), (m.timestamp, m.interval_s)) AS price
            FROM newest n JOIN minutes m ON m.symbol = n.symbol AND m.timestamp >= date_trunc('day', n.ts)
            GROUP BY n.symbol
        )
        SELECT n.symbol, n.price, n.ts, 100 * (n.price / coalesce(e.price, o.price) - 1) AS change_pct_day
        FROM newest n LEFT JOIN earlier e ON e.symbol = n.symbol LEFT JOIN opening o ON o.symbol = n.symbol
    """,
}
"""Views over the tables, by name."""

NEEDS = {
    "ticks_simple": ("ticks",),
    "market_minutes": ("market_microstructure", "coverage"),
    "last_prices": ("market_microstructure", "candles"),
}
"""The tables that each derived view reads."""


def table_sql(table: Table, days: Sequence[Day]) -> str:
    """A query for all rows of ``table`` in ``days``, newest versions only.

    A day that is sealed and has no newer parts is read as it is, without a window.
    """
    settled = [day.sealed for day in days if day.sealed is not None and not day.parts]
    selects = _from_files(table, settled)
    unsettled = [select for day in days if day.parts for select in _unsettled(table, day)]
    hot = _from_files(table, [part.path for day in days for part in day.parts])
    if table.withdrawn:
        selects = [f"{select} WHERE {_quoted(table.withdrawn)} IS NOT NULL" for select in selects]
    if table.versioned and (unsettled or hot):
        selects.append(_newest(table, [*unsettled, *hot]))
    else:
        selects += unsettled + hot
    return "\nUNION ALL\n".join(selects) if selects else _no_rows(table)


def once_sql(table: Table, paths: Sequence[Path]) -> str:
    """A query for all rows of ``table`` in files that are named by what they hold, each key once."""
    if not paths:
        return _no_rows(table)
    union = "\nUNION ALL\n".join(_from_files(table, paths))
    key = ", ".join(_quoted(name) for name in table.key)
    return f"SELECT * FROM ({union}) QUALIFY row_number() OVER (PARTITION BY {key}) = 1"


def _unsettled(table: Table, day: Day) -> list[str]:
    """The sealed file of a day that has newer parts."""
    if day.sealed is None:
        return []
    (select,) = _from_files(table, [day.sealed])
    if table.versioned:
        return [select]
    # Should the day be sealed again before it is read, the parts' rows must not count twice.
    return [f"{select} WHERE tape_pos < {day.upto_pos}"]


def _newest(table: Table, selects: Sequence[str]) -> str:
    key = ", ".join(_quoted(name) for name in table.key)
    version = ", ".join(f"{_quoted(name)} DESC" for name in table.version)
    union = "\nUNION ALL\n".join(selects)
    rows = f"SELECT * FROM ({union}) QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {version}) = 1"
    kept = f" WHERE {_quoted(table.withdrawn)} IS NOT NULL" if table.withdrawn else ""
    return f"SELECT * FROM ({rows}){kept}"


def _from_files(table: Table, paths: Sequence[Path]) -> list[str]:
    """A query for files in today's schema, and one for older files, as far as there are any."""
    current = [path for path in paths if footer_at(path, table).current]
    older = [path for path in paths if not footer_at(path, table).current]
    selects = []
    if current:
        names = ", ".join(_quoted(name) for name in table.names)
        selects.append(f"SELECT {names} FROM {_parquet(current)}")
    if older:
        values = ", ".join(f"{_filled(column)} AS {_quoted(column.name)}" for column in table.columns)
        union = f"{_no_rows(table)} UNION ALL BY NAME SELECT * FROM {_parquet(older, union_by_name=True)}"
        selects.append(f"SELECT {values} FROM ({union})")
    return selects


def _filled(column: Column) -> str:
    cast = f"CAST({_quoted(column.name)} AS {_TYPES[column.type]})"
    if column.nullable:
        return cast
    return f"coalesce({cast}, {_EMPTY.get(column.type, '0')})"


def _no_rows(table: Table) -> str:
    nulls = ", ".join(f"CAST(NULL AS {_TYPES[c.type]}) AS {_quoted(c.name)}" for c in table.columns)
    return f"SELECT {nulls} WHERE false"


def _parquet(paths: Sequence[Path], union_by_name: bool = False) -> str:
    files = ", ".join("'" + path.absolute().as_posix().replace("'", "''") + "'" for path in paths)
    options = ", union_by_name = true" if union_by_name else ""
    return f"read_parquet([{files}], hive_partitioning = false{options})"


def _quoted(name: str) -> str:
    return f'"{name}"'
