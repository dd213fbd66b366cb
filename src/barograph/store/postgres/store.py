"""The store whose tables are in PostgreSQL (docs/postgres.md).

A commit is one transaction: its rows and the tape positions that they were made from become visible
together or not at all. One process commits at a time; any number read.
"""

# ruff: noqa: S608 - the namespace is checked by the settings, all other names come from schema.py

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from barograph.clock import Clock, SystemClock
from barograph.errors import StorageError, UsageError
from barograph.store.layout import table_named
from barograph.store.postgres import absorbing, own, reading
from barograph.store.postgres.address import Address
from barograph.store.postgres.loading import Loader
from barograph.store.postgres.pipelining import Put
from barograph.store.postgres.preparing import Prepared, prepared
from barograph.store.postgres.schema import COMMITS, STATE, physical
from barograph.store.postgres.sessions import Readers, Session
from barograph.store.postgres.snapshots import PostgresSnapshot, held
from barograph.store.postgres.writing import become_writer, check_writer, write_beside
from barograph.store.store import Absorbed, Commit, Scan
from barograph.tables import COMPLETED_TRADES

if TYPE_CHECKING:
    import psycopg

    from barograph.store.own import OwnTable

_ORDER = ("market_microstructure", "coverage", "anomalies", "candles", "ticks", "quotes", "rejects")
"""Tables whose rows are revised come first: when a load must begin again, it is early."""


class PostgresStore:
    """A store of tables in the database at ``address``, which ``barograph db init`` has made.

    Connects when it is first needed, and again when the connection broke. Threads may share it.

    Args:
        rows_at_once: how many rows about :meth:`absorb` puts in in one transaction.
    """

    def __init__(
        self, address: Address, clock: Clock | None = None, rows_at_once: int = absorbing.ROWS_AT_ONCE
    ) -> None:
        self.address = address
        self._rows_at_once = rows_at_once
        self._clock = clock or SystemClock()
        self._namespace = f'"{address.namespace}"'
        self._readers = Readers(address, self._clock)
        self._asking = Session(address)
        self._writing = Session(address, self._begin_writing)
        self._loader = Loader(self._namespace)
        self._writer = 0
        self._floor: int | None = None
        self._begun = False

    def commit(self, commit: Commit) -> None:
        """Make the rows durable and visible, all at once; the same commit again changes nothing.

        Raises:
            UsageError: it overlaps or precedes what is committed without being the same range,
                or its tables are not in their schemas.
            DataError: null where it may not be, or a time that no calendar has.
            StorageError: the server is away or said no. Whether the commit took place shows when it is
                tried again.
            StorageFull: no space on the server; nothing of it is visible.
            StorageBusy: another process is committing.
            SettingsError: the tables are not there, or not ours to write.
        """
        parts = _parts(commit.tables)
        with self._writing.opened(f"committing to {self.address}") as connection:
            floor = self._floor
            if floor is None:
                floor = self._look_where_we_are(connection)
            if self._is_known(connection, commit, floor):
                return
            _check_follows(commit, floor)
            self._floor = None  # until we know how it went
            self._loader.load(connection, parts, lambda opened: self._note(opened, commit))
            self._floor, self._begun = commit.next_pos, True

    def commits(self, after: int) -> list[tuple[int, int]]:
        """Ranges of commits with ``first_pos >= after``, ascending, those without rows too."""
        found = self._ask("the commits", reading.commits_sql(self._namespace), after)
        return [(first, following) for first, following in found]

    def committed(self) -> int:
        """The tape position up to which the tables hold all rows."""
        found = self._ask("the commits", reading.committed_sql(self._namespace))
        return found[0][0] if found else 0

    def lineage(self) -> str:
        """The name of this content, given when it was begun; empty: nothing yet."""
        found = self._ask("the lineage", reading.state_sql(self._namespace), reading.LINEAGE)
        return found[0][0] if found else ""

    def scan(self, wanted: Scan) -> Iterable[pa.RecordBatch]:
        """Rows in the table's sort order, newest version of each key only, streamed.

        ``completed_trades`` can be scanned as well; its rows have no tape position, so that
        ``from_pos`` leaves none out.
        """
        return reading.rows(self._readers, self._namespace, wanted)

    def symbols(self) -> pa.Table:
        """Every symbol and venue with its first and last time: ``symbol, venue, first, last``.

        Takes a few lookups a symbol, however many rows there are.
        """
        schema, batches = self._readers.stream("reading symbols", reading.symbols_sql(self._namespace))
        plain = pa.schema([pa.field(field.name, field.type) for field in schema])
        return pa.Table.from_batches([reading.conformed(batch, plain) for batch in batches], plain)

    def snapshot(self) -> AbstractContextManager[PostgresSnapshot]:
        """One state of all tables, which stays as it is for as long as it is held, whatever is committed."""
        return held(self.address, self._clock)

    def absorb(self, table: str, rows: Iterable[pa.RecordBatch]) -> Absorbed:
        """Put rows in by key, durably: what is there already stays, of two versions the newer wins.

        Each ``rows_at_once`` rows or so are a transaction; while it runs, the next rows are taken and
        sorted, and if they are many, a second connection puts them in beside. Whatever ends it, no
        transaction is open when it returns. See ``barograph.store.store.Absorbing``.
        """
        behind = physical(table if table == COMPLETED_TRADES.name else table_named(table).name)
        doing = f"putting rows into {table} of {self.address}"
        with self._writing.opened(doing) as connection, ExitStack() as beside:

            def put(part: Prepared) -> int:
                return self._loader.load(connection, [part], lambda _: None)

            found = absorbing.absorb(
                behind, rows, self._rows_at_once, put, lambda: self._put_beside(doing, beside)
            )
            return Absorbed(*found)

    def take_over(self, lineage: str, commits: Sequence[tuple[int, int]]) -> None:
        """Count as the content called ``lineage``; see ``barograph.store.store.Absorbing``."""
        with self._writing.opened(f"noting the commits of {self.address}") as connection:
            absorbing.take_over(connection, self._namespace, lineage, commits)
            self._look_where_we_are(connection)

    def clear(self) -> None:
        """Remove all rows, commits and the lineage, so that another lineage can be taken over."""
        with self._writing.opened(f"emptying {self.address}") as connection:
            absorbing.clear(connection, self._namespace)
            self._look_where_we_are(connection)

    def add_trades(self, rows: pa.Table) -> None:
        """Put completed trades in, durably; those that are there already stay as they are.

        Others may commit meanwhile.

        Args:
            rows: in the schema of ``COMPLETED_TRADES``.
        """
        part = prepared(physical(COMPLETED_TRADES.name), rows)
        with self._asking.opened(f"putting completed trades into {self.address}") as connection:
            Loader(self._namespace).load(connection, [part], lambda _: None)

    def restore_own(self, table: OwnTable, batches: Iterable[pa.RecordBatch]) -> int:
        """Put rows of a user's own table back, in one transaction; how many. It is made where there is none.

        With a primary key, rows take the place of those with the same key; without one, they take the
        place of all rows from ``table.since`` to ``table.until``.
        """
        with self._asking.opened(f"restoring {table.name} to {self.address}") as connection:
            return own.restore(connection, table, batches)

    def close(self) -> None:
        """Let go of all connections, and of the writer's lock."""
        self._writing.close()
        self._asking.close()
        self._readers.close()
        self._readers.reopen()

    def _ask(self, what: str, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._asking.ask(f"reading {what} of {self.address}", query, parameters)

    def _begin_writing(self, connection: psycopg.Connection[Any]) -> None:
        """Be the only writer, and look where we are; for each new connection."""
        self._writer = become_writer(connection, self.address)
        self._loader = Loader(self._namespace)
        self._look_where_we_are(connection)

    def _put_beside(self, doing: str, until: ExitStack) -> Put | None:
        """A second connection that puts rows in, ``until`` its end; None if the server has none to spare."""
        session, loader, writer = Session(self.address, write_beside), Loader(self._namespace), self._writer
        until.callback(session.close)
        try:
            connection = until.enter_context(session.opened(doing))
        except StorageError:
            return None  # the load goes on over the first one, which says so if the server is away
        return lambda part: loader.load(
            connection, [part], lambda opened: check_writer(opened, self.address, writer)
        )

    def _look_where_we_are(self, connection: psycopg.Connection[Any]) -> int:
        found = connection.execute(reading.committed_sql(self._namespace)).fetchone()
        self._floor = floor = int(found[0]) if found else 0
        self._begun = False
        return floor

    def _is_known(self, connection: psycopg.Connection[Any], commit: Commit, floor: int) -> bool:
        if commit.first_pos >= floor and commit.next_pos > floor:
            return False
        query = f"SELECT FROM {self._namespace}.{COMMITS} WHERE first_pos = %s AND next_pos = %s"
        found = connection.execute(query, [commit.first_pos, commit.next_pos])
        return bool(found.fetchone() is not None)

    def _note(self, connection: psycopg.Connection[Any], commit: Commit) -> None:
        """What makes the rows a commit, in their transaction."""
        connection.execute(
            f"INSERT INTO {self._namespace}.{COMMITS} (first_pos, next_pos) VALUES (%s, %s)",
            [commit.first_pos, commit.next_pos],
        )
        if not self._begun:
            connection.execute(
                f"INSERT INTO {self._namespace}.{STATE} (name, value) VALUES (%s, %s), (%s, 'yes')"
                " ON CONFLICT DO NOTHING",
                [reading.LINEAGE, uuid.uuid4().hex, absorbing.OWN],
            )


def _parts(tables: Mapping[str, pa.Table]) -> list[Prepared]:
    for name in tables:
        table_named(name)
    given = [(name, tables[name]) for name in _ORDER if name in tables]
    return [prepared(physical(name), rows) for name, rows in given if rows.num_rows]


def _check_follows(commit: Commit, floor: int) -> None:
    if not floor <= commit.first_pos <= commit.next_pos:
        raise UsageError(
            f"commit of records {commit.first_pos} to {commit.next_pos}: the database is committed up to "
            f"{floor} and this range is not one of its commits; cut it where commits() says, or "
            f"make the tables again from the tape with `barograph rebuild`"
        )
