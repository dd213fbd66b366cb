"""Bars of an hour and of a day, ``bars_1h`` and ``bars_1d``: the same columns whichever way they are kept.

The work is done in the database (migrations/0002_aggregates.sql): as continuous aggregates by
TimescaleDB itself, else by a function that makes again what has changed since it last ran.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from barograph.store.postgres.connection import errors
from barograph.store.postgres.quoting import quoted

if TYPE_CHECKING:
    import psycopg

AGGREGATES = ("bars_1h", "bars_1d")


def refresh(connection: psycopg.Connection[Any], namespace: str) -> int:
    """Bring the aggregates up to date; how many rows were made. Again without new rows: none."""
    with errors("refreshing bars_1h and bars_1d"):
        row = connection.execute(f"SELECT {quoted(namespace)}.barograph_refresh_aggregates()").fetchone()
    return int(row[0]) if row is not None else 0
