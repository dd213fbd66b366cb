"""Parquet files of others as a source: their columns found by the names that people give them.

===========  =======================================================================
time         timestamp, ts, time, date, datetime, dt, open time
candles      open, high, low (all or none); price or close; volume, vol; interval_s
ticks        price; size, quantity, qty, amount; side; trade_id, id; seq
quotes       bid_price, bid; ask_price, ask; bid_size, ask_size; seq
all          symbol, ticker; venue, exchange
===========  =======================================================================

A file with all columns of one of our tables is that table. Times without a zone are UTC; numbers
are seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size.
``tape_pos`` is the row's number in the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from barograph.clock import US_PER_S
from barograph.errors import DataError
from barograph.etl.batches import READ, Batch
from barograph.feeds.times import END_US
from barograph.tables import TABLES

if TYPE_CHECKING:
    import polars as pl

_TIMES = ("timestamp", "ts", "time", "date", "datetime", "dt", "open_time")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "symbol": ("symbol", "ticker"),
    "venue": ("venue", "exchange"),
    "price": ("price", "close"),
    "volume": ("volume", "vol"),
    "size": ("size", "quantity", "qty", "amount"),
    "trade_id": ("trade_id", "id"),
    "bid_price": ("bid_price", "bid"),
    "ask_price": ("ask_price", "ask"),
}
_NEEDED = {
    "quotes": ("bid_price", "ask_price"),
    "candles": ("price", "open", "high", "low"),
    "ticks": ("price", "size"),
}
_HEAD = 4_096
_UNITS = (1, 1_000, US_PER_S, 1_000 * US_PER_S)
"""Of times in numbers, per second."""


@dataclass(frozen=True)
class FileSource:
    """Rows of one table in Parquet files.

    Attributes:
        name: of its folder below ``derived``.
        paths: the files, in order.
        table: which of the tables they hold.
        columns: our names of columns, with the files' names.
        symbol: what they are of where they do not say it.
        interval_s: of candles that do not say it.
        digest: of what stands in the files.
        rejects: a file of lines that could not be rows, or None.
    """

    name: str
    paths: tuple[Path, ...]
    table: str
    columns: tuple[tuple[str, str], ...]
    symbol: str
    interval_s: int
    digest: str
    rejects: Path | None = None

    @classmethod
    def of(cls, name: str, paths: Sequence[Path], symbol: str, rejects: Path | None = None) -> Self:
        """The files as a source.

        Raises:
            DataError: they cannot be read, or have no columns that make rows.
        """
        import polars as pl

        try:
            schema = pl.scan_parquet(list(paths)).collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{paths[0]} cannot be read as Parquet: {error}") from error
        table, columns = _found(schema.names(), paths[0])
        named = "" if "symbol" in columns else symbol
        made = cls(name, tuple(paths), table, tuple(columns.items()), named, 0, _digest(paths), rejects)
        if table == "candles" and "interval_s" not in columns:
            return replace(made, interval_s=made.commonest_step_s())
        return made

    @property
    def tables(self) -> tuple[str, ...]:
        """Its one table, and the rejects where there may be any."""
        return (self.table,) if self.rejects is None else ("rejects", self.table)

    def batches(self, start_us: int | None, end_us: int | None) -> list[Batch]:
        """Every symbol's day within the time."""
        import polars as pl

        time = pl.col(TABLES[self.table].time)
        found = self._within(start_us, end_us).select(time.dt.date().alias("day"), "symbol").unique()
        return [Batch(*row) for row in found.collect(engine="streaming").iter_rows()]

    def stamp(self, table: str, batch: Batch) -> str:  # noqa: ARG002 - of every batch
        """The digest of the files and how they are understood: a change anywhere changes it."""
        return f"{table} {self.digest} {self.symbol} {self.interval_s}"

    def read(self, table: str, batch: Batch) -> pl.DataFrame:
        """The batch's rows in the order of the files."""
        import polars as pl

        if table == "rejects":
            assert self.rejects is not None
            rejects = pl.scan_parquet(self.rejects).filter(pl.col("day") == batch.day).drop("day")
            return rejects.sort("line").collect()
        return self._of(batch.symbol, batch.start_us, batch.end_us)

    def before(self, table: str, batch: Batch, since_us: int) -> pl.DataFrame:  # noqa: ARG002 - it has one table
        """The symbol's rows from ``since_us`` to the batch."""
        return self._of(batch.symbol, since_us, batch.start_us)

    def commonest_step_s(self) -> int:
        """Whole seconds between most candles of the first symbol.

        Raises:
            DataError: there are not two.
        """
        import polars as pl

        head = self._rows().select("symbol", "timestamp").head(_HEAD).collect()
        times = head.filter(pl.col("symbol") == pl.col("symbol").first())["timestamp"].unique().sort()
        steps = times.dt.epoch("us").diff().drop_nulls().mode().sort()
        if not len(steps) or steps[0] % US_PER_S:
            raise DataError(
                f"{self.paths[0]}: its {len(times)} first times do not tell how long a candle is, "
                "in whole seconds; add a column interval_s"
            )
        return int(steps[0]) // US_PER_S

    def _of(self, symbol: str, start_us: int, end_us: int) -> pl.DataFrame:
        import polars as pl

        rows = self._within(start_us, end_us).filter(pl.col("symbol") == symbol)
        return rows.sort("tape_pos").collect(engine="streaming")

    def _within(self, start_us: int | None, end_us: int | None) -> pl.LazyFrame:
        """The rows within the time."""
        import polars as pl

        us = pl.col(TABLES[self.table].time).dt.epoch("us")
        rows = self._rows(start_us, end_us)
        if start_us is not None:
            rows = rows.filter(us >= start_us)
        return rows if end_us is None else rows.filter(us < end_us)

    def _rows(self, start_us: int | None = None, end_us: int | None = None) -> pl.LazyFrame:
        """All rows in the table's columns; those far outside the time may be left out."""
        import polars as pl

        table = TABLES[self.table]
        given = dict(self.columns)
        files = pl.scan_parquet(list(self.paths), row_index_name="_row", row_index_offset=0)
        schema = files.collect_schema()
        time = given[table.time]
        if (near := _near(pl.col(time), schema[time], start_us or 0, end_us or END_US)) is not None:
            files = files.filter(near)
        wanted = pl.Schema(table.schema())
        made = []
        for column in table.columns:
            dtype = wanted[column.name]
            if column.name in given:
                found = given[column.name]
                value = (
                    _time(pl.col(found), schema[found])
                    if column.type == "time"
                    else pl.col(found).cast(dtype)
                )
            else:
                value = self._absent(column.name, given)
            made.append(value.cast(dtype).alias(column.name))
        return files.select(made).filter(pl.col(table.time).is_not_null())

    def _absent(self, name: str, given: Mapping[str, str]) -> pl.Expr:
        """What stands in a column that the files do not have."""
        import polars as pl

        if name in ("open", "high", "low"):
            return pl.col(given["price"]).cast(pl.Float64)
        if name == "recv_ts":
            found = given[TABLES[self.table].time]
            return _time(pl.col(found), pl.scan_parquet(list(self.paths)).collect_schema()[found])
        constants = {
            "symbol": self.symbol,
            "venue": "file",
            "interval_s": self.interval_s,
            "flags": 0,
            "side": 0,
            "ts_estimated": False,
        }
        return pl.col("_row") if name == "tape_pos" else pl.lit(constants.get(name))


def _found(names: Sequence[str], path: Path) -> tuple[str, dict[str, str]]:
    """The table that the columns make, and our names with theirs."""
    theirs = {name.lower().strip().replace(" ", "_"): name for name in reversed(names)}
    for table in READ:
        if set(TABLES[table].names) <= set(names):
            return table, {name: name for name in TABLES[table].names}
    time = next((theirs[name] for name in _TIMES if name in theirs), None)
    for table, needed in _NEEDED.items():
        found = _ours(table, theirs)
        if time is not None and all(name in found for name in needed):
            return table, found | {TABLES[table].time: time}
    if time is not None and ("price" in theirs or "close" in theirs):
        return "candles", _ours("candles", theirs) | {"timestamp": time}
    raise DataError(
        f"{path} has the columns {', '.join(names)}; needed are a time ({', '.join(_TIMES)}) "
        "and a price or close (candles), with open, high and low or without, price and size (ticks), "
        "or bid and ask (quotes)"
    )


def _ours(table: str, theirs: Mapping[str, str]) -> dict[str, str]:
    """Our names of a table's columns with theirs; a position on another tape means nothing here."""
    return {
        name: theirs[each]
        for name in TABLES[table].names
        for each in reversed(_NAMES.get(name, (name,)))
        if each in theirs and name != "tape_pos"
    }


def _time(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A column of times, dates, texts or numbers as UTC times in microseconds."""
    import polars as pl

    if dtype == pl.String:
        column = column.str.to_datetime(time_unit="us", time_zone="UTC", strict=True)
    elif dtype.is_numeric():
        column = _of_number(column, whole=dtype.is_integer())
    elif isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        column = column.dt.convert_time_zone("UTC")
    else:
        column = column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return column.cast(pl.Datetime("us", "UTC"))


def _near(column: pl.Expr, dtype: pl.DataType, start_us: int, end_us: int) -> pl.Expr | None:
    """The time, a little widened, as a filter of the files' own column: by it what is far away is never read.

    None for texts, which are read whole each time.
    """
    import polars as pl

    if isinstance(dtype, pl.Datetime):
        bounds = pl.Series([start_us, end_us]).cast(pl.Datetime("us"))
        if dtype.time_zone is not None:
            bounds = bounds.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone)
        first, last = bounds.cast(dtype).to_list()
        return column.is_between(first, last)
    if not dtype.is_numeric():
        return None
    units = [
        column.is_between(start_us * per // US_PER_S - 1, end_us * per // US_PER_S + 1) for per in _UNITS
    ]
    return pl.any_horizontal(units)


def _of_number(column: pl.Expr, *, whole: bool) -> pl.Expr:
    import polars as pl

    if whole:
        column = column.cast(pl.Int64)
    seconds = (column * US_PER_S).cast(pl.Int64)
    return (
        pl.when(column < 10**11)
        .then(seconds)
        .when(column < 10**14)
        .then((column * 1_000).cast(pl.Int64))
        .when(column < 10**17)
        .then(column.cast(pl.Int64))
        .otherwise((column // 1_000).cast(pl.Int64))
        .cast(pl.Datetime("us", "UTC"))
    )


def _digest(paths: Sequence[Path]) -> str:
    """Of the files' bytes, whatever their names."""
    each = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            each.update(hashlib.file_digest(file, "sha256").digest())
    return each.hexdigest()[:32]
