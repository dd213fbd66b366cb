"""Which backups are due: cases by the calendar, and that what was made is not due again."""

from __future__ import annotations

from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from barograph.calendars import ALWAYS_OPEN, calendar
from barograph.clock import from_us, to_us
from barograph.vault.manifest import Kind, Manifest, moment_id
from barograph.vault.schedule import Timetable, due

INDIA, NEW_YORK, UTC = ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York"), ZoneInfo("UTC")


@pytest.fixture(scope="module")
def nse(tmp_path_factory: pytest.TempPathFactory) -> Timetable:
    cache = tmp_path_factory.mktemp("calendars")
    return Timetable(calendar("XBOM", None, cache), time(16), INDIA)


@pytest.fixture(scope="module")
def nyse(tmp_path_factory: pytest.TempPathFactory) -> Timetable:
    cache = tmp_path_factory.mktemp("calendars")
    return Timetable(calendar("XNYS", None, cache), time(2), NEW_YORK)


def us(text: str, zone: ZoneInfo = INDIA) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=zone))


def backup(kind: Kind, text: str, zone: ZoneInfo = INDIA, follows: str | None = None) -> Manifest:
    id_ = moment_id(us(text, zone))
    return Manifest(kind=kind, id=id_, made_by="0", schema_version=1, follows=follows)


WEEKLY = backup("weekly", "2024-08-09T16:00:03")  # a Friday
WEDNESDAY = backup("daily", "2024-08-14T16:00:01", follows="x")


@pytest.mark.parametrize(
    ("now", "made", "kind", "since"),
    [
        ("2024-08-10T12:00", [WEEKLY], None, None),  # Saturday
        ("2024-08-12T15:59", [WEEKLY], None, None),  # Monday, before the time
        ("2024-08-12T16:00", [WEEKLY], "daily", "2024-08-12T16:00"),
        ("2024-08-12T16:30", [WEEKLY, backup("daily", "2024-08-12T16:00", follows="x")], None, None),
        ("2024-08-14T12:00", [WEEKLY], "daily", "2024-08-13T16:00"),  # one that was missed
        ("2024-08-15T20:00", [WEEKLY, WEDNESDAY], None, None),  # a holiday
        ("2024-08-16T17:00", [WEEKLY, WEDNESDAY], "weekly", "2024-08-16T16:00"),
        ("2024-08-18T09:00", [WEEKLY], "weekly", "2024-08-16T16:00"),  # missed, made up on Sunday
        ("2024-08-13T12:00", [], "weekly", "2024-08-09T16:00"),  # nothing yet
        ("2024-08-13T12:00", [backup("daily", "2024-08-12T16:00")], None, None),  # a full daily counts
        ("2024-08-13T12:00", [WEEKLY, backup("hourly-raw", "2024-08-12T16:00")], "daily", "2024-08-12T16:00"),
    ],
)  # fmt: skip
def test_due_on_the_indian_exchange(
    nse: Timetable, now: str, made: list[Manifest], kind: str | None, since: str | None
) -> None:
    found = due(nse, made, us(now))
    assert (found.kind, found.since_us) == (kind, None if since is None else us(since))
    assert found.next_us is not None
    assert found.next_us > us(now)


def test_a_week_that_ends_early_has_its_weekly_after_its_last_session(nse: Timetable) -> None:
    """2025-04-18 was Good Friday: Thursday's was the week's last session."""
    made = [backup("weekly", "2025-04-11T16:30")]
    assert due(nse, made, us("2025-04-16T16:00")).kind == "daily"
    assert due(nse, made, us("2025-04-17T16:00")).kind == "weekly"


def test_an_evening_session_is_waited_for(nse: Timetable) -> None:
    """2024-11-01: Muhurat trading from 18:00 to 19:00, on a Friday."""
    made = [backup("weekly", "2024-10-25T16:00"), backup("daily", "2024-10-31T16:00", follows="x")]
    assert due(nse, made, us("2024-11-01T16:30")).kind is None
    found = due(nse, made, us("2024-11-01T19:30"))
    assert found.kind == "weekly"
    assert found.since_us is not None
    assert us("2024-11-01T18:00") < found.since_us <= us("2024-11-01T19:30")


def test_a_saturday_session_moves_the_weekly(nse: Timetable) -> None:
    """2025-02-01: the budget's session, on a Saturday."""
    made = [backup("weekly", "2025-01-24T16:00")]
    assert due(nse, made, us("2025-01-31T16:05")).kind == "daily"
    assert due(nse, made, us("2025-02-01T16:05")).kind == "weekly"


def test_a_time_before_the_session_means_after_it(nyse: Timetable) -> None:
    made = [backup("weekly", "2024-08-02T16:00", NEW_YORK)]
    assert due(nyse, made, us("2024-08-05T02:00", NEW_YORK)).kind is None
    assert due(nyse, made, us("2024-08-06T02:00", NEW_YORK)).kind == "daily"


def test_where_the_market_never_closes_it_is_every_day_and_on_sundays_all() -> None:
    timetable = Timetable(ALWAYS_OPEN, time(16), UTC)
    made: list[Manifest] = [backup("weekly", "2024-08-04T16:00", UTC)]
    kinds = []
    for day in range(5, 13):
        now = us(f"2024-08-{day:02d}T16:00", UTC)
        kind = due(timetable, made, now).kind
        assert kind is not None
        follows = "x" if kind == "daily" else None
        made.append(backup(kind, f"2024-08-{day:02d}T16:00", UTC, follows))
        kinds.append(f"{from_us(now):%a} {kind}")
        assert due(timetable, made, now).kind is None
        assert due(timetable, made, now + 23 * 3_600_000_000).kind is None
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
    assert kinds == [*(f"{day} daily" for day in days), "Sun weekly", "Mon daily"]


def test_the_clock_change_moves_the_moment_with_the_wall_clock(tmp_path: Path) -> None:
    timetable = Timetable(ALWAYS_OPEN, time(16), NEW_YORK)
    moments = timetable.moments(us("2024-11-03T12:00", NEW_YORK))
    hours = {
        day.day: from_us(at_us).hour for day, at_us in moments.items() if day.month == 11 and day.day < 6
    }
    assert hours == {1: 20, 2: 20, 3: 21, 4: 21, 5: 21}
