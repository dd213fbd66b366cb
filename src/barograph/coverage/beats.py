"""When rows are written: at beats, which are places on the tape and not moments of a clock.

A beat comes before the first record received in each new ``BEAT_US`` of the receipt clock, and before
a record received more than ``BACK_US`` earlier than one before it: a clock that was set back, or another
recording that begins. Any cutting of the tape has the same beats.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from barograph.clock import US_PER_S
from barograph.coverage.state import NEVER
from barograph.rows import Ints

BEAT_US = 5 * US_PER_S
BACK_US = 60 * US_PER_S
_WINDOW = 8192


class Beat(NamedTuple):
    """A beat before the record of this index.

    Attributes:
        now_us: receipt time that has been reached.
        after_us: what is reached from here on: the same, or less after a jump back.
    """

    record: int
    now_us: int
    after_us: int

    @property
    def jumps_back(self) -> bool:
        """Whether time begins anew here, so that everything is written as it stands."""
        return self.after_us < self.now_us


def find_beats(recv_us: Ints, now_us: int, beat_us: int) -> tuple[list[Beat], int, int]:
    """The beats of a run, and what ``now_us`` and ``beat_us`` (the next beat) are behind it.

    >>> second = 1_000_000
    >>> find_beats(np.array([1, 4, 6, 7]) * second, NEVER, NEVER)[0]
    [Beat(record=2, now_us=6000000, after_us=6000000)]
    """
    found: list[Beat] = []
    if now_us == NEVER:
        now_us = int(recv_us[0])
        beat_us = _next(now_us)
    start = 0
    while start < len(recv_us):
        window = recv_us[start : start + _WINDOW]
        reached = np.maximum(np.maximum.accumulate(window), now_us)
        jumps = np.flatnonzero(window < reached - BACK_US)
        stop = int(jumps[0]) if len(jumps) else len(window)
        while (at := int(np.searchsorted(reached[:stop], beat_us))) < stop:
            now_us = int(reached[at])
            found.append(Beat(start + at, now_us, now_us))
            beat_us = _next(now_us)
        now_us = int(reached[stop - 1]) if stop else now_us
        if len(jumps):
            back_us = int(window[stop])
            found.append(Beat(start + stop, now_us, back_us))
            now_us, beat_us = back_us, _next(back_us)
        start += stop
    return found, now_us, beat_us


def _next(now_us: int) -> int:
    return now_us - now_us % BEAT_US + BEAT_US
