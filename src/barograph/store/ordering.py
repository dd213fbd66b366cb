"""Rows in a table's order, newest version of each key only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from barograph.store.arrays import mask, numbers, values
from barograph.tables import Table


def ordered(rows: pa.Table, table: Table) -> pa.Table:
    """``rows`` sorted by ``table.sort``, nulls last, and of each key the newest version.

    Equal rows keep their order. A row that has been taken back stays, for it must
    outweigh what it takes back: :func:`present` drops it at the very end.
    """
    if rows.num_rows > 1:
        rows = rows.take(_order(rows, (*table.sort, *table.version)))
    return newest(rows, table)


def newest(rows: pa.Table, table: Table) -> pa.Table:
    """Of sorted ``rows`` the last version of each key."""
    if not table.versioned or rows.num_rows < 2:
        return rows
    changes = np.zeros(rows.num_rows - 1, dtype=np.bool_)
    for name in table.key:
        column = rows.column(name).combine_chunks()
        changes |= values(pc.not_equal(column[:-1], column[1:]))
    last = np.append(changes, True)
    return rows if last.all() else rows.filter(mask(last))


def present(rows: pa.Table, table: Table) -> pa.Table:
    """``rows`` without those that have been taken back."""
    if not table.withdrawn or not rows.column(table.withdrawn).null_count:
        return rows
    return rows.filter(rows.column(table.withdrawn).is_valid())


def _order(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    # NumPy's lexsort over ranks is stable and 2 to 4 times as fast as Arrow's on text keys.
    keys: list[npt.NDArray[Any]] = []
    for name in names:
        keys.extend(_keys(rows.column(name).combine_chunks()))
    if not keys:
        return numbers(np.arange(rows.num_rows), pa.int64())
    return numbers(np.lexsort(keys[::-1]), pa.int64())


def _keys(column: pa.Array) -> list[npt.NDArray[Any]]:
    """One key of numbers for a column, after a second one that puts nulls last if it has any."""
    if column.null_count == len(column):
        return []
    if pa.types.is_string(column.type):
        column = _ranks(column)
    if not column.null_count:
        return [values(column)]
    return [values(column.is_null()), values(column, 0)]


def _ranks(column: pa.Array) -> pa.Array:
    words = pc.dictionary_encode(column)
    ranks = pc.rank(words.dictionary, sort_keys="ascending", tiebreaker="dense")
    return ranks.cast(pa.int64()).take(words.indices)
