"""Calendars against what the exchanges have published: tables copied here, independent of any library."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.calendars import ALWAYS_OPEN, Calendar, Session, calendar
from barograph.calendars.calendar import from_sessions
from barograph.calendars.tables import table
from barograph.clock import DAY_US, MINUTE_US, from_us, to_us
from barograph.errors import DataError, SettingsError, StorageError, UsageError

NEW_YORK, INDIA, TOKYO = (ZoneInfo(name) for name in ("America/New_York", "Asia/Kolkata", "Asia/Tokyo"))

# NYSE Group, "Holiday and Early Closings Calendar" for 2024 and 2025, and its notice of the
# national day of mourning on 9 January 2025.
NYSE_CLOSED = {
    2024: "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25",
    2025: "01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25",
}
NYSE_UNTIL_ONE = {2024: "07-03 11-29 12-24", 2025: "07-03 11-28 12-24"}

# NSE circulars on trading holidays of 2024 and 2025, with those announced during the year.
NSE_CLOSED = {
    2024: "01-22 01-26 03-08 03-25 03-29 04-11 04-17 05-01 05-20 06-17 07-17 08-15 10-02 11-15 11-20 12-25",
    2025: "02-26 03-14 03-31 04-10 04-14 04-18 05-01 08-15 08-27 10-02 10-22 11-05 12-25",
}
# Sessions at other hours, or on days that are otherwise free.
NSE_SPECIAL = {
    date(2024, 1, 20): ["09:15-15:30"],
    date(2024, 3, 2): ["09:15-10:00", "11:30-12:30"],
    date(2024, 5, 18): ["09:15-10:00", "11:45-12:40"],
    date(2024, 11, 1): ["18:00-19:00"],
    date(2025, 2, 1): ["09:15-15:30"],
    date(2025, 10, 21): ["13:45-14:45"],
    date(2026, 2, 1): ["09:15-15:30"],
}


def days(year: int, text: str) -> set[date]:
    return {date.fromisoformat(f"{year}-{day}") for day in text.split()}


def weekdays(year: int) -> set[date]:
    every = (date(year, 1, 1) + timedelta(days=n) for n in range(366))
    return {day for day in every if day.year == year and day.weekday() < 5}


def year_of(name: str, year: int) -> list[Session]:
    return calendar(name).sessions(date(year, 1, 1), date(year, 12, 31))


def clock(part: Session, zone: ZoneInfo) -> str:
    return "-".join(f"{from_us(us).astimezone(zone):%H:%M}" for us in part[1:])


def us(text: str, zone: ZoneInfo) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=zone))


@pytest.mark.parametrize("year", [2024, 2025])
def test_given_a_year_then_new_york_is_open_on_the_published_days_at_the_published_hours(year: int) -> None:
    sessions = year_of("XNYS", year)
    assert {part.day for part in sessions} == weekdays(year) - days(year, NYSE_CLOSED[year])
    short = days(year, NYSE_UNTIL_ONE[year])
    for part in sessions:
        assert clock(part, NEW_YORK) == ("09:30-13:00" if part.day in short else "09:30-16:00")


@pytest.mark.parametrize("year", [2024, 2025])
def test_given_a_year_then_bombay_is_open_on_the_published_days_at_the_published_hours(year: int) -> None:
    sessions = year_of("XBOM", year)
    special = {day for day in NSE_SPECIAL if day.year == year}
    assert {part.day for part in sessions} == (weekdays(year) - days(year, NSE_CLOSED[year])) | special
    assert {clock(part, INDIA) for part in sessions if part.day not in special} == {"09:15-15:30"}


@pytest.mark.parametrize("day", NSE_SPECIAL)
def test_given_a_special_session_then_bombay_has_its_hours(day: date) -> None:
    assert [clock(part, INDIA) for part in calendar("XBOM").sessions(day, day)] == NSE_SPECIAL[day]


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2024-03-08T09:30", True),  # the last day of winter time
        ("2024-03-08T09:29", False),
        ("2024-03-11T09:30", True),  # the first of summer time
        ("2024-03-11T09:29", False),
        ("2024-11-01T15:59", True),
        ("2024-11-04T16:00", False),
        ("2024-11-04T15:59", True),
        ("2024-07-03T13:00", False),
        ("2024-07-06T12:00", False),  # a Saturday
    ],
)
def test_given_a_moment_on_new_yorks_clock_then_it_is_open_or_not_whatever_the_season(
    moment: str, is_open: bool
) -> None:
    assert calendar("XNYS").is_open_at(us(moment, NEW_YORK)) is is_open


def test_given_the_change_to_summer_time_then_the_opening_moves_by_an_hour_of_utc() -> None:
    opens = [from_us(part.open_us) for part in calendar("XNYS").sessions(date(2024, 3, 8), date(2024, 3, 11))]
    assert opens == [datetime(2024, 3, 8, 14, 30, tzinfo=UTC), datetime(2024, 3, 11, 13, 30, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        (date(2024, 7, 2), ["04:00-20:00"]),
        (date(2024, 7, 3), ["04:00-17:00"]),
        (date(2024, 7, 4), []),
        (date(2024, 12, 9), ["04:00-20:00"]),
    ],
)
def test_given_extended_hours_then_they_are_around_every_session(day: date, hours: list[str]) -> None:
    assert [clock(part, NEW_YORK) for part in calendar("XNYS-extended").sessions(day, day)] == hours


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("CDS", date(2024, 8, 8), ["09:00-17:00"]),
        ("CDS-cross", date(2024, 8, 8), ["09:00-19:30"]),
        ("CDS", date(2024, 8, 15), []),
        ("CDS", date(2024, 11, 1), ["18:00-19:00"]),
        ("MCX", date(2024, 3, 8), ["09:00-23:55"]),  # New York has winter time
        ("MCX", date(2024, 3, 11), ["09:00-23:30"]),
        ("MCX", date(2024, 8, 15), []),
        ("MCX", date(2024, 8, 10), []),
    ],
)
def test_given_an_indian_derivatives_exchange_then_its_own_hours(
    name: str, day: date, hours: list[str]
) -> None:
    assert [clock(part, INDIA) for part in calendar(name).sessions(day, day)] == hours


def test_given_days_behind_the_known_holidays_then_ordinary_weekdays_count_as_open() -> None:
    bombay = calendar("XBOM")
    assert bombay.known_until is not None
    later = bombay.known_until + timedelta(days=1)
    week = bombay.sessions(later, later + timedelta(days=6))
    assert len(week) == 5
    assert {clock(part, INDIA) for part in week} == {"09:15-15:30"}
    assert {part.day.weekday() for part in week} == {0, 1, 2, 3, 4}


def test_given_minutes_of_a_week_then_as_many_are_open_as_the_sessions_have() -> None:
    nyse = calendar("XNYS")
    begin = us("2024-07-01T00:00", NEW_YORK)
    minutes = np.arange(begin, begin + 7 * DAY_US, MINUTE_US, dtype=np.int64)
    open_then = nyse.is_open(minutes)
    assert open_then.dtype == np.bool_
    assert int(open_then.sum()) == 3 * 390 + 210
    assert nyse.is_open(minutes.reshape(7, -1)).shape == (7, 1440)
    assert nyse.is_open(np.empty(0, dtype=np.int64)).shape == (0,)


def test_given_a_moment_then_the_next_opening_and_closing() -> None:
    nyse = calendar("XNYS")
    at = us("2024-07-03T12:59", NEW_YORK)
    assert nyse.next_close_us(at) == us("2024-07-03T13:00", NEW_YORK)
    assert nyse.next_open_us(at) == us("2024-07-05T09:30", NEW_YORK)
    assert nyse.next_open_us(us("2060-01-01T00:00", NEW_YORK)) is None


@pytest.mark.parametrize("year", [1990, 2055])
def test_given_a_time_that_no_table_has_then_it_is_closed(year: int) -> None:
    at = us(f"{year}-07-03T12:00", NEW_YORK)
    assert not calendar("XNYS").is_open_at(at)
    assert calendar("24/7").is_open_at(at)


def test_given_markets_that_never_close_then_every_day_is_a_session() -> None:
    minutes = np.arange(10, dtype=np.int64) * MINUTE_US
    assert calendar("24/7").is_open(minutes).all()
    [one, two] = ALWAYS_OPEN.sessions(date(2024, 2, 28), date(2024, 2, 29))
    assert (one.close_us - one.open_us, two.open_us) == (DAY_US, one.close_us)
    assert ALWAYS_OPEN.next_open_us(0) is ALWAYS_OPEN.next_close_us(0) is None


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=20),
    st.integers(0, 2_100),
)
def test_given_any_sessions_then_open_is_between_an_opening_and_its_closing(
    lengths: list[tuple[int, int]], at: int
) -> None:
    parts: list[Session] = []
    end = 0
    for gap, length in lengths:
        parts.append(Session(date(1970, 1, 1), end + gap, end + gap + length))
        end += gap + length
    made: Calendar = from_sessions("made", reversed(parts), None)
    assert made.is_open_at(at) == any(part.open_us <= at < part.close_us for part in parts)
    assert made.next_open_us(at) == next((part.open_us for part in parts if part.open_us > at), None)
    assert made.next_close_us(at) == next((part.close_us for part in parts if part.close_us > at), None)
    assert made.is_open_at(at) == (made.is_open(np.array([at]))[0])


def test_given_sessions_that_overlap_or_none_then_they_are_refused() -> None:
    day = date(2024, 1, 1)
    with pytest.raises(SettingsError, match="overlap"):
        from_sessions("made", [Session(day, 0, 10), Session(day, 9, 20)], None)
    with pytest.raises(SettingsError, match="no session"):
        from_sessions("made", [], None)


@pytest.mark.parametrize(
    ("name", "hint"), [("XNYC", "'XNYS'"), ("nyse", "no calendar"), ("../etc", "no calendar")]
)
def test_given_a_name_that_is_none_then_a_near_one_is_told(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        calendar(name)


# Where tables come from. ``table.__wrapped__`` has no memory, as a process that has just started.

start = table.__wrapped__


def test_given_a_cache_then_only_the_first_start_computes_and_pandas_is_in_no_process_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import sys, pathlib; from barograph.calendars import calendar\n"
    code += f"cache = pathlib.Path({str(tmp_path)!r})\n"
    code += "calendar('24/7'); assert not calendar('XTKS', cache=cache).is_open_at(0)\n"
    code += "assert not {'pandas', 'exchange_calendars'} & set(sys.modules), 'imported'"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    [kept] = tmp_path.iterdir()
    assert kept.name.startswith("XTKS-")
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    tokyo = calendar("XTKS", cache=tmp_path)
    noon = us("2024-07-02T12:00", TOKYO)
    assert not tokyo.is_open_at(noon)  # Tokyo has a break
    day = date(2024, 7, 2)
    assert [clock(part, TOKYO) for part in tokyo.sessions(day, day)] == ["09:00-11:30", "12:30-15:00"]


@pytest.mark.parametrize("damage", ["{", "", "[]"])
def test_given_a_damaged_file_in_the_cache_then_it_is_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    (tmp_path / f"XTKS-{version('exchange_calendars')}-2.json").write_text(damage)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(DataError, match="could not be computed"):
        start("XTKS", tmp_path)


def test_given_a_cache_that_cannot_be_read_then_that_is_told(tmp_path: Path) -> None:
    (tmp_path / f"XTKS-{version('exchange_calendars')}-2.json").mkdir()
    with pytest.raises(StorageError, match="reading the calendar"):
        start("XTKS", tmp_path)


def test_given_a_computation_that_fails_then_its_last_words_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ValueError: broken' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(DataError, match="ValueError: broken"):
        start("XNYS")
