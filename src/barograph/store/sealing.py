"""Hot parts merged into one sorted file per table and day, and the tidying after it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from barograph.disk import sync_data, sync_directory
from barograph.store import durable
from barograph.store.commits import committed
from barograph.store.layout import (
    commit_log,
    hot_days,
    link_folder,
    link_path,
    parts,
    sealed_path,
    temporary_folder,
)
from barograph.store.merge import merge
from barograph.store.parquet import ROW_GROUP, SEALED_LEVEL, writing
from barograph.store.reading import Day, days, footer_at
from barograph.store.runs import Run, SortedFile, hot_runs
from barograph.store.selection import Selection
from barograph.tables import TABLES, Table

_BATCH_ROWS = 16_384


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

    None when it lacks nothing. Memory is bounded by :data:`runs.RUN_ROWS` and a block of
    each run; a day larger than that is sorted through files in ``lake/.hot/tmp``. The
    caller holds the sealing lock.
    """
    upto_pos = committed(commit_log(root))
    found = [each for each in days(root, Selection.on(table, day), upto_pos) if each.parts]
    if not found:
        return None
    target = sealed_path(root, table, day)
    lasting = link_path(root, table, day, upto_pos)
    path = durable.temporary(temporary_folder(root), target.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as stack:
            runs = _runs(root, table, found[0], stack)
            rows = _write(path, table, upto_pos, merge(runs, table))
        size = path.stat().st_size
        durable.link(path, lasting)
        durable.publish(path, target)
    except BaseException:
        path.unlink(missing_ok=True)
        lasting.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)
    sync_directory(target.parent.parent)
    _touch([part.path for part in found[0].parts])
    if found[0].sealed not in (None, target):
        _touch([found[0].sealed])
    return Sealed(table.name, day, target, rows, size, len(found[0].parts))


def sweep(root: Path, before_s: float) -> int:
    """Delete hot parts that were sealed, and temporary files last written, before ``before_s``.

    Times are seconds since 1970. Returns how many files were deleted. The caller holds
    the sealing lock.
    """
    replaced = [path for table in TABLES.values() for path in _replaced(root, table)]
    doomed = [path for path in (*_sealed_parts(root), *replaced) if path.stat().st_mtime < before_s]
    for path in doomed:
        path.unlink()
    for folder in {path.parent for path in doomed}:
        _remove_if_empty(folder)
    stale = [path for path in _temporary(root) if _modified(path) < before_s]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(doomed) + len(stale)


def _runs(root: Path, table: Table, day: Day, stack: ExitStack) -> list[Run]:
    wanted = Selection.everything(table)

    def spill() -> Path:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(dir=temporary_folder(root))))

    hot = hot_runs(day.parts, wanted, spill)
    if day.sealed is None:
        return hot
    file = SortedFile(day.sealed, table)
    stack.callback(file.let_go)
    run = file.run(wanted, _BATCH_ROWS)
    return hot if run is None else [run, *hot]


def _write(path: Path, table: Table, upto_pos: int, blocks: Iterator[pa.Table]) -> int:
    """Write sorted blocks in even row groups, and sync; how many rows."""
    rows = 0
    pending: list[pa.Table] = []
    with path.open("wb") as file:
        with writing(file, table, SEALED_LEVEL, upto_pos) as writer:
            for block in blocks:
                rows += block.num_rows
                pending = _write_whole_groups(writer, [*pending, block])
            if pending:
                writer.write_table(pa.concat_tables(pending), row_group_size=ROW_GROUP)
        file.flush()
        sync_data(file.fileno())
    return rows


def _write_whole_groups(writer: pq.ParquetWriter, pending: list[pa.Table]) -> list[pa.Table]:
    """Write as many full row groups as there are; what is left."""
    count = sum(block.num_rows for block in pending)
    whole = count - count % ROW_GROUP
    if not whole:
        return pending
    rows = pa.concat_tables(pending)
    writer.write_table(rows.slice(0, whole), row_group_size=ROW_GROUP)
    # Take a copy: a slice would hold on to all that has been written.
    return [rows.slice(whole).combine_chunks()] if count > whole else []


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


def _sealed_parts(root: Path) -> Iterator[Path]:
    """Hot parts that a sealed file contains."""
    for table in TABLES.values():
        for day in hot_days(root, table):
            sealed = sealed_path(root, table, day)
            if sealed.exists():
                upto_pos = footer_at(sealed, table).upto_pos
                yield from (part.path for part in parts(root, table, day) if part.next_pos <= upto_pos)


def _temporary(root: Path) -> list[Path]:
    return [path for path in temporary_folder(root).rglob("*") if path.is_file()]


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
