"""Parquet with columns of candles or of ``market_microstructure``: only what is wanted is read.

Columns are found by their names, in any case: those of ``feeds.candle_files``, and ``exec_price``,
``bid_ask_spread``, ``split``, ``symbol``, ``venue``, ``interval_s``. Prices are read as float64, row group
by row group.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from barograph.clock import US_PER_S
from barograph.errors import DataError
from barograph.research.data.choosing import Series, chosen_interval, chosen_series
from barograph.research.data.naming import ACCEPTED, RANGE, named
from barograph.research.data.source import Rows, Wanted, floats, ints
from barograph.research.data.splits import parts
from barograph.research.data.times import microseconds

if TYPE_CHECKING:
    import polars as pl

_NUMBERS = (*RANGE, "close", "volume", "exec_price", "spread")


def read_parquet(path: Path, wanted: Wanted) -> Rows:
    """The rows of one symbol in the wanted time, of a file or of all files below a folder.

    Raises:
        DataError: it cannot be read, or its columns hold something else.
        UsageError: several symbols, venues or intervals, and none named.
    """
    import polars as pl

    try:
        frame = pl.scan_parquet(path)
        names = _names(path, frame.collect_schema().names())
        frame = frame.select(pl.col(found).alias(name) for name, found in names.items())
        series, interval_us, frame = _one_series(path.name, frame, wanted)
        frame = _within(frame, wanted)
        columns = [pl.col(name).cast(pl.Float64).fill_null(math.nan) for name in _NUMBERS if name in names]
        frame = frame.select("time", *columns, *(["split"] if "split" in names else []))
        table = frame.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    return _rows(path, table, series, interval_us)


def _names(path: Path, there: list[str]) -> dict[str, str]:
    found = named(there)
    if found is None:
        raise DataError(
            f"{path} has the columns {', '.join(there)}; needed are a time (named one of "
            f"{', '.join(ACCEPTED['time'])}) and a close or price, and open, high and low or none of them"
        )
    return found


def _one_series(name: str, frame: pl.LazyFrame, wanted: Wanted) -> tuple[Series, int | None, pl.LazyFrame]:
    """The rows of one symbol, venue and interval, as far as the file tells them apart."""
    import polars as pl

    there = frame.collect_schema()
    series, interval_us = Series(wanted.symbol or name.split(".", maxsplit=1)[0]), None
    if "symbol" in there:
        columns = [
            pl.col(column).cast(pl.String).fill_null("") for column in ("symbol", "venue") if column in there
        ]
        kinds = frame.select(columns).unique().collect(engine="streaming")
        series = chosen_series(name, (Series(*row) for row in kinds.rows()), wanted.symbol)
        frame = frame.filter(pl.col("symbol") == series.symbol)
        if series.venue:
            frame = frame.filter(pl.col("venue") == series.venue)
    if "interval_s" in there:
        seconds = frame.select("interval_s").unique().collect(engine="streaming")["interval_s"]
        interval_us = chosen_interval(name, seconds, wanted.interval_us)
        frame = frame.filter(pl.col("interval_s") == interval_us // US_PER_S)
    return series, interval_us, frame


def _within(frame: pl.LazyFrame, wanted: Wanted) -> pl.LazyFrame:
    """Without row groups beyond the wanted time, where the file's times can be compared."""
    import polars as pl

    time = frame.collect_schema()["time"]
    if not isinstance(time, pl.Datetime):
        return frame
    for bound, after in zip(wanted.whole, (True, False), strict=True):
        if bound is not None:
            edge = pl.lit(bound).cast(pl.Datetime("us", time.time_zone)).cast(time)
            frame = frame.filter(pl.col("time") >= edge if after else pl.col("time") < edge)
    return frame


def _rows(path: Path, table: pl.DataFrame, series: Series, interval_us: int | None) -> Rows:
    untimed = table["time"].null_count()
    if untimed:
        table = table.drop_nulls("time")
    # Each column is let go of when it has been copied: never twice all of them.
    column = {name: floats(table.drop_in_place(name)) for name in _NUMBERS if name in table.columns}
    return Rows(
        name=path.name,
        symbol=series.symbol,
        ts_us=ints(microseconds(table["time"], str(path))),
        open=column.get("open", column["close"]),
        high=column.get("high", column["close"]),
        low=column.get("low", column["close"]),
        close=column["close"],
        volume=column.get("volume", np.full(len(table), np.nan)),
        exec_price=column.get("exec_price"),
        spread=column.get("spread"),
        split=parts(table["split"], str(path)) if "split" in table.columns else None,
        interval_us=interval_us,
        dropped=untimed,
        remarks=(f"{untimed:,} rows have no time and are left out",) if untimed else (),
    )
