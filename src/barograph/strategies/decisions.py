"""From conditions to targets: what a strategy wants at the close of a bar.

A **mask** is one byte a bar: which of the four tuples of a strategy's rules hold there. It is made for many
bars at once, then read bar by bar while trading. Bits are set by what is *missing*, so that conditions join
by "or".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barograph.compiled import compiled_part
from barograph.rows import Codes, Floats, Ints

Masks = npt.NDArray[np.uint8]

NOT_LONG = 1
"""Some condition of ``enter_long`` is not true."""
FALSE_LONG = 2
"""The same, and none of its columns is NaN."""
NOT_SHORT = 4
FALSE_SHORT = 8
FRESH = FALSE_LONG | FALSE_SHORT
"""Bits of the entries that were known to be false since they were last made: the *fresh* ones."""
NOT_EXIT_LONG = 16
NOT_EXIT_SHORT = 32

TUPLES = 4
"""Parts of a strategy's rules, in this order: enter_long, enter_short, exit_long, exit_short."""

NOT_BITS = (NOT_LONG, NOT_SHORT, NOT_EXIT_LONG, NOT_EXIT_SHORT)
UNKNOWN_BITS = (FALSE_LONG, FALSE_SHORT, 0, 0)
"""While a mask is being made, the bits of false entries say that a column is NaN."""


class Conditions(NamedTuple):
    """The conditions of many strategies, one after the other.

    Attributes:
        rows: (C, 3) of the indicator table: x, y (0, the row of zeros, where there is none), 1 above or -1
        below. levels: (C,).
        spans: (N, TUPLES + 1): strategy j's k-th tuple is conditions spans[j, k] to spans[j, k + 1].
    """

    rows: Codes
    levels: Floats
    spans: Ints


@compiled_part
def lay(x: Floats, y: Floats, sign: float, level: float, bits: tuple[int, int], mask: Masks) -> None:
    """Note in ``mask`` where ``x - y`` is not above ``level`` (sign -1: not below it), or unknown."""
    bound, false, unknown = np.uint8(0), np.uint8(bits[0]), np.uint8(bits[1])
    limit = sign * level
    for i in range(len(mask)):
        apart = sign * (x[i] - y[i])
        missing = bound if apart > limit else false
        lost = bound if apart == apart else unknown  # noqa: PLR0124 (NaN is not equal to itself)
        mask[i] |= missing | lost


@compiled_part
def evaluate(conditions: Conditions, strategy: int, table: Floats, mask: Masks) -> None:
    """Fill ``mask`` (n,) for one strategy from the indicator table (columns, >= n)."""
    n = len(mask)
    base = 0
    for k in range(TUPLES):
        if conditions.spans[strategy, k] == conditions.spans[strategy, k + 1]:
            base |= NOT_BITS[k] | UNKNOWN_BITS[k]
    mask[:] = np.uint8(base)
    for k in range(TUPLES):
        for c in range(conditions.spans[strategy, k], conditions.spans[strategy, k + 1]):
            x, y = table[conditions.rows[c, 0], :n], table[conditions.rows[c, 1], :n]
            bits = (NOT_BITS[k], UNKNOWN_BITS[k])
            lay(x, y, float(conditions.rows[c, 2]), conditions.levels[c], bits, mask)
    for i in range(n):  # not true and not unknown: known to be false
        mask[i] ^= np.uint8((mask[i] & (NOT_LONG | NOT_SHORT)) << 1)


@compiled_part
def decide(mask: int, target: int, fresh: int, level: bool) -> tuple[int, int]:
    """``(target, fresh)`` after the close of a bar, from those before it; ``fresh``: bits of ``FRESH``.

    An exit is stronger than an entry of its own side; two entries that contradict each other do nothing.
    """
    enter_long, enter_short = (mask & NOT_LONG) == 0, (mask & NOT_SHORT) == 0
    exit_long, exit_short = (mask & NOT_EXIT_LONG) == 0, (mask & NOT_EXIT_SHORT) == 0
    if (target > 0 and exit_long) or (target < 0 and exit_short):
        target = 0
    may_long = enter_long and not enter_short and not exit_long and (level or (fresh & FALSE_LONG) != 0)
    may_short = enter_short and not enter_long and not exit_short and (level or (fresh & FALSE_SHORT) != 0)
    if may_long and target <= 0:
        target, fresh = 1, fresh & FALSE_SHORT
    elif may_short and target >= 0:
        target, fresh = -1, fresh & FALSE_LONG
    return target, (fresh | mask) & FRESH


@compiled_part
def warm(mask: int, fresh: int) -> int:
    """``fresh`` after a bar on which nobody may trade yet: a signal that was there before is not fresh."""
    known = FRESH  # where an entry is neither true nor false, its bit stays as it is
    if mask & NOT_LONG and not mask & FALSE_LONG:
        known &= ~FALSE_LONG
    if mask & NOT_SHORT and not mask & FALSE_SHORT:
        known &= ~FALSE_SHORT
    return (fresh & ~known) | (mask & known)
