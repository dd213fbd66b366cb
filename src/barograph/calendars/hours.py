"""Hours that are made from rules: derived calendars, weekly ones, and days not known yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from barograph.calendars.calendar import Session
from barograph.calendars.exchange import FIRST, LAST
from barograph.clock import US_PER_S, from_us, to_us

INDIA = ZoneInfo("Asia/Kolkata")
NEW_YORK = ZoneInfo("America/New_York")
_NSE_DAY = (time(9, 15), time(15, 30))
_MCX_CLOSED = ((1, 26), (8, 15), (10, 2), (12, 25))
_PATTERN_SESSIONS = 250
_RARE = 10


def session(day: date, opens: time, closes: time, zone: ZoneInfo) -> Session:
    """The session of ``day`` between two times of the wall clock in ``zone``."""
    return Session(day, *(to_us(datetime.combine(day, moment, zone)) for moment in (opens, closes)))


def weekdays(first: date, last: date) -> Iterator[date]:
    """Mondays to Fridays from ``first`` to ``last``, both included."""
    day = first
    while day <= last:
        if day.weekday() < 5:
            yield day
        day += timedelta(days=1)


def extended(regular: Iterable[Session]) -> Iterator[Session]:
    """US equities with early and late trading: from 04:00 in New York to four hours after the close.

    That is 20:00, and 17:00 on days that close at 13:00 (NYSE Group, holidays and early closings).
    """
    for day, _, close_us in regular:
        open_us = to_us(datetime.combine(day, time(4), NEW_YORK))
        yield Session(day, open_us, close_us + 4 * 3600 * US_PER_S)


def currency(regular: Iterable[Session], closes: time) -> Iterator[Session]:
    """Indian currency derivatives: 09:00 to ``closes`` on the days of the stock market.

    Special sessions of the stock market are taken as they are.
    """
    for part in regular:
        clock = tuple(from_us(us).astimezone(INDIA).time() for us in part[1:])
        yield session(part.day, time(9), closes, INDIA) if clock == _NSE_DAY else part


def commodities() -> Iterator[Session]:
    """Indian commodity exchanges: weekdays 09:00 to 23:30, to 23:55 while New York has winter time.

    Of the holidays only those are known that have the same date every year: 26 January,
    15 August, 2 October and 25 December. On most others the evening is traded.
    """
    for day in weekdays(FIRST, LAST):
        if (day.month, day.day) not in _MCX_CLOSED:
            summer = datetime.combine(day, time(12), NEW_YORK).dst()
            yield session(day, time(9), time(23, 30) if summer else time(23, 55), INDIA)


def prolonged(known: list[Session], known_until: date, zone: ZoneInfo) -> Iterator[Session]:
    """``known``, and after it every ordinary weekday up to the end of our time with ordinary hours.

    What is ordinary is what most of the last sessions were.
    """
    yield from known
    by_day: dict[date, list[tuple[timedelta, timedelta]]] = {}
    for part in known[-_PATTERN_SESSIONS:]:
        by_day.setdefault(part.day, []).append(wall_clock(part, zone))
    hours = Counter(map(tuple, by_day.values())).most_common(1)[0][0]
    open_on = {weekday for weekday, times in Counter(map(date.weekday, by_day)).items() if times > _RARE}
    day = known_until + timedelta(days=1)
    while day <= LAST:
        if day.weekday() in open_on:
            midnight = datetime.combine(day, time())
            for opens, closes in hours:
                yield Session(day, *(to_us((midnight + at).replace(tzinfo=zone)) for at in (opens, closes)))
        day += timedelta(days=1)


def wall_clock(part: Session, zone: tzinfo) -> tuple[timedelta, timedelta]:
    """Opening and closing as the wall clock's distance from the day's midnight."""
    midnight = datetime.combine(part.day, time())
    opens, closes = (from_us(us).astimezone(zone).replace(tzinfo=None) - midnight for us in part[1:])
    return opens, closes
