"""The Market: tables of a data directory as DataFrames, by name, symbol and time."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from barograph.clock import from_us
from barograph.errors import UsageError
from barograph.market.frames import frame_of
from barograph.market.intervals import bars, frame, names
from barograph.market.tables import tables_at
from barograph.market.times import Moment, moment_us
from barograph.store.opening import Location
from barograph.store.store import Reader, Scan
from barograph.tables import COMPLETED_TRADES

if TYPE_CHECKING:
    import polars as pl

Names = str | Sequence[str] | None
"""One name, several, or None for all."""


def connect(path: str | Path | Location = "data", memory_limit: str | None = None) -> Market:
    """Open a data directory, or a database, for reading, also while it is being recorded into.

    Args:
        path: the data directory, whose tables are its lake; or ``postgresql://user@host/name``, with
            the password better in libpq's own ``~/.pgpass`` or ``PGPASSWORD``; or a location.
        memory_limit: for SQL over a lake, such as ``"2GB"``.

    Raises:
        UsageError: there is no such directory.
        SettingsError: a URL of something else, or the drivers for PostgreSQL are not installed.
    """
    where = Location.at(path)
    if where.address is None and where.data is not None and not where.data.is_dir():
        raise UsageError(
            f"no data directory at {where.data.absolute()}; make one with `barograph demo`, "
            f"or from recordings with `barograph tape import`"
        )
    return Market(where, memory_limit)


class Market:
    """All that was recorded into one data directory or database. Reads only; a call sees the newest rows.

    Times given may be dates, datetimes or ISO 8601 text, UTC where no zone is named, and
    are half-open: ``start`` is in, ``end`` is not. Results are Polars DataFrames, sorted by
    symbol, venue and time; ``.to_pandas()`` makes pandas' of them.
    """

    def __init__(self, where: Location, memory_limit: str | None = None) -> None:
        self.where = where
        self._tables = tables_at(where, memory_limit)

    def __repr__(self) -> str:
        return f"Market({str(self.where)!r})"

    @property
    def store(self) -> Reader:
        """The store behind it, for scans that stream."""
        return self._tables.store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def bars(
        self,
        symbol: Names = None,
        every: str = "1m",
        start: Moment | None = None,
        end: Moment | None = None,
        venue: Names = None,
    ) -> pl.DataFrame:
        """Bars of any interval from 1 s to 1 d that divides the day, in the columns of docs/tables.md.

        A minute is as it was recorded. Longer bars are made from minutes, shorter ones from
        ticks and quotes. Symbols of which there are only imported candles are given by
        those whose interval divides ``every``, with nulls for what candles do not tell.

        Raises:
            UsageError: no such interval, or a symbol that was never recorded.
        """
        wanted = _scan("market_microstructure", symbol, venue, start, end)
        return self._known(bars(self.store, wanted, every), symbol)

    def ticks(
        self,
        symbol: Names = None,
        start: Moment | None = None,
        end: Moment | None = None,
        venue: Names = None,
    ) -> pl.DataFrame:
        """Trades."""
        return self._rows("ticks", symbol, venue, start, end)

    def quotes(
        self,
        symbol: Names = None,
        start: Moment | None = None,
        end: Moment | None = None,
        venue: Names = None,
    ) -> pl.DataFrame:
        """Changes of the best bid and ask."""
        return self._rows("quotes", symbol, venue, start, end)

    def anomalies(
        self,
        symbol: Names = None,
        start: Moment | None = None,
        end: Moment | None = None,
        venue: Names = None,
    ) -> pl.DataFrame:
        """Crossings of a rule's threshold, those taken back left out."""
        return self._rows("anomalies", symbol, venue, start, end)

    def candles(
        self,
        symbol: Names = None,
        start: Moment | None = None,
        end: Moment | None = None,
        venue: Names = None,
    ) -> pl.DataFrame:
        """Candles imported from files, as they were."""
        return self._rows("candles", symbol, venue, start, end)

    def coverage(
        self,
        symbol: Names = None,
        start: Moment | None = None,
        end: Moment | None = None,
        venue: Names = None,
    ) -> pl.DataFrame:
        """The ledger of what is complete: a row a minute, venue, symbol and channel (docs/coverage.md)."""
        return self._rows("coverage", symbol, venue, start, end)

    def completed_trades(
        self,
        symbol: Names = None,
        start: Moment | None = None,
        end: Moment | None = None,
        venue: Names = None,
    ) -> pl.DataFrame:
        """What paper trading has earned and lost: a row a trade, by the time of its exit."""
        rows = _chosen(self.lazy("completed_trades"), symbol, venue)
        for bound, is_before in ((moment_us(start), False), (moment_us(end), True)):
            if bound is not None:
                rows = rows.filter(_of_time("exit_ts", bound, is_before=is_before))
        return rows.collect().sort(COMPLETED_TRADES.sort)

    def positions(self, symbol: Names = None, venue: Names = None) -> pl.DataFrame:
        """What is open in the ledger of paper trading now."""
        return _chosen(self.lazy("positions"), symbol, venue).collect()

    def symbols(self) -> pl.DataFrame:
        """Every symbol and venue, with its first and last time: ``symbol, venue, first, last``."""
        return self._tables.symbols()

    def tables(self) -> pl.DataFrame:
        """Every table with its days, files and bytes: ``table, days, first_day, last_day, files, bytes``."""
        import polars as pl

        columns = {"table": pl.String, "days": pl.Int64, "first_day": pl.Date, "last_day": pl.Date}
        schema = {**columns, "files": pl.Int64, "bytes": pl.Int64}
        return pl.DataFrame(list(self._tables.days()), schema=schema)

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> pl.DataFrame:
        """The rows of a query over the tables and the views ``last_prices`` and ``ticks_simple``.

        In DuckDB's words over a data directory, in PostgreSQL's over a database.

        Raises:
            UsageError: it is not one statement that reads, or does not make sense.
        """
        return frame_of(self._tables.sql.query(query, parameters).read_all())

    def stream(
        self, query: str, parameters: Sequence[Any] = (), batch_rows: int = 65_536
    ) -> pa.RecordBatchReader:
        """The rows of a query in record batches, for results that do not fit in memory."""
        return self._tables.sql.query(query, parameters, batch_rows)

    def lazy(self, table: str) -> pl.LazyFrame:
        """A table for Polars' lazy queries: it reads what the query needs, nothing else.

        Order is not promised. Of a lake the files are listed now: collect within minutes, or ask again. Of
        a database columns, symbols, venues and times are chosen by the server, other filters applied here.
        """
        return self._tables.lazy(table)

    def close(self) -> None:
        """End queries and remove their temporary files."""
        self._tables.close()

    def _rows(
        self, table: str, symbol: Names, venue: Names, start: Moment | None, end: Moment | None
    ) -> pl.DataFrame:
        return self._known(frame(self.store, _scan(table, symbol, venue, start, end)), symbol)

    def _known(self, rows: pl.DataFrame, symbol: Names) -> pl.DataFrame:
        """``rows``, unless a symbol asked for is nowhere in a lake that has any.

        Raises:
            UsageError: with the nearest names.
        """
        missing = set(names(symbol) or ()) - set(rows["symbol"].unique())
        if not missing:
            return rows
        known = self.symbols()["symbol"].unique().sort().to_list()
        for name in sorted(missing.difference(known)):
            if known:
                raise UsageError(f"nothing was recorded of {name!r}; {_nearest(name, known)}")
        return rows


def _scan(table: str, symbol: Names, venue: Names, start: Moment | None, end: Moment | None) -> Scan:
    return Scan(table, None, names(symbol), names(venue), moment_us(start), moment_us(end))


def _chosen(rows: pl.LazyFrame, symbol: Names, venue: Names) -> pl.LazyFrame:
    import polars as pl

    for column, only in (("symbol", names(symbol)), ("venue", names(venue))):
        if only is not None:
            rows = rows.filter(pl.col(column).is_in(list(only)))
    return rows


def _of_time(column: str, bound_us: int, *, is_before: bool) -> pl.Expr:
    import polars as pl

    moment = pl.lit(from_us(bound_us))
    return pl.col(column) < moment if is_before else pl.col(column) >= moment


def _nearest(name: str, known: Sequence[str]) -> str:
    """The known names most like ``name``, in words."""
    upper = name.upper()
    within = [each for each in known if upper in each.upper()]
    like = difflib.get_close_matches(upper, known, n=5, cutoff=0.5)
    found = list(dict.fromkeys([*within, *like]))[:5]
    if found:
        return f"did you mean {', '.join(found)}?"
    shown = ", ".join(known[:10])
    return f"there are {len(known)} symbols: {shown}{', ...' if len(known) > 10 else ''}"
