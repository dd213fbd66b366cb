"""Coverage over a time, summed up: per series and day, with the gaps and why they are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from barograph.clock import DAY_US, MINUTE_US, day_of
from barograph.coverage.rows import WHOLE, State
from barograph.rows import Ints

STATES = tuple(State)
"""States by code, as :class:`Minutes` has them."""

QUERY = """
    SELECT minute, venue, symbol, channel, state, messages, reason FROM coverage
    WHERE minute >= coalesce($1::TIMESTAMPTZ,
        (SELECT date_trunc('day', max(minute)) FROM coverage) - INTERVAL '6 days')
      AND minute < coalesce($2::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ)
      AND symbol = coalesce($3::TEXT, symbol) AND venue = coalesce($4::TEXT, venue)
      AND channel = coalesce($5::TEXT, channel)
    ORDER BY symbol, venue, channel, minute
"""
"""The rows of a summary; without a beginning, those of the newest seven days."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Minutes by state."""

    complete: int = 0
    repaired: int = 0
    missing: int = 0
    closed: int = 0
    idle: int = 0

    @property
    def minutes(self) -> int:
        """All of them."""
        return self.complete + self.repaired + self.missing + self.closed + self.idle

    @property
    def uptime_pct(self) -> float | None:
        """Percent of the minutes in which the market was open that are whole; None without any.

        >>> Tally(complete=98, idle=1, missing=1, closed=400).uptime_pct
        99.0
        """
        open_ = self.minutes - self.closed
        return 100 * sum(getattr(self, str(state)) for state in WHOLE) / open_ if open_ else None

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(*(getattr(self, str(s)) + getattr(other, str(s)) for s in STATES))


@dataclass(frozen=True, slots=True)
class MissingTime:
    """Missing minutes in a row, for one reason: from ``begin_us`` to ``end_us``."""

    begin_us: int
    end_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """One channel of one symbol.

    Attributes:
        minute_us: int64, shape (n,): its minutes, ascending.
        code: int8, shape (n,): index of each minute's state in :data:`STATES`.
    """

    venue: str
    symbol: str
    channel: str
    minute_us: Ints
    code: npt.NDArray[np.int8]
    messages: int
    gaps: list[MissingTime]

    @property
    def tally(self) -> Tally:
        """All its minutes by state."""
        return tally(self.code)

    def days(self) -> list[tuple[date, Tally]]:
        """Its minutes by UTC day and state."""
        day = self.minute_us // DAY_US
        return [(day_of(int(d) * DAY_US), tally(self.code[day == d])) for d in np.unique(day).tolist()]


def tally(code: npt.NDArray[np.int8]) -> Tally:
    """Minutes by state."""
    return Tally(*np.bincount(code, minlength=len(STATES)).tolist())


def total(series: Sequence[SeriesSummary]) -> Tally:
    """All series together."""
    whole = Tally()
    for one in series:
        whole = whole.plus(one.tally)
    return whole


def summarise(rows: pa.Table) -> list[SeriesSummary]:
    """The rows that :data:`QUERY` gives, series by series."""
    if not rows.num_rows:
        return []
    rows = rows.combine_chunks()
    names = [np.asarray(rows[name].to_pylist(), dtype=object) for name in ("venue", "symbol", "channel")]
    changed = np.any([column[1:] != column[:-1] for column in names], axis=0)
    bounds = [0, *(np.flatnonzero(changed) + 1).tolist(), rows.num_rows]
    return [
        _series([str(column[start]) for column in names], rows.slice(start, stop - start))
        for start, stop in pairwise(bounds)
    ]


def _series(names: Sequence[str], rows: pa.Table) -> SeriesSummary:
    venue, symbol, channel = names
    minute_us = _ints(rows["minute"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()))
    code = pc.index_in(rows["state"], pa.array([str(state) for state in STATES]))
    messages = int(pc.sum(rows["messages"]).as_py())
    codes = _ints(code).astype(np.int8)
    reasons = rows["reason"].to_pylist()
    return SeriesSummary(venue, symbol, channel, minute_us, codes, messages, _gaps(minute_us, codes, reasons))


def _ints(column: Any) -> Ints:
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _gaps(minute_us: Ints, code: npt.NDArray[np.int8], reasons: list[str | None]) -> list[MissingTime]:
    found: list[MissingTime] = []
    for k in np.flatnonzero(code == STATES.index(State.MISSING)).tolist():
        begin_us, reason = int(minute_us[k]), reasons[k] or ""
        last = found[-1] if found else None
        if last is not None and last.end_us == begin_us and last.reason == reason:
            found[-1] = MissingTime(last.begin_us, begin_us + MINUTE_US, reason)
        else:
            found.append(MissingTime(begin_us, begin_us + MINUTE_US, reason))
    return found
