"""Time as the whole house speaks it: UTC, in integers.

Receipt times are nanoseconds (``*_ns``), table times are microseconds (``*_us``).
Nothing below the shell reads the wall clock: a :class:`Clock` is handed in.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

US_PER_S = 1_000_000
NS_PER_US = 1_000
NS_PER_S = 1_000_000_000
MINUTE_US = 60 * US_PER_S
DAY_US = 86_400 * US_PER_S

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()


class Clock(Protocol):
    """Where the present comes from."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_ns(self) -> int:
        return time.time_ns()


class ManualClock:
    """A clock that stands still until it is told to move; for tests and replays."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds``."""
        self._now_ns += int(seconds * NS_PER_S)


def to_us(moment: datetime) -> int:
    """Microseconds since the epoch of an aware ``moment``.

    >>> to_us(datetime(2024, 8, 8, tzinfo=UTC))
    1723075200000000
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; Barograph's times are UTC")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """The aware UTC datetime of ``us`` microseconds since the epoch."""
    return _EPOCH + timedelta(microseconds=us)


def day_of(us: int) -> date:
    """The UTC day that ``us`` falls in."""
    return from_us(us - us % DAY_US).date()


def day_start_us(day: date) -> int:
    """The first microsecond of ``day``, UTC."""
    return (day.toordinal() - _EPOCH_DAY) * DAY_US
