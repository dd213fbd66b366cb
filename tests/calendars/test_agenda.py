"""What kind of day each is, whatever the market."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.calendars import (
    ALWAYS_OPEN,
    Calendar,
    Session,
    agenda,
    horizon_warning,
    ordinary_hours,
    reasons,
)
from barograph.calendars.calendar import from_sessions
from barograph.clock import to_us

MONDAY = date(2025, 1, 6)
Parts = tuple[tuple[int, int], ...]
WHOLE: Parts = ((9, 12), (13, 16))


def market(days: dict[int, Parts], known_until: date | None = None) -> Calendar:
    """Half a year of ordinary weekdays, and other hours on ``days``, counted from a Monday."""
    plan = {n: WHOLE for n in range(-100, 100) if n % 7 < 5} | days
    sessions = [
        Session(day, *(to_us(datetime.combine(day, time(hour), UTC)) for hour in part))
        for n, parts in plan.items()
        for day in [MONDAY + timedelta(days=n)]
        for part in parts
    ]
    return from_sessions("made", sessions, known_until)


def kinds(calendar: Calendar, days: int = 7) -> list[str]:
    return [day.kind for day in agenda(calendar, MONDAY, MONDAY + timedelta(days=days - 1), {})]


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        (WHOLE, "ordinary"),
        ((), "holiday"),
        (((9, 12),), "short"),
        (((9, 15),), "short"),
        (((18, 19),), "special"),
        (((9, 10), (11, 12)), "special"),
        (((9, 18),), "special"),
    ],
)
def test_a_weekday_is_known_by_its_hours(parts: Parts, kind: str) -> None:
    assert kinds(market({1: parts})) == [
        "ordinary",
        kind,
        "ordinary",
        "ordinary",
        "ordinary",
        "weekend",
        "weekend",
    ]


def test_a_session_on_a_free_day_is_special_and_makes_no_weekday_of_it() -> None:
    calendar = market({5: WHOLE})
    assert kinds(calendar)[5] == "special"
    usual = ordinary_hours(calendar, MONDAY)
    assert usual is not None
    assert usual.weekdays == frozenset(range(5))
    assert (usual.opens, usual.closes) == (timedelta(hours=9), timedelta(hours=16))


def test_a_reason_is_told_of_days_that_differ_and_of_no_others() -> None:
    names = {MONDAY: "named", MONDAY + timedelta(days=1): "feast", MONDAY + timedelta(days=5): "Saturday"}
    days = agenda(market({1: ()}), MONDAY, MONDAY + timedelta(days=5), names)
    assert [day.reason for day in days] == ["", "feast", "", "", "", ""]


@given(
    st.dictionaries(st.integers(0, 60), st.sampled_from([(), WHOLE, ((9, 12),), ((18, 19),)]), max_size=20)
)
def test_every_day_is_told_once_and_every_session_with_its_day(days: dict[int, Parts]) -> None:
    calendar = market(days)
    last = MONDAY + timedelta(days=60)
    found = agenda(calendar, MONDAY, last, {})
    assert [day.day for day in found] == [MONDAY + timedelta(days=n) for n in range(61)]
    assert [part for day in found for part in day.sessions] == calendar.sessions(MONDAY, last)
    assert all((day.kind in ("holiday", "weekend")) == (not day.sessions) for day in found)


def test_the_horizon_is_told_sixty_days_ahead() -> None:
    calendar = market({}, known_until=date(2025, 6, 30))
    assert horizon_warning(calendar, date(2025, 5, 1)) is not None
    assert horizon_warning(calendar, date(2025, 4, 30)) is None
    assert horizon_warning(calendar, date(2025, 7, 1)) is not None
    assert horizon_warning(ALWAYS_OPEN, date(2025, 5, 1)) is None
    assert horizon_warning(market({}), date(2025, 5, 1)) is None


def test_holidays_are_named_by_the_library_or_by_the_package() -> None:
    assert reasons("NYSE")[date(2025, 11, 27)] == "Thanksgiving"
    assert reasons("NSE")[date(2025, 8, 27)] == "Ganesh Chaturthi"
    assert reasons("24/7") == {}


def test_every_holiday_of_india_that_is_known_for_these_years_has_a_name() -> None:
    from barograph.calendars import calendar

    names = reasons("NSE")
    for year in (2025, 2026):
        days = agenda(calendar("NSE"), date(year, 1, 1), date(year, 12, 31), names)
        assert [str(day.day) for day in days if day.kind in ("holiday", "special") and not day.reason] == []
