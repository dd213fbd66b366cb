"""How windows are cut, so that each is made of pieces that others share.

Time is cut into blocks of ``window`` slots, a slot being a bar's length. A window is then the last bars of
one block, the whole blocks after it (none, unless bars are missing) and the first bars of the newest block.
What is known of the first n bars of each block (*ahead*) and of the last n (*behind*) makes every window in
O(1), whatever its length, without running sums that would have to forget. Blocks begin at fixed times, so
that the bits of a value hang on nothing but the bars of its own window. After M. van Herk, "A fast
algorithm for local minimum and maximum filters" (1992), and J. Gil and M. Werman, "Computing 2-D min,
median, and max filters" (1993), who do it for extremes.
"""

from __future__ import annotations

from typing import NamedTuple

from barograph.compiled import compiled_part
from barograph.rows import Floats, Ints

FROM, TO, OLDEST, NEWEST = range(4)
"""Columns of a run."""


class Room(NamedTuple):
    """Room to work in, for m bars.

    Attributes:
        starts: (m + 1,) first bars of the blocks, and the end of the last.
        runs: (m, 4) bars [FROM, TO) whose windows begin in block OLDEST; they are in block NEWEST.
        ahead: (2, m) of the bars from a block's first to this one.
        behind: (2, m) of the bars from this one to the block's last.
        inverse: (longest window + 1,) of 1 / n.
    """

    starts: Ints
    runs: Ints
    ahead: Floats
    behind: Floats
    inverse: Floats


@compiled_part
def cut(window: int, slots: Ints, begin: int, stop: int, starts: Ints) -> int:
    """Fill in where the blocks of bars [begin, stop) start; how many they are."""
    n, t = 0, begin
    while t < stop:
        starts[n] = t
        n += 1
        boundary = slots[t] - slots[t] % window + window
        # Without a missing bar the next block is just here.
        t = block_end(slots, boundary, t, min(t + boundary - slots[t], stop), stop)
    starts[n] = stop
    return n


@compiled_part
def block_end(slots: Ints, boundary: int, start: int, guess: int, stop: int) -> int:
    """The first bar at or after slot ``boundary``, which comes after bar ``start``."""
    if slots[guess - 1] < boundary and (guess == stop or slots[guess] >= boundary):
        return guess
    low, high = start + 1, stop
    while low < high:
        middle = (low + high) // 2
        if slots[middle] < boundary:
            low = middle + 1
        else:
            high = middle
    return low


@compiled_part
def runs_of(window: int, starts: Ints, n_blocks: int, enough: int, runs: Ints) -> int:
    """Fill in the runs of bars from ``enough`` on; how many they are."""
    n, oldest = 0, 0
    for newest in range(n_blocks):
        t = max(starts[newest], enough)
        while t < starts[newest + 1]:
            while starts[oldest + 1] <= t - window + 1:
                oldest += 1
            end = starts[newest + 1]
            if oldest < newest:
                end = min(end, starts[oldest + 1] + window - 1)
            runs[n, FROM], runs[n, TO], runs[n, OLDEST], runs[n, NEWEST] = t, end, oldest, newest
            n += 1
            t = end
    return n
