"""Recorded rows in a database as a source of batches."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from barograph.clock import DAY_US, day_of, from_us, to_us
from barograph.etl.batches import LOOK_BACK_DAYS, READ, Batch
from barograph.store import Scan
from barograph.store.opening import Location
from barograph.tables import CANDLES, TABLES

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class DatabaseSource:
    """The tables of a database. Each batch asks over connections of its own: it may be on another machine."""

    where: Location

    name = "database"
    tables = READ

    @cached_property
    def _lineage(self) -> str:
        with closing(self.where.open()) as store:
            return store.lineage()

    def batches(self, start_us: int | None, end_us: int | None) -> list[Batch]:
        """See :class:`~barograph.etl.sources.Source`."""
        from barograph.store.postgres.spans import days_sql

        bounds = [None if us is None else from_us(us) for us in (start_us, end_us)]
        found: set[Batch] = set()
        for table in READ:
            rows = self.where.rows(days_sql(table), bounds)
            found.update(Batch(day_of(to_us(row["day"])), row["symbol"]) for row in rows)
        return list(found)

    def stamp(self, table: str, batch: Batch) -> str:
        """How many rows there are, and how far the tape is in them: a revision comes from further on it."""
        back_us = LOOK_BACK_DAYS * DAY_US if table == CANDLES.name else 0
        time = TABLES[table].time
        (told,) = self.where.rows(
            f"SELECT count(*) AS rows, coalesce(max(tape_pos), 0) AS newest FROM {table} "  # noqa: S608
            f"WHERE symbol = $1 AND {time} >= $2 AND {time} < $3",
            (batch.symbol, from_us(batch.start_us - back_us), from_us(batch.end_us)),
        )
        return f"{self._lineage}:{told['rows']}:{told['newest']}"

    def read(self, table: str, batch: Batch) -> pl.DataFrame:
        """See :class:`~barograph.etl.sources.Source`."""
        return self._rows(table, batch, batch.start_us, batch.end_us)

    def before(self, table: str, batch: Batch, since_us: int) -> pl.DataFrame:
        """See :class:`~barograph.etl.sources.Source`; recorded trades and quotes are flagged already."""
        if table != CANDLES.name:
            return self._rows(table, batch, batch.start_us, batch.start_us)
        since_us = max(since_us, batch.start_us - LOOK_BACK_DAYS * DAY_US)
        return self._rows(table, batch, since_us, batch.start_us)

    def _rows(self, table: str, batch: Batch, start_us: int, end_us: int) -> pl.DataFrame:
        from barograph.market.intervals import frame

        with closing(self.where.open()) as store:
            return frame(store, Scan(table, None, (batch.symbol,), None, start_us, end_us))

    def __getstate__(self) -> dict[str, Any]:
        return {"where": self.where}
