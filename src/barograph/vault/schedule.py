"""Which backups are due: a daily after each day that had a session, a weekly after the week's last one.

Pure: from the market's calendar, the settings and the backups that there are. A timer may ask as often as
it likes; what has been made is not due again, and what was missed is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from barograph.calendars import ALWAYS_OPEN, Calendar
from barograph.clock import from_us, to_us
from barograph.vault.manifest import Manifest, moment_us

_BACK, _AHEAD = timedelta(days=31), timedelta(days=15)


@dataclass(frozen=True, slots=True)
class Timetable:
    """When backups of rows are due.

    Attributes:
        calendar: tells which days have sessions.
        at: the wall clock's time in ``zone``; a session that ends later on that day is waited for.
    """

    calendar: Calendar
    at: time
    zone: ZoneInfo

    def moments(self, around_us: int) -> dict[date, int]:
        """When the backup of each day with a session is due, microseconds UTC, for some weeks around."""
        today = from_us(around_us).astimezone(self.zone).date()
        closes: dict[date, int] = {}
        for session in self.calendar.sessions(today - _BACK, today + _AHEAD):
            closes[session.day] = max(session.close_us, closes.get(session.day, 0))
        found = {}
        for day, close_us in sorted(closes.items()):
            at_us = to_us(datetime.combine(day, self.at, self.zone))
            found[day] = at_us if self.calendar is ALWAYS_OPEN else max(at_us, close_us)
        return found


@dataclass(frozen=True, slots=True)
class Due:
    """What is due.

    Attributes:
        kind: None: nothing.
        since_us: from when on; None with ``kind``.
        next_us: when the next one will be; None: the calendar knows no further session.
    """

    kind: Literal["daily", "weekly"] | None
    since_us: int | None
    next_us: int | None


def due(timetable: Timetable, made: Iterable[Manifest], now_us: int) -> Due:
    """Which backup of rows is due at ``now_us``, when those in ``made`` are there.

    A full backup counts as a weekly, and a weekly as the daily of its day.
    """
    moments = timetable.moments(now_us)
    past = [day for day, at_us in moments.items() if at_us <= now_us]
    ahead = [at_us for at_us in moments.values() if at_us > now_us]
    next_us = min(ahead, default=None)
    backups = [each for each in made if each.kind != "hourly-raw"]
    newest_us = max((moment_us(each.id) for each in backups), default=None)
    newest_full_us = max((moment_us(each.id) for each in backups if each.full), default=None)
    week_ends = [day for day in past if _is_last_of_week(day, moments)]
    if week_ends and _is_before(newest_full_us, moments[week_ends[-1]]):
        return Due("weekly", moments[week_ends[-1]], next_us)
    if past and _is_before(newest_us, moments[past[-1]]):
        return Due("daily", moments[past[-1]], next_us)
    return Due(None, None, next_us)


def _is_before(made_us: int | None, due_us: int) -> bool:
    # An id has whole seconds.
    return made_us is None or made_us < due_us - due_us % 1_000_000


def _is_last_of_week(day: date, days: Iterable[date]) -> bool:
    """Whether no later day of the week, Monday to Sunday, has a session."""
    week = day.isocalendar()[:2]
    return not any(other > day and other.isocalendar()[:2] == week for other in days)
