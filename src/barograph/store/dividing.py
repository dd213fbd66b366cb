"""Rows checked against their table and divided by the UTC days that the lake keeps apart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import pyarrow as pa

from barograph.clock import DAY_US
from barograph.errors import DataError, UsageError
from barograph.store.arrays import mask, values
from barograph.store.parquet import null_columns
from barograph.tables import Table

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def check_schema(table: Table, rows: pa.Table) -> None:
    """Refuse rows that are not as the table has them.

    Raises:
        UsageError: other columns or types.
        DataError: null where it may not be.
    """
    if not rows.schema.equals(table.schema()):
        raise UsageError(
            f"rows for {table.name} are not in its schema: {rows.schema} instead of {table.schema()}"
        )
    nulls = null_columns(rows, table)
    if nulls:
        raise DataError(f"rows for {table.name} have null in {', '.join(nulls)}, which may not be null")


def by_day(table: Table, rows: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    """The rows of each UTC day, in their order.

    Raises:
        DataError: a time that no calendar has.
    """
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
