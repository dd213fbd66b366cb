"""One state of a lake, held for as long as somebody reads it.

The files of the state get second names below ``.hot/snapshots`` (hard links; copies where the file system
has none), in the lake's own layout. Sealing, compaction, sweeping and later commits go on beside it and
change nothing in it. A state is removed when its reader is done; the lock beside it tells whether
that reader lives, and the next one removes what the dead have left.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from barograph.disk import Lock
from barograph.errors import StorageBusy
from barograph.store import commits
from barograph.store.durable import NO_LINKS, storage_errors
from barograph.store.layout import (
    absorbing_path,
    commit_log,
    hot_folder,
    names_in,
    sealed_path,
    snapshots_folder,
)
from barograph.store.lineage import Origin, origin, write_origin
from barograph.store.reading import Day, days, footer_at, scan
from barograph.store.runs import Replaced
from barograph.store.selection import Selection
from barograph.store.store import Scan
from barograph.tables import TABLES, Table

_ATTEMPTS = 20


class LakeSnapshot:
    """A reader of one state of a lake: a folder of links in the lake's layout.

    Args:
        upto: the position up to which it was committed.
    """

    def __init__(self, root: Path, upto: int) -> None:
        self.root = root
        self._upto = upto

    def committed(self) -> int:
        """The tape position up to which all rows are there."""
        return self._upto

    def commits(self, after: int) -> list[tuple[int, int]]:
        """Ranges of commits with ``first_pos >= after``, ascending."""
        # The log is a link to the live one, which grows.
        with storage_errors("reading the commits of", self.root):
            return [each for each in commits.ranges(commit_log(self.root), after) if each[1] <= self._upto]

    def lineage(self) -> str:
        """The name of the lake's content."""
        return origin(self.root).name

    def scan(self, wanted: Scan) -> Iterable[pa.RecordBatch]:
        """Rows in the table's sort order, newest version of each key only, streamed."""
        return scan(self.root, Selection.of(wanted), self._upto)


@contextmanager
def held(root: Path) -> Iterator[LakeSnapshot]:
    """A state of the lake at ``root``, removed at the end.

    Raises:
        StorageBusy: rows of another store are coming in, or files are replaced faster than they are listed.
        StorageFull: no space for names, or for copies.
    """
    if absorbing_path(root).exists() and origin(root).name:
        raise StorageBusy(
            f"{root} is being synced or restored, or this was cut short; run the same sync or restore "
            "to its end, then this again"
        )
    sweep(root)
    folder = snapshots_folder(root) / f"{os.getpid()}-{secrets.token_hex(4)}"
    with Lock(_lock(folder), f"{folder} is being read"):
        try:
            with storage_errors("holding a state of", root):
                taken = _taken(root, folder)
            yield taken
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    _lock(folder).unlink(missing_ok=True)


def sweep(root: Path) -> None:
    """Remove states whose readers have died."""
    for name in names_in(snapshots_folder(root)):
        folder = snapshots_folder(root) / name
        if not folder.is_dir():
            continue
        lock = Lock(_lock(folder), f"{folder} is being read")
        try:
            lock.acquire()
        except StorageBusy:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        _lock(folder).unlink(missing_ok=True)


def _lock(folder: Path) -> Path:
    return folder.with_suffix(".lock")


def _taken(root: Path, folder: Path) -> LakeSnapshot:
    for attempt in range(_ATTEMPTS):
        made = folder / str(attempt)
        try:
            return _linked(root, made)
        except FileNotFoundError:  # replaced while being listed
            shutil.rmtree(made, ignore_errors=True)
    raise StorageBusy(
        f"the files of {root} were replaced each of {_ATTEMPTS} times they were listed; try again"
    )


def _linked(root: Path, made: Path) -> LakeSnapshot:
    known = origin(root)
    upto = commits.committed(commit_log(root))
    write_origin(made, Origin(known.name, known.taken))
    if commit_log(root).exists():
        _link(commit_log(root), commit_log(made))
    for table in TABLES.values():
        for day in days(root, Selection.everything(table), upto):
            _link_day(made, table, day, upto)
    return LakeSnapshot(made, upto)


def _link_day(made: Path, table: Table, day: Day, upto: int) -> None:
    if day.footer.upto_pos > upto:
        raise Replaced(f"{table.name} was sealed while being listed")
    if day.sealed is not None:
        target = sealed_path(made, table, day.day)
        _link(day.sealed, target)
        if footer_at(target, table) != day.footer:
            raise Replaced(f"{day.sealed} was sealed again")
    for part in day.parts:
        _link(part.path, hot_folder(made, table, day.day) / part.path.name)


def _link(path: Path, other: Path) -> None:
    other.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, other)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copyfile(path, other)
