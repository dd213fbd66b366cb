"""One instrument's bars out of its rows in order, piece by piece, for any interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from barograph.bars.aggregate import MADE, PRICE, VALUES, VOLUME, aggregate
from barograph.bars.compiled import compiled, compiled_part
from barograph.bars.order import RowColumns, sort_rows
from barograph.bars.roll import RollState, roll_columns
from barograph.bars.settings import BarSettings
from barograph.rows import Floats, Ints, Quotes, Ticks


@compiled_part
def next_bar(
    trades: RowColumns, quotes: RowColumns, span: tuple[int, int, int, int], interval_us: int
) -> int:
    """The start of the bar that the first row of ``span`` falls in."""
    first, last, quote, quote_end = span
    if quote < quote_end and (first == last or quotes.ts[quote] < trades.ts[first]):
        ts = quotes.ts[quote]
    else:
        ts = trades.ts[first]
    return ts - ts % interval_us


@compiled
def count_bars(
    trades: RowColumns, quotes: RowColumns, span: tuple[int, int, int, int], interval_us: int
) -> int:
    """How many bars the rows of ``span`` make."""
    first, last, quote, quote_end = span
    n = 0
    while first < last or quote < quote_end:
        stop = next_bar(trades, quotes, (first, last, quote, quote_end), interval_us) + interval_us
        while first < last and trades.ts[first] < stop:
            first += 1
        while quote < quote_end and quotes.ts[quote] < stop:
            quote += 1
        n += 1
    return n


@compiled
def make_bars(
    trades: RowColumns,
    quotes: RowColumns,
    span: tuple[int, int, int, int],
    steps: tuple[int, int],
    carry: Floats,
    starts: Ints,
    made: Floats,
) -> None:
    """Make all bars of ``span``; ``steps`` are the interval and the lateness in microseconds."""
    first, last, quote, quote_end = span
    n = 0
    while first < last or quote < quote_end:
        start = next_bar(trades, quotes, (first, last, quote, quote_end), steps[0])
        trade, earlier = first, quote
        while first < last and trades.ts[first] < start + steps[0]:
            first += 1
        while quote < quote_end and quotes.ts[quote] < start + steps[0]:
            quote += 1
        starts[n] = start
        aggregate(trades, quotes, (trade, first, earlier, quote), start + steps[1], carry, made[n])
        n += 1


def trade_rows(ticks: Ticks) -> RowColumns:
    """Trades as rows; positions are those of ``record``."""
    side = ticks.side.astype(np.int64)
    return RowColumns(ticks.ts_us, ticks.seq, ticks.record, side, ticks.price, ticks.size)


def quote_rows(quotes: Quotes) -> RowColumns:
    """Quotes as rows."""
    side = np.zeros(len(quotes), dtype=np.int64)
    return RowColumns(quotes.ts_us, quotes.seq, quotes.record, side, quotes.bid_price, quotes.ask_price)


def in_order(rows: RowColumns) -> RowColumns:
    """A copy of one instrument's rows in the order (ts, seq, tape)."""
    copied = RowColumns(*(np.array(column, order="C") for column in rows))
    sort_rows(copied, 0, len(copied.ts))
    return copied


@dataclass(slots=True)
class Series:
    """The bars of one instrument, made piece by piece; a piece must not cut a bar in two."""

    settings: BarSettings
    interval_us: int
    carry: Floats = field(default_factory=lambda: np.array([math.nan, 0.0, math.nan, math.nan]))
    rolled: RollState = field(default_factory=RollState)

    def advance(
        self, trades: RowColumns, quotes: RowColumns, span: tuple[int, int, int, int]
    ) -> tuple[Ints, Floats]:
        """Starts (n,) and values (n, VALUES) of the bars that the rows of ``span`` make."""
        n = count_bars(trades, quotes, span, self.interval_us)
        starts, made, values = np.empty(n, dtype=np.int64), np.empty((n, MADE)), np.empty((n, VALUES))
        steps = (self.interval_us, self.settings.allowed_lateness_us)
        make_bars(trades, quotes, span, steps, self.carry, starts, made)
        values[:, :MADE] = made
        limits = (self.settings.spike_window, self.settings.spike_min_bars)
        price, volume = made[:, PRICE].copy(), made[:, VOLUME].copy()
        columns, self.rolled = roll_columns(price, volume, limits, self.rolled)
        values[:, MADE:] = columns.T
        return starts, values
