"""Hot parts merged into one sorted file per table and day, and the tidying after it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from barograph.disk import sync_directory
from barograph.store import durable, runs
from barograph.store.commits import committed
from barograph.store.compaction import arranging, delete_merged, let_go
from barograph.store.layout import (
    commit_log,
    hot_days,
    hot_folder,
    link_folder,
    link_path,
    parts,
    sealed_path,
    temporary_folder,
)
from barograph.store.merge import merge
from barograph.store.parquet import SEALED_LEVEL, write
from barograph.store.reading import Day, days, footer_at
from barograph.store.runs import Run, SortedFile
from barograph.store.selection import Selection
from barograph.tables import TABLES, Table

PATIENCE_S = 60.0
"""How long sealing waits for a compaction of the same table, which ends within seconds."""

_BATCH_ROWS = 16_384
_MOST_RUNS = 256


class Sealed(NamedTuple):
    """One sealed file: its rows, its bytes, and how many hot parts went into it."""

    table: str
    day: date
    path: Path
    rows: int
    bytes: int
    parts: int


def seal(root: Path, table: Table, day: date) -> Sealed | None:
    """Merge what a day's sealed file lacks into a new one, put in place by one rename.

    None when it lacks nothing. Memory is bounded by :data:`runs.SEALING_ROWS` and a block of
    each run; a day larger than that is sorted through files in ``lake/.hot/tmp``. The
    caller holds the sealing lock.

    Raises:
        StorageBusy: the table's parts were being compacted for :data:`PATIENCE_S` without end.
    """
    with arranging(root, table, PATIENCE_S):
        upto_pos = committed(commit_log(root))
        found = [each for each in days(root, Selection.on(table, day), upto_pos) if each.parts]
        try:
            return _sealed(root, table, found[0], upto_pos) if found else None
        finally:
            let_go()


def _sealed(root: Path, table: Table, found: Day, upto_pos: int) -> Sealed:
    with ExitStack() as stack:
        # What was taken back stays in the file: a backup of what is new has to tell of it.
        blocks = merge(runs_of(root, table, found, stack), table, withdrawn=True)
        sealed = put(root, table, found, upto_pos, blocks)
    assert sealed is not None
    return sealed


def put(
    root: Path,
    table: Table,
    found: Day,
    upto_pos: int,
    blocks: Iterable[pa.Table],
    edition: str = "",
    worth: Callable[[], bool] = lambda: True,
) -> Sealed | None:
    """Write a day's rows and put them in the place of ``found``, by one rename.

    Args:
        blocks: all rows of the day, sorted.
        edition: must differ where a file up to the same position was there before.
        worth: asked when all is written; False leaves what is there as it is.
    """
    day = found.day
    target = sealed_path(root, table, day)
    lasting = link_path(root, table, day, upto_pos, edition)
    path = durable.temporary(temporary_folder(root), target.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        rows = write(path, table, SEALED_LEVEL, upto_pos, blocks, edition)
        if not worth():
            path.unlink()
            return None
        size = path.stat().st_size
        durable.link(path, lasting)
        durable.publish(path, target)
    except BaseException:
        path.unlink(missing_ok=True)
        lasting.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)
    sync_directory(target.parent.parent)
    _touch([part.path for part in found.parts])
    if found.sealed not in (None, target):
        _touch([found.sealed])
    return Sealed(table.name, day, target, rows, size, len(found.parts))


def sweep(root: Path, before_s: float) -> int:
    """Delete what was sealed, merged or replaced, and temporary files last written, before ``before_s``.

    Times are seconds since 1970. Returns how many files were deleted. The caller holds
    the sealing lock.
    """
    deleted = 0
    for table in TABLES.values():
        if days_there := hot_days(root, table):
            with arranging(root, table, PATIENCE_S):
                deleted += sum(_sweep_day(root, table, day, before_s) for day in days_there)
        deleted += _delete(_replaced(root, table), before_s)
    return deleted + _delete(_temporary(root), before_s)


def _sweep_day(root: Path, table: Table, day: date, before_s: float) -> int:
    merged = delete_merged(root, table, day, before_s)
    sealed = _delete(_sealed_parts(root, table, day), before_s)
    if merged + sealed:
        _remove_if_empty(hot_folder(root, table, day))
    return merged + sealed


def _delete(paths: Iterable[Path], before_s: float) -> int:
    """Delete those last touched before ``before_s``; how many."""
    doomed = [path for path in paths if _modified(path) < before_s]
    for path in doomed:
        path.unlink(missing_ok=True)
    return len(doomed)


def runs_of(root: Path, table: Table, day: Day, stack: ExitStack) -> list[Run]:
    """All that a day holds as sorted runs, the sealed file first; ``stack`` ends what they need."""
    wanted = Selection.everything(table)

    def spill() -> Path:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(dir=temporary_folder(root))))

    at_once = max(runs.SEALING_ROWS, runs.rows_in(day.parts, table) // _MOST_RUNS)
    hot = runs.hot_runs(day.parts, wanted, spill, at_once)
    if day.sealed is None:
        return hot
    file = SortedFile(day.sealed, table)
    stack.callback(file.let_go)
    run = file.run(wanted, _BATCH_ROWS)
    return hot if run is None else [run, *hot]


def _touch(paths: Sequence[Path]) -> None:
    """Set the files' times to now: their grace counts from the moment they were replaced."""
    for path in paths:
        os.utime(path)


def _replaced(root: Path, table: Table) -> list[Path]:
    """Lasting names of sealed files that others have replaced."""
    found = []
    for path in link_folder(root, table).glob("*.parquet"):
        sealed = sealed_path(root, table, date.fromisoformat(path.name[:10]))
        if not (sealed.exists() and sealed.samefile(path)):
            found.append(path)
    return found


def _sealed_parts(root: Path, table: Table, day: date) -> Iterator[Path]:
    """Hot parts that a sealed file contains."""
    sealed = sealed_path(root, table, day)
    if sealed.exists():
        upto_pos = footer_at(sealed, table).upto_pos
        yield from (part.path for part in parts(root, table, day) if part.next_pos <= upto_pos)


def _temporary(root: Path) -> list[Path]:
    """Files being written, but for this process's own: another thread may be at it."""
    own = f".{os.getpid()}."
    found = temporary_folder(root).rglob("*")
    return [path for path in found if own not in path.name and path.is_file()]


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _remove_if_empty(folder: Path) -> None:
    if not os.listdir(folder):
        try:
            folder.rmdir()
        except OSError:
            return  # a commit has just put a part there
