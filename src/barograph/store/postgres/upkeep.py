"""What keeps the database in order while a recorder writes to it: called about once an hour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from barograph.settings.keeping import DatabaseSection
from barograph.store.postgres.aggregates import refresh
from barograph.store.postgres.partitions import Partition, make_ahead
from barograph.store.postgres.retention import drop_old

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True)
class Kept:
    """What :func:`upkeep` did.

    Attributes:
        made: partitions that were made ahead of time.
        refreshed: bars of hours and days that were made (again).
        dropped: partitions that were too old.
    """

    made: int
    refreshed: int
    dropped: tuple[Partition, ...] = ()


def upkeep(connection: psycopg.Connection[Any], now_us: int, database: DatabaseSection) -> Kept:
    """Make partitions ahead, refresh the aggregates, and drop what is too old if that is set.

    For the writer's role as for the owner. Doing it again does no harm.

    Args:
        connection: outside a transaction; not one that a commit is waiting for.
        now_us: microseconds since 1970.

    Raises:
        StorageError: the server said no; what was done so far stays, the rest is for the next time.
        SettingsError: there are no tables, or we lack a right.
    """
    namespace = database.namespace
    made = make_ahead(connection, namespace, now_us, database.ahead_days)
    refreshed = refresh(connection, namespace)
    if database.keep_days is None:
        return Kept(made, refreshed)
    return Kept(made, refreshed, tuple(drop_old(connection, namespace, now_us, database.keep_days)))
