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
    from barograph.settings import Settings
    from barograph.store import Lake, Scan, Sql

SHOWN_ROWS = 40
"""Rows of a table on a terminal when nothing else is said."""


def lake_of(settings: Settings) -> Lake:
    """The lake of the data directory.

    Raises:
        DataError: there is none yet.
    """
    from barograph.store import Lake

    lake = settings.data_dir / "lake"
    if not lake.is_dir():
        raise DataError(
            f"there are no tables at {lake}; 'barograph replay' makes them from the tape, "
            "'barograph demo' makes everything"
        )
    return Lake(lake)


@contextmanager
def sql_of(settings: Settings) -> Iterator[Sql]:
    """A connection for SQL over the lake, within the settings' limits.

    Raises:
        DataError: there is no lake yet.
    """
    lake = lake_of(settings)
    from barograph.store import Sql

    limit = f"{settings.query.memory_limit_mb}MB"
    with closing(Sql(lake, limit, settings.query.temp_dir)) as connection:
        yield connection


def reader_of(lake: Lake, wanted: Scan) -> pa.RecordBatchReader:
    """The rows of a scan, streamed, with their schema even when there are none."""
    import pyarrow as pa

    from barograph.tables import TABLES

    schema = TABLES[wanted.table].schema()
    names = wanted.columns or schema.names
    return pa.RecordBatchReader.from_batches(pa.schema([schema.field(n) for n in names]), lake.scan(wanted))


def with_rows(reader: pa.RecordBatchReader) -> pa.RecordBatchReader | None:
    """The same rows, or None when there are none; at most one batch is held for it."""
    import pyarrow as pa

    first = next((batch for batch in reader if batch.num_rows), None)
    return None if first is None else pa.RecordBatchReader.from_batches(reader.schema, chain([first], reader))


def require_known(lake: Lake, symbol: str) -> None:
    """Refuse a symbol of which there is nothing at all, with the nearest that there is.

    Raises:
        UsageError: nothing was recorded of it.
    """
    from barograph.market import connect

    with connect(lake.root.parent) as market:
        known = set(market.symbols()["symbol"])
    if known and symbol not in known:
        near = difflib.get_close_matches(symbol, known, n=3) or sorted(known)[:10]
        raise UsageError(f"nothing was recorded of {symbol!r}; did you mean {', '.join(near)}?")


def tell_left_out(left: int, common: Everywhere) -> None:
    """Say on standard error that a table was cut."""
    if left:
        common.remark(f"{left:,} more rows; --rows 0 shows all, --csv and --json print all")
