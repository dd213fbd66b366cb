"""Paper trading's tables in the lake: completed trades, and a look at what is open.

Completed trades are no function of the tape's commits, so they are none of the recorder's parts. They lie in
files that are named by what they hold, ``completed_trades/date=YYYY-MM-DD/<count>-<digest>.parquet``, by the
day of the exit: writing the same again changes nothing, several may write, nobody needs a lock. Where a day
has many files, one with all their rows is put beside them; those it holds are deleted after a grace time, as
the lake does. In between a row lies in two files: readers of ours take each ``trade_key`` once.

Positions stay where they are, in the ledger's file, and are read from there when somebody asks.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from barograph.clock import DAY_US, day_of
from barograph.disk import sqlite_to_read, sync_directory
from barograph.errors import StorageError
from barograph.store.durable import publish, stage, storage_errors, temporary
from barograph.store.layout import ledger_path, names_in, sealed_days, temporary_folder
from barograph.store.parquet import conformed, encoded, opened, reading
from barograph.tables import COMPLETED_TRADES, POSITIONS

MANY = 32
"""So many files of a day are put into one."""

_POSITIONS = """
    SELECT p.strategy, p.venue, p.symbol, p.quantity, p.entry_price, p.entry_ts_us, p.entry_fee, p.entry_id,
        p.bar_version, CASE WHEN i.symbol = p.symbol AND i.mark > 0 THEN i.mark END, i.version, i.tape_pos
    FROM positions p JOIN items i ON i.id = p.item
    ORDER BY p.strategy, p.venue, p.symbol, p.entry_ts_us, p.entry_id
"""


def add_trades(root: Path, rows: pa.Table) -> None:
    """Put completed trades into the lake at ``root``, durably; those that are there already stay as they are.

    Args:
        rows: in the schema of ``COMPLETED_TRADES``.

    Raises:
        StorageFull, StorageError: the disk said no; what is there is whole files.
        StoreCorrupt: a file of one of the days cannot be read.
    """
    exits = pc.cast(rows.column(COMPLETED_TRADES.time), pa.int64())
    days = pc.divide(exits, DAY_US)
    for number in pc.unique(days).to_pylist():
        folder = _folder(root, day_of(number * DAY_US))
        known = {key for path in _files(folder) for key in _keys(path)}
        of_day = rows.filter(pc.equal(days, number))
        new = [key not in known for key in of_day.column("trade_key").to_pylist()]
        if any(new):
            _put(root, folder, of_day.filter(pa.array(new)))


def carry_trades(root: Path, other: Path) -> None:
    """Put all completed trades of the lake ``root`` into the lake ``other``, which will take its place."""
    for path in trade_files(root):
        add_trades(other, _rows(path))


def trade_files(root: Path) -> list[Path]:
    """Every file of completed trades, by day."""
    return [path for day in sealed_days(root, COMPLETED_TRADES) for path in _files(_folder(root, day))]


def tidy_trades(root: Path, before_s: float, many: int = MANY, days: Iterable[date] | None = None) -> int:
    """Put days of ``many`` files or more into one file each; how many files were deleted.

    Args:
        days: only these; None: all.
        before_s: files that a larger one holds are deleted when that one was there before this moment
            (seconds since 1970): who has listed them may still be reading.
    """
    chosen = sealed_days(root, COMPLETED_TRADES) if days is None else days
    return sum(_tidied(root, _folder(root, day), before_s, many) for day in chosen)


def positions(root: Path) -> pa.Table:
    """What is open in the ledger beside the lake, in the schema of ``POSITIONS``; empty without a ledger.

    Raises:
        StorageError: the ledger cannot be read.
    """
    path = ledger_path(root)
    rows: list[tuple[Any, ...]] = []
    if path.is_file():
        try:
            with closing(sqlite3.connect(sqlite_to_read(path), timeout=5, uri=True)) as ledger:
                rows = ledger.execute(_POSITIONS).fetchall()
        except sqlite3.Error as error:
            if "no such table" not in str(error):  # else it is just being made, or was never finished
                raise StorageError(f"reading positions from the ledger {path}: {error}") from error
    return table_of(POSITIONS.schema(), rows)


def table_of(schema: pa.Schema, rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows of plain values, times in microseconds since 1970, as an Arrow table of ``schema``."""
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _folder(root: Path, day: date) -> Path:
    return root / COMPLETED_TRADES.name / f"date={day.isoformat()}"


def _files(folder: Path) -> list[Path]:
    return sorted(folder / name for name in names_in(folder) if name.endswith(".parquet"))


def _put(root: Path, folder: Path, rows: pa.Table) -> Path:
    """Rows as a file, whole and durable when it has its name."""
    ordered = rows.sort_by([(name, "ascending") for name in COMPLETED_TRADES.sort])
    keys = sorted(ordered.column("trade_key").to_pylist())
    digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
    target = folder / f"{len(keys):06d}-{digest}.parquet"
    staged = temporary(temporary_folder(root), target.name)
    with storage_errors("putting completed trades in", folder):
        new = not folder.exists()
        stage(staged, memoryview(encoded(COMPLETED_TRADES, ordered)))
        publish(staged, target)
        for changed in (folder, folder.parent, folder.parent.parent) if new else (folder,):
            sync_directory(changed)
    return target


def _rows(path: Path) -> pa.Table:
    with reading(path), opened(path) as file:
        return conformed(file.read(), COMPLETED_TRADES, COMPLETED_TRADES.names)


@lru_cache(maxsize=1_024)
def _keys(path: Path) -> frozenset[str]:
    """The trades in a file, read once: its name says what it holds."""
    with reading(path), opened(path) as file:
        return frozenset(file.read(columns=["trade_key"]).column(0).to_pylist())


def _tidied(root: Path, folder: Path, before_s: float, many: int) -> int:
    files = _files(folder)
    outer = [path for path in files if not _holders(path, files)]
    if len(outer) >= max(many, 2):
        _put(root, folder, _once(map(_rows, outer)))
        files = _files(folder)
    left = [path for path in files if any(_was_there(one, before_s) for one in _holders(path, files))]
    with storage_errors("deleting merged trades in", folder):
        for path in left:
            path.unlink(missing_ok=True)
    return len(left)


def _holders(path: Path, files: Sequence[Path]) -> list[Path]:
    """The files that hold all that the one at ``path`` holds, and more."""
    return [other for other in files if _keys(path) < _keys(other)]


def _was_there(path: Path, before_s: float) -> bool:
    try:
        return path.stat().st_mtime <= before_s
    except FileNotFoundError:
        return False


def _once(tables: Iterable[pa.Table]) -> pa.Table:
    """All rows, each trade once."""
    rows = pa.concat_tables(tables)
    places = {key: place for place, key in enumerate(rows.column("trade_key").to_pylist())}
    return rows.take(pa.array(places.values(), pa.int64()))
