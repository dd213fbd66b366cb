"""When a series' market is open, as far as the ledger asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from barograph.clock import DAY_US, MINUTE_US
from barograph.errors import BarographError
from barograph.log import get_logger
from barograph.rows import Ints, Mask

ALWAYS = "24/7"
_MOST_MINUTES = DAY_US // MINUTE_US

log = get_logger()


class OpenHours(Protocol):
    """What the ledger needs of a calendar; ``barograph.calendars`` has them."""

    def is_open(self, minute_us: Ints) -> Mask:
        """Whether the market is open at each of these moments."""
        ...


CalendarOf = Callable[[str], OpenHours]


def no_calendar(_name: str) -> OpenHours:
    """Stands in where nobody hands in calendars: every market is always open."""
    return _Always()


class _Always:
    def is_open(self, minute_us: Ints) -> Mask:
        return np.ones(np.shape(minute_us), dtype=np.bool_)


class Hours:
    """Calendars by name, asked minute by minute, each answer remembered for a while."""

    def __init__(self, calendar_of: CalendarOf) -> None:
        self._calendar_of = calendar_of
        self._known: dict[str, OpenHours] = {}
        self._answers: dict[tuple[str, int], bool] = {}

    def open_in(self, name: str, minute: int) -> bool:
        """Whether the market of the calendar ``name`` is open in ``minute`` (counted since 1970)."""
        if name == ALWAYS:
            return True
        found = self._answers.get((name, minute))
        if found is None:
            if len(self._answers) > 100_000:
                self._answers.clear()
            moment = np.array([minute * MINUTE_US], dtype=np.int64)
            found = self._answers[(name, minute)] = bool(self._of(name).is_open(moment)[0])
        return found

    def open_between(self, name: str, begin_us: int, end_us: int) -> bool:
        """Whether it is open in any minute of that time."""
        if name == ALWAYS:
            return True
        minutes = np.arange(begin_us // MINUTE_US, (end_us - 1) // MINUTE_US + 1, dtype=np.int64)
        return bool(self._of(name).is_open(minutes * MINUTE_US).any())

    def open_for_us(self, name: str, since_us: int, now_us: int) -> int:
        """How long it has been open without a break until ``now_us``, counted from ``since_us`` on."""
        if name == ALWAYS:
            return now_us - since_us
        last = now_us // MINUTE_US
        minutes = np.arange(max(since_us // MINUTE_US, last - _MOST_MINUTES), last + 1, dtype=np.int64)
        closed = np.flatnonzero(~self._of(name).is_open(minutes * MINUTE_US))
        if len(closed):
            since_us = max(since_us, int(minutes[closed[-1]] + 1) * MINUTE_US)
        return max(now_us - since_us, 0)

    def _of(self, name: str) -> OpenHours:
        found = self._known.get(name)
        if found is None:
            try:
                found = self._calendar_of(name)
            except BarographError as error:
                # A tape of a later version may name one that this one lacks: open is the safe answer.
                log.warning("a calendar is not known, its market counts as always open", problem=str(error))
                found = _Always()
            self._known[name] = found
        return found
