"""Rows that have left memory, brought back where a late row needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from barograph.bars.order import POS, SEQ, SIDE, TS, Rows, as_rows
from barograph.bars.pools import (
    AFTER,
    COLD,
    CURSOR,
    HOT_US,
    NONE,
    STALE,
    START,
    STATUS,
    THINNED,
    WARMING,
    Pools,
    append_row,
    seek,
)
from barograph.bars.run import Recall, Run
from barograph.clock import MINUTE_US
from barograph.compiled import compiled
from barograph.rows import Floats, Ints, Quotes, Ticks, concatenate

R = TypeVar("R", Ticks, Quotes)

AT_ONCE_US = 60 * MINUTE_US
"""How much of an instrument is brought back by one call, to bound the memory."""


@dataclass(frozen=True, slots=True)
class Source:
    """All rows taken in so far: those of earlier runs recalled, those of this run up to ``record``.

    ``unused`` are the cleaning bits that keep a row out.
    """

    recall: Recall
    unused: int
    run: Run | None = None
    record: int = -1

    def rows(self, k: int, start_us: int, end_us: int) -> Rows:
        """Trades and quotes of instrument ``k`` in tape order; positions are absolute."""
        ticks, quotes = self.recall.rows(k, start_us, end_us)
        if self.run is not None:
            ticks = concatenate([ticks, self._of_run(self.run.ticks, k, start_us, end_us)], Ticks)
            quotes = concatenate([quotes, self._of_run(self.run.quotes, k, start_us, end_us)], Quotes)
        return as_rows(
            ticks.take(ticks.flags & self.unused == 0), quotes.take(quotes.flags & self.unused == 0)
        )

    def _of_run(self, rows: R, k: int, start_us: int, end_us: int) -> R:
        assert self.run is not None
        wanted = (rows.instrument == k) & (rows.record <= self.record)
        wanted &= (start_us <= rows.ts_us) & (rows.ts_us < end_us)
        taken = rows.take(wanted)
        return taken.with_(record=taken.record + self.run.first_pos)


@compiled
def choose(cold: int, span_us: int, pools: Pools) -> int:
    """Choose the minute ``cold`` and the stale cold ones within ``span_us`` of it; where they end."""
    minutes = pools.minutes
    here, begin = cold, minutes[cold, START]
    end: int = begin + MINUTE_US
    while here != NONE and minutes[here, START] < begin + span_us:
        if minutes[here, STATUS] & COLD and minutes[here, STATUS] & STALE:
            minutes[here, STATUS] |= WARMING
            end = minutes[here, START] + MINUTE_US
        here = minutes[here, AFTER]
    return end


@compiled
def bring_back(k: int, rows: Ints, amounts: Floats, pools: Pools) -> None:
    """Hang ``rows`` on the chosen minutes of instrument ``k`` that they belong to."""
    minutes = pools.minutes
    for i in range(len(rows)):
        start_us = rows[i, TS] - rows[i, TS] % MINUTE_US
        here = seek(k, start_us, pools.instruments, minutes)
        if here != NONE and minutes[here, START] == start_us and minutes[here, STATUS] & WARMING:
            pools.instruments[k, CURSOR] = here
            row = (rows[i, TS], rows[i, SEQ], rows[i, POS], rows[i, SIDE], amounts[i, 0], amounts[i, 1])
            append_row(here, row, pools.meta, minutes, pools.rows, pools.amounts)


@compiled
def made_hot(k: int, cold: int, pools: Pools) -> None:
    """The chosen minutes from ``cold`` on have their rows again."""
    minutes, instrument = pools.minutes, pools.instruments[k]
    instrument[HOT_US] = min(instrument[HOT_US], minutes[cold, START])
    here = cold
    while here != NONE:
        if minutes[here, STATUS] & WARMING:
            minutes[here, STATUS] &= ~(COLD | WARMING | THINNED)
        here = minutes[here, AFTER]
