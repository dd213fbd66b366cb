"""Rows that another store made, merged into the lake's sealed files day by day.

The rows come in the table's order, so the days in them are mixed: they are first divided, through files of
a bounded size, then each day is merged with what it holds (hot parts too) into a new sealed file. A day
is replaced by one rename; a process that dies leaves whole days, old or new, and doing it again
changes nothing.

Of versioned tables the newest version of a key stays, of two equal ones that which is there. Tables whose
rows are only added have no key that names a row: rows that are equal in the sort columns are counted, and
of those that come so many are new as are more than there were.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from barograph.store.arrays import numbers, values
from barograph.store.commits import committed
from barograph.store.compaction import arranging, let_go
from barograph.store.dividing import by_day, check_schema
from barograph.store.durable import storage_errors, temporary
from barograph.store.layout import commit_log, temporary_folder
from barograph.store.merge import merge
from barograph.store.parquet import Footer
from barograph.store.reading import Day, days
from barograph.store.runs import Run
from barograph.store.sealing import PATIENCE_S, put, runs_of
from barograph.store.selection import Selection
from barograph.store.store import Absorbed
from barograph.tables import Table

CHUNK_ROWS = 262_144
"""Rows that are divided at a time: about 60 MB while it happens."""

_BLOCK_ROWS = 32_768
_HELD_FILES = 32
_GIVEN = "given?"
_NO_FILE = Footer(upto_pos=0, current=True, rows=0)


def absorb(root: Path, table: Table, rows: Iterable[pa.RecordBatch]) -> Absorbed:
    """Merge ``rows`` into the lake at ``root``; see ``Absorbing.absorb``. The caller has the sealing lock.

    Raises:
        UsageError: they are not in the table's schema.
        StorageBusy: the table's parts were being compacted without end.
    """
    temporary_folder(root).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=temporary_folder(root)) as folder:
        divided = _Divided(table, Path(folder))
        try:
            given = divided.take(rows)
            changed = sum(_absorbed(root, table, day, divided) for day in divided.days)
        finally:
            divided.close()
            let_go()
    return Absorbed(given, changed)


class _Place(NamedTuple):
    path: Path
    batch: int


class _Divided:
    """Rows divided by day: the last chunk in memory, those before it in files."""

    def __init__(self, table: Table, folder: Path) -> None:
        self._table = table
        self._folder = folder
        self._places: dict[date, list[_Place]] = {}
        self._last: dict[date, pa.Table] = {}
        self._open = lru_cache(_HELD_FILES)(_opened)

    @property
    def days(self) -> list[date]:
        """The days of the rows, ascending."""
        return sorted({*self._places, *self._last})

    def take(self, batches: Iterable[pa.RecordBatch]) -> int:
        """Divide all rows; how many."""
        pending: list[pa.Table] = []
        waiting, given = 0, 0
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            check_schema(self._table, rows)
            given += rows.num_rows
            waiting += rows.num_rows
            pending.append(rows)
            if waiting >= CHUNK_ROWS:
                self._spill(pa.concat_tables(pending))
                pending, waiting = [], 0
        if waiting:
            self._last = dict(by_day(self._table, pa.concat_tables(pending)))
        return given

    def blocks(self, day: date) -> Iterator[pa.Table]:
        """The rows of a day, in their order."""
        for place in self._places.get(day, ()):
            yield pa.Table.from_batches([self._open(place.path).get_batch(place.batch)])
        if day in self._last:
            for batch in self._last[day].to_batches(_BLOCK_ROWS):
                yield pa.Table.from_batches([batch])

    def close(self) -> None:
        """Let go of the files, so that they can be deleted wherever this runs."""
        self._open.cache_clear()

    def _spill(self, rows: pa.Table) -> None:
        path = temporary(self._folder, self._table.name)
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        count = 0
        with (
            storage_errors("dividing into", path),
            path.open("wb") as file,
            pa.ipc.new_file(file, rows.schema, options=options) as writer,
        ):
            for day, part in by_day(self._table, rows):
                for batch in part.combine_chunks().to_batches(_BLOCK_ROWS):
                    writer.write_batch(batch)
                    self._places.setdefault(day, []).append(_Place(path, count))
                    count += 1


def _opened(path: Path) -> pa.RecordBatchFileReader:
    return pa.ipc.open_file(pa.memory_map(str(path)))


def _absorbed(root: Path, table: Table, day: date, divided: _Divided) -> int:
    """Merge the rows of one day; how many were new or newer."""
    with arranging(root, table, PATIENCE_S), ExitStack() as stack:
        upto_pos = committed(commit_log(root))
        found = next(iter(days(root, Selection.on(table, day), upto_pos)), Day(day, None, _NO_FILE, []))
        new = 0

        def counted(rows: pa.Table) -> pa.Table:
            nonlocal new
            new += pc.sum(rows.column(_GIVEN)).as_py() or 0
            return rows.drop_columns([_GIVEN])

        there = [run.each(_marked(False)) for run in runs_of(root, table, found, stack)]
        coming = Run(table, map(_marked(True), divided.blocks(day)), ())
        # Of equal versions the last one stays.
        merged = merge([coming, *there], table, withdrawn=True)
        blocks = map(counted, merged if table.versioned else _each_once(merged, table))
        put(root, table, found, upto_pos, blocks, secrets.token_hex(4), lambda: bool(new or found.parts))
        return new


def _marked(given: bool) -> Callable[[pa.Table], pa.Table]:
    field = pa.field(_GIVEN, pa.bool_(), nullable=False)

    def mark(rows: pa.Table) -> pa.Table:
        return rows.append_column(field, numbers(np.full(rows.num_rows, given), pa.bool_()))

    return mark


def _each_once(blocks: Iterable[pa.Table], table: Table) -> Iterator[pa.Table]:
    """Sorted rows, of those that are equal in the sort columns as many as the side that has more of them."""
    waiting: pa.Table | None = None
    for block in blocks:
        rows = block if waiting is None else pa.concat_tables([waiting, block])
        # Rows that sort equal may be cut by the end of a block: the last ones wait for the next.
        group = np.concatenate([[0], np.cumsum(_changes(rows, table.sort))])
        last = int(np.searchsorted(group, group[-1]))
        waiting = rows.slice(last)
        if last:
            yield _once(rows.slice(0, last), group[:last])
    if waiting is not None:
        yield _once(waiting, np.zeros(waiting.num_rows, dtype=np.int64))


def _once(rows: pa.Table, group: npt.NDArray[np.int64]) -> pa.Table:
    """Those that were there first in their group, then the given ones that are more than these."""
    given = values(rows.column(_GIVEN).combine_chunks())
    if not given.any() or given.all():
        return rows
    there = np.bincount(group, weights=~given)
    before = np.cumsum(given) - given
    rank = before - before[np.searchsorted(group, group)]
    kept = np.flatnonzero(~given | (rank >= there[group]))
    order = np.lexsort((given[kept], group[kept]))
    return rows.take(numbers(kept[order], pa.int64()))


def _changes(rows: pa.Table, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """For each row but the first whether it differs from the one before it in any of the columns."""
    changes = np.zeros(rows.num_rows - 1, dtype=np.bool_)
    for name in names:
        column = rows.column(name).combine_chunks()
        one, other = column[:-1], column[1:]
        if column.null_count:
            changes |= values(pc.not_equal(one.is_null(), other.is_null()))
        differ = pc.not_equal(one, other)
        changes |= values(pc.fill_null(differ, False))
    return changes
