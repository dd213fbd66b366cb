"""Connections that are opened when they are needed, and again after they broke.

A :class:`Session` writes and asks small questions (psycopg). :class:`Readers` stream rows
as Arrow (ADBC), as many at once as are asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from barograph.clock import NS_PER_S, Clock
from barograph.errors import BarographError, SettingsError, StorageError
from barograph.store.postgres.address import Address
from barograph.store.postgres.connection import connect, errors, explained

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

_KEEPALIVE = {
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
_IDLE_S = 120.0
"""Longer unused, a connection may have been forgotten by a firewall on the way: it is not used again."""
_KEPT = 4
_BATCH_BYTES = 4 << 20

_SETTINGS = (
    "SELECT set_config('TimeZone', 'UTC', false), set_config('search_path', {path}, false),"
    " set_config('work_mem', '32MB', false), set_config('application_name', 'barograph', false)"
)


def steady(address: Address) -> Address:
    """The address, with a patience of about a minute for a server that has vanished without a word."""
    return replace(address, parameters={**_KEEPALIVE, **address.parameters})


class Session:
    """One connection for transactions; threads may share it, one at a time.

    Args:
        begin: called with each new connection, before it is used.
    """

    def __init__(
        self, address: Address, begin: Callable[[psycopg.Connection[Any]], None] | None = None
    ) -> None:
        self._address = steady(address)
        self._begin = begin
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.RLock()

    @contextmanager
    def opened(self, doing: str) -> Iterator[psycopg.Connection[Any]]:
        """The connection; ``doing`` says in errors what it was for.

        Raises:
            StorageError: the server is away, or went away; the next use opens it anew.
        """
        with self._lock, errors(doing):
            connection = self._opened()
            try:
                yield connection
            finally:
                self._keep_if_sound(connection)

    def ask(self, doing: str, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a small query. A connection that broke while it was idle is opened again."""
        with self._lock:
            for again in (self._connection is not None, False):
                try:
                    with self.opened(doing) as connection:
                        return connection.execute(query, parameters).fetchall()
                except StorageError:
                    if not again or self._connection is not None:
                        raise
        raise AssertionError("the second time returns or raises")

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _opened(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            connection = connect(self._address)
            try:
                if self._begin is not None:
                    self._begin(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _keep_if_sound(self, connection: psycopg.Connection[Any]) -> None:
        from psycopg.pq import TransactionStatus

        if connection.closed or connection.info.transaction_status != TransactionStatus.IDLE:
            connection.close()
            self._connection = None


class Readers:
    """Connections that stream rows, kept for the next who asks.

    Args:
        begin: statements that each new connection begins with.
        around: statements before and after each query.
        explain: makes the house's error of the driver's.
    """

    def __init__(
        self,
        address: Address,
        clock: Clock,
        begin: Sequence[str] = (),
        around: tuple[str, str] | None = None,
        explain: Callable[[Any, str], BarographError] = explained,
    ) -> None:
        self._address = steady(address)
        self._clock = clock
        self._begin = begin
        self._around = around
        self._explain = explain
        self._idle: list[tuple[Any, int]] = []
        self._lock = threading.Lock()
        self._closed = False

    def stream(
        self, doing: str, statement: str, copy: bool = True
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Run a query: its columns, and its rows while the server sends them.

        The connection comes back when the last batch was taken, or the iterator is closed.

        Args:
            copy: false for statements that are no queries, such as SHOW; all rows are then in memory.

        Raises:
            StorageError, UsageError, SettingsError: as the server says; also while rows are streamed.
        """
        answer = self._answer(doing, statement, copy)
        # Begun at once, so that it tidies up after itself even if nobody takes a row.
        schema = next(answer)
        return schema, answer

    def close(self) -> None:
        """Close all that are idle; those in use close when they are done."""
        with self._lock:
            self._closed = True
            while self._idle:
                _discard(self._idle.pop()[0])

    def reopen(self) -> None:
        """Keep connections again."""
        self._closed = False

    def _answer(self, doing: str, statement: str, copy: bool) -> Iterator[Any]:
        """First the schema, then the batches."""
        import pyarrow as pa

        driver = adbc()
        connection, used = self._take()
        running: _Running | None = None
        whole = False
        try:
            try:
                running = _Running(connection, self._around, statement, copy)
            except driver.Error as error:
                if not used or error.sqlstate is not None:
                    raise
                # It broke while nobody used it: the server may be there all the same.
                _discard(connection)
                connection = self._new()
                running = _Running(connection, self._around, statement, copy)
            yield running.reader.schema
            yield from running.reader
            running.end(self._around)
            whole = True
        except driver.Error as error:
            raise self._explain(error, doing) from None
        except (OSError, pa.ArrowException) as error:
            raise self._broken_off(connection, error, doing) from None
        finally:
            if whole:
                self._give_back(connection)
            else:
                if running is not None:
                    running.abandon()
                _discard(connection)

    def _broken_off(self, connection: Any, error: Exception, doing: str) -> BarographError:
        """What it means that the rows stopped coming: was it the server who said so, or is it gone?"""
        try:
            _execute(connection, "ROLLBACK")
        except adbc().Error:
            return StorageError(f"{doing}: {error}")
        return self._explain(error, doing)

    def _take(self) -> tuple[Any, bool]:
        """A connection, and whether it has been used before."""
        with self._lock:
            while self._idle:
                connection, since_ns = self._idle.pop()
                if self._clock.now_ns() - since_ns < _IDLE_S * NS_PER_S:
                    return connection, True
                _discard(connection)
        return self._new(), False

    def _new(self) -> Any:
        driver = adbc()
        path = f"'{self._address.namespace},public'"
        with _connecting(self._address):
            connection = driver.connect(self._address.uri(), autocommit=True)
        try:
            with _connecting(self._address):
                for statement in (_SETTINGS.format(path=path), *self._begin):
                    _execute(connection, statement)
        except BaseException:
            _discard(connection)
            raise
        return connection

    def _give_back(self, connection: Any) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < _KEPT:
                self._idle.append((connection, self._clock.now_ns()))
                return
        _discard(connection)


class _Running:
    """A query that is being answered."""

    def __init__(self, connection: Any, around: tuple[str, str] | None, statement: str, copy: bool) -> None:
        self._connection = connection
        if around is not None:
            _execute(connection, around[0])
        self._cursor = connection.cursor()
        try:
            options = {"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)}
            if not copy:
                options["adbc.postgresql.use_copy"] = "false"
            self._cursor.adbc_statement.set_options(**options)
            self._cursor.execute(statement)
            self.reader: pa.RecordBatchReader = self._cursor.fetch_record_batch()
        except BaseException:
            self._cursor.close()
            raise

    def end(self, around: tuple[str, str] | None) -> None:
        """Make the connection ready for another query."""
        self.reader.close()
        self._cursor.close()
        if around is not None:
            _execute(self._connection, around[1])

    def abandon(self) -> None:
        """Let go of it, whatever state it is in."""
        with suppress(adbc().Error, OSError):
            self.reader.close()
        with suppress(adbc().Error, OSError):
            self._cursor.close()


@contextmanager
def _connecting(address: Address) -> Iterator[None]:
    try:
        yield
    except adbc().Error as error:
        raise explained(error, f"connecting to {address}") from None


def adbc() -> Any:
    """The module of ADBC's driver for PostgreSQL.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        from adbc_driver_postgresql import dbapi  # type: ignore[import-untyped]
    except ImportError as error:
        raise SettingsError(
            f"reading from PostgreSQL needs packages that are not installed ({error}): "
            f"pip install 'barograph[postgres]'"
        ) from error
    return dbapi


def _execute(connection: Any, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _discard(connection: Any) -> None:
    if connection is not None:
        with suppress(adbc().Error, OSError):
            connection.close()
