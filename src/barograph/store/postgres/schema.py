"""The tables as PostgreSQL has them: names, types and keys, made from ``barograph.tables``.

A row's primary key begins as the table is sorted, so that scans and loads go along the index.
Tables whose rows are only added (ticks, quotes, rejects) get the column :data:`ORDINAL`:
the rank of a row among those that are equal in the other columns of the key, in the
table's (stable) sort order. A commit and a sorted file give a row the same rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from barograph.tables import ANOMALIES, COMPLETED_TRADES, QUOTES, TABLES, TICKS, Column, Table

ORDINAL = "ordinal"
COMMITS, STATE, MIGRATIONS = "barograph_commits", "barograph_state", "barograph_migrations"
"""``(first_pos, next_pos)``; ``(name, value)`` with the lineage; what was applied when."""

_TYPES = {
    "time": "timestamptz",
    "string": 'text COLLATE "C"',
    "double": "double precision",
    "bool": "boolean",
    "int8": "smallint",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
}


@dataclass(frozen=True, slots=True)
class Physical:
    """A table of PostgreSQL.

    Attributes:
        name: its name; that of ``table`` unless a view of that name stands before it.
        key: the primary key's columns, in the index's order.
        period: how much time one partition (or chunk) holds.
    """

    table: Table
    name: str
    key: tuple[str, ...]
    period: Literal["day", "month"]

    @property
    def ordinal(self) -> bool:
        """Whether rows carry :data:`ORDINAL`, the last column of the key."""
        return not self.table.versioned and self.table is not COMPLETED_TRADES

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Names and types with constraints, in order."""
        own = tuple((column.name, _type(column)) for column in self.table.columns)
        return (*own, (ORDINAL, "integer NOT NULL")) if self.ordinal else own

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in order."""
        return tuple(name for name, _ in self.columns)


def _type(column: Column) -> str:
    return _TYPES[column.type] + ("" if column.nullable else " NOT NULL")


@cache
def physical(name: str) -> Physical:
    """The table of PostgreSQL behind the table ``name`` of ``barograph.tables``."""
    table = COMPLETED_TRADES if name == COMPLETED_TRADES.name else TABLES[name]
    nullable = {column.name for column in table.columns if column.nullable}
    ranked = not table.versioned and table is not COMPLETED_TRADES
    if ranked:
        key = (*(each for each in table.sort if each not in nullable), ORDINAL)
    elif table is COMPLETED_TRADES:
        key = table.key  # few rows, in one piece
    else:
        # The sort order has every column of the key, and the time that partitions are cut by.
        key = tuple(each for each in table.sort if each in (*table.key, table.time))
        key += tuple(each for each in (*table.key, table.time) if each not in key)
    behind = "anomaly_versions" if table is ANOMALIES else table.name
    return Physical(table, behind, key, "day" if table in (TICKS, QUOTES) else "month")


def all_physical() -> tuple[Physical, ...]:
    """Every table of rows, in the order in which commits fill them."""
    return tuple(physical(name) for name in (*TABLES, COMPLETED_TRADES.name))
