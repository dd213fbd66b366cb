"""Trade ids that run without holes: what they prove, and where they do not.

A **stretch** is rows of one series, in the order of the tape, whose ids follow upon each other. All
that a run has to say about ids is in its stretches, and there is one a series where nothing is missing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from barograph.coverage.state import Chain, Hole
from barograph.rows import Ints

DENSE_VENUES = frozenset(("binance", "coinbase", "kraken", "sim"))
"""Venues that number the trades of each symbol 1, 2, 3...; docs/feeds.md has the sources."""
MOST_HOLES = 1000
"""A series with more holes forgets the oldest: its minutes stay as they were written."""


class Stretch(NamedTuple):
    """Ids ``low`` to ``high`` of a series: rows ``rows`` of the run's ticks.

    ``low_us`` is the time of the first, ``newest_us`` the latest time of any.
    """

    series: int
    low: int
    high: int
    low_us: int
    newest_us: int
    rows: Ints


def stretches(series: Ints, ids: Ints, times_us: Ints) -> list[Stretch]:
    """The stretches of numbered rows, series by series, in the order of the tape within each.

    >>> found = stretches(np.array([4, 4, 2, 4]), np.array([10, 11, 7, 13]), np.array([5, 6, 7, 8]))
    >>> [one[:5] for one in found]
    [(2, 7, 7, 7, 7), (4, 10, 11, 5, 6), (4, 13, 13, 8, 8)]
    """
    if not len(ids):
        return []
    # NumPy sorts 16-bit numbers by radix, in a tenth of the time of wider ones.
    narrow = series.astype(np.int16) if series.max() < 2**15 else series
    order = np.argsort(narrow, kind="stable")
    of, numbers, times_us = series[order], ids[order], times_us[order]
    breaks = np.flatnonzero((of[1:] != of[:-1]) | (numbers[1:] != numbers[:-1] + 1)) + 1
    starts = [0, *breaks.tolist()]
    stops = [*starts[1:], len(ids)]
    ends = np.array(stops) - 1
    columns = (
        of[starts],
        numbers[starts],
        numbers[ends],
        times_us[starts],
        np.maximum.reduceat(times_us, starts),
    )
    return [
        Stretch(one, low, high, low_us, newest_us, order[start:stop])
        for one, low, high, low_us, newest_us, start, stop in zip(
            *(column.tolist() for column in columns), starts, stops, strict=True
        )
    ]


def grow(chain: Chain, low: int, high: int, low_us: int, high_us: int) -> Hole | None:
    """Take in a stretch that fills no hole; the hole that it leaves below it, if it does."""
    hole = None
    if chain.highest < 0 or (low < chain.lowest and low_us > chain.top_us):
        # The first, or the venue has begun to count anew.
        chain.lowest, chain.highest, chain.from_us, chain.top_us = low, high, low_us, high_us
    elif low > chain.highest:
        if low > chain.highest + 1:
            begin_us = min(chain.top_us, low_us)
            hole = Hole(chain.highest + 1, low - 1, begin_us, max(chain.top_us, low_us), "ids skipped")
        chain.highest, chain.top_us = high, max(chain.top_us, high_us)
    elif high == chain.lowest - 1:
        chain.lowest, chain.from_us = low, min(low_us, chain.from_us)
    return hole


def fills(chain: Chain, low: int, high: int) -> bool:
    """Whether any of the ids ``low`` to ``high`` is in a hole."""
    return any(hole.first <= high and low <= hole.last for hole in chain.holes)


def fill(chain: Chain, low: int, high: int, low_us: int, high_us: int) -> list[Hole]:
    """Take ids that have come out of the holes; the holes as they were, where that changed them."""
    changed, left = [], []
    for hole in chain.holes:
        if high < hole.first or hole.last < low:
            left.append(hole)
            continue
        changed.append(hole)
        if hole.first < low:
            end_us = min(max(low_us, hole.begin_us), hole.end_us)
            left.append(Hole(hole.first, low - 1, hole.begin_us, end_us, hole.cause, hole.given_up))
        if high < hole.last:
            begin_us = max(min(high_us, hole.end_us), hole.begin_us)
            left.append(Hole(high + 1, hole.last, begin_us, hole.end_us, hole.cause, hole.given_up))
    chain.holes = left
    return changed
