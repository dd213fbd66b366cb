"""A column of times of any kind as microseconds since 1970, UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from barograph.errors import DataError
from barograph.feeds.candle_files import time_us

if TYPE_CHECKING:
    import polars as pl

_DAYS = (19_000_101, 22_001_231)
"""Whole numbers between these are days, 20240808, as in ``feeds.candle_files``."""


def microseconds(column: pl.Series, name: str) -> pl.Series:
    """Int64, null where the time is.

    Dates and times of any unit and zone (UTC where none is named), numbers since 1970 in seconds to
    nanoseconds, told apart by their magnitude, days as ``yyyymmdd``, or text in a form that
    ``feeds.candle_files`` reads.

    Raises:
        DataError: it is none of these; names the row.
    """
    import polars as pl

    if column.dtype.is_temporal():
        return column.cast(pl.Datetime("us", getattr(column.dtype, "time_zone", None))).dt.epoch("us")
    if column.dtype.is_integer() and column.drop_nulls().is_between(*_DAYS).all():
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        return _from_text(column, name)
    if column.dtype.is_numeric():
        return _from_numbers(column)
    raise DataError(f"{name}: the time column holds {column.dtype}; it must hold times, numbers or text")


def _from_text(column: pl.Series, name: str) -> pl.Series:
    import polars as pl

    found: list[int | None] = []
    for row, text in enumerate(column.to_list(), start=1):
        try:
            found.append(None if text is None else time_us(text))
        except (ValueError, OverflowError) as error:
            raise DataError(f"{name}, row {row}: {error}") from error
    return pl.Series(found, dtype=pl.Int64)


def _from_numbers(column: pl.Series) -> pl.Series:
    import polars as pl

    frame = pl.DataFrame({"n": column})
    n = pl.col("n")
    scaled = [(10**11, n * 1_000_000), (10**14, n * 1_000), (10**17, n)]
    made = n // 1_000
    for below, value in reversed(scaled):
        made = pl.when(n.abs() < below).then(value).otherwise(made)
    return frame.select(made.round().cast(pl.Int64) if column.dtype.is_float() else made.cast(pl.Int64))["n"]
