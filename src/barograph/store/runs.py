"""Sorted runs: rows already in the table's order, given out block by block.

A sealed file is a run; so are the hot parts, sorted in chunks that fit in memory (all
but the last chunk wait on disk). ``merge.py`` puts runs together without ever holding
more than a block of each.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from barograph.store.durable import storage_errors, temporary
from barograph.store.layout import Part
from barograph.store.ordering import ordered
from barograph.store.parquet import Footer, conformed, footer, opened, reading
from barograph.store.selection import Selection
from barograph.tables import Table

RUN_ROWS = 262_144
"""Hot rows that a reader sorts at a time: about 60 MB while it happens."""

SEALING_ROWS = 32_768
"""Hot rows that are sorted at a time for sealing, which the recorder does beside its work."""

_BLOCK_ROWS, _LEAST_GROUP = 32_768, 1_024

Key = tuple[tuple[bool, Any], ...]
"""The values of the sort columns, each with a mark that puts null last.

A shorter key comes before all keys that begin with it.
"""


class Run:
    """Blocks of sorted rows, and a bound on what is still to come.

    Attributes:
        bound: no row that is still to load sorts before it; None when there is none.
        block: the rows at hand, or None.
    """

    def __init__(self, table: Table, blocks: Iterator[pa.Table], bound: Key) -> None:
        self.bound: Key | None = bound
        self.block: pa.Table | None = None
        self._table = table
        self._blocks = blocks

    def each(self, change: Callable[[pa.Table], pa.Table]) -> Run:
        """This run with every block changed: a column added, say. To be called before any is loaded."""
        assert self.bound is not None
        return Run(self._table, map(change, self._blocks), self.bound)

    def load(self) -> None:
        """Take the next block that has rows."""
        for block in self._blocks:
            if block.num_rows:
                self.block = block
                self.bound = self.last
                return
        self.bound = None

    @property
    def last(self) -> Key:
        """The key of the last row at hand."""
        assert self.block is not None
        return self._key(self.block.num_rows - 1)

    def take_upto(self, key: Key) -> pa.Table:
        """Give up the rows at hand that sort at or before ``key``."""
        assert self.block is not None
        rows = self.block
        count = bisect.bisect_right(range(rows.num_rows), key, key=self._key)
        self.block = rows.slice(count) if count < rows.num_rows else None
        return rows.slice(0, count)

    def _key(self, index: int) -> Key:
        assert self.block is not None
        return tuple(_value(self.block.column(name)[index]) for name in self._table.sort)


def _value(scalar: pa.Scalar) -> tuple[bool, Any]:
    value = scalar.value if pa.types.is_timestamp(scalar.type) else scalar.as_py()
    return (value is None, value)


class Replaced(FileNotFoundError):
    """A sealed file was replaced between being looked at and being read: list again."""


class SortedFile:
    """A sorted file: what its footer says, and the file itself while it is held open.

    A file that is held open stays what it is when another one takes its name.
    """

    def __init__(self, path: Path, table: Table) -> None:
        self.path = path
        self._table = table
        self._file: pq.ParquetFile | None = opened(path)
        with reading(path):
            self.footer: Footer = footer(self._file, path, table)
        self._metadata = self._file.metadata
        self._names = frozenset(self._file.schema_arrow.names)

    def let_go(self) -> None:
        """Close the file; it is opened again when its rows are asked for."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def run(self, wanted: Selection, batch_rows: int) -> Run | None:
        """Its rows that may be wanted; None when its statistics exclude all of them."""
        groups = self._groups(wanted)
        if not groups:
            self.let_go()
            return None
        bound = wanted.bound(self._metadata.row_group(groups[0]))
        return Run(wanted.table, self.blocks(wanted, batch_rows), bound)

    def blocks(self, wanted: Selection, batch_rows: int) -> Iterator[pa.Table]:
        """The wanted rows in the file's order."""
        columns = [name for name in wanted.needed if name in self._names]
        with reading(self.path), closing(self._held()) as file:
            for batch in file.iter_batches(batch_rows, self._groups(wanted), columns, use_threads=False):
                rows = pa.Table.from_batches([batch])
                yield wanted.filtered(conformed(rows, wanted.table, wanted.needed))

    def _groups(self, wanted: Selection) -> list[int]:
        metadata = self._metadata
        return [i for i in range(metadata.num_row_groups) if wanted.may_be_in(metadata.row_group(i))]

    def _held(self) -> pq.ParquetFile:
        if self._file is None:
            file = opened(self.path)
            if footer(file, self.path, self._table) != self.footer:
                file.close()
                raise Replaced(f"{self.path} was sealed again")
            self._file = file
        return self._file


def hot_runs(
    parts: Sequence[Part], wanted: Selection, spill: Callable[[], Path], run_rows: int | None = None
) -> list[Run]:
    """The rows of hot parts as sorted runs of ``run_rows`` (:data:`RUN_ROWS`) or a little more.

    ``spill()`` names a folder for those that must wait. However many these are, the blocks of
    all of them together have about :data:`_BLOCK_ROWS` rows.
    """
    most = run_rows or RUN_ROWS
    runs: list[Run] = []
    pending: list[pa.Table] = []
    waiting, expected = 0, 0
    for part in parts:
        for rows in SortedFile(part.path, wanted.table).blocks(wanted, most // 4):
            pending.append(rows)
            waiting += rows.num_rows
            if waiting >= most:
                expected = expected or 1 + rows_in(parts, wanted.table) // most
                group = min(max(_BLOCK_ROWS // expected, _LEAST_GROUP), most // 4)
                runs.append(_spilled(pa.concat_tables(pending), wanted, spill(), group))
                pending, waiting = [], 0
    if waiting:
        rows = ordered(pa.concat_tables(pending), wanted.table)
        runs.append(Run(wanted.table, iter([rows]), ()))
    return runs


def rows_in(parts: Sequence[Part], table: Table) -> int:
    """How many rows the parts have."""
    count = 0
    for part in parts:
        file = SortedFile(part.path, table)
        count += file.footer.rows
        file.let_go()
    return count


def _spilled(rows: pa.Table, wanted: Selection, folder: Path, group: int) -> Run:
    path = temporary(folder, wanted.table.name)
    with storage_errors("sorting into", path):
        pq.write_table(
            ordered(rows, wanted.table), path, row_group_size=group, compression="lz4", use_dictionary=False
        )
    run = SortedFile(path, wanted.table).run(wanted, group)
    assert run is not None  # it has rows, and all of them are wanted
    return run
