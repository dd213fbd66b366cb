"""What a Market stands on: the files of a lake, or a database. Both answer the same questions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from barograph.errors import UsageError
from barograph.market.frames import frame_of
from barograph.store.layout import table_named
from barograph.store.opening import Location, Querying
from barograph.store.store import Reader, Scan
from barograph.tables import COMPLETED_TRADES, POSITIONS, TABLES

if TYPE_CHECKING:
    import polars as pl

    from barograph.store.lake import Lake
    from barograph.store.postgres.store import PostgresStore

_SYMBOLS = """
    SELECT symbol, venue, min(ts) AS first, max(ts) AS last FROM (
        SELECT symbol, venue, ts FROM ticks UNION ALL SELECT symbol, venue, ts FROM quotes
        UNION ALL SELECT symbol, venue, timestamp FROM market_microstructure
        UNION ALL SELECT symbol, venue, timestamp FROM candles
    ) GROUP BY ALL ORDER BY symbol, venue
"""


class Tables(Protocol):
    """Tables that can be read in more ways than scans."""

    @property
    def store(self) -> Reader:
        """For scans."""
        ...

    @property
    def sql(self) -> Querying:
        """For SQL; opened when it is first asked for."""
        ...

    def symbols(self) -> pl.DataFrame:
        """Every symbol and venue with its first and last time, by name."""
        ...

    def days(self) -> Iterator[dict[str, Any]]:
        """Of each table: ``table, days, first_day, last_day, files, bytes``."""
        ...

    def lazy(self, table: str) -> pl.LazyFrame:
        """A table for lazy queries."""
        ...

    def close(self) -> None:
        """End what was opened."""
        ...


def tables_at(where: Location, memory_limit: str | None) -> Tables:
    """The tables at a location; nothing is opened yet."""
    return LakeTables(where, memory_limit) if where.address is None else DatabaseTables(where)


class LakeTables:
    """The files of a data directory's lake."""

    def __init__(self, where: Location, memory_limit: str | None) -> None:
        from barograph.store.lake import Lake

        self.store: Lake = Lake(where.lake)
        self._where, self._memory_limit = where, memory_limit

    @cached_property
    def sql(self) -> Querying:
        """See :class:`Tables`."""
        return self._where.sql(self._memory_limit)

    def symbols(self) -> pl.DataFrame:
        """See :class:`Tables`."""
        return frame_of(self.sql.query(_SYMBOLS).read_all())

    def days(self) -> Iterator[dict[str, Any]]:
        """See :class:`Tables`."""
        for name in TABLES:
            days = self.store.days(Scan(name))
            files = [path for day in days for path in day.files]
            size = sum(file.stat().st_size for file in files if file.exists())
            first, last = (days[0].day, days[-1].day) if days else (None, None)
            yield _told(name, len(days), first, last, len(files), size)

    def lazy(self, table: str) -> pl.LazyFrame:
        """See :class:`Tables`; the files are listed now."""
        import polars as pl

        from barograph.market.lazy import lazy, lazy_once
        from barograph.store.traded import positions, trade_files

        if table == COMPLETED_TRADES.name:
            return lazy_once(COMPLETED_TRADES, trade_files(self.store.root))
        if table == POSITIONS.name:
            return pl.LazyFrame(positions(self.store.root))
        return lazy(table_named(table), self.store.days(Scan(table)))

    def close(self) -> None:
        """See :class:`Tables`."""
        # What was opened is forgotten: a later question opens it anew.
        if (sql := self.__dict__.pop("sql", None)) is not None:
            sql.close()


class DatabaseTables:
    """The tables of a database; positions are in the ledger of the data directory, if one is named."""

    def __init__(self, where: Location) -> None:
        self._where = where

    @cached_property
    def store(self) -> PostgresStore:
        """See :class:`Tables`."""
        return self._where.database()

    @cached_property
    def sql(self) -> Querying:
        """See :class:`Tables`."""
        return self._where.sql()

    def symbols(self) -> pl.DataFrame:
        """See :class:`Tables`."""
        return frame_of(self.store.symbols())

    def days(self) -> Iterator[dict[str, Any]]:
        """See :class:`Tables`; files are those of partitions, indexes included."""
        from barograph.store.postgres.schema import physical
        from barograph.store.postgres.spans import days_sql, size_sql

        for name in TABLES:
            rows = self.sql.query(days_sql(name), [None, None]).read_all().to_pylist()
            days = sorted({row["day"].date() for row in rows})
            (size,) = self.sql.query(size_sql(), [physical(name).name]).read_all().to_pylist()
            first, last = (days[0], days[-1]) if days else (None, None)
            yield _told(name, len(days), first, last, size["files"], size["bytes"])

    def lazy(self, table: str) -> pl.LazyFrame:
        """See :class:`Tables`; read when collected; the server chooses columns, symbols, venues, times."""
        import polars as pl

        from barograph.market.pushdown import lazy_scan
        from barograph.store.traded import positions

        if table == COMPLETED_TRADES.name:
            return lazy_scan(self.store, COMPLETED_TRADES)
        if table != POSITIONS.name:
            return lazy_scan(self.store, table_named(table))
        if self._where.data is None:
            raise UsageError(
                "positions are in the ledger of the data directory, not in the database; there, "
                "`barograph positions` tells them"
            )
        return pl.LazyFrame(positions(self._where.lake))

    def close(self) -> None:
        """See :class:`Tables`."""
        for name in ("sql", "store"):
            if (opened := self.__dict__.pop(name, None)) is not None:
                opened.close()


def _told(table: str, days: int, first: object, last: object, files: int, size: int) -> dict[str, Any]:
    known = {"table": table, "days": days, "first_day": first, "last_day": last}
    return {**known, "files": files, "bytes": size}
