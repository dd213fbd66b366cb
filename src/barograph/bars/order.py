"""Rows of one instrument in the order (ts, seq, tape), quickly where they are nearly so.

A natural merge sort: it finds the ascending runs and merges neighbours, so sorted rows
cost one comparison each. It is stable: rows of one record stay as they were. A missing
sequence number is -1 and so comes before the others of its microsecond.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from barograph.bars.compiled import compiled, compiled_part
from barograph.rows import Codes, Floats, Ints


class RowColumns(NamedTuple):
    """Trades (``x`` price, ``y`` size) or quotes (``x`` bid, ``y`` ask; side 0)."""

    ts: Ints
    seq: Ints
    pos: Ints
    side: Ints
    x: Floats
    y: Floats


@compiled_part
def stands_before(rows: RowColumns, b: int, a: int) -> bool:
    """Whether row ``b`` must stand before row ``a``."""
    if rows.ts[b] != rows.ts[a]:
        return rows.ts[b] < rows.ts[a]
    if rows.seq[b] != rows.seq[a]:
        return rows.seq[b] < rows.seq[a]
    return rows.pos[b] < rows.pos[a]


@compiled_part
def run_end(rows: RowColumns, index: Ints, start: int, stop: int) -> int:
    """Where the ascending run that begins at ``start`` ends (at most ``stop``)."""
    here = start + 1
    while here < stop and not stands_before(rows, index[here], index[here - 1]):
        here += 1
    return here


@compiled_part
def merge(rows: RowColumns, index: Ints, runs: tuple[int, int, int], merged: Ints) -> None:
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
def sort_index(rows: RowColumns, index: Ints) -> None:
    """Sort ``index``, positions of rows, in place."""
    n = len(index)
    spare = np.empty(n, np.int64)
    runs = 2
    while runs > 1:
        runs, start = 0, np.int64(0)
        while start < n:
            middle = run_end(rows, index, start, n)
            stop = run_end(rows, index, middle, n) if middle < n else n
            merge(rows, index, (start, middle, stop), spare)
            start, runs = stop, runs + 1
        for i in range(n):
            index[i] = spare[i]


@compiled_part
def rearrange(index: Ints, first: int, column: Ints, spare: Ints) -> None:
    """``column[first + i] = column[index[i]]`` for all i at once."""
    for i in range(len(index)):
        spare[i] = column[index[i]]
    for i in range(len(index)):
        column[first + i] = spare[i]


@compiled
def sort_rows(rows: RowColumns, first: int, last: int) -> None:
    """Sort the rows ``first`` to ``last`` (not included) in place; free of charge when in order."""
    here = first + 1
    while here < last and not stands_before(rows, here, here - 1):
        here += 1
    if here >= last:
        return
    index = np.arange(first, last)
    sort_index(rows, index)
    # Loops, not slices: numba compiles an assignment to a slice with all its error messages.
    whole, parts = np.empty(last - first, np.int64), np.empty(last - first)
    rearrange(index, first, rows.ts, whole)
    rearrange(index, first, rows.seq, whole)
    rearrange(index, first, rows.pos, whole)
    rearrange(index, first, rows.side, whole)
    rearrange(index, first, rows.x, parts)
    rearrange(index, first, rows.y, parts)


@compiled
def group_rows(instrument: Codes, next_at: Ints, rows: RowColumns, grouped: RowColumns) -> None:
    """Counting sort: scatter ``rows`` so that those of one instrument stand together.

    ``next_at`` is where the next row of each instrument goes; it is moved on.
    """
    for i in range(len(instrument)):
        at = next_at[instrument[i]]
        next_at[instrument[i]] = at + 1
        grouped.ts[at], grouped.seq[at], grouped.pos[at] = rows.ts[i], rows.seq[i], rows.pos[i]
        grouped.side[at], grouped.x[at], grouped.y[at] = rows.side[i], rows.x[i], rows.y[i]
