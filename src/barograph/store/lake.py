"""The lake: Parquet files on this machine's disk, written while others read them.

A day of a table is *hot* while commits add parts to it and *sealed* once they have
been merged into one sorted file (law 5 of the architecture; docs/lake.md). Every
commit is named by the tape positions that it was made from, so that making it again
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from barograph.clock import DAY_US, Clock, SystemClock, day_of
from barograph.disk import Lock, sync_directory
from barograph.errors import DataError, UsageError
from barograph.store import commits, compaction, durable
from barograph.store.arrays import mask, values
from barograph.store.compaction import Compacted
from barograph.store.layout import (
    commit_log,
    hot_days,
    hot_folder,
    names_in,
    part_bounds,
    part_path,
    part_within,
    parts,
    sealed_days,
    sealed_path,
    table_named,
    temporary_folder,
)
from barograph.store.parquet import encoded, null_columns
from barograph.store.reading import Day, days, footer_at, scan
from barograph.store.sealing import Sealed, seal, sweep
from barograph.store.selection import Selection
from barograph.store.store import Commit, Scan
from barograph.tables import TABLES, Table

_ORDER = ("ticks", "quotes", "candles", "rejects", "market_microstructure", "anomalies", "coverage")
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

_Piece = tuple[Table, date, pa.Table]

GRACE_S = 600.0
"""How long a hot part outlives its sealing, for those who listed it before."""


class Lake:
    """A store of Parquet files under ``root`` (which need not exist yet).

    Any number of processes may read. One process may commit at a time and one may seal;
    the two need not be the same and do not wait for each other.
    """

    def __init__(self, root: Path | str, clock: Clock | None = None) -> None:
        self.root = Path(root)
        self._clock = clock or SystemClock()
        self._writer = Lock(self.root / ".hot" / "commit.lock", f"{self.root} is being committed to")
        self._floor: int | None = None
        self._named: dict[Path, int] = {}

    def commit(self, commit: Commit) -> None:
        """Make the rows durable and visible, all at once; the same commit again changes nothing.

        The commit's parts get their names first and its entry in the log last; readers
        look at nothing that the log does not cover.

        Raises:
            UsageError: it overlaps or precedes what is committed without being the same range,
                or its tables are not in their schemas.
            StorageFull: no space; nothing of it is visible.
            StorageBusy: another process is committing.
        """
        pieces = list(_pieces(commit))
        with durable.storage_errors("committing to", self.root):
            floor = self._open_for_writing()
            known = commits.holds(commit_log(self.root), commit.first_pos, commit.next_pos)
            if not known:
                _check_follows(commit, floor)
            self._publish(
                commit, [piece for piece in pieces if not (known and self._has(commit, *piece[:2]))]
            )
            if not known:
                commits.append(commit_log(self.root), commit.first_pos, commit.next_pos)
                self._floor = commit.next_pos

    def commits(self, after: int) -> list[tuple[int, int]]:
        """Ranges of commits with ``first_pos >= after``, ascending, those without rows too."""
        with durable.storage_errors("reading the commits of", self.root):
            return commits.ranges(commit_log(self.root), after)

    def committed(self) -> int:
        """The tape position up to which the lake holds all rows.

        Raises:
            StorageError: the disk does not tell.
        """
        with durable.storage_errors("reading the commits of", self.root):
            return commits.committed(commit_log(self.root))

    def scan(self, wanted: Scan) -> Iterable[pa.RecordBatch]:
        """Rows in the table's sort order, newest version of each key only, streamed."""
        return scan(self.root, Selection.of(wanted))

    def days(self, wanted: Scan, upto: int | None = None) -> list[Day]:
        """The files that hold the days of a scan, for engines that read files themselves."""
        return days(self.root, Selection.of(wanted), upto)

    def seal(
        self,
        day: date | None = None,
        before: date | None = None,
        all: bool = False,  # noqa: A002 - the command's flag has this name
        grace_s: float = GRACE_S,
    ) -> list[Sealed]:
        """Merge hot parts into sealed files, then sweep.

        Args:
            day: this day only.
            before: days before this one; today (UTC) when nothing else is said.
            all: every day, today too: its file is sealed again when more has come.
            grace_s: how long a merged hot part stays for those who are reading it, in seconds.

        Raises:
            StorageBusy: another process is sealing.
            StorageFull: no space; what was sealed so far stays.
        """
        if sum((day is not None, before is not None, all)) > 1:
            raise UsageError("seal takes one of: a day, `before` a day, or `all`")
        today = day_of(self._clock.now_ns() // 1_000)
        wanted = [
            (table, each)
            for table in TABLES.values()
            for each in hot_days(self.root, table)
            if all or (each == day if day is not None else each < (before or today))
        ]
        with self._sealing():
            merged = [seal(self.root, table, each) for table, each in wanted]
        self.sweep(grace_s)
        return [sealed for sealed in merged if sealed is not None]

    def sweep(self, grace_s: float = GRACE_S) -> int:
        """Delete hot parts sealed longer than ``grace_s`` ago and what dead writers left; how many files."""
        with self._sealing():
            return sweep(self.root, self._clock.now_ns() / 1e9 - grace_s)

    def compact(self, grace_s: float = GRACE_S) -> Compacted:
        """Merge small hot parts into larger ones where enough have gathered: a bounded amount of work.

        To be called every second or so while commits go on, from any thread or process: it
        never makes a commit or a reader wait. A table that is being sealed is left out.

        Args:
            grace_s: how long a merged part stays for those who are reading it, in seconds.

        Raises:
            StorageFull: no space; what was merged so far stays.
            StoreCorrupt: a part cannot be read; all other tables were compacted.
        """
        with durable.storage_errors("compacting", self.root):
            return compaction.compact(self.root, self._clock.now_ns() / 1e9 - grace_s)

    def close(self) -> None:
        """Let go of the writer's lock."""
        self._writer.release()
        self._floor = None
        self._named.clear()

    @contextmanager
    def _sealing(self) -> Iterator[None]:
        # A lock of one's own each time: two threads may share a lake, and not a lock.
        sealer = Lock(self.root / ".hot" / "seal.lock", f"{self.root} is being sealed")
        with durable.storage_errors("sealing in", self.root), sealer:
            yield

    def _open_for_writing(self) -> int:
        """Take the writer's lock and clear away what a killed writer left half-done."""
        if self._floor is None:
            self._writer.acquire()
            self._floor = self.committed()
            for table in TABLES.values():
                for day in hot_days(self.root, table):
                    self._clear_beyond(hot_folder(self.root, table, day), self._floor)
            if not commit_log(self.root).exists():
                self._floor = self._sealed_upto()
        return self._floor

    def _clear_beyond(self, folder: Path, floor: int) -> None:
        for name in names_in(folder):
            bounds = part_bounds(name)
            if bounds and bounds[1] > floor:
                (folder / name).unlink(missing_ok=True)

    def _sealed_upto(self) -> int:
        """How far the sealed files reach: what may not be committed again when the log is lost."""
        files = [
            (sealed_path(self.root, table, day), table)
            for table in TABLES.values()
            for day in sealed_days(self.root, table)
        ]
        return max((footer_at(path, table).upto_pos for path, table in files if path.exists()), default=0)

    def _has(self, commit: Commit, table: Table, day: date) -> bool:
        """Whether a part of a known commit is there: by itself, in a larger part or in a sealed file."""
        path = part_path(self.root, table, day, commit.first_pos, commit.next_pos)
        if path.exists():
            return True
        if any(part_within(path.name, part.path.name) for part in parts(self.root, table, day)):
            return True
        # Only then the sealed file: what is sealed meanwhile was a part when we looked for parts.
        sealed = sealed_path(self.root, table, day)
        return sealed.exists() and footer_at(sealed, table).upto_pos >= commit.next_pos

    def _publish(self, commit: Commit, pieces: Sequence[_Piece]) -> None:
        """Write the parts under temporary names, then give them their own, then sync the folders."""
        staged: list[tuple[Path, Path]] = []
        try:
            for table, day, rows in pieces:
                target = part_path(self.root, table, day, commit.first_pos, commit.next_pos)
                path = durable.temporary(temporary_folder(self.root), target.name)
                durable.stage(path, memoryview(encoded(table, rows)))
                staged.append((path, target))
            for path, target in staged:
                durable.publish(path, target)
        except OSError:
            for path, target in staged:
                path.unlink(missing_ok=True)
                target.unlink(missing_ok=True)
            raise
        for folder in {target.parent for _, target in staged}:
            sync_directory(folder)
            # Its own name stays once it has been synced; a folder that was swept and made again is another.
            if self._named.get(folder) != (number := folder.stat().st_ino):
                sync_directory(folder.parent)
                self._named[folder] = number


def _check_follows(commit: Commit, floor: int) -> None:
    if not floor <= commit.first_pos <= commit.next_pos:
        raise UsageError(
            f"commit of records {commit.first_pos} to {commit.next_pos}: the lake is committed up to {floor} "
            f"and this range is not one of its commits; cut it where commits() says, or make the lake again "
            f"from the tape with `barograph rebuild`"
        )


def _pieces(commit: Commit) -> Iterator[_Piece]:
    """The commit's rows by table (ticks first, what is made from them last) and UTC day."""
    for name in commit.tables:
        table_named(name)
    for name in _ORDER:
        rows = commit.tables.get(name)
        if rows is not None and rows.num_rows:
            table = TABLES[name]
            _check_schema(table, rows)
            for day, part in _by_day(table, rows):
                yield table, day, part


def _check_schema(table: Table, rows: pa.Table) -> None:
    if not rows.schema.equals(table.schema()):
        raise UsageError(
            f"rows for {table.name} are not in its schema: {rows.schema} instead of {table.schema()}"
        )
    nulls = null_columns(rows, table)
    if nulls:
        raise DataError(f"rows for {table.name} have null in {', '.join(nulls)}, which may not be null")


def _by_day(table: Table, rows: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    time_us = values(rows.column(table.time))
    numbers = time_us // DAY_US
    for number in np.unique(numbers).tolist():
        try:
            day = date.fromordinal(_EPOCH_ORDINAL + number)
        except (ValueError, OverflowError):
            raise DataError(
                f"a row of {table.name} is stamped {number} days after 1970-01-01, which no calendar has; "
                f"its feed must reject such a time"
            ) from None
        mine = numbers == number
        yield day, rows if mine.all() else rows.filter(mask(mine))
