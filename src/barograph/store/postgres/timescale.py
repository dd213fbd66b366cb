"""TimescaleDB's own jobs: compression, retention, refreshing of the continuous aggregates.

They follow the settings, so they are set again by each ``barograph db init`` and
``barograph db migrate``. The Apache licence has none of them: there :mod:`upkeep` does what can be done.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from barograph.settings.keeping import DatabaseSection
from barograph.store.postgres.connection import errors
from barograph.store.postgres.migrating import Ways
from barograph.store.postgres.partitions import PARTITIONED
from barograph.store.postgres.quoting import quoted

if TYPE_CHECKING:
    import psycopg

_DAY_S = 86_400
_LEAST_REFRESHED_S = 4 * _DAY_S
"""A refresh must reach over two buckets at least, of which a day's are the longest."""


def set_policies(
    connection: psycopg.Connection[Any], ways: Ways, extension: str | None, database: DatabaseSection
) -> None:
    """Set the jobs as the settings have them, see :func:`policies`."""
    with errors("setting TimescaleDB's jobs"), connection.transaction():
        for statement in policies(ways, extension, database):
            connection.execute(statement)


def policies(ways: Ways, extension: str | None, database: DatabaseSection) -> Iterator[str]:
    """The statements that set the jobs as the settings have them; none for other ways of keeping tables.

    Args:
        extension: the schema that holds TimescaleDB's functions.
    """
    if "continuous" not in ways or extension is None:
        return
    functions, namespace = quoted(extension), quoted(database.namespace)
    for each in PARTITIONED:
        table = f"'{namespace}.{quoted(each.name)}'"
        yield f"SELECT {functions}.remove_compression_policy({table}, if_exists => true)"
        after = _interval(database.compress_after_days * _DAY_S)
        yield f"SELECT {functions}.add_compression_policy({table}, {after})"
        yield f"SELECT {functions}.remove_retention_policy({table}, if_exists => true)"
        if database.keep_days is not None:
            keep = _interval(database.keep_days * _DAY_S)
            yield f"SELECT {functions}.add_retention_policy({table}, {keep})"
    yield from _refreshing(functions, namespace, database.keep_days)


def _refreshing(functions: str, namespace: str, keep_days: float | None) -> Iterator[str]:
    # What is older than the rows that are kept must not be refreshed: it would become empty.
    start = "NULL" if keep_days is None else _interval(max(keep_days * _DAY_S, _LEAST_REFRESHED_S))
    for name, end in (("bars_1h", "1 hour"), ("bars_1d", "1 day")):
        view = f"'{namespace}.{name}'"
        # Its second argument, which says that there may be none, has had two names.
        yield f"SELECT {functions}.remove_continuous_aggregate_policy({view}, true)"
        yield (
            f"SELECT {functions}.add_continuous_aggregate_policy({view}, start_offset => {start}, "
            f"end_offset => INTERVAL '{end}', schedule_interval => INTERVAL '1 hour')"
        )


def _interval(seconds: float) -> str:
    days, rest = divmod(round(seconds), _DAY_S)
    return f"INTERVAL '{days} days'" if not rest else f"INTERVAL '{round(seconds)} seconds'"
