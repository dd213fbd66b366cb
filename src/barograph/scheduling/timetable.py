"""When a recorder starts and stops, from a market's calendar. Pure: calendar and day are handed in."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from barograph.calendars import Calendar, Ordinary, ordinary_hours
from barograph.clock import from_us
from barograph.errors import UsageError

AHEAD = timedelta(days=400)
"""So far ahead special sessions are looked for."""
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = timedelta(days=1)
_SLACK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Timetable:
    """When to record a market that opens and closes. Times are those of its wall clock.

    Attributes:
        calendar: its calendar's name.
        zone: of its wall clock, by its IANA name.
        weekdays: those that have sessions, Monday is 0.
        start, stop: when recording begins and ends on ordinary ones.
        grace_s: how long after the day's last close it ends.
        extra_starts: for special sessions for which ``start`` does not come, or too late; naive.
        extra_ends: when recording ends on days on which it ends later than usual; naive.
        longest_s: no recording is longer than this.
    """

    calendar: str
    zone: str
    weekdays: frozenset[int]
    start: time
    stop: time
    grace_s: int
    extra_starts: tuple[datetime, ...]
    extra_ends: tuple[datetime, ...]
    longest_s: int

    def starts(self) -> list[str]:
        """The starts as systemd's calendar expressions.

        >>> week = frozenset(range(5))
        >>> five = Timetable("XBOM", "Asia/Kolkata", week, time(8, 55), time(15, 35), 300, (), (), 54_000)
        >>> five.starts()
        ['Mon..Fri *-*-* 08:55:00 Asia/Kolkata']
        """
        usual = f"{_days(self.weekdays)} *-*-* {self.start:%H:%M:%S} {self.zone}"
        return [usual, *(expression(moment, self.zone) for moment in self.extra_starts)]


def expression(moment: datetime, zone: str) -> str:
    """One moment as a calendar expression of systemd.

    >>> expression(datetime(2030, 10, 26, 17, 55), "Asia/Kolkata")
    '2030-10-26 17:55:00 Asia/Kolkata'
    """
    return f"{moment:%Y-%m-%d %H:%M:%S} {zone}"


def timetable(calendar: Calendar, today: date, start: time, stop: time) -> Timetable:
    """The timetable of a market from ``today`` on.

    Args:
        calendar: the market's.
        today: special sessions are looked for from here on.
        start: begin to record then on ordinary days; where a special session opens earlier or on
            another day, as long before its opening.
        stop: end then on ordinary days; as long after the close on days that close at another time.

    Raises:
        UsageError: the times do not go with the market.
    """
    usual = ordinary_hours(calendar, today)
    if usual is None:
        raise UsageError(f"{calendar.name} has no session around {today}: nothing to make a timetable of")
    _check(calendar.name, usual, start, stop)
    grace, before = _since_midnight(stop) - usual.closes, lead(usual, start)
    starts: list[datetime] = []
    ends: list[datetime] = []
    for day, opens, closes in _spans(calendar, today):
        if day.weekday() not in usual.weekdays or opens - before < datetime.combine(day, start):
            starts.append(opens - before)
        if closes + grace > datetime.combine(day, stop):
            ends.append(closes + grace)
    earliest = min([start, *(moment.time() for moment in starts)])
    longest = _DAY - _since_midnight(earliest) + grace + _SLACK
    return Timetable(
        calendar=calendar.name,
        zone=str(calendar.zone),
        weekdays=usual.weekdays,
        start=start,
        stop=stop,
        grace_s=int(grace.total_seconds()),
        extra_starts=tuple(starts),
        extra_ends=tuple(ends),
        longest_s=int(longest.total_seconds()),
    )


def lead(usual: Ordinary, start: time) -> timedelta:
    """How long before an opening recording begins, when it begins at ``start`` on ordinary days."""
    return max(usual.opens - _since_midnight(start), timedelta())


def _check(name: str, usual: Ordinary, start: time, stop: time) -> None:
    midnight = timedelta()
    if usual.opens < midnight or usual.closes > _DAY:
        raise UsageError(
            f"sessions of {name} go over midnight, a start and a stop of one day cannot say when; "
            "record it around the clock: --market 24/7"
        )
    if _since_midnight(stop) < usual.closes:
        raise UsageError(
            f"--stop {stop:%H:%M} is before {name} closes, at {_clock(usual.closes)}; "
            "give that or a later time"
        )
    if _since_midnight(start) >= usual.closes:
        raise UsageError(
            f"--start {start:%H:%M} is after {name} closes, at {_clock(usual.closes)}; "
            f"give a time before it opens, at {_clock(usual.opens)}"
        )


def _spans(calendar: Calendar, today: date) -> Iterator[tuple[date, datetime, datetime]]:
    """Each coming day that has a session, with its first opening and last close on the wall clock."""
    first: dict[date, datetime] = {}
    last: dict[date, datetime] = {}
    for part in calendar.sessions(today, today + AHEAD):
        opens, closes = (
            from_us(us).astimezone(calendar.zone).replace(tzinfo=None) for us in (part.open_us, part.close_us)
        )
        first.setdefault(part.day, opens)
        last[part.day] = closes
    return ((day, first[day], last[day]) for day in first)


def _days(weekdays: Collection[int]) -> str:
    """Weekdays as systemd names them: a range where there is one.

    >>> _days({0, 1, 2, 3, 4}), _days({0, 1, 2, 3, 6})
    ('Mon..Fri', 'Mon,Tue,Wed,Thu,Sun')
    """
    ordered = sorted(weekdays)
    if len(ordered) > 1 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{_WEEKDAYS[ordered[0]]}..{_WEEKDAYS[ordered[-1]]}"
    return ",".join(_WEEKDAYS[day] for day in ordered)


def _since_midnight(moment: time) -> timedelta:
    return timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)


def _clock(since_midnight: timedelta) -> str:
    minutes = int(since_midnight.total_seconds()) // 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
