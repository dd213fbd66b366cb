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

import pyarrow as pa

from barograph.clock import Clock, SystemClock, day_of
from barograph.disk import Lock, sync_directory
from barograph.errors import StorageBusy, UsageError
from barograph.store import absorbing, commits, compaction, durable, lineage, snapshots, taking_over
from barograph.store.compaction import Compacted
from barograph.store.dividing import by_day, check_schema
from barograph.store.layout import (
    absorbing_path,
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
from barograph.store.parquet import encoded
from barograph.store.reading import Day, days, footer_at, scan
from barograph.store.sealing import Sealed, seal, sweep
from barograph.store.selection import Selection
from barograph.store.store import Absorbed, Commit, Reader, Scan
from barograph.store.traded import add_trades
from barograph.tables import TABLES, Table

_ORDER = ("ticks", "quotes", "candles", "rejects", "market_microstructure", "anomalies", "coverage")

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

    def lineage(self) -> str:
        """The name of this content, given with the first commit; empty: nothing yet."""
        return lineage.origin(self.root).name

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        """One state of all tables, which stays as it is for as long as it is held.

        Raises:
            StorageBusy: rows of another store are coming in.
        """
        self._name_if_old()
        with snapshots.held(self.root) as taken:
            yield taken

    def absorb(self, table: str, rows: Iterable[pa.RecordBatch]) -> Absorbed:
        """Put rows in by key; see ``Absorbing.absorb``. They go into the days' sealed files.

        Until :meth:`take_over` is called, a lake that has committed nothing of its own refuses commits.
        """
        chosen = table_named(table)
        with durable.storage_errors("absorbing into", self.root), self._writing(), self._sealing():
            if self.committed() <= lineage.origin(self.root).taken:
                self._mark_absorbing()
            return absorbing.absorb(self.root, chosen, rows)

    def take_over(self, lineage: str, commits: Sequence[tuple[int, int]]) -> None:
        """Count as the content called ``lineage``, committed in these ranges; see ``Absorbing.take_over``."""
        with durable.storage_errors("taking over into", self.root), self._writing():
            taking_over.take_over(self.root, lineage, commits)
            self._floor = None if self._floor is None else self.committed()

    def clear(self) -> None:
        """Remove all rows, commits and the lineage. Completed trades, which no tape made, stay."""
        with durable.storage_errors("clearing", self.root), self._writing(), self._sealing():
            self._mark_absorbing()
            taking_over.clear(self.root)
            self._floor = None if self._floor is None else 0
            self._named.clear()

    def add_trades(self, rows: pa.Table) -> None:
        """Put completed trades in, durably; those that are there already stay as they are."""
        add_trades(self.root, rows)

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
        snapshots.sweep(self.root)
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

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The writer's lock, which is kept if we have it already."""
        had = self._floor is not None
        self._writer.acquire()
        try:
            yield
        finally:
            if not had:
                self._writer.release()

    def _mark_absorbing(self) -> None:
        path = absorbing_path(self.root)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        sync_directory(path.parent)

    def _name_if_old(self) -> None:
        """Give a lake from before there were lineages its name."""
        if self.lineage() or not self.committed():
            return
        try:
            with self._writing():
                lineage.begin(self.root)
        except StorageBusy:
            return  # its writer gives it one

    def _open_for_writing(self) -> int:
        """Take the writer's lock and clear away what a killed writer left half-done."""
        if self._floor is None:
            self._writer.acquire()
            if absorbing_path(self.root).exists():
                self._writer.release()
                raise UsageError(
                    f"{self.root} has not all the rows of the backups that it was being filled from; run the "
                    "same `barograph restore` or `barograph sync` to its end before recording into it"
                )
            lineage.begin(self.root)
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
        reach = (footer_at(path, table).upto_pos for path, table in files if path.exists())
        return max(reach, default=lineage.origin(self.root).taken)

    def _has(self, commit: Commit, table: Table, day: date) -> bool:
        """Whether a part of a known commit is there: by itself, in a larger part or in a sealed file."""
        if commit.next_pos <= lineage.origin(self.root).taken:
            return True
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
            check_schema(table, rows)
            for day, part in by_day(table, rows):
                yield table, day, part
