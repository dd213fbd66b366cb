"""What the verbs that read tables have in common."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from barograph.errors import DataError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from barograph.cli.options import Everywhere
    from barograph.market import Market
    from barograph.settings import Settings
    from barograph.store import Lake, Scan
    from barograph.store.opening import Location, Querying
    from barograph.store.store import Reader

SHOWN_ROWS = 40
"""Rows of a table on a terminal when nothing else is said."""


def lake_of(settings: Settings) -> Lake:
    """The lake of the data directory, for what concerns its files.

    Raises:
        DataError: there is none yet.
        UsageError: the tables are in PostgreSQL.
    """
    from barograph.store import Lake

    if settings.store != "lake":
        raise UsageError(
            "there is no lake: the tables are in PostgreSQL (setting store); "
            "'barograph db status' tells how they are kept there"
        )
    return Lake(_readable(settings).lake)


@contextmanager
def store_of(settings: Settings) -> Iterator[Reader]:
    """The tables, wherever the settings say they are.

    Raises:
        DataError: there are none yet.
    """
    with closing(_readable(settings).open()) as store:
        yield store


def _readable(settings: Settings) -> Location:
    from barograph.store.opening import Location, has_tables

    where = Location.of(settings)
    if not has_tables(where):
        raise DataError(
            f"there are no tables at {where.lake}; 'barograph replay' makes them from the tape, "
            "'barograph demo' makes everything"
        )
    return where


@contextmanager
def sql_of(settings: Settings) -> Iterator[Querying]:
    """A connection for SQL over the tables, within the settings' limits.

    Raises:
        DataError: there are none yet.
    """
    limit = f"{settings.query.memory_limit_mb}MB"
    with closing(_readable(settings).sql(limit, settings.query.temp_dir)) as connection:
        yield connection


@contextmanager
def market_of(settings: Settings) -> Iterator[Market]:
    """The tables as Python's users have them.

    Raises:
        DataError: there are none yet.
    """
    from barograph.market import connect

    with connect(_readable(settings)) as market:
        yield market


def reader_of(store: Reader, wanted: Scan) -> pa.RecordBatchReader:
    """The rows of a scan, streamed, with their schema even when there are none."""
    import pyarrow as pa

    from barograph.tables import TABLES

    schema = TABLES[wanted.table].schema()
    names = wanted.columns or schema.names
    return pa.RecordBatchReader.from_batches(pa.schema([schema.field(n) for n in names]), store.scan(wanted))


def with_rows(reader: pa.RecordBatchReader) -> pa.RecordBatchReader | None:
    """The same rows, or None when there are none; at most one batch is held for it."""
    import pyarrow as pa

    first = next((batch for batch in reader if batch.num_rows), None)
    return None if first is None else pa.RecordBatchReader.from_batches(reader.schema, chain([first], reader))


def require_known(settings: Settings, symbol: str) -> None:
    """Refuse a symbol of which there is nothing at all, with the nearest that there is.

    Raises:
        UsageError: nothing was recorded of it.
    """
    with market_of(settings) as market:
        known = set(market.symbols()["symbol"])
    if known and symbol not in known:
        near = difflib.get_close_matches(symbol, known, n=3) or sorted(known)[:10]
        raise UsageError(f"nothing was recorded of {symbol!r}; did you mean {', '.join(near)}?")


def tell_left_out(left: int, common: Everywhere) -> None:
    """Say on standard error that a table was cut."""
    if left:
        common.remark(f"{left:,} more rows; --rows 0 shows all, --csv and --json print all")
