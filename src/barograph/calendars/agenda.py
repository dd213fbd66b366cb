"""What the coming days of a market are: ordinary, short, special, or free, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from typing import Literal, NamedTuple, TypeAlias

from barograph.calendars.calendar import Calendar, Session
from barograph.calendars.hours import wall_clock

HORIZON_DAYS = 60
"""From here on it is told that a calendar's holidays will soon not be known."""
_AROUND = timedelta(days=200)
_RARE = 10

Kind: TypeAlias = Literal["ordinary", "short", "special", "holiday", "weekend"]
Hours: TypeAlias = tuple[tuple[timedelta, timedelta], ...]


@dataclass(frozen=True, slots=True)
class Ordinary:
    """What most days of a market are like.

    Attributes:
        weekdays: those that have sessions, Monday is 0.
        hours: opening and closing of each part, as the wall clock's distance from the day's midnight.
    """

    weekdays: frozenset[int]
    hours: Hours

    @property
    def opens(self) -> timedelta:
        """When the day's first part opens."""
        return self.hours[0][0]

    @property
    def closes(self) -> timedelta:
        """When its last part closes."""
        return self.hours[-1][1]


class Day(NamedTuple):
    """A market's day.

    Attributes:
        day: the market's own date.
        sessions: in the order of time; none on a holiday.
        kind: ``short`` opens as usual and closes early; ``special`` is at other hours, or on a
            day that is free otherwise.
        reason: a holiday's or special session's name; empty where nobody has said it.
    """

    day: date
    sessions: tuple[Session, ...]
    kind: Kind
    reason: str


def ordinary_hours(calendar: Calendar, around: date) -> Ordinary | None:
    """What most days within some months of ``around`` are like; None when there are no sessions."""
    by_day = _by_day(calendar, around - _AROUND, around + _AROUND)
    if not by_day:
        return None
    hours = Counter(_hours(parts, calendar.zone) for parts in by_day.values()).most_common(1)[0][0]
    counts = Counter(day.weekday() for day in by_day)
    return Ordinary(frozenset(weekday for weekday, times in counts.items() if times > _RARE), hours)


def agenda(calendar: Calendar, first: date, last: date, reasons: Mapping[date, str]) -> list[Day]:
    """Every day from ``first`` to ``last``, both included.

    Args:
        calendar: the market's.
        reasons: names of days, see :func:`barograph.calendars.reasons`.
    """
    usual = ordinary_hours(calendar, first)
    by_day = _by_day(calendar, first, last)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [_day(day, by_day.get(day, ()), calendar.zone, usual, reasons.get(day, "")) for day in days]


def _day(day: date, parts: tuple[Session, ...], zone: tzinfo, usual: Ordinary | None, reason: str) -> Day:
    known = usual is not None and day.weekday() in usual.weekdays
    if usual is None or not parts:
        return Day(day, parts, "holiday" if known else "weekend", reason if known else "")
    hours = _hours(parts, zone)
    if known and hours == usual.hours:
        return Day(day, parts, "ordinary", "")
    # A break is no news: a short day is known by where it begins and ends.
    short = known and hours[0][0] == usual.opens and hours[-1][1] < usual.closes and len(hours) == 1
    return Day(day, parts, "short" if short else "special", reason)


def horizon_warning(calendar: Calendar, today: date) -> str | None:
    """What to say when the calendar's holidays end within :data:`HORIZON_DAYS` of ``today``, else None."""
    until = calendar.known_until
    if until is None or (until - today).days > HORIZON_DAYS:
        return None
    return (
        f"the holidays of {calendar.name} are known until {until} only, later weekdays all count as open; "
        "update exchange_calendars, or write the coming holidays into calendars.toml of the data directory"
    )


def _by_day(calendar: Calendar, first: date, last: date) -> dict[date, tuple[Session, ...]]:
    found: dict[date, tuple[Session, ...]] = {}
    for part in calendar.sessions(first, last):
        found[part.day] = (*found.get(part.day, ()), part)
    return found


def _hours(parts: tuple[Session, ...], zone: tzinfo) -> Hours:
    return tuple(wall_clock(part, zone) for part in parts)
