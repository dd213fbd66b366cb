"""The ledger in one file of SQLite, with nothing but Python's standard library.

The file is in WAL mode, so others read it while it is written: ``positions`` and ``trades`` are plain tables.
A write is one transaction with one condition; what is written twice or beside the truth, the schema refuses
(see :mod:`~barograph.paper.ledgers.sqlite_file`).

**What survives.** A write that returned survives the death of its process, kill -9 too. A power loss may take
back the newest writes (``synchronous = NORMAL``), whole ones only: the trader makes them again from the tape.
What leaves the ledger does not wait for that luck: a note is on the disk when :meth:`SqliteLedger.note`
returns, and so are trades when :meth:`SqliteLedger.pending` tells them.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from barograph.errors import DataError, StorageBusy
from barograph.paper.ledger import Account, Answer, Item, Key, Overtaken
from barograph.paper.ledgers.sqlite_file import (
    log_size,
    open_file,
    open_for_reading,
    sqlite_errors,
    sync_log,
)
from barograph.paper.positions import Position, Trade

_ITEM = """
    SELECT id, version, state, tape_pos, newest_ts_us, mark FROM items
    WHERE strategy = ? AND venue = ? AND symbol = ?
"""
_NUMBER = "SELECT id FROM items WHERE strategy = ? AND venue = ? AND symbol = ?"
_ITEMS = """
    SELECT strategy, venue, symbol, id, version, state, tape_pos, newest_ts_us, mark FROM items
    ORDER BY strategy, venue, symbol
"""
_NEW_ITEM = """
    INSERT OR IGNORE INTO items (version, state, tape_pos, newest_ts_us, mark, strategy, venue, symbol)
    VALUES (1, ?, ?, ?, ?, ?, ?, ?)
"""
_NEXT_ITEM = """
    UPDATE items SET version = version + 1, state = ?, tape_pos = ?, newest_ts_us = ?, mark = ?
    WHERE strategy = ? AND venue = ? AND symbol = ? AND version = ?
"""
_POSITIONS = """
    SELECT strategy, venue, symbol, quantity, entry_price, entry_ts_us, entry_fee, entry_id, bar_version
    FROM positions WHERE item = ? ORDER BY seat
"""
_PUT_POSITION = """
    INSERT INTO positions (strategy, venue, symbol, quantity, entry_price, entry_ts_us, entry_fee, entry_id,
        bar_version, item, seat)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_TAKE_POSITIONS = "DELETE FROM positions WHERE item = ?"
_ENTRY = "strategy = ? AND venue = ? AND symbol = ? AND entry_id = ?"
_IS_OPEN = f"SELECT 1 FROM positions WHERE {_ENTRY}"  # noqa: S608 - our own words
_IS_CLOSED = f"SELECT 1 FROM trades WHERE {_ENTRY}"  # noqa: S608
_TRADE_COLUMNS = ", ".join(Trade._fields)
_PUT_TRADE = f"INSERT INTO trades ({_TRADE_COLUMNS}) VALUES ({', '.join('?' * len(Trade._fields))})"  # noqa: S608
_TRADE = f"SELECT {_TRADE_COLUMNS} FROM trades WHERE trade_key = ?"  # noqa: S608
_TRADES = f"SELECT {_TRADE_COLUMNS} FROM trades WHERE exit_ts_us >= ? ORDER BY exit_ts_us, trade_key"  # noqa: S608
_PENDING = f"""
    SELECT {_TRADE_COLUMNS} FROM trades WHERE archived = 0 ORDER BY exit_ts_us, trade_key LIMIT ?
"""  # noqa: S608
_ARCHIVED = "UPDATE trades SET archived = 1 WHERE trade_key = ? AND archived = 0"
_NEW_ACCOUNT = "INSERT OR IGNORE INTO accounts (version, state, name) VALUES (1, ?, ?)"
_NEXT_ACCOUNT = "UPDATE accounts SET version = version + 1, state = ? WHERE name = ? AND version = ?"
_NOTE = "INSERT OR REPLACE INTO notes (name, value) VALUES (?, ?)"
_LONG_LOG = (1 << 20, 16 << 20)
"""Bytes of a log that is carried into the file: when orders are few, and at any time."""
_BUSY_LOG = 1 << 18
"""Bytes by which the log has grown from one durable note to the next when orders are many."""
_DURABLE = ""
"""The note that is written to have all before it on the disk."""


class Entry(NamedTuple):
    """What a position is known by, for ever."""

    strategy: str
    venue: str
    symbol: str
    entry_id: str

    @classmethod
    def of(cls, one: Position | Trade) -> Entry:
        """That of a position, or of the trade that ended it."""
        return cls(one.strategy, one.venue, one.symbol, one.entry_id)


class SqliteLedger:
    """A :class:`~barograph.paper.ledger.Ledger` in the file ``path``.

    Threads may share one; processes open one each. Not for network drives: they do not share memory, which
    WAL needs (https://www.sqlite.org/wal.html).

    Args:
        path: such as ``data/state/ledger.sqlite``; it and its folder are made where there are none.
        read_only: for a look at another's ledger, which must be there; nothing is ever written.
        busy_s: patience while another process writes.

    Raises:
        StorageError: the file cannot be opened; ``read_only``: there is none.
        DataError: a newer Barograph has written it. StoreCorrupt: it is no ledger, or it is broken.

    >>> import tempfile
    >>> ledger = SqliteLedger(Path(tempfile.mkdtemp()) / "ledger.sqlite")
    >>> bought = Position("dip", "sim", "BTC-USD", 1.0, 100.0, 0, 0.1, "t7")
    >>> item = ledger.read(Key("dip", "sim", "BTC-USD"))
    >>> ledger.open(item, bought), ledger.open(item, bought)
    (<Answer.DONE: 'done'>, <Answer.ALREADY: 'already'>)
    >>> ledger.read(item.key).positions == (bought,)
    True
    >>> ledger.shut()
    """

    def __init__(self, path: Path, read_only: bool = False, busy_s: float = 5.0) -> None:
        self.path = path
        self._busy_s = busy_s
        self._lock = threading.Lock()
        self._read_only = read_only
        self._settled_bytes = 0
        self._connection = (open_for_reading if read_only else open_file)(path, busy_s)

    def read(self, key: Key) -> Item:
        """The item as it stands; one of version 0 where there is none."""
        with self._reading() as connection:
            return _item(connection, key)

    def items(self) -> Iterator[Item]:
        """Every item, in order of keys; all as they stood at one moment."""
        with self._snapshot() as connection:
            for row in connection.execute(_ITEMS):
                yield _of_row(connection, Key(*row[:3]), row[3:])

    def account(self, name: str) -> Account:
        """The account as it stands; one of version 0 where there is none."""
        with self._reading() as connection:
            return _account(connection, name)

    def write(self, item: Item, closed: Sequence[Trade] = (), account: Account | None = None) -> Answer:
        """Put ``item`` (and ``account``) in the place of the version they carry; see the protocol."""
        with self._writing() as connection:
            return _write(connection, item, closed, account)

    def open(self, item: Item, position: Position, account: Account | None = None) -> Answer:
        """Write ``item`` with ``position`` added to what is open; see the protocol."""
        entry = Entry.of(position)
        with self._writing() as connection:
            if _is(connection, _IS_OPEN, entry) or _is(connection, _IS_CLOSED, entry):
                return Answer.ALREADY
            return _write(connection, item._replace(positions=(*item.positions, position)), (), account)

    def close(self, item: Item, trade: Trade, account: Account | None = None) -> Answer:
        """Write ``item`` without the position that ``trade`` ends, and the trade; see the protocol."""
        entry = Entry.of(trade)
        with self._writing() as connection:
            if _is(connection, _IS_CLOSED, entry):
                return Answer.ALREADY
            left = tuple(one for one in item.positions if Entry.of(one) != entry)
            return _write(connection, item._replace(positions=left), (trade,), account)

    def trades(self, since_us: int = 0) -> Iterator[Trade]:
        """Completed trades whose exit was at ``since_us`` or later, in order of exit, then key.

        All as they stood when the first was asked for.
        """
        with self._snapshot() as connection:
            for row in connection.execute(_TRADES, (since_us,)):
                yield Trade(*row)

    def pending(self, limit: int = 1000) -> list[Trade]:
        """Trades that the archive does not have yet, oldest exits first; they are on the disk."""
        with self._reading() as connection:
            found = [Trade(*row) for row in connection.execute(_PENDING, (limit,))]
        if found and not self._read_only:
            self.note(_DURABLE, b"")
        return found

    def archived(self, keys: Iterable[str]) -> None:
        """The archive has the trades of these keys. Said twice it is harmless."""
        with self._writing() as connection:
            connection.executemany(_ARCHIVED, [(key,) for key in keys])

    def note(self, name: str, value: bytes, durably: bool = True) -> None:
        """Remember ``value`` under ``name``; ``durably``, it and all before it is on the disk on return."""
        with self._writing() as connection:
            connection.execute(_NOTE, (name, value))
        if durably:
            self._settle()

    def noted(self, name: str) -> bytes | None:
        """What was noted last under ``name``; None: nothing."""
        with self._reading() as connection:
            row = connection.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def shut(self) -> None:
        """Let go of the file. Whoever is last carries the log into it."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the file, however many questions are asked."""
        with self._lock, sqlite_errors("reading", self.path):
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """The same in a connection of its own, for those who take their time while others write."""
        own = open_for_reading(self.path, self._busy_s)
        with closing(own), sqlite_errors("reading", self.path):
            own.execute("BEGIN")
            yield own

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """All that is done inside, or nothing."""
        with self._lock, sqlite_errors("writing", self.path):
            connection = self._connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _settle(self) -> None:
        """Have what was written on the disk, in a log that stays short, while others go on writing.

        A commit with ``synchronous = FULL`` would sync the log too, but keep every other writer waiting for
        the disk. What stands in the log counts once it is there: frames carry checksums.
        """
        sync_log(self.path)
        size = log_size(self.path)
        busy, self._settled_bytes = size - self._settled_bytes > _BUSY_LOG, size
        if size > _LONG_LOG[busy]:
            with suppress(StorageBusy):  # another process writes: the next note tries again
                self._carry_log()

    def _carry_log(self) -> None:
        with closing(open_file(self.path, self._busy_s)) as own, sqlite_errors("writing", self.path):
            own.execute("PRAGMA wal_checkpoint(PASSIVE)")
            # Whoever writes next begins the log anew, and waits for the disk: it shall not be an order.
            own.execute(_NOTE, (_DURABLE, b""))


def _is(connection: sqlite3.Connection, question: str, entry: Entry) -> bool:
    return connection.execute(question, entry).fetchone() is not None


def _item(connection: sqlite3.Connection, key: Key) -> Item:
    row = connection.execute(_ITEM, key).fetchone()
    return Item(key) if row is None else _of_row(connection, key, row)


def _of_row(connection: sqlite3.Connection, key: Key, row: tuple[Any, ...]) -> Item:
    number, version, state, tape_pos, newest_ts_us, mark = row
    return Item(key, version, state, _positions(connection, number), tape_pos, newest_ts_us, mark)


def _positions(connection: sqlite3.Connection, number: int) -> tuple[Position, ...]:
    return tuple(Position(*row) for row in connection.execute(_POSITIONS, (number,)))


def _account(connection: sqlite3.Connection, name: str) -> Account:
    row = connection.execute("SELECT version, state FROM accounts WHERE name = ?", (name,)).fetchone()
    return Account(name) if row is None else Account(name, *row)


def _write(
    connection: sqlite3.Connection, item: Item, closed: Sequence[Trade], account: Account | None
) -> Answer:
    """The one conditional write. What raises is taken back by the transaction around it."""
    values = (item.state, item.tape_pos, item.newest_ts_us, item.mark)
    if not _put(connection, _NEW_ITEM, _NEXT_ITEM, item.version, (*values, *item.key)):
        if _stands(connection, item, closed, account):
            return Answer.ALREADY
        raise Overtaken(f"{_named(item.key)} is not at version {item.version} any more: read it again")
    if account is not None:
        named = (account.state, account.name)
        if not _put(connection, _NEW_ACCOUNT, _NEXT_ACCOUNT, account.version, named):
            raise Overtaken(
                f"account {account.name} is not at version {account.version} any more: read it again"
            )
    _put_positions(connection, item, closed)
    connection.executemany(_PUT_TRADE, closed)
    return Answer.DONE


def _put(
    connection: sqlite3.Connection, new: str, following: str, version: int, values: Sequence[object]
) -> bool:
    """Whether the condition held: nobody has written since ``version``."""
    if version == 0:
        return connection.execute(new, values).rowcount == 1
    return connection.execute(following, (*values, version)).rowcount == 1


def _stands(
    connection: sqlite3.Connection, item: Item, closed: Sequence[Trade], account: Account | None
) -> bool:
    """Whether exactly this write is in the ledger, and its answer was lost."""
    if _item(connection, item.key) != item._replace(
        version=item.version + 1, positions=tuple(item.positions)
    ):
        return False
    if any(connection.execute(_TRADE, (one.trade_key,)).fetchone() != tuple(one) for one in closed):
        return False
    if account is None:
        return True
    # Other items share it: it may have been written on since.
    there = _account(connection, account.name)
    return there.version > account.version + 1 or there == account._replace(version=account.version + 1)


def _put_positions(connection: sqlite3.Connection, item: Item, closed: Sequence[Trade]) -> None:
    """Have exactly ``item.positions`` open, after a look at where the others have gone.

    Raises:
        DataError: one is gone without a trade, or has ended and stays.
    """
    number = connection.execute(_NUMBER, item.key).fetchone()[0]
    there = _positions(connection, number)
    wanted = tuple(item.positions)
    if wanted == there and not closed:
        return
    kept, ended = {Entry.of(one) for one in wanted}, {Entry.of(one) for one in closed}
    for one in there:
        if Entry.of(one) not in kept | ended:
            raise DataError(
                f"{_named(item.key)}: position {one.entry_id} of {one.symbol} is gone without a trade that "
                "ends it; nothing was written. This is a mistake of the program that writes"
            )
    connection.execute(_TAKE_POSITIONS, (number,))
    connection.executemany(_PUT_POSITION, [(*one, number, seat) for seat, one in enumerate(wanted)])


def _named(key: Key) -> str:
    return " ".join(filter(None, key))
