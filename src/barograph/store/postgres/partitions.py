"""The pieces that tables are cut into by time: native partitions, or TimescaleDB's chunks."""

# ruff: noqa: S608 - names come from schema.py and the settings

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from barograph.clock import DAY_US
from barograph.store.postgres.connection import errors
from barograph.store.postgres.quoting import quoted
from barograph.store.postgres.schema import all_physical
from barograph.tables import COMPLETED_TRADES

if TYPE_CHECKING:
    import psycopg

PARTITIONED = tuple(each for each in all_physical() if each.table is not COMPLETED_TRADES)
"""The tables that are cut by time."""


class Partition(NamedTuple):
    """One piece: rows with ``since <= time < until`` (UTC).

    Attributes:
        relation: the table that it is a piece of, by its name in the database.
        rows: as the server last estimated them; None when it has not yet.
    """

    relation: str
    name: str
    since: datetime
    until: datetime
    rows: int | None
    bytes: int
    compressed: bool = False


def partitions(connection: psycopg.Connection[Any], namespace: str) -> list[Partition]:
    """All pieces, by table and time."""
    with errors("listing the partitions"):
        found = connection.execute(
            "SELECT relation, name, since, until, rows, bytes, compressed "
            f"FROM {quoted(namespace)}.barograph_partitions WHERE since IS NOT NULL ORDER BY relation, since"
        ).fetchall()
    return [Partition(*row) for row in found]


def make_ahead(connection: psycopg.Connection[Any], namespace: str, now_us: int, days: int) -> int:
    """Make the partitions of today and of the ``days`` to come; how many were not there.

    Whom the tables do not belong to may do it too, if it is a writer.
    """
    query = (
        f"SELECT {quoted(namespace)}.barograph_make_partitions("
        "%s, to_timestamp(%s / 1e6), to_timestamp(%s / 1e6))"
    )
    made = 0
    for each in PARTITIONED:
        with errors(f"making partitions of {each.name}"):
            # One table at a time: what is made is there at once, and no lock is held for long.
            row = connection.execute(query, (each.name, now_us, now_us + days * DAY_US)).fetchone()
        made += row[0] if row is not None else 0
    return made
