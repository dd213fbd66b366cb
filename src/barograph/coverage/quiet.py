"""How long a series is usually silent, to tell a mute one from a quiet one.

The times between two rows are counted by their length, in powers of two of a second, for each UTC
day; a series is judged by its own two newest days. They are counts of whole numbers, so that it does not
matter how the tape is cut.
"""

from __future__ import annotations

import numpy as np

from barograph.clock import DAY_US, US_PER_S
from barograph.coverage.state import NEVER, LedgerState
from barograph.rows import Ints

_EDGES_US = np.array([US_PER_S << k for k in range(22)], dtype=np.int64)
_BINS = len(_EDGES_US) + 1
_DAYS = 2
LEAST = 50
"""A series with fewer rows than this has no habits yet."""
QUANTILE = 0.99
UNUSUAL = 3
"""Silent for so many times what nearly all of its silences stay below is unusual."""


def note_rows(state: LedgerState, numbers: Ints, recv_us: Ints) -> None:
    """Count the silences before rows of the wire, given in the order of the tape."""
    if not len(numbers):
        return
    _make_room(state)
    narrow = numbers.astype(np.int16) if numbers.max() < 2**15 else numbers
    order = np.argsort(narrow, kind="stable")
    of, times = numbers[order], recv_us[order]
    first = np.flatnonzero(np.concatenate(([True], of[1:] != of[:-1])))
    silent_us = np.diff(times, prepend=times[0])
    newest_us = state.newest_us[of[first]]
    silent_us[first] = np.where(newest_us == NEVER, 0, times[first] - newest_us)
    state.newest_us[of[first]] = np.maximum(newest_us, np.maximum.reduceat(times, first))
    # Nearly all silences are shorter than a second: only the others are worth a search.
    bins = np.zeros(len(times), dtype=np.int64)
    long = np.flatnonzero(silent_us >= US_PER_S)
    bins[long] = np.searchsorted(_EDGES_US, silent_us[long], side="right")
    days = times // DAY_US
    for day in np.unique(days).tolist() if days.min() != days.max() else [int(days[0])]:
        here = slice(None) if days.min() == days.max() else days == day
        cells = of[here] * _BINS + bins[here]
        _of_day(state, day)[:] += np.bincount(cells, minlength=len(state.newest_us) * _BINS).reshape(
            -1, _BINS
        )
    for day in sorted(state.silences)[:-_DAYS]:
        del state.silences[day]


def _make_room(state: LedgerState) -> None:
    """Room for all series that there are."""
    lacking = len(state.series) - len(state.newest_us)
    if lacking:
        state.newest_us = np.concatenate([state.newest_us, np.full(lacking, NEVER, dtype=np.int64)])
        for day, counted in state.silences.items():
            more = np.zeros((lacking, _BINS), dtype=np.int64)
            state.silences[day] = np.concatenate([counted, more])


def _of_day(state: LedgerState, day: int) -> Ints:
    if day not in state.silences:
        state.silences[day] = np.zeros((len(state.newest_us), _BINS), dtype=np.int64)
    return state.silences[day]


def newest_us(state: LedgerState, number: int) -> int:
    """Our clock when a series' newest row came by the wire; NEVER before there is one."""
    return int(state.newest_us[number]) if number < len(state.newest_us) else NEVER


def usual_silence_us(state: LedgerState, number: int) -> int | None:
    """What nearly all of a series' silences stay below; None while too few are known."""
    counted = [day[number] for day in state.silences.values() if number < len(day)]
    total = np.sum(counted, axis=0)
    if not counted or total.sum() < LEAST:
        return None
    at = int(np.searchsorted(np.cumsum(total), QUANTILE * total.sum()))
    return int(_EDGES_US[min(at, len(_EDGES_US) - 1)])
