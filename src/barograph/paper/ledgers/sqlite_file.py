"""The file behind :class:`~barograph.paper.ledgers.sqlite.SqliteLedger`: its tables, opening it, its errors.

What must never happen is forbidden by the schema itself, whoever writes: an entry is open or closed, once;
a trade is pending or archived, and its position is not open.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from barograph.disk import sqlite_to_read, storage_error, sync_data, sync_directory
from barograph.errors import (
    BarographError,
    DataError,
    StorageBusy,
    StorageError,
    StorageFull,
    StoreCorrupt,
    UsageError,
)

FORMAT = 1
"""Raised whenever the tables change; it stands in the file's ``user_version``."""

_APPLICATION = 0x42415250
"""``BARP`` in the file's header (``application_id``): nobody else's file is taken for a ledger."""

_CHECKPOINT_PAGES = 16_000
"""64 MB of log before a usual write carries it into the file, and waits for the disk. Notes do it sooner."""

_SHORT_LOG = 1 << 20
"""Bytes to which a log that is begun anew is cut: how long it is, its file tells."""

_RETRY_S = 0.02

_SCHEMA = (
    """
    CREATE TABLE items (
        id INTEGER PRIMARY KEY,
        strategy TEXT NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL,
        version INTEGER NOT NULL,
        state BLOB NOT NULL,
        tape_pos INTEGER NOT NULL,
        newest_ts_us INTEGER NOT NULL,
        mark REAL NOT NULL,
        UNIQUE (strategy, venue, symbol)
    )
    """,
    """
    CREATE TABLE positions (
        strategy TEXT NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL,
        quantity REAL NOT NULL,
        entry_price REAL NOT NULL, entry_ts_us INTEGER NOT NULL, entry_fee REAL NOT NULL,
        entry_id TEXT NOT NULL,
        bar_version INTEGER,
        item INTEGER NOT NULL REFERENCES items (id),
        seat INTEGER NOT NULL,
        PRIMARY KEY (strategy, venue, symbol, entry_id)
    )
    """,
    "CREATE INDEX positions_of_item ON positions (item, seat)",
    """
    CREATE TABLE trades (
        trade_key TEXT NOT NULL PRIMARY KEY,
        strategy TEXT NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL,
        quantity REAL NOT NULL,
        entry_ts_us INTEGER NOT NULL, entry_price REAL NOT NULL,
        exit_ts_us INTEGER NOT NULL, exit_price REAL NOT NULL,
        fees REAL NOT NULL, profit REAL NOT NULL, profit_pct REAL NOT NULL,
        reason TEXT NOT NULL,
        entry_id TEXT NOT NULL, exit_id TEXT NOT NULL,
        bar_version INTEGER, exit_bar_version INTEGER,
        archived INTEGER NOT NULL DEFAULT 0,
        UNIQUE (strategy, venue, symbol, entry_id)
    )
    """,
    "CREATE INDEX trades_by_exit ON trades (exit_ts_us, trade_key)",
    "CREATE INDEX trades_pending ON trades (exit_ts_us, trade_key) WHERE archived = 0",
    """
    CREATE TRIGGER opened_once BEFORE INSERT ON positions
    WHEN EXISTS (
        SELECT 1 FROM trades WHERE strategy = new.strategy AND venue = new.venue
        AND symbol = new.symbol AND entry_id = new.entry_id
    )
    BEGIN SELECT raise(ABORT, 'a position that has been closed would be opened again'); END
    """,
    """
    CREATE TRIGGER closed_when_over BEFORE INSERT ON trades
    WHEN EXISTS (
        SELECT 1 FROM positions WHERE strategy = new.strategy AND venue = new.venue
        AND symbol = new.symbol AND entry_id = new.entry_id
    )
    BEGIN SELECT raise(ABORT, 'a trade would end a position that stays open'); END
    """,
    "CREATE TABLE accounts (name TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL, state BLOB NOT NULL)",
    "CREATE TABLE notes (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)


def open_file(path: Path, busy_s: float) -> sqlite3.Connection:
    """A connection that reads and writes; the file is made where there is none.

    Raises:
        StorageError, StorageFull, StorageBusy: the disk or another process said no.
        DataError: a newer Barograph has written it. StoreCorrupt: it is no ledger, or it is broken.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, f"making the folder of the ledger {path}") from error
    new = not path.exists()
    connection = _patiently(path, lambda: _prepared(_connected(str(path), busy_s), path), busy_s)
    if new:
        sync_directory(path.parent)
    return connection


def open_for_reading(path: Path, busy_s: float) -> sqlite3.Connection:
    """A connection that only reads, of a file that must be there.

    Raises:
        StorageError: there is none, or it cannot be read. DataError, StoreCorrupt: as :func:`open_file`.
    """
    if not path.is_file():
        raise StorageError(
            f"there is no ledger at {path}; 'barograph trade' makes one, or name another --data"
        )
    return _patiently(
        path, lambda: _checked(_connected(sqlite_to_read(path), busy_s, uri=True), path), busy_s
    )


def sync_log(path: Path) -> None:
    """Have on the disk what was committed to the log of ``path`` before.

    SQLite keeps its locks on the file and its ``-shm``, none on the log: it may be opened beside it.

    Raises:
        StorageError: the disk does not take it.
    """
    log = _log(path)
    try:
        with log.open("r+b") as file:
            sync_data(file.fileno())
        sync_directory(log.parent)  # its name too: the log is made anew by the first who writes
    except FileNotFoundError:
        pass  # it has been carried into the file, which syncs both
    except OSError as error:
        raise storage_error(error, f"syncing {log}") from error


def log_size(path: Path) -> int:
    """Bytes of the log of ``path``."""
    try:
        return _log(path).stat().st_size
    except FileNotFoundError:
        return 0


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _patiently(path: Path, connect: Callable[[], sqlite3.Connection], busy_s: float) -> sqlite3.Connection:
    """The first and the last to use a file lock it for a moment without waiting for others: try again."""
    deadline = time.monotonic() + busy_s
    while True:
        try:
            with sqlite_errors("opening", path):
                return connect()
        except StorageBusy:
            if time.monotonic() > deadline:
                raise
        time.sleep(_RETRY_S)


def _connected(name: str, busy_s: float, uri: bool = False) -> sqlite3.Connection:
    # Transactions are begun by hand; the ledger's own lock keeps threads apart.
    return sqlite3.connect(
        name, timeout=busy_s, isolation_level=None, check_same_thread=False, uri=uri, cached_statements=64
    )


def _prepared(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    try:
        if _format(connection, path) == 0:
            connection.execute("PRAGMA journal_mode = WAL")
            _create(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_SHORT_LOG}")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have been quicker.
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        for statement in _SCHEMA:
            connection.execute(statement)
    connection.execute("COMMIT")


def _checked(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    try:
        known = _format(connection, path)
    except BaseException:
        connection.close()
        raise
    if known == 0:
        connection.close()
        raise StorageError(f"{path} has no ledger in it yet; 'barograph trade' makes one")
    return connection


def _format(connection: sqlite3.Connection, path: Path) -> int:
    """The file's format; 0 for an empty one."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    ours = connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION
    if not ours and not (found == 0 and empty):
        raise StoreCorrupt(f"{path} is an SQLite file, but no ledger of Barograph's; name another --data")
    if found > FORMAT:
        raise DataError(
            f"{path} was written by a newer Barograph: format {found}, and this one knows {FORMAT}; upgrade"
        )
    return found


@contextmanager
def sqlite_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn an error of ``sqlite3`` raised inside into the house's."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explained(error, f"{doing} the ledger {path}") from error


def _explained(error: sqlite3.Error, doing: str) -> BarographError:
    """By SQLite's result code (https://www.sqlite.org/rescode.html); what has none, Python itself refused."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return UsageError(f"{doing}: {error}; it was shut, or given what it cannot hold")
    return _by_code(code & 0xFF, f"{doing}: {error}")


def _by_code(code: int, said: str) -> BarographError:
    if code == sqlite3.SQLITE_FULL:
        return StorageFull(f"{said}. Nothing half-written remains; make room on that disk and run it again")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageBusy(f"{said}: another process has kept it for too long; end that one, or try again")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreCorrupt(
            f"{said}. Move it away with its -wal and -shm, and put it back from a copy, "
            "or make it again from the tape with 'barograph trade --replay'"
        )
    if code in (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG):
        return DataError(f"{said}: it contradicts what the ledger holds, and was not written")
    return StorageError(f"{said}; look at the disk, its rights and its log, then run the same again")
