"""A table's rows in its order, stretch of time by stretch of time, so that memory stays small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from barograph.api.pages import Position, after
from barograph.api.series import Series
from barograph.clock import DAY_US

if TYPE_CHECKING:
    import polars as pl

ROWS = 65_536
"""Rows that a stretch should have, about."""
_GROW, _SHRINK = 4, 2
_LONGEST_US = 400 * DAY_US
_SHORTEST_US = 1_000_000
END_US = 253_402_300_800_000_000 - DAY_US
"""No row is later: the last day that Python's calendar has."""

Read = Callable[[Series, int, int | None], "pl.DataFrame"]
"""The sorted rows of a series from a time (included) to another (not included; None: no end)."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How a table is read.

    Attributes:
        sort: the columns of its order; ``time`` is one of them.
        read: reads a stretch of a series.
        row_us: a row is expected about so often.
        align_us: derived rows begin at multiples of this.
    """

    sort: Sequence[str]
    time: str
    read: Read
    row_us: int
    align_us: int = 1

    def rows(
        self,
        series: Sequence[Series],
        start_us: int | None,
        end_us: int | None,
        before: Position | None,
        rows: int = ROWS,
    ) -> Iterator[pl.DataFrame]:
        """All rows of ``series`` in time and after ``before``; ``rows`` is how many are wanted, about."""
        depth = list(self.sort).index(self.time)
        for one in series:
            begun = before.key[:depth] if before is not None else ()
            if one.names < begun:
                continue
            from_us = self._aligned(one.first_us)
            if start_us is not None:
                from_us = max(from_us, start_us)
            if before is None or one.names != begun:
                yield from self._series(one, from_us, end_us, min(rows, ROWS))
                continue
            reached_us = before.key[depth]
            assert isinstance(reached_us, int)
            for frame in self._series(one, max(from_us, reached_us), end_us, min(rows, ROWS)):
                yield after(frame, self.sort, before)

    def _series(self, one: Series, from_us: int, end_us: int | None, wanted: int) -> Iterator[pl.DataFrame]:
        span_us = self._span(wanted * self.row_us)
        at_us = from_us
        while end_us is None or at_us < end_us:
            to_us = self._next(at_us, span_us, one, end_us)
            found = self.read(one, at_us, to_us)
            yield found
            if to_us is None:
                return
            at_us = to_us
            if found.height < ROWS // _GROW:
                span_us = self._span(span_us * _GROW)
            elif found.height > ROWS * _SHRINK:
                span_us = self._span(span_us // _SHRINK)

    def _next(self, at_us: int, span_us: int, one: Series, end_us: int | None) -> int | None:
        """Where the stretch from ``at_us`` ends. The last one is open: rows may come while we read."""
        if at_us > one.last_us or at_us + span_us >= END_US:
            return end_us
        to_us = at_us + span_us
        if span_us >= DAY_US:
            to_us -= to_us % DAY_US  # files of whole days are read as they are
        return to_us if end_us is None else min(to_us, end_us)

    def _span(self, span_us: int) -> int:
        bounded = min(max(span_us, _SHORTEST_US), _LONGEST_US)
        return max(bounded - bounded % self.align_us, self.align_us)

    def _aligned(self, us: int) -> int:
        return us - us % self.align_us
