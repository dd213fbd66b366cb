"""Rows that a scanner read straight into columns, on their way through ``assemble.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from barograph.feeds import offset
from barograph.records import Frames
from barograph.rows import Ints, Quotes, Ticks, concatenate

C = TypeVar("C", Ticks, Quotes)


@dataclass(frozen=True, slots=True)
class Scanned:
    """Ticks and quotes of some frames of a run, sound in all that ``assemble`` checks.

    Attributes:
        ticks, quotes: ``record`` is the index of the frame and ``instrument`` one into ``first``;
            a ``ts_us`` of ABSENT: the venue gave none.
        samples: frames and the venue's clock when each was sent, as ``offset.follow`` takes them.
        first: the venue's own name of each instrument, after the frame that it appears in first.
    """

    ticks: Ticks
    quotes: Quotes
    samples: list[tuple[Ints, Ints]]
    first: list[tuple[int, str]]

    def placed(self, codes: Mapping[str, int], frames: Frames, reached: Ints) -> tuple[Ticks, Quotes]:
        """The final rows, given the numbers of the names and the clocks' offsets at each frame."""
        numbers = np.array([codes[name] for _, name in self.first], dtype=np.int32)
        ticks, quotes = self.ticks, self.quotes
        return (
            ticks.with_(record=frames.record[ticks.record], instrument=numbers[ticks.instrument]),
            quotes.with_(
                record=frames.record[quotes.record],
                ts_us=offset.timed_us(frames, quotes.record, quotes.ts_us, quotes.estimated, reached),
                instrument=numbers[quotes.instrument],
            ),
        )


def merged(parts: Sequence[C], kind: type[C]) -> C:
    """The rows of all parts in the order of their records; within a record, of the parts."""
    rows = concatenate([part for part in parts if len(part)], kind)
    if np.any(rows.record[1:] < rows.record[:-1]):
        return rows.take(np.argsort(rows.record, kind="stable"))
    return rows
