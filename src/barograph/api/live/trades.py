"""Completed trades in the order in which the ledger took them in.

An exit's time is no such order: a strategy that was left out makes up for it later, in the past. The
ledger numbers its rows as they come, and takes none out.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from barograph.disk import sqlite_to_read
from barograph.errors import StorageError
from barograph.paper.positions import Trade
from barograph.paper.trade_json import record

_AFTER = f"""
    SELECT rowid, {", ".join(Trade._fields)} FROM trades
    WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT ?
"""  # noqa: S608 - our own names
_NEWEST = "SELECT coalesce(max(rowid), 0) FROM trades"
_PATIENCE_S = 2.0

Stamp = tuple[tuple[int, int, int], ...]
"""Of each of the ledger's files: its number, when it was written (ns), its size."""


class LedgerTrades:
    """The trades in the ledger's file at ``path``; none as long as there is no file.

    No connection is kept: the ledger's own process stays the last to leave it.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def stamp(self) -> Stamp:
        """Another one whenever something may have been written: two looks at the file system."""
        if self._path is None:
            return ()
        found = []
        for path in (self._path, self._path.with_name(f"{self._path.name}-wal")):
            try:
                about = path.stat()
            except OSError:
                continue  # not there: that is a stamp, too
            found.append((about.st_ino, about.st_mtime_ns, about.st_size))
        return tuple(found)

    def newest(self) -> int:
        """The place of the trade that came last; 0: there is none.

        Raises:
            StorageError: the ledger cannot be read.
        """
        rows = self._ask(_NEWEST)
        return int(rows[0][0]) if rows else 0

    def between(self, after: int, upto: int, limit: int) -> list[tuple[int, int, dict[str, Any]]]:
        """Trades after one place up to another: each one's place, its exit's time and its row.

        Raises:
            StorageError: the ledger cannot be read.
        """
        rows = self._ask(_AFTER, after, upto, limit)
        trades = [(row[0], Trade(*row[1:])) for row in rows]
        return [(number, trade.exit_ts_us, record(trade)) for number, trade in trades]

    def _ask(self, query: str, *parameters: int) -> list[tuple[Any, ...]]:
        path = self._path
        if path is None or not path.is_file():
            return []
        try:
            with closing(sqlite3.connect(sqlite_to_read(path), timeout=_PATIENCE_S, uri=True)) as ledger:
                return ledger.execute(query, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []  # it is just being made
            raise StorageError(f"reading trades from the ledger {path}: {error}") from error
        except sqlite3.Error as error:
            raise StorageError(f"reading trades from the ledger {path}: {error}") from error
