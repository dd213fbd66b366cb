"""What a resource's rows come from: tables read in stretches of time, or a list that fits in memory."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from barograph.api.pages import Position, after, fingerprint
from barograph.api.problems import Problem
from barograph.api.reading import frame, quick
from barograph.api.series import Names, Series, among, series_columns
from barograph.api.versions import Days, version_of
from barograph.api.windows import Windows
from barograph.clock import DAY_US, MINUTE_US, from_us
from barograph.store.lake import Lake
from barograph.store.store import Scan
from barograph.tables import CANDLES, MARKET_MICROSTRUCTURE, QUOTES, TICKS, Table

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from barograph.api.state import State

_HEARD = (TICKS, QUOTES, MARKET_MICROSTRUCTURE, CANDLES)
_ROW_US = {"ticks": 1_000_000, "quotes": 1_000_000, "anomalies": 60 * MINUTE_US}
"""How often a row is expected, about; a minute where nothing else is said."""
EARLIEST = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows, by the parameters that all resources share; see ``Scan``."""

    symbols: Names | None = None
    venues: Names | None = None
    start_us: int | None = None
    end_us: int | None = None


class Source(Protocol):
    """Rows in a fixed order. All of it blocks: not for the event loop."""

    @property
    def sort(self) -> Sequence[str]:
        """The columns of the order; together they name a row, or nearly."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        ...

    def version(self, days: Days | None = None) -> str | None:
        """A text that changes when the rows may have, those of ``days`` or all; None: compare the rows."""
        ...

    def days_of(self, first: Mapping[str, Any], last: Mapping[str, Any]) -> Days | None:
        """The days on whose rows alone a page hangs that goes on after ``last``; None: it may be on all.

        Args:
            first, last: its first and last row.
        """
        ...

    def at_most(self) -> int | None:
        """No more rows than this are there now; None where that is not known without reading them."""
        ...

    def frames(
        self, before: Position | None, rows: int, *, keys_only: bool = False
    ) -> Iterator[pl.DataFrame]:
        """All rows after ``before``.

        Args:
            rows: how many are wanted, about.
            keys_only: only the columns of the order.
        """
        ...


def key_kinds(source: Source) -> list[tuple[type, ...]]:
    """The Python types of the values in a key, as cursors hold them."""
    import pyarrow as pa

    kinds: list[tuple[type, ...]] = []
    for name in source.sort:
        field = source.schema.field(name)
        kind = str if pa.types.is_string(field.type) else int
        kinds.append((kind, type(None)) if field.nullable else (kind,))
    return kinds


@dataclass(frozen=True)
class TableSource:
    """A table of the store, as it is.

    Raises:
        Problem: 404, a symbol that was never recorded.
    """

    state: State
    table: Table
    wanted: Wanted

    @property
    def time(self) -> str:
        """The column of time among those of the order."""
        return self.table.time

    @property
    def sort(self) -> Sequence[str]:
        """See :class:`Source`."""
        return self.table.sort

    @property
    def schema(self) -> pa.Schema:
        """See :class:`Source`."""
        return self.table.schema()

    def version(self, days: Days | None = None) -> str:
        """See :class:`Source`."""
        return _version(self.state, [self.table], days)

    def days_of(self, first: Mapping[str, Any], last: Mapping[str, Any]) -> Days | None:
        """See :class:`Source`."""
        return _days_of(self, [self.table], first, last)

    def at_most(self) -> None:
        """See :class:`Source`."""

    def frames(
        self, before: Position | None, rows: int, *, keys_only: bool = False
    ) -> Iterator[pl.DataFrame]:
        """See :class:`Source`."""
        store = quick(self.state.market().store)
        columns = self.table.sort if keys_only else None
        only = series_columns(self.table)[2:]

        def read(one: Series, start_us: int, end_us: int | None) -> pl.DataFrame:
            found = frame(store, _scan(self.table, one, start_us, end_us, columns))
            for name, value in zip(only, one.names[2:], strict=True):
                found = found.filter(found[name] == value)
            return found

        row_us = _ROW_US.get(self.table.name, MINUTE_US)
        windows = Windows(self.table.sort, self.table.time, read, row_us)
        series = known_series(self.state, [self.table], self.wanted)
        return windows.rows(series, self.wanted.start_us, self.wanted.end_us, before, rows)


def bars_schema() -> pa.Schema:
    """The columns of bars of any origin: what imported candles do not tell is null."""
    import pyarrow as pa

    table = MARKET_MICROSTRUCTURE
    return pa.schema([field.with_nullable(field.name not in table.sort) for field in table.schema()])


@dataclass(frozen=True)
class BarsSource:
    """Bars of any interval, as ``Market.bars`` makes them."""

    state: State
    wanted: Wanted
    every: str

    @property
    def time(self) -> str:
        """The column of time among those of the order."""
        return MARKET_MICROSTRUCTURE.time

    @property
    def sort(self) -> Sequence[str]:
        """See :class:`Source`."""
        return MARKET_MICROSTRUCTURE.sort

    @property
    def schema(self) -> pa.Schema:
        """See :class:`Source`."""
        return bars_schema()

    @property
    def interval_us(self) -> int:
        """How long a bar is.

        Raises:
            UsageError: there are no such bars.
        """
        from barograph.bars.resample import parse_interval

        return parse_interval(self.every)

    @property
    def _look_back_us(self) -> int:
        """How far before a stretch bars are made for the columns that look back.

        Over a weekend with holidays where there are minutes to read; trades are too many.
        """
        return 10 * DAY_US if self.interval_us >= MINUTE_US else 0

    @property
    def tables(self) -> list[Table]:
        """What they are made from."""
        return [TICKS, QUOTES] if self.interval_us < MINUTE_US else [MARKET_MICROSTRUCTURE, CANDLES]

    def version(self, days: Days | None = None) -> str:
        """See :class:`Source`."""
        return _version(self.state, self.tables, days)

    def days_of(self, first: Mapping[str, Any], last: Mapping[str, Any]) -> Days | None:
        """See :class:`Source`: minutes as they are; what is made of many looks back farther."""
        return _days_of(self, self.tables, first, last) if self.interval_us == MINUTE_US else None

    def at_most(self) -> int:
        """See :class:`Source`: one an interval."""
        wanted, interval_us = self.wanted, self.interval_us
        spans = (
            min(one.last_us, one.last_us if wanted.end_us is None else wanted.end_us)
            - max(one.first_us, one.first_us if wanted.start_us is None else wanted.start_us)
            for one in known_series(self.state, self.tables, wanted)
        )
        return sum(span_us // interval_us + 2 for span_us in spans if span_us >= 0)

    def frames(
        self, before: Position | None, rows: int, *, keys_only: bool = False
    ) -> Iterator[pl.DataFrame]:
        """See :class:`Source`."""
        from barograph.market.intervals import bars

        table, interval_us = MARKET_MICROSTRUCTURE, self.interval_us
        store = quick(self.state.market().store)
        columns = table.sort if keys_only else None
        imported = {one.names[:2] for one in self.state.catalogue.of(self.state.market(), CANDLES)}

        def read(one: Series, start_us: int, end_us: int | None) -> pl.DataFrame:
            if interval_us == MINUTE_US and one.names not in imported:
                return frame(store, _scan(table, one, start_us, end_us, columns))
            begun_us = max(start_us - self._look_back_us, self.wanted.start_us or 0, one.first_us)
            wanted = _scan(table, one, min(begun_us, start_us), end_us)
            made = bars(store, wanted, self.every).select(columns or table.names)
            return made.filter(made[table.time].dt.epoch("us") >= start_us)

        windows = Windows(table.sort, table.time, read, interval_us, interval_us)
        series = known_series(self.state, self.tables, self.wanted)
        return windows.rows(series, self.wanted.start_us, self.wanted.end_us, before, rows)


@dataclass(frozen=True)
class ListSource:
    """Rows that fit in memory: ``rows`` gives them all."""

    rows: Callable[[], pl.DataFrame]
    sort: Sequence[str]
    schema: pa.Schema

    def version(self, days: Days | None = None) -> None:
        """See :class:`Source`."""

    def days_of(self, first: Mapping[str, Any], last: Mapping[str, Any]) -> Days | None:
        """See :class:`Source`."""

    def at_most(self) -> None:
        """See :class:`Source`."""

    def frames(
        self, before: Position | None, rows: int, *, keys_only: bool = False
    ) -> Iterator[pl.DataFrame]:
        """See :class:`Source`."""
        del rows
        found = self.rows().sort(self.sort, nulls_last=True, maintain_order=True)
        if before is not None:
            found = after(found, self.sort, before)
        yield from (found.select(self.sort) if keys_only else found).iter_slices(16_384)


def _version(state: State, tables: Sequence[Table], days: Days | None) -> str:
    market = state.market()
    version = version_of(market.store, tables, days)
    if isinstance(market.store, Lake) and days is None:
        return version
    # A new series may come before the rows of these days; and a database's are asked for more rarely
    # than rows come in.
    return fingerprint(version, state.catalogue.version(market, tables))


def _days_of(
    source: TableSource | BarsSource,
    tables: Sequence[Table],
    first: Mapping[str, Any],
    last: Mapping[str, Any],
) -> Days | None:
    """See :class:`Source`. Of one series, the first that is wanted: no other can come in between."""
    if not isinstance(source.state.market().store, Lake):
        return None
    depth = list(source.sort).index(source.time)
    names = tuple(first[name] for name in source.sort[:depth])
    known = known_series(source.state, tables, source.wanted)
    if names != tuple(last[name] for name in source.sort[:depth]) or not known or known[0].names != names:
        return None
    begun_us = source.wanted.start_us
    since = EARLIEST if begun_us is None else from_us(max(begun_us, 0)).date()
    return Days(since, last[source.time].date())


def known_series(state: State, tables: Sequence[Table], wanted: Wanted) -> list[Series]:
    """The series of some tables that are wanted, by symbol and venue (and channel).

    Raises:
        Problem: 404, a symbol that is nowhere in a store that has any; with the nearest names.
    """
    market = state.market()
    found: dict[Names, Series] = {}
    for table in tables:
        for one in among(state.catalogue.of(market, table), wanted.symbols, wanted.venues):
            # Candles of several lengths are one series of bars.
            names = one.names[:2] if table is CANDLES else one.names
            other = found.get(names, one)
            first_us, last_us = min(one.first_us, other.first_us), max(one.last_us, other.last_us)
            found[names] = Series(names, first_us, last_us)
    missing = set(wanted.symbols or ()) - {names[0] for names in found}
    if missing:
        _check_heard(state, missing, [*_HEARD, *tables])
    return [found[names] for names in sorted(found)]


def _check_heard(state: State, symbols: set[str], tables: Sequence[Table]) -> None:
    market = state.market()
    known = {one.names[0] for table in tables for one in state.catalogue.of(market, table)}
    for symbol in sorted(symbols - known):
        if known:
            near = difflib.get_close_matches(symbol.upper(), sorted(known), n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else "/v1/symbols lists what was"
            raise Problem(404, f"nothing was recorded of {symbol!r}; {hint}")


def _scan(
    table: Table, one: Series, start_us: int, end_us: int | None, columns: Sequence[str] | None = None
) -> Scan:
    scan = Scan(table.name, columns, start_us=start_us, end_us=end_us)
    return replace(scan, symbols=(one.names[0],), venues=(one.names[1],))
