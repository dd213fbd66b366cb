"""What the pages ask of anomalies and of the completeness ledger."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from barograph.clock import to_us
from barograph.coverage.summary import MissingTime, Tally, summarise
from barograph.dashboard.data import Data

if TYPE_CHECKING:
    import polars as pl

    from barograph.market import Market

GAPS_MOST = 500
"""Gaps in a list, the newest."""
_MISSING_MOST = 200_000

_SPAN = "SELECT min({time}) AS first, max({time}) AS last FROM {table}"
_DAYS = """
    SELECT date_trunc('day', minute) AS day, venue, symbol, channel, state, count(*) AS minutes
    FROM coverage WHERE minute >= $1 AND minute < $2
    GROUP BY date_trunc('day', minute), venue, symbol, channel, state
"""
_MISSING = """
    SELECT minute, venue, symbol, channel, state, messages, reason FROM coverage
    WHERE minute >= $1 AND minute < $2 AND state = 'missing'
    ORDER BY symbol, venue, channel, minute LIMIT $3
"""


class Day(NamedTuple):
    """The minutes of one channel of one series, one UTC day."""

    venue: str
    symbol: str
    channel: str
    day: date
    tally: Tally


class Gap(NamedTuple):
    """Missing minutes of one channel of one series, in a row and for one reason."""

    venue: str
    symbol: str
    channel: str
    time: MissingTime


def anomalies_span(data: Data) -> tuple[datetime, datetime] | None:
    """The times of the first and the last anomaly; None without any."""
    return data.ask("span", "anomalies", partial(_span, "anomalies", "ts"))


def coverage_span(data: Data) -> tuple[datetime, datetime] | None:
    """The first and the last minute of which the ledger knows; None without any."""
    return data.ask("span", "coverage", partial(_span, "coverage", "minute"))


def anomalies(data: Data, start: datetime, end: datetime) -> pl.DataFrame:
    """All anomalies from ``start`` to before ``end``, in the columns of docs/tables.md, by time."""
    return data.ask("anomalies", (start, end), partial(_anomalies, start, end))


def covered(data: Data, start: datetime, end: datetime) -> list[Day]:
    """Minutes by state, of each channel, series and day."""
    return data.ask("covered", (start, end), partial(_covered, start, end))


def gaps(data: Data, start: datetime, end: datetime) -> list[Gap]:
    """What is missing, the newest first, at most :data:`GAPS_MOST`."""
    return data.ask("gaps", (start, end), partial(_gaps, start, end))


def _span(table: str, time: str, market: Market) -> tuple[datetime, datetime] | None:
    ((first, last),) = market.sql(_SPAN.format(table=table, time=time)).rows()
    return None if first is None else (first, last)


def _anomalies(start: datetime, end: datetime, market: Market) -> pl.DataFrame:
    from barograph.market.intervals import frame
    from barograph.store import Scan

    return frame(market.store, Scan("anomalies", start_us=to_us(start), end_us=to_us(end))).sort("ts")


def _covered(start: datetime, end: datetime, market: Market) -> list[Day]:
    tallies: dict[tuple[str, str, str, date], dict[str, int]] = {}
    for row in market.sql(_DAYS, [start, end]).iter_rows(named=True):
        key = (row["venue"], row["symbol"], row["channel"], _date(row["day"]))
        tallies.setdefault(key, {})[row["state"]] = row["minutes"]
    return sorted(Day(*key, Tally(**counts)) for key, counts in tallies.items())


def _gaps(start: datetime, end: datetime, market: Market) -> list[Gap]:
    missing = market.sql(_MISSING, [start, end, _MISSING_MOST]).to_arrow()
    found = [
        Gap(each.venue, each.symbol, each.channel, time) for each in summarise(missing) for time in each.gaps
    ]
    return sorted(found, key=lambda gap: -gap.time.end_us)[:GAPS_MOST]


def _date(day: datetime | date) -> date:
    return day.date() if isinstance(day, datetime) else day
