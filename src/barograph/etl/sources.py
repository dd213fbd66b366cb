"""Where a batch's rows come from: the tables of a data directory, or files.

Every source gives rows in the columns of docs/tables.md, so that what follows does not ask
where they are from.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from barograph.clock import DAY_US
from barograph.errors import UsageError
from barograph.etl.batches import LOOK_BACK_DAYS, READ, Batch
from barograph.market.frames import frame_of
from barograph.store import Lake, Scan
from barograph.store.opening import Location
from barograph.store.reading import Day
from barograph.tables import CANDLES, TABLES

if TYPE_CHECKING:
    import polars as pl

DEFAULT_FILE = "btc_price_data.csv"
_CANDLE_FILES = (".csv", ".csv.gz", ".txt", ".txt.gz")
_PARQUET_FILES = (".parquet", ".pq")


class Source(Protocol):
    """Rows by batch. A source can be pickled: batches are read where they are worked on."""

    @property
    def name(self) -> str:
        """Of its folder below ``derived``."""
        ...

    @property
    def tables(self) -> tuple[str, ...]:
        """Which of :data:`READ` it may have, ``rejects`` first where lines of a file could not be rows."""
        ...

    def batches(self, start_us: int | None, end_us: int | None) -> list[Batch]:
        """Every symbol's day within the time, days whole, in no promised order."""
        ...

    def stamp(self, table: str, batch: Batch) -> str:
        """Changes when the rows of the batch, or those before it that it looks back on, may have changed."""
        ...

    def read(self, table: str, batch: Batch) -> pl.DataFrame:
        """The batch's rows in the table's columns."""
        ...

    def before(self, table: str, batch: Batch, since_us: int) -> pl.DataFrame:
        """The symbol's rows from ``since_us`` to the batch."""
        ...


@dataclass(frozen=True)
class LakeSource:
    """The files of a lake."""

    root: Path

    name = "lake"
    tables = READ

    @cached_property
    def _lake(self) -> Lake:
        return Lake(self.root)

    def batches(self, start_us: int | None, end_us: int | None) -> list[Batch]:
        from barograph.market.lazy import lazy

        found: set[Batch] = set()
        for table in READ:
            days = self._lake.days(Scan(table, start_us=start_us, end_us=end_us))
            # A day at a time: of a large table not even two columns fit into memory at once.
            for day in days:
                named = lazy(TABLES[table], [day]).select("symbol").unique().collect(engine="streaming")
                found.update(Batch(day.day, symbol) for symbol in named["symbol"])
        return list(found)

    def stamp(self, table: str, batch: Batch) -> str:
        back_us = LOOK_BACK_DAYS * DAY_US if table == CANDLES.name else 0
        wanted = Scan(table, start_us=batch.start_us - back_us, end_us=batch.end_us)
        return ";".join(_told(day) for day in self._lake.days(wanted))

    def read(self, table: str, batch: Batch) -> pl.DataFrame:
        return self._rows(table, batch, batch.start_us, batch.end_us)

    def before(self, table: str, batch: Batch, since_us: int) -> pl.DataFrame:
        if table != CANDLES.name:
            return empty(table)  # the recorder has flagged them, with those before them in mind
        return self._rows(
            table, batch, max(since_us, batch.start_us - LOOK_BACK_DAYS * DAY_US), batch.start_us
        )

    def _rows(self, table: str, batch: Batch, start_us: int, end_us: int) -> pl.DataFrame:
        from barograph.market.intervals import frame

        return frame(self._lake, Scan(table, None, (batch.symbol,), None, start_us, end_us))

    def __getstate__(self) -> dict[str, Path]:
        return {"root": self.root}


def open_source(
    given: str | Path | None, tables: Location, staging: Path, symbols: Collection[str] | None = None
) -> Source:
    """The source that ``given`` names.

    Args:
        given: a data directory, a Parquet file or a folder of such, a file of candles (CSV, plain or
            .gz), or None: ``tables``, else ``raw/btc_price_data.csv`` in their data directory or here.
        tables: where recorded data is.
        staging: where a CSV file is kept as Parquet.
        symbols: with one and a file that names none, that is the file's symbol; else the file's name is.

    Raises:
        UsageError: there is nothing, or nothing that can be read.
        DataError: a file is not what it must be.
    """
    from barograph.etl.files import FileSource
    from barograph.etl.staging import staged

    if given is None and tables.address is not None:
        from barograph.etl.recorded import DatabaseSource

        return DatabaseSource(tables)
    if "://" in str(given):
        raise UsageError(
            'a source is no URL; say store = "postgresql" and its address in barograph.toml or the '
            "environment, and leave --source away"
        )
    path = _default(tables) if given is None else Path(given)
    if (path / "lake").is_dir():
        return LakeSource(path / "lake")
    symbol = next(iter(symbols)) if symbols is not None and len(symbols) == 1 else stem(path)
    if path.is_dir() and (found := sorted(each for each in path.rglob("*") if each.suffix in _PARQUET_FILES)):
        return FileSource.of(path.name, found, symbol)
    if path.is_file() and path.suffix in _PARQUET_FILES:
        return FileSource.of(stem(path), [path], symbol)
    if path.is_file() and path.name.endswith(_CANDLE_FILES):
        return staged(path, stem(path), symbol, staging)
    kinds = ", ".join((*_PARQUET_FILES, *_CANDLE_FILES))
    raise UsageError(
        f"{path} is no data directory with tables, no folder of Parquet files, and no file of: {kinds}"
    )


def stem(path: Path) -> str:
    """A file's name without its endings: what stands before the first of them.

    >>> stem(Path("raw/btc_price_data.csv.gz"))
    'btc_price_data'
    """
    name = path.name
    for ending in sorted((*_CANDLE_FILES, *_PARQUET_FILES), key=len, reverse=True):
        name = name.removesuffix(ending)
    return name


def empty(table: str) -> pl.DataFrame:
    """No rows of a table, with its columns."""
    return frame_of(TABLES[table].schema().empty_table())


def _default(tables: Location) -> Path:
    data_dir = tables.lake.parent
    if (data_dir / "lake").is_dir():
        return data_dir
    for folder in (data_dir / "raw", Path("raw")):
        for name in (DEFAULT_FILE, DEFAULT_FILE + ".gz"):
            if (folder / name).is_file():
                return folder / name
    raise UsageError(
        f"there are no tables in {data_dir} and no raw/{DEFAULT_FILE}; name the data with --source: "
        "a data directory, a Parquet file, or a CSV of candles"
    )


def _told(day: Day) -> str:
    """What names the state of a table's day: how far it is sealed, and the parts that are not in it."""
    parts = ",".join(f"{part.first_pos}-{part.next_pos}" for part in day.parts)
    return f"{day.day.isoformat()}:{day.footer.upto_pos}/{day.footer.rows}/{day.footer.edition}+{parts}"
