"""Which series a table has, and from when to when: so that a page reads the files it needs, and no others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from barograph.api.pages import fingerprint
from barograph.api.reading import collected
from barograph.api.versions import sealed_at
from barograph.clock import NS_PER_S, Clock, day_start_us
from barograph.market.lazy import lazy
from barograph.store.lake import Lake
from barograph.store.layout import hot_days
from barograph.store.lineage import origin
from barograph.store.reading import Day
from barograph.store.store import Scan
from barograph.tables import TABLES, Table

if TYPE_CHECKING:
    import polars as pl

    from barograph.market import Market

ANEW_S = 600.0
"""A lake's series are counted anew so often at least; in between, from new commits only."""
ASK_S = 10.0
"""A database is asked for its series no more often: a new one may be missing from answers for so long."""
_ASKING = 0.05
"""Asking takes no more than this part of the time: where it takes long, it is done more rarely."""

Names = tuple[str, ...]
Spans = dict[Names, tuple[int, int]]


class Series(NamedTuple):
    """Rows that follow each other in a table's order.

    Attributes:
        names: the values of the columns before time in the table's sort order: symbol, venue, ...
        first_us, last_us: from when to when there are rows, about: none is before ``first_us``.
    """

    names: Names
    first_us: int
    last_us: int


@dataclass(slots=True)
class _Known:
    """What was counted, and of what state.

    Attributes:
        settled: what is in sealed days, by the lasting names of their files.
        listed: the series, and ``listed_as`` a text that changes with them.
    """

    basis: tuple[object, ...] = ()
    committed: int = -1
    counted_ns: int = 0
    again_s: float = ASK_S
    settled: dict[Path, Spans] = field(default_factory=dict)
    spans: Spans = field(default_factory=dict)
    listed: list[Series] = field(default_factory=list)
    listed_as: str = ""

    def list_anew(self) -> None:
        """After a change of the spans."""
        self.listed = [Series(names, *self.spans[names]) for names in sorted(self.spans)]
        self.listed_as = fingerprint(*(one[:2] for one in self.listed))

    def is_fresh(self, now_ns: int, for_s: float) -> bool:
        """Whether it was counted less than so many seconds ago."""
        return 0 <= now_ns - self.counted_ns < for_s * NS_PER_S


def series_columns(table: Table) -> Names:
    """The columns that name a series of ``table``.

    >>> from barograph.tables import COVERAGE
    >>> series_columns(COVERAGE)
    ('symbol', 'venue', 'channel')
    """
    return table.sort[: table.sort.index(table.time)]


class Catalogue:
    """The series of every table of a market. Threads may share it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known = {name: _Known() for name in TABLES}
        self._locks = {name: threading.Lock() for name in TABLES}

    def of(self, market: Market, table: Table) -> list[Series]:
        """The series of a table, in its order; to be read only.

        Raises:
            StorageError: the store is away.
            StoreCorrupt: a file cannot be read.
        """
        return self._looked(market, table).listed

    def version(self, market: Market, tables: Iterable[Table]) -> str:
        """A text that changes when series of some tables come, go or begin earlier.

        Raises:
            StorageError: the store is away.
        """
        return fingerprint(*(self._looked(market, table).listed_as for table in tables))

    def _looked(self, market: Market, table: Table) -> _Known:
        with self._locks[table.name]:
            known = self._known[table.name]
            store = market.store
            if isinstance(store, Lake):
                self._look_into_lake(store, table, known)
            else:
                self._ask_database(market, table, known)
            return known

    def _look_into_lake(self, lake: Lake, table: Table, known: _Known) -> None:
        begun = origin(lake.root)
        basis = (begun.name, begun.taken, sealed_at(lake.root, [table]))
        committed = lake.committed()
        if committed == known.committed and basis == known.basis:
            return
        now_ns = self._clock.now_ns()
        if basis != known.basis or not known.is_fresh(now_ns, ANEW_S):
            known.spans = _counted_anew(lake, table, known)
            known.basis, known.counted_ns = basis, now_ns
        else:
            _add(known.spans, _counted(lambda: _since(lake, table, known.committed), table))
        known.committed = committed
        known.list_anew()

    def _ask_database(self, market: Market, table: Table, known: _Known) -> None:
        now_ns = self._clock.now_ns()
        if known.committed >= 0 and known.is_fresh(now_ns, known.again_s):
            return
        if series_columns(table) == ("symbol", "venue") and table.name != "anomalies":
            found = market.symbols().select("symbol", "venue", "first", "last")
        else:
            found = market.sql(_spans_sql(table))
        known.spans = _spans(found)
        known.counted_ns, known.committed = self._clock.now_ns(), 0
        known.again_s = max(ASK_S, (known.counted_ns - now_ns) / NS_PER_S / _ASKING)
        known.list_anew()


def _since(lake: Lake, table: Table, position: int) -> list[Day]:
    """Files with rows made from the tape since ``position``: hot parts, or what was made of them just now."""
    newer = []
    for day in hot_days(lake.root, table):
        start_us = day_start_us(day)
        wanted = Scan(table.name, start_us=start_us, end_us=start_us + 1, from_pos=position)
        for found in lake.days(wanted):
            is_new = found.sealed is not None and found.upto_pos > position
            newer.append(found if is_new else replace(found, sealed=None))
    return [day for day in newer if day.files]


def _counted_anew(lake: Lake, table: Table, known: _Known) -> Spans:
    """The spans of all rows. Files that were counted before are not read again."""
    listed = lake.days(Scan(table.name))
    settled = {day.sealed: known.settled.get(day.sealed) for day in listed if day.sealed and not day.parts}
    new = [day for day in listed if day.sealed in settled and settled[day.sealed] is None]
    known.settled = {path: spans for path, spans in settled.items() if spans is not None}
    known.settled |= _counted_by_file(new, table)
    moving = [day for day in listed if day.sealed not in known.settled]
    spans = _counted(lambda: moving, table)
    for each in known.settled.values():
        _add(spans, each)
    return spans


def _counted_by_file(days: list[Day], table: Table) -> dict[Path, Spans]:
    import polars as pl

    if not days:
        return {}
    date_of = pl.col(table.time).dt.date().alias("day")
    # Years of trades: only what comes out need be in memory.
    found = collected(lambda: days, lambda them: _ends(lazy(table, them), table, date_of), engine="streaming")
    by_day = found.partition_by("day", as_dict=True, include_key=False)
    return {
        day.sealed: _spans(by_day.get((day.day,), found.drop("day").clear())) for day in days if day.sealed
    }


def _counted(listed: Callable[[], list[Day]], table: Table) -> Spans:
    return _spans(collected(listed, lambda days: _ends(lazy(table, days), table)))


def _ends(rows: pl.LazyFrame, table: Table, *by: pl.Expr) -> pl.LazyFrame:
    import polars as pl

    time = pl.col(table.time)
    groups = rows.group_by(*series_columns(table), *by)
    return groups.agg(time.min().alias("first"), time.max().alias("last"))


def _spans(found: pl.DataFrame) -> Spans:
    import polars as pl

    *names, first, last = found.columns
    plain = found.select(*names, pl.col(first, last).dt.epoch("us")).rows()
    return {tuple(row[:-2]): (row[-2], row[-1]) for row in plain}


def _add(spans: Spans, others: Spans) -> None:
    for names, (first_us, last_us) in others.items():
        known = spans.get(names, (first_us, last_us))
        spans[names] = (min(known[0], first_us), max(known[1], last_us))


def _spans_sql(table: Table) -> str:
    names = ", ".join(series_columns(table))
    spans = f"min({table.time}) AS first, max({table.time}) AS last"
    return f"SELECT {names}, {spans} FROM {table.name} GROUP BY {names}"  # noqa: S608 - names of tables.py


def among(series: Iterable[Series], symbols: Names | None, venues: Names | None) -> list[Series]:
    """Those of the wanted symbols and venues; None is all."""
    return [
        one
        for one in series
        if (symbols is None or one.names[0] in symbols) and (venues is None or one.names[1] in venues)
    ]
