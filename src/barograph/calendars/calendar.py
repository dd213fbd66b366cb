"""A calendar: which moments a market is open at. All moments are microseconds UTC."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from barograph.clock import DAY_US, day_start_us, from_us
from barograph.errors import SettingsError
from barograph.rows import Ints, Mask


class Session(NamedTuple):
    """A stretch of time in which a market is open: ``open_us`` is in it, ``close_us`` is behind it.

    A day with a break at noon has two of them. ``day`` is the exchange's own date.
    """

    day: date
    open_us: int
    close_us: int


class Calendar(Protocol):
    """What everybody asks of a calendar.

    Attributes:
        name: what it is asked for by, ``"XNYS"``.
        known_until: the last day whose holidays are known; on later days every ordinary weekday
            counts as open. None: it has no holidays.
        zone: of the exchange's wall clock, which its dates are told by.
    """

    @property
    def name(self) -> str: ...

    @property
    def known_until(self) -> date | None: ...

    @property
    def zone(self) -> tzinfo: ...

    def is_open(self, minute_us: Ints) -> Mask:
        """Whether the market is open at each of the moments ``minute_us``, int64, any shape."""
        ...

    def is_open_at(self, us: int) -> bool:
        """Whether the market is open at ``us``."""
        ...

    def sessions(self, first_day: date, last_day: date) -> list[Session]:
        """The sessions of the exchange's days from ``first_day`` to ``last_day``, both included."""
        ...

    def next_open_us(self, us: int) -> int | None:
        """The first opening after ``us``; None: there is none."""
        ...

    def next_close_us(self, us: int) -> int | None:
        """The first closing after ``us``; None: there is none."""
        ...


@dataclass(frozen=True, slots=True)
class AlwaysOpen:
    """Markets that never close. A session is a day of UTC.

    >>> ALWAYS_OPEN.is_open_at(0), ALWAYS_OPEN.next_close_us(0)
    (True, None)
    """

    name: str = "24/7"
    known_until: date | None = None
    zone: tzinfo = UTC

    def is_open(self, minute_us: Ints) -> Mask:
        return np.ones(np.shape(minute_us), dtype=np.bool_)

    def is_open_at(self, us: int) -> bool:  # noqa: ARG002 - the question is part of the protocol
        return True

    def sessions(self, first_day: date, last_day: date) -> list[Session]:
        count = (last_day - first_day).days + 1
        days = (first_day + timedelta(days=n) for n in range(count))
        return [Session(day, day_start_us(day), day_start_us(day) + DAY_US) for day in days]

    def next_open_us(self, us: int) -> int | None:  # noqa: ARG002
        return None

    def next_close_us(self, us: int) -> int | None:  # noqa: ARG002
        return None


ALWAYS_OPEN = AlwaysOpen()


@dataclass(frozen=True, slots=True)
class Sessions:
    """A market with opening hours, as arrays in the order of time.

    Attributes:
        days: the exchange's date of each session, in days since 1970, int64, shape (n,).
        opens_us, closes_us: its first moment, and the first behind it, int64, shape (n,).
    """

    name: str
    known_until: date | None
    days: Ints = field(repr=False)
    opens_us: Ints = field(repr=False)
    closes_us: Ints = field(repr=False)
    zone: tzinfo = UTC

    def is_open(self, minute_us: Ints) -> Mask:
        at = np.searchsorted(self.opens_us, minute_us, side="right") - 1
        found: Mask = (at >= 0) & (minute_us < self.closes_us[at])
        return found

    def is_open_at(self, us: int) -> bool:
        return bool(self.is_open(np.array([us], dtype=np.int64))[0])

    def sessions(self, first_day: date, last_day: date) -> list[Session]:
        first, last = (day_start_us(day) // DAY_US for day in (first_day, last_day))
        begin = int(np.searchsorted(self.days, first, side="left"))
        end = int(np.searchsorted(self.days, last, side="right"))
        rows = zip(self.days[begin:end], self.opens_us[begin:end], self.closes_us[begin:end], strict=True)
        return [Session(from_us(int(day) * DAY_US).date(), int(o), int(c)) for day, o, c in rows]

    def next_open_us(self, us: int) -> int | None:
        return _next(self.opens_us, us)

    def next_close_us(self, us: int) -> int | None:
        return _next(self.closes_us, us)


def _next(moments: Ints, us: int) -> int | None:
    at = int(np.searchsorted(moments, us, side="right"))
    return int(moments[at]) if at < len(moments) else None


def from_sessions(
    name: str, sessions: Iterable[Session], known_until: date | None, zone: tzinfo = UTC
) -> Sessions:
    """The calendar of ``sessions``, in any order.

    Raises:
        SettingsError: there is none, or two of them overlap.
    """
    ordered = sorted(sessions, key=lambda session: session.open_us)
    if not ordered:
        raise SettingsError(f"the calendar {name} has no session at all")
    for before, after in pairwise(ordered):
        if after.open_us < before.close_us or after.day < before.day:
            raise SettingsError(
                f"two sessions of {name} overlap: {before.day} until {from_us(before.close_us)} and "
                f"{after.day} from {from_us(after.open_us)}; correct the file of special sessions"
            )
    days = [day_start_us(session.day) // DAY_US for session in ordered]
    opens, closes = [s.open_us for s in ordered], [s.close_us for s in ordered]
    return Sessions(name, known_until, _frozen(days), _frozen(opens), _frozen(closes), zone)


def _frozen(values: list[int]) -> Ints:
    array = np.array(values, dtype=np.int64)
    array.flags.writeable = False  # one calendar is shared by everybody who asks for it
    return array
