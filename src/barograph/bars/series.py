"""One instrument's bars out of its rows in order, piece by piece, for any interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from barograph.bars.aggregate import MADE, PRICE, VALUES, VOLUME, Span, aggregate
from barograph.bars.order import TS
from barograph.bars.roll import RollState, roll_columns
from barograph.bars.settings import BarSettings
from barograph.compiled import compiled, compiled_part
from barograph.rows import Floats, Ints


@compiled_part
def next_bar(rows: Ints, span: Span, interval_us: int) -> int:
    """The start of the bar that the earliest row of ``span`` falls in."""
    trade, trade_end, quote, quote_end = span
    earliest = trade
    if quote < quote_end and (trade == trade_end or rows[quote, TS] < rows[trade, TS]):
        earliest = quote
    ts = rows[earliest, TS]
    return int(ts - ts % interval_us)


@compiled
def count_bars(rows: Ints, span: Span, interval_us: int) -> int:
    """How many bars the rows of ``span`` make."""
    trade, trade_end, quote, quote_end = span
    n = 0
    while trade < trade_end or quote < quote_end:
        stop = next_bar(rows, (trade, trade_end, quote, quote_end), interval_us) + interval_us
        while trade < trade_end and rows[trade, TS] < stop:
            trade += 1
        while quote < quote_end and rows[quote, TS] < stop:
            quote += 1
        n += 1
    return n


@compiled
def make_bars(
    rows: Ints,
    amounts: Floats,
    span: Span,
    steps: tuple[int, int],
    carry: Floats,
    starts: Ints,
    made: Floats,
) -> None:
    """Make all bars of ``span``; ``steps`` are the interval and the lateness in microseconds."""
    trade, trade_end, quote, quote_end = span
    n = 0
    while trade < trade_end or quote < quote_end:
        start = next_bar(rows, (trade, trade_end, quote, quote_end), steps[0])
        first_trade, first_quote = trade, quote
        while trade < trade_end and rows[trade, TS] < start + steps[0]:
            trade += 1
        while quote < quote_end and rows[quote, TS] < start + steps[0]:
            quote += 1
        starts[n] = start
        aggregate(rows, amounts, (first_trade, trade, first_quote, quote), start + steps[1], carry, made[n])
        n += 1


@dataclass(slots=True)
class Series:
    """The bars of one instrument, made piece by piece; a piece must not cut a bar in two."""

    settings: BarSettings
    interval_us: int
    carry: Floats = field(default_factory=lambda: np.array([math.nan, 0.0, math.nan, math.nan]))
    rolled: RollState = field(default_factory=RollState)

    def advance(self, rows: Ints, amounts: Floats, span: Span) -> tuple[Ints, Floats]:
        """Starts (n,) and values (n, VALUES) of the bars that the rows of ``span``, in order, make."""
        n = count_bars(rows, span, self.interval_us)
        starts, made, values = np.empty(n, dtype=np.int64), np.empty((n, MADE)), np.empty((n, VALUES))
        steps = (self.interval_us, self.settings.allowed_lateness_us)
        make_bars(rows, amounts, span, steps, self.carry, starts, made)
        values[:, :MADE] = made
        limits = (self.settings.spike_window, self.settings.spike_min_bars)
        price, volume = made[:, PRICE].copy(), made[:, VOLUME].copy()
        columns, self.rolled = roll_columns(price, volume, limits, self.rolled)
        values[:, MADE:] = columns.T
        return starts, values
