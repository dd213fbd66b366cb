"""Which rows and columns of a table a scan wants, and where they can be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from barograph.clock import DAY_US, day_start_us
from barograph.errors import UsageError
from barograph.store.arrays import one, texts
from barograph.store.layout import table_named
from barograph.store.parquet import extremes
from barograph.store.store import Scan
from barograph.tables import Table

_POS = "tape_pos"


@dataclass(frozen=True)
class Selection:
    """A checked scan.

    Attributes:
        columns: what the reader gets, in this order.
        chosen: by column name, the only values wanted (symbols, venues).
    """

    table: Table
    columns: tuple[str, ...]
    chosen: dict[str, tuple[str, ...]]
    start_us: int | None
    end_us: int | None
    from_pos: int | None = None
    withdrawn: bool = False

    @classmethod
    def of(cls, scan: Scan) -> Selection:
        """Check ``scan`` against its table.

        Raises:
            UsageError: no such table or column, or a filter on a column that the table lacks.
        """
        table = table_named(scan.table)
        columns = table.names if scan.columns is None else tuple(scan.columns)
        chosen = {"symbol": scan.symbols, "venue": scan.venues}
        filters = {name: tuple(sorted(set(values))) for name, values in chosen.items() if values is not None}
        for name in (*columns, *filters):
            if name not in table.names:
                raise UsageError(f"{table.name} has no column {name!r}; it has: {', '.join(table.names)}")
        return cls(table, columns, filters, scan.start_us, scan.end_us, scan.from_pos or None, scan.withdrawn)

    @classmethod
    def everything(cls, table: Table) -> Selection:
        """All rows and columns of ``table``."""
        return cls(table, table.names, {}, None, None)

    @classmethod
    def on(cls, table: Table, day: date) -> Selection:
        """All rows and columns of a table's UTC day."""
        return cls(table, table.names, {}, day_start_us(day), day_start_us(day) + DAY_US)

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """The columns to read: those wanted and those that order, version and filter rows."""
        table = self.table
        working = {*table.sort, *table.key, *table.version, *self.chosen, table.time, table.withdrawn}
        working |= {_POS}
        return tuple(name for name in table.names if name in working or name in self.columns)

    def reaches(self, day: date) -> bool:
        """Whether ``day`` has a part in the wanted time."""
        start_us = day_start_us(day)
        too_late = self.end_us is not None and start_us >= self.end_us
        return not too_late and (self.start_us is None or start_us + DAY_US > self.start_us)

    def filtered(self, rows: pa.Table) -> pa.Table:
        """The rows of ``rows`` that are wanted."""
        time = rows.column(self.table.time)
        masks = [pc.is_in(rows.column(name), texts(only)) for name, only in self.chosen.items()]
        if self.start_us is not None:
            masks.append(pc.greater_equal(time, one(self.start_us, time.type)))
        if self.end_us is not None:
            masks.append(pc.less(time, one(self.end_us, time.type)))
        if not masks:
            return rows
        mask = masks[0]
        for other in masks[1:]:
            mask = pc.and_(mask, other)
        return rows.filter(mask)

    def recent(self, rows: pa.Table) -> pa.Table:
        """The rows made from the wanted position on.

        Of newest versions only: what is filtered before would let an older version through.
        """
        if self.from_pos is None:
            return rows
        return rows.filter(pc.greater_equal(rows.column(_POS), one(self.from_pos, pa.int64())))

    def may_be_in(self, group: pq.RowGroupMetaData) -> bool:
        """Whether the row group's statistics leave room for a wanted row."""
        for name, only in self.chosen.items():
            low, high = extremes(group, name)
            if low is not None and not any(low <= value <= high for value in only):
                return False
        if self.from_pos is not None:
            newest = extremes(group, _POS)[1]
            if newest is not None and newest < self.from_pos:
                return False
        low, high = extremes(group, self.table.time)
        if low is None:
            return True
        before = self.end_us is not None and low >= self.end_us
        return not (before or (self.start_us is not None and high < self.start_us))

    def bound(self, group: pq.RowGroupMetaData) -> tuple[tuple[bool, Any], ...]:
        """A key (see ``runs.py``) that no wanted row of the group sorts before."""
        bound = []
        for name in self.table.sort:
            low = extremes(group, name)[0]
            if low is None:
                break
            bound.append((False, max(low, self._least(name, low))))
        return tuple(bound)

    def _least(self, name: str, otherwise: Any) -> Any:
        if name == self.table.time and self.start_us is not None:
            return self.start_us
        return min(self.chosen.get(name, ()), default=otherwise)
