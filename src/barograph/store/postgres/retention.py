"""Dropping what is too old: whole partitions or chunks, never the newest one that has rows."""

# ruff: noqa: S608 - names come from schema.py and the settings

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from barograph.clock import DAY_US
from barograph.errors import UsageError
from barograph.store.postgres.connection import errors
from barograph.store.postgres.partitions import PARTITIONED, Partition
from barograph.store.postgres.quoting import quoted

if TYPE_CHECKING:
    import psycopg


def drop_old(
    connection: psycopg.Connection[Any],
    namespace: str,
    now_us: int,
    keep_days: float,
    *,
    tables: Sequence[str] | None = None,
    dry_run: bool = False,
) -> list[Partition]:
    """Drop the pieces that ended ``keep_days`` ago or longer; those that went, or would go.

    Bars of hours and days (``bars_1h``, ``bars_1d``) and completed trades stay.

    Args:
        tables: by their names in ``barograph.tables``; all that are cut by time when absent.
        dry_run: drop nothing.

    Raises:
        UsageError: no such table, or one that is not cut by time.
        StorageBusy: a reader has held a table for five seconds; what was dropped so far is gone.
    """
    before_us = now_us - round(keep_days * DAY_US)
    query = (
        "SELECT name, since, until, rows, bytes "
        f"FROM {quoted(namespace)}.barograph_drop_before(%s, to_timestamp(%s / 1e6), %s)"
    )
    gone: list[Partition] = []
    for relation in _relations(tables):
        with errors(f"dropping old partitions of {relation}"):
            rows = connection.execute(query, (relation, before_us, dry_run)).fetchall()
        gone += [Partition(relation, *row) for row in rows]
    return gone


def _relations(tables: Sequence[str] | None) -> list[str]:
    known = {each.table.name: each.name for each in PARTITIONED}
    for name in tables or ():
        if name not in known:
            raise UsageError(f"{name!r} is no table that is cut by time; those are: {', '.join(known)}")
    return [known[name] for name in (tables if tables is not None else known)]
