"""Rows of a store as frames, quickly: of a lake Polars reads the files of the days that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl
import pyarrow as pa

from barograph.clock import DAY_US
from barograph.errors import StorageBusy, StoreCorrupt
from barograph.market.intervals import frame as in_memory
from barograph.market.lazy import lazy
from barograph.store.lake import Lake
from barograph.store.layout import table_named
from barograph.store.parquet import verify
from barograph.store.store import Reader, Scan

if TYPE_CHECKING:
    from barograph.store.reading import Day
    from barograph.tables import Table

_ATTEMPTS = 20


def quick(store: Reader) -> Reader:
    """A reader of the same rows whose scans suit small stretches of time, which are read whole."""
    return QuickLake(store) if isinstance(store, Lake) else store


def frame(store: Reader, wanted: Scan) -> pl.DataFrame:
    """The rows of a scan, sorted, newest versions only.

    Raises:
        StorageError: the store is away, or files change faster than they are read.
        StoreCorrupt: a file cannot be read.
    """
    return store.frame(wanted) if isinstance(store, QuickLake) else in_memory(store, wanted)


class QuickLake:
    """A lake, read by Polars: one stretch of time at once, in memory."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def committed(self) -> int:
        return self._lake.committed()

    def commits(self, after: int) -> list[tuple[int, int]]:
        return self._lake.commits(after)

    def lineage(self) -> str:
        return self._lake.lineage()

    def scan(self, wanted: Scan) -> Iterator[pa.RecordBatch]:
        """The rows of a scan without ``from_pos`` and ``withdrawn``."""
        table = table_named(wanted.table)
        schema = pa.schema([table.schema().field(name) for name in wanted.columns or table.names])
        made = self.frame(wanted).to_arrow(compat_level=pl.CompatLevel.oldest())
        yield from made.cast(schema).to_batches()

    def frame(self, wanted: Scan) -> pl.DataFrame:
        """The same as one frame."""
        table = table_named(wanted.table)
        # All days that are listed are read: columns that only sort and choose rows need not be given out.
        days_only = replace(wanted, columns=None)

        def rows(days: list[Day]) -> pl.LazyFrame:
            found = lazy(table, days).filter(_conditions(wanted, table, days))
            return _sorted(found, table, days, wanted)

        return collected(lambda: self._lake.days(days_only), rows)


def collected(
    listed: Callable[[], list[Day]],
    query: Callable[[list[Day]], pl.LazyFrame],
    engine: Literal["auto", "streaming"] = "auto",
) -> pl.DataFrame:
    """The rows of a query over files, which are listed anew when they have been replaced meanwhile.

    Args:
        engine: of Polars; "streaming" where the rows that are read need not fit in memory.

    Raises:
        StoreCorrupt: a file cannot be read; names it.
        StorageBusy: files change faster than they are read.
    """
    for _ in range(_ATTEMPTS):
        days = listed()
        try:
            return query(days).collect(engine=engine)
        except (OSError, pl.exceptions.ComputeError) as error:
            if not _vanished(days):
                raise _explained(error, days) from error
    raise StorageBusy(f"files of the lake were replaced {_ATTEMPTS} times while they were read; ask again")


def _conditions(wanted: Scan, table: Table, days: list[Day]) -> pl.Expr:
    found = pl.lit(True)
    chosen = (("symbol", wanted.symbols), ("venue", wanted.venues))
    for name, values in () if _hold_only(wanted, days) else chosen:
        if values is not None:
            one = len(values) == 1
            found &= pl.col(name) == values[0] if one else pl.col(name).is_in(list(values))
    # At midnight nothing need be compared: files hold whole days, and only those of the scan are read.
    if wanted.start_us is not None and wanted.start_us % DAY_US:
        found &= pl.col(table.time) >= _moment(wanted.start_us)
    if wanted.end_us is not None and wanted.end_us % DAY_US:
        found &= pl.col(table.time) < _moment(wanted.end_us)
    return found


def _series(wanted: Scan) -> tuple[str, str] | None:
    """The one symbol and venue that are wanted; None: others too."""
    symbols, venues = wanted.symbols or (), wanted.venues or ()
    return (symbols[0], venues[0]) if len(symbols) == len(venues) == 1 else None


def _hold_only(wanted: Scan, days: list[Day]) -> bool:
    """Whether these files tell that they have no other series than the wanted one: none need be compared."""
    series = _series(wanted)
    return series is not None and all(
        day.lasts and day.footer.series == series and not day.parts for day in days
    )


def _moment(us: int) -> pl.Expr:
    return pl.lit(us).cast(pl.Datetime("us", "UTC"))


def _sorted(rows: pl.LazyFrame, table: Table, days: list[Day], wanted: Scan) -> pl.LazyFrame:
    """In the table's order, which a series has already in files of sealed days, day after day."""
    by_time = table.sort[2] == table.time if len(table.sort) > 2 else False
    if not (_series(wanted) and by_time) or any(day.parts or not day.footer.current for day in days):
        rows = rows.sort(table.sort, nulls_last=True, maintain_order=True)
    return rows.select(list(wanted.columns)) if wanted.columns is not None else rows


def _vanished(days: list[Day]) -> bool:
    return any(not path.exists() for path in _files(days))


def _files(days: list[Day]) -> list[Path]:
    return [path for day in days for path in day.files]


def _explained(error: Exception, days: list[Day]) -> Exception:
    for path in _files(days):
        verify(path)  # raises for the one that is broken
    return StoreCorrupt(f"a file of the lake cannot be read: {error}")
