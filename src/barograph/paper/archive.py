"""The archive of completed trades, and who brings them there: after the ledger knows, once.

The ledger is the outbox. A trade is pending in it from the write that closes its position; the archive is
given what is pending, and then the ledger is told. A crash in between makes the archive be given the same
again, which changes nothing: what is written is named by the trade.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from barograph.clock import day_of
from barograph.disk import sync_directory
from barograph.paper.ledger import Ledger
from barograph.paper.positions import Trade
from barograph.paper.trade_json import encoded

if TYPE_CHECKING:
    from barograph.store.opening import Location

FOLDER = "completed-trades"
"""Of the JSON files, below the data directory or a bucket's prefix."""

LONGEST = 200
"""Characters of a folder's name; systems hold 255."""

_GRACE_S = 600.0


class Archive(Protocol):
    """Where completed trades go to stay."""

    def put(self, trades: Sequence[Trade]) -> None:
        """Keep ``trades``, durably. Given again they change nothing.

        Raises:
            StorageError: not all are kept; give all of them again.
        """
        ...


def object_name(trade: Trade) -> str:
    """``completed-trades/{symbol}/{trade_key}.json``, in names that every system can hold.

    Of the symbol all but letters, digits, ``_``, ``-`` and ``.`` is percent-encoded (RFC 3986), and so is a
    ``.`` at its end and the first letter of a device's name of Windows: ``urllib.parse.unquote`` gives the
    symbol back. What is then longer than :data:`LONGEST` ends in ``~`` and the beginning of its sha256.

    >>> one = Trade("k1", "dip", "kite", "NSE:INFY", 1.0, 0, 1.0, 0, 1.0, 0.0, 0.0, 0.0, "signal", "a", "b")
    >>> object_name(one)
    'completed-trades/NSE%3AINFY/k1.json'
    """
    return f"{FOLDER}/{safe_name(trade.symbol)}/{trade.trade_key}.json"


_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def safe_name(symbol: str) -> str:
    """``symbol`` as the name of a folder; see :func:`object_name`.

    >>> safe_name("BTC-USD"), safe_name("BRK.B"), safe_name(".."), safe_name("AUX")
    ('BTC-USD', 'BRK.B', '.%2E', '%41UX')
    """
    name = quote(symbol, safe="").replace("~", "%7E")
    if name.endswith("."):
        name = name[:-1] + "%2E"
    if name.partition(".")[0].lower() in _DEVICES:
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if len(name) > LONGEST:
        # A name that no system takes would keep all later trades out of the archive, too.
        name = f"{name[: LONGEST - 17]}~{hashlib.sha256(symbol.encode()).hexdigest()[:16]}"
    return name


def archive_of(data: Path, database: Location | None = None) -> Archive:
    """The archive of the data directory ``data``, whose tables are in ``database`` or, if None, its lake."""
    return LakeArchive(data) if database is None else DatabaseArchive(data, database)


class DatabaseArchive:
    """An :class:`Archive` whose rows of ``completed_trades`` are in a database, with a JSON file a trade.

    Args:
        data: the data directory, for the files.
        database: where the table is.
    """

    def __init__(self, data: Path, database: Location) -> None:
        self._data, self._database = data, database

    def put(self, trades: Sequence[Trade]) -> None:
        """Keep ``trades``, durably; see the protocol."""
        from barograph.store.traded import table_of
        from barograph.tables import COMPLETED_TRADES

        _put_files(self._data, trades, self._data / "state")
        # Trades are rare: a connection of its own for each look needs nobody to keep it alive.
        with closing(self._database.database()) as store:
            store.add_trades(table_of(COMPLETED_TRADES.schema(), trades))


class LakeArchive:
    """An :class:`Archive` in the data directory: a JSON file a trade, and rows of ``completed_trades``.

    Args:
        data: the data directory.
        grace_s: how long files that were merged stay for those who are reading them (``lake.grace_s``).
    """

    def __init__(self, data: Path, grace_s: float = _GRACE_S) -> None:
        self._data = data
        self._lake = data / "lake"
        self._grace_s = grace_s
        self._begun = False

    def put(self, trades: Sequence[Trade]) -> None:
        """Keep ``trades``, durably; see the protocol."""
        from barograph.store.layout import temporary_folder
        from barograph.store.traded import add_trades, table_of, tidy_trades
        from barograph.tables import COMPLETED_TRADES

        _put_files(self._data, trades, temporary_folder(self._lake))
        add_trades(self._lake, table_of(COMPLETED_TRADES.schema(), trades))
        before_s = time.time() - self._grace_s
        if not self._begun:
            tidy_trades(self._lake, before_s, many=2)
            self._begun = True
        tidy_trades(self._lake, before_s, days={day_of(trade.exit_ts_us) for trade in trades})


def _put_files(data: Path, trades: Sequence[Trade], staging: Path) -> None:
    """A JSON file a trade below ``data``, each whole when it has its name."""
    from barograph.store.durable import publish, stage, storage_errors, temporary

    folders: set[Path] = set()
    with storage_errors("archiving trades below", data / FOLDER):
        for trade in trades:
            target = data / object_name(trade)
            # Who was killed here may have left a name that no sync has reached.
            folders.add(target.parent)
            if not target.exists():
                staged = temporary(staging, target.name)
                stage(staged, memoryview(encoded(trade)))
                publish(staged, target)
        for folder in folders:
            sync_directory(folder)
        if folders:
            sync_directory(data / FOLDER)
            sync_directory(data)


class Archivist:
    """Brings what is pending in ``ledger`` to ``archive``."""

    def __init__(self, ledger: Ledger, archive: Archive) -> None:
        self._ledger = ledger
        self._archive = archive

    def drain(self, at_once: int = 1_000) -> int:
        """Archive all that is pending, ``at_once`` at a time; how many that were.

        Raises:
            StorageError: the archive or the ledger said no; what is left stays pending.
        """
        count = 0
        while found := self._ledger.pending(at_once):
            self._archive.put(found)
            self._ledger.archived([trade.trade_key for trade in found])
            count += len(found)
        return count
