"""Rows as they are loaded: checked, in the order of the primary key, with their ordinals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from barograph.clock import DAY_US
from barograph.errors import DataError
from barograph.store.arrays import numbers, values
from barograph.store.dividing import check_schema
from barograph.store.ordering import ordered
from barograph.store.postgres.escaping import escaped
from barograph.store.postgres.schema import ORDINAL, Physical

EPOCH = date(1970, 1, 1).toordinal()
_FIRST_DAY, _LAST_DAY = date.min.toordinal() - EPOCH, date.max.toordinal() - EPOCH
_LEAST_US = -210_866_803_200_000_000
"""PostgreSQL's first moment, 4713 BC; its last one is beyond 64 bits of microseconds."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows of one table, ready to load.

    Attributes:
        rows: in the order of the primary key, each key once, with the ordinal if the table has one.
    """

    physical: Physical
    rows: pa.Table

    @property
    def span(self) -> tuple[str, str]:
        """The first and the last event time, as PostgreSQL reads them."""
        time_us = self._time_us()
        return moment(int(time_us.min())), moment(int(time_us.max()))

    @property
    def days(self) -> list[int]:
        """The UTC days of the rows, numbered from 1970-01-01, ascending."""
        found: list[int] = np.unique(self._time_us() // DAY_US).tolist()
        return found

    def _time_us(self) -> npt.NDArray[np.int64]:
        time_us: npt.NDArray[np.int64] = values(self.rows.column(self.physical.table.time))
        return time_us


def moment(time_us: int) -> str:
    """A time of a calendar's year, in microseconds since 1970, as PostgreSQL reads it (without a zone).

    >>> moment(1_723_075_200_000_001)
    '2024-08-08T00:00:00.000001'
    """
    return str(np.datetime64(time_us, "us"))


def prepared(physical: Physical, rows: pa.Table) -> Prepared:
    """Make ``rows``, all that have their tape positions, ready to load.

    Raises:
        UsageError: they are not in the table's schema.
        DataError: null where it may not be, or a time that no calendar has.
    """
    check(physical, rows)
    rows = ordered(rows.combine_chunks(), physical.table)
    if physical.ordinal:
        rows = with_ordinals(rows, physical)
    columns = [escaped(whole(column)) for column in rows.columns]
    return Prepared(physical, pa.Table.from_arrays(columns, schema=rows.schema))


def check(physical: Physical, rows: pa.Table) -> None:
    """Refuse rows that are not what the table holds."""
    table = physical.table
    check_schema(table, rows)
    for column in table.columns:
        if column.type == "time" and rows.num_rows:
            _check_times(table.name, column.name, rows.column(column.name), column.name == table.time)


def _check_times(name: str, column: str, times: pa.ChunkedArray, parted_by: bool) -> None:
    least, most = (int(values(pa.array([each]))[0]) for each in pc.min_max(times).values())
    days = (least // DAY_US, most // DAY_US)
    wrong = [day for day in days if not _FIRST_DAY <= day <= _LAST_DAY] if parted_by else []
    wrong += [day for day in days if day * DAY_US < _LEAST_US]
    if wrong:
        raise DataError(
            f"a row of {name} has {column} {wrong[0]} days after 1970-01-01, which no calendar has; "
            f"its feed must reject such a time"
        )


def with_ordinals(rows: pa.Table, physical: Physical) -> pa.Table:
    """Rows in the table's sort order, put into the key's order and ranked among equal keys."""
    nullable = {column.name for column in physical.table.columns if column.nullable}
    prefix = leading(physical)
    group = np.cumsum(begins(rows, prefix))
    rest = [values(rows.column(name)) for name in physical.key[len(prefix) : -1] if name not in nullable]
    if rest and not ascending((group, *rest)):
        rows = rows.take(numbers(np.lexsort((*rest[::-1], group)), pa.int64()))
    starts = np.flatnonzero(begins(rows, physical.key[:-1]))
    sizes = np.diff(np.append(starts, rows.num_rows))
    ordinals = (np.arange(rows.num_rows) - np.repeat(starts, sizes)).astype(np.int32)
    field = pa.field(ORDINAL, pa.int32(), nullable=False)
    return rows.append_column(field, numbers(ordinals, pa.int32()))


def leading(physical: Physical) -> tuple[str, ...]:
    """The columns with which both the sort order and the primary key begin."""
    both = zip(physical.table.sort, physical.key, strict=False)
    same = [ours == theirs for ours, theirs in both]
    return physical.key[: same.index(False) if False in same else len(same)]


def ascending(keys: Sequence[npt.NDArray[Any]]) -> bool:
    """Whether rows are in the order of their keys, the first of which weighs most.

    A look at neighbours takes a fraction of the time that sorting takes, and most rows come sorted.

    >>> ascending([np.array([1, 1, 2]), np.array([5, 6, 0])])
    True
    """
    fine = np.ones(max(len(keys[0]) - 1, 0), dtype=np.bool_)
    for key in reversed(keys):
        fine = (key[:-1] < key[1:]) | ((key[:-1] == key[1:]) & fine)
    return bool(fine.all())


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array, in its own memory where it is in one piece already."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def begins(rows: pa.Table, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Where rows differ from the row before in one of the columns; true for the first."""
    changes = np.zeros(max(rows.num_rows - 1, 0), dtype=np.bool_)
    if len(changes):
        for name in names:
            column = whole(rows.column(name))
            changes |= values(pc.not_equal(column[:-1], column[1:]))
    return np.append(np.ones(min(rows.num_rows, 1), dtype=np.bool_), changes)


def in_groups(batches: Iterator[pa.RecordBatch], physical: Physical, rows: int) -> Iterator[pa.Table]:
    """Sorted batches as tables of about ``rows`` rows; rows that are ranked together stay together."""
    pending: list[pa.RecordBatch] = []
    count, wanted = 0, rows
    for batch in batches:
        pending.append(batch)
        count += batch.num_rows
        if count < wanted:
            continue
        table = pa.Table.from_batches(pending)
        cut = int(np.flatnonzero(begins(table, leading(physical)))[-1])
        if cut:
            yield table.slice(0, cut)
        pending, count = table.slice(cut).to_batches(), table.num_rows - cut
        wanted = max(rows, 2 * count)  # however long a run of equal rows is, it is not looked at for ever
    if count:
        yield pa.Table.from_batches(pending)
