"""One state of all tables, held while others commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from barograph.clock import Clock
from barograph.store.postgres import own, reading
from barograph.store.postgres.address import Address
from barograph.store.postgres.connection import connect, errors
from barograph.store.postgres.sessions import Readers, steady
from barograph.store.store import Scan

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

    from barograph.store.own import OwnTable

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresSnapshot:
    """The tables as they were when it was taken; see :func:`held`."""

    def __init__(self, connection: psycopg.Connection[Any], readers: Readers, namespace: str) -> None:
        self._connection = connection
        self._readers = readers
        self._namespace = namespace

    def committed(self) -> int:
        """The tape position up to which all rows are there; 0 when there are none."""
        found = self._ask(reading.committed_sql(self._namespace))
        return found[0][0] if found else 0

    def commits(self, after: int) -> list[tuple[int, int]]:
        """Ranges of commits with ``first_pos >= after``, ascending."""
        return [
            (first, following) for first, following in self._ask(reading.commits_sql(self._namespace), after)
        ]

    def lineage(self) -> str:
        """The name of this content; empty: nothing yet."""
        found = self._ask(reading.state_sql(self._namespace), reading.LINEAGE)
        return found[0][0] if found else ""

    def scan(self, wanted: Scan) -> Iterable[pa.RecordBatch]:
        """Rows in the table's sort order, streamed; several scans may go on at once."""
        return reading.rows(self._readers, self._namespace, wanted)

    def rows_of(
        self, name: str, time_column: str, since: str | None = None, until: str | None = None
    ) -> tuple[OwnTable, Iterator[pa.RecordBatch]]:
        """A user's own table: what it is, and its rows with ``since <= time_column < until``.

        Args:
            name: ``schema.table``; ``public`` where no schema is said.
            since, until: ISO 8601, read as the column's own type; None is no bound.

        Raises:
            SettingsError: there is no such table, or it has no such column, or we may not read it.
        """
        with errors(f"looking at {name}"):
            table = own.described(self._connection, name, time_column, since, until)
        return table, own.rows(self._readers, table)

    def _ask(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        with errors("reading the commits"):
            return self._connection.execute(query, parameters).fetchall()


@contextmanager
def held(address: Address, clock: Clock) -> Iterator[PostgresSnapshot]:
    """A snapshot for as long as it is needed: its scans join the transaction that took it."""
    with connect(steady(address)) as connection:
        with errors("taking a snapshot"):
            # The scans have connections of their own; this one may be silent for hours.
            connection.execute("SET idle_in_transaction_session_timeout = 0")
            connection.execute(_BEGIN)
            found: Any = connection.execute("SELECT pg_export_snapshot()").fetchone()
        readers = Readers(address, clock, (_BEGIN, f"SET TRANSACTION SNAPSHOT '{found[0]}'"))
        try:
            yield PostgresSnapshot(connection, readers, address.namespace)
        finally:
            readers.close()
            with errors("letting go of a snapshot"):
                connection.rollback()
