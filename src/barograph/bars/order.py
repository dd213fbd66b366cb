"""Rows of one instrument in the order (ts, seq, tape), quickly where they are nearly so.

Rows stand in two arrays: ``rows`` (n, 4: ts, seq, position, side) and ``amounts`` (n, 2:
price and size, or bid and ask). The sort is a natural merge sort: it finds the ascending
runs and merges neighbours, so sorted rows cost one comparison each. It is stable: rows
of one record stay as they were. A missing sequence number is -1 and so comes before the
others of its microsecond.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from barograph.bars.incoming import QuoteColumns, TickColumns
from barograph.compiled import compiled, compiled_part
from barograph.rows import Floats, Ints, Mask, Quotes, Ticks

TS, SEQ, POS, SIDE = range(4)
ROW_COLUMNS = 4

QUOTE = 2
"""The side that marks a row as a quote; trades have -1, 0 or +1."""


class Rows(NamedTuple):
    """Trades, and behind them quotes."""

    rows: Ints
    amounts: Floats
    n_trades: int

    @property
    def span(self) -> tuple[int, int, int, int]:
        """First and last (not included) trade, first and last (not included) quote."""
        return 0, self.n_trades, self.n_trades, len(self.rows)

    def take(self, wanted: Mask) -> Rows:
        """The rows that the mask names."""
        return Rows(self.rows[wanted], self.amounts[wanted], int(wanted[: self.n_trades].sum()))


def as_rows(ticks: Ticks, quotes: Quotes) -> Rows:
    """Ticks and quotes as rows, in the order they have; positions are those of ``record``."""
    n = len(ticks)
    rows = np.empty((n + len(quotes), ROW_COLUMNS), dtype=np.int64)
    amounts = np.empty((len(rows), 2))
    for part, source in ((slice(n), ticks), (slice(n, None), quotes)):
        rows[part, TS], rows[part, SEQ], rows[part, POS] = source.ts_us, source.seq, source.record
    rows[:n, SIDE], rows[n:, SIDE] = ticks.side, QUOTE
    amounts[:n, 0], amounts[:n, 1] = ticks.price, ticks.size
    amounts[n:, 0], amounts[n:, 1] = quotes.bid_price, quotes.ask_price
    return Rows(rows, amounts, n)


@compiled_part
def stands_before(rows: Ints, b: int, a: int) -> bool:
    """Whether row ``b`` must stand before row ``a``."""
    if rows[b, TS] != rows[a, TS]:
        return bool(rows[b, TS] < rows[a, TS])
    if rows[b, SEQ] != rows[a, SEQ]:
        return bool(rows[b, SEQ] < rows[a, SEQ])
    return bool(rows[b, POS] < rows[a, POS])


@compiled_part
def merge(rows: Ints, index: Ints, runs: tuple[int, int, int], merged: Ints) -> None:
    """Merge the runs [start, middle) and [middle, stop) of ``index`` into ``merged``."""
    left, right = runs[0], runs[1]
    for k in range(runs[0], runs[2]):
        take_right = left == runs[1]
        if left < runs[1] and right < runs[2]:
            take_right = stands_before(rows, index[right], index[left])
        if take_right:
            merged[k] = index[right]
            right += 1
        else:
            merged[k] = index[left]
            left += 1


@compiled_part
def sort_index(rows: Ints, index: Ints) -> None:
    """Sort ``index``, numbers of rows, in place."""
    n, runs = len(index), 2
    merged = np.empty(n, np.int64)
    while runs > 1:
        runs, start = 0, 0
        while start < n:
            # Where the ascending run that begins at start ends, and where the one after it ends.
            middle = start + 1
            while middle < n and not stands_before(rows, index[middle], index[middle - 1]):
                middle += 1
            stop = min(middle + 1, n)
            while stop < n and not stands_before(rows, index[stop], index[stop - 1]):
                stop += 1
            merge(rows, index, (start, middle, stop), merged)
            start, runs = stop, runs + 1
        for i in range(n):
            index[i] = merged[i]


@compiled
def sort_rows(rows: Ints, amounts: Floats, first: int, last: int) -> None:
    """Sort the rows ``first`` to ``last`` (not included) in place; free of charge when in order."""
    here = first + 1
    while here < last and not stands_before(rows, here, here - 1):
        here += 1
    if here >= last:
        return
    index = np.arange(first, last)
    sort_index(rows, index)
    whole, parts = np.empty(len(index), np.int64), np.empty(len(index))
    # Loops, not slices: numba compiles an assignment to a slice with all its error messages.
    for column in range(ROW_COLUMNS):
        for i in range(len(index)):
            whole[i] = rows[index[i], column]
        for i in range(len(index)):
            rows[first + i, column] = whole[i]
    for column in range(2):
        for i in range(len(index)):
            parts[i] = amounts[index[i], column]
        for i in range(len(index)):
            amounts[first + i, column] = parts[i]


@compiled
def group_ticks(ticks: TickColumns, next_at: Ints, rows: Ints, amounts: Floats) -> None:
    """Counting sort: put the ticks so that those of one instrument stand together.

    ``next_at`` is where the next row of each instrument goes; it is moved on.
    """
    for i in range(len(ticks.instrument)):
        at = next_at[ticks.instrument[i]]
        next_at[ticks.instrument[i]] = at + 1
        rows[at, TS] = ticks.ts[i]
        rows[at, SEQ] = ticks.seq[i]
        rows[at, POS] = ticks.record[i]
        rows[at, SIDE] = ticks.side[i]
        amounts[at, 0] = ticks.price[i]
        amounts[at, 1] = ticks.size[i]


@compiled
def group_quotes(quotes: QuoteColumns, next_at: Ints, rows: Ints, amounts: Floats) -> None:
    """As :func:`group_ticks`, for quotes."""
    for i in range(len(quotes.instrument)):
        at = next_at[quotes.instrument[i]]
        next_at[quotes.instrument[i]] = at + 1
        rows[at, TS] = quotes.ts[i]
        rows[at, SEQ] = quotes.seq[i]
        rows[at, POS] = quotes.record[i]
        rows[at, SIDE] = QUOTE
        amounts[at, 0] = quotes.bid[i]
        amounts[at, 1] = quotes.ask[i]
