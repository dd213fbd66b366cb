"""Is there a session today, and is it time?"""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from barograph.calendars import calendar, reasons
from barograph.clock import to_us
from barograph.scheduling import Today, session_today
from barograph.scheduling.today import over_today

INDIA = ZoneInfo("Asia/Kolkata")


def asked(day: str, clock: str | None = None) -> Today:
    now_us = None if clock is None else to_us(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=INDIA))
    known = reasons("NSE")
    return session_today(
        calendar("NSE"), date.fromisoformat(day), known, now_us=now_us, not_before=time(8, 55)
    )


@pytest.mark.parametrize(
    ("day", "go", "said"),
    [
        ("2024-11-01", True, "18:00 to 19:00 Asia/Kolkata (Diwali Muhurat trading)"),
        ("2025-02-01", True, "Union Budget"),
        ("2025-10-21", True, "13:45 to 14:45"),
        ("2026-02-01", True, "09:15 to 15:30"),
        ("2024-03-02", True, "09:15 to 10:00 and 11:30 to 12:30"),
        ("2025-03-14", False, "Holi; the next is on Mon 2025-03-17"),
        ("2025-02-02", False, "weekend"),
        ("2025-03-13", True, "09:15 to 15:30"),
    ],
)
def test_given_a_day_then_yes_or_no_with_the_reason(day: str, go: bool, said: str) -> None:
    answer = asked(day)
    assert answer.go is go
    assert said in answer.why


@pytest.mark.parametrize(
    ("day", "clock", "go"),
    [
        ("2025-03-13", "08:54:59", False),
        ("2025-03-13", "08:55:00", True),
        ("2025-03-13", "12:00:00", True),  # a machine that boots within the session
        ("2025-03-14", "12:00:00", False),
        ("2025-02-01", "08:54:00", False),
        ("2025-02-01", "08:56:00", True),
        ("2024-11-01", "17:00:00", True),
    ],
)
def test_given_a_time_then_no_before_recording_begins(day: str, clock: str, go: bool) -> None:
    assert asked(day, clock).go is go


@pytest.mark.parametrize(("clock", "go"), [("06:39", False), ("06:40", True)])
def test_given_a_session_that_opens_earlier_then_it_begins_as_long_before_it(
    clock: str, go: bool, tmp_path: Path
) -> None:
    file = tmp_path / "calendars.toml"
    file.write_text(
        '[[special]]\ncalendar = "NSE"\nday = 2030-10-29\nreason = "drill"\n'
        "open = 07:00:00\nclose = 08:00:00\n"
    )
    now_us = to_us(datetime.fromisoformat(f"2030-10-29T{clock}").replace(tzinfo=INDIA))
    drill = calendar("NSE", file)
    answer = session_today(drill, date(2030, 10, 29), {}, now_us=now_us, not_before=time(8, 55))
    assert answer.go is go


@pytest.mark.parametrize(
    ("day", "clock", "over"),
    [
        ("2025-03-14", "10:00", True),
        ("2025-03-13", "15:34", False),
        ("2025-03-13", "15:35", True),
        ("2024-11-01", "16:00", False),  # the day's backup is made, the session is still to come
        ("2024-11-01", "19:05", True),
        ("2024-03-02", "10:30", False),  # between two halves
    ],
)
def test_given_a_time_then_the_day_is_over_or_not(day: str, clock: str, over: bool) -> None:
    now_us = to_us(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=INDIA))
    assert over_today(calendar("NSE"), date.fromisoformat(day), {}, now_us, 300.0).go is over
