"""Whether a market has a session today, for those who start and stop things by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from barograph.calendars import Calendar, Day, agenda, ordinary_hours
from barograph.clock import US_PER_S, from_us, to_us
from barograph.scheduling.timetable import lead

_WEEKS_AHEAD = timedelta(days=21)


@dataclass(frozen=True, slots=True)
class Today:
    """The answer.

    Attributes:
        go: whether it is yes.
        day: what the calendar says of the day.
        why: a sentence.
    """

    go: bool
    day: Day
    why: str


def session_today(
    calendar: Calendar,
    day: date,
    reasons: Mapping[date, str],
    *,
    now_us: int | None = None,
    not_before: time | None = None,
) -> Today:
    """Whether there is a session on ``day``.

    Args:
        calendar: the market's.
        day: the market's own date.
        reasons: names of days.
        now_us: the present; None: only the day counts.
        not_before: when recording begins on ordinary days: before that, or before it begins for
            a special session that opens earlier, the answer is no.
    """
    [found] = agenda(calendar, day, day, reasons)
    if not found.sessions:
        return Today(False, found, f"{_no_session(calendar, found)}; {_next(calendar, day)}")
    if now_us is not None and not_before is not None:
        begins_us = _begins_us(calendar, found, not_before)
        if now_us < begins_us:
            why = f"{_has_session(calendar, found)}; it is too early, recording begins at"
            return Today(False, found, f"{why} {from_us(begins_us).astimezone(calendar.zone):%H:%M}")
    return Today(True, found, _has_session(calendar, found))


def over_today(
    calendar: Calendar, day: date, reasons: Mapping[date, str], now_us: int, grace_s: float
) -> Today:
    """Whether nothing is left of ``day``: it has no session, or the last is over for ``grace_s`` seconds."""
    [found] = agenda(calendar, day, day, reasons)
    if not found.sessions:
        return Today(True, found, _no_session(calendar, found))
    ends_us = found.sessions[-1].close_us + int(grace_s * US_PER_S)
    state = "it is over" if now_us >= ends_us else "it is not over"
    return Today(now_us >= ends_us, found, f"{_has_session(calendar, found)}; {state}")


def _begins_us(calendar: Calendar, found: Day, not_before: time) -> int:
    usual = ordinary_hours(calendar, found.day)
    ahead = lead(usual, not_before) if usual is not None else timedelta()
    ordinary = to_us(datetime.combine(found.day, not_before, calendar.zone))
    return min(ordinary, found.sessions[0].open_us - ahead // timedelta(microseconds=1))


def _has_session(calendar: Calendar, found: Day) -> str:
    parts = " and ".join(
        f"{from_us(part.open_us).astimezone(calendar.zone):%H:%M} to "
        f"{from_us(part.close_us).astimezone(calendar.zone):%H:%M}"
        for part in found.sessions
    )
    named = f" ({found.reason})" if found.reason else ""
    return f"{calendar.name} has a session on {found.day:%a %Y-%m-%d}: {parts} {calendar.zone}{named}"


def _no_session(calendar: Calendar, found: Day) -> str:
    return f"{calendar.name} has no session on {found.day:%a %Y-%m-%d}: {found.reason or found.kind}"


def _next(calendar: Calendar, day: date) -> str:
    coming = calendar.sessions(day + timedelta(days=1), day + _WEEKS_AHEAD)
    return f"the next is on {coming[0].day:%a %Y-%m-%d}" if coming else "none is known within three weeks"
