"""Rows that a scanner read straight into columns, on their way through ``assemble.py``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from barograph.rows import Codes, Ints, Quotes, Ticks, concatenate

C = TypeVar("C", Ticks, Quotes)


@dataclass(frozen=True, slots=True)
class Scanned:
    """Ticks and quotes of some frames of a run, sound in all that ``assemble`` checks.

    Attributes:
        ticks, quotes: ``record`` is the index of the frame and ``instrument`` one of ``names``;
            a ``ts_us`` of ABSENT: the venue gave none.
        samples: frames (indices) and the venue's clock when each was sent, as ``offset.follow`` takes them.
        names: the venue's own names of the instruments.
        first: index of the frame in which each name appears first.
    """

    ticks: Ticks
    quotes: Quotes
    samples: list[tuple[Ints, Ints]]
    names: list[str]
    first: list[int]


def merged(parts: Sequence[C], kind: type[C]) -> C:
    """The rows of all parts in the order of their records; within a record, of the parts."""
    rows = concatenate([part for part in parts if len(part)], kind)
    if len(parts) > 1 and np.any(rows.record[1:] < rows.record[:-1]):
        return rows.take(np.argsort(rows.record, kind="stable"))
    return rows
