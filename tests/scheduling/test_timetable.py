"""The times of a market: what is ordinary, what is special, what cannot be."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path

import pytest

from barograph.calendars import calendar
from barograph.errors import UsageError
from barograph.scheduling import Timetable, timetable

NSE = ("XBOM", time(8, 55), time(15, 35))
NYSE = ("XNYS", time(9, 25), time(16, 5))


def of(name: str, start: time, stop: time, today: date, overrides: Path | None = None) -> Timetable:
    return timetable(calendar(name, overrides), today, start, stop)


def test_given_bombay_then_its_weekdays_in_its_zone_and_a_grace_as_the_stop_says() -> None:
    times = of(*NSE, date(2025, 3, 1))
    assert times.starts()[0] == "Mon..Fri *-*-* 08:55:00 Asia/Kolkata"
    assert times.grace_s == 300


@pytest.mark.parametrize(
    ("today", "starts", "ends"),
    [
        # Muhurat trading on a Friday evening: begun at 08:55 as on any weekday, ended later.
        (date(2024, 10, 28), ["2025-02-01 08:55"], ["2024-11-01 19:05"]),
        (date(2025, 1, 28), ["2025-02-01 08:55", "2026-02-01 08:55"], []),
        (date(2023, 11, 9), ["2023-11-12 17:55"], ["2023-11-12 19:20"]),
    ],
)
def test_given_special_sessions_then_each_is_begun_and_ended_at_its_own_time(
    today: date, starts: list[str], ends: list[str]
) -> None:
    times = of(*NSE, today)
    assert [f"{moment:%Y-%m-%d %H:%M}" for moment in times.extra_starts][: len(starts)] == starts
    assert [f"{moment:%Y-%m-%d %H:%M}" for moment in times.extra_ends][: len(ends)] == ends


def test_given_a_session_of_a_file_that_opens_early_on_a_weekday_then_it_is_begun_early(
    tmp_path: Path,
) -> None:
    file = tmp_path / "calendars.toml"
    file.write_text(
        '[[special]]\ncalendar = "NSE"\nday = 2030-10-29\nreason = "drill"\n'
        "open = 07:00:00\nclose = 08:00:00\n"
    )
    times = of(*NSE, date(2030, 10, 1), file)
    assert times.extra_starts == (datetime(2030, 10, 29, 6, 40),)  # noqa: DTZ001 - a wall clock's
    assert "2030-10-29 06:40:00 Asia/Kolkata" in times.starts()


def test_given_early_closes_only_then_nothing_is_special() -> None:
    times = of(*NYSE, date(2026, 11, 1))
    assert times.starts() == ["Mon..Fri *-*-* 09:25:00 America/New_York"]
    assert (times.extra_starts, times.extra_ends) == ((), ())


def test_no_recording_is_cut_off_before_the_day_ends() -> None:
    times = of(*NSE, date(2024, 10, 28))
    assert times.longest_s >= (19 * 60 + 5 - (8 * 60 + 55)) * 60


@pytest.mark.parametrize(
    ("start", "stop", "said"),
    [
        (time(8, 55), time(15), "before XBOM closes, at 15:30"),
        (time(15, 31), time(15, 35), "before it opens, at 09:15"),
    ],
)
def test_given_times_that_do_not_go_with_the_market_then_the_bound_is_told(
    start: time, stop: time, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        of("XBOM", start, stop, date(2025, 3, 1))


def test_given_sessions_over_midnight_then_they_are_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match="24/7"):
        of("CMES", time(8), time(17), date(2025, 3, 1))
