"""How often minutes were revised that have left the kernel's memory.

For each instrument stretches of neighbouring minutes with one revision: an array (n, 3)
of first minute, last minute, revision, ascending. Minutes that never were revised have none.
"""

from __future__ import annotations

import numpy as np

from barograph.clock import MINUTE_US
from barograph.rows import Ints


def no_stretches() -> Ints:
    """Nothing was revised."""
    return np.empty((0, 3), dtype=np.int64)


def look_up(stretches: Ints, starts: Ints) -> Ints:
    """The revision of each minute in ``starts``; 0 outside the stretches."""
    if not len(stretches):
        return np.zeros(len(starts), dtype=np.int64)
    at = np.maximum(np.searchsorted(stretches[:, 0], starts, side="right") - 1, 0)
    inside = (stretches[at, 0] <= starts) & (starts <= stretches[at, 1])
    return np.where(inside, stretches[at, 2], 0)


def assign(stretches: Ints, starts: Ints, revisions: Ints) -> Ints:
    """``stretches`` with the minutes ``starts`` (ascending) at their new ``revisions``."""
    starts, revisions = starts[revisions > 0], revisions[revisions > 0]
    if not len(starts):
        return stretches
    if len(stretches) and starts[0] <= stretches[-1, 1]:
        earlier = _expand(stretches)
        earlier = earlier[~np.isin(earlier[:, 0], starts)]
        starts = np.concatenate([earlier[:, 0], starts])
        order = np.argsort(starts, kind="stable")
        starts, revisions = starts[order], np.concatenate([earlier[:, 1], revisions])[order]
        stretches = no_stretches()
    return _compress(np.concatenate([stretches, np.column_stack([starts, starts, revisions])]))


def _expand(stretches: Ints) -> Ints:
    """Every minute of the stretches with its revision, (n, 2)."""
    counts = (stretches[:, 1] - stretches[:, 0]) // MINUTE_US + 1
    offsets = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.repeat(stretches[:, 0], counts) + offsets * MINUTE_US
    return np.column_stack([starts, np.repeat(stretches[:, 2], counts)])


def _compress(stretches: Ints) -> Ints:
    """Neighbouring stretches of one revision made one."""
    joins = stretches[1:, 0] == stretches[:-1, 1] + MINUTE_US
    joins &= stretches[1:, 2] == stretches[:-1, 2]
    first = np.concatenate([[True], ~joins])
    last = np.concatenate([~joins, [True]])
    return np.column_stack([stretches[first, 0], stretches[last, 1], stretches[first, 2]])
