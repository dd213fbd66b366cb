"""The file of special sessions and closures: what it changes, and what it may not say."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from barograph.calendars import calendar, read_overrides
from barograph.clock import from_us
from barograph.errors import SettingsError

INDIA = ZoneInfo("Asia/Kolkata")
MUHURAT = """
[[special]]
calendar = "XBOM"
day = 2030-10-26
open = 18:15:00
close = 19:15:00
reason = "Diwali Muhurat trading"

[[closed]]
calendar = "XBOM"
day = 2030-10-28
reason = "Diwali"
"""


def hours(name: str, day: date, overrides: Path | None = None) -> list[str]:
    parts = calendar(name, overrides).sessions(day, day)
    return ["-".join(f"{from_us(us).astimezone(INDIA):%H:%M}" for us in part[1:]) for part in parts]


def written(folder: Path, text: str) -> Path:
    (folder / "calendars.toml").write_text(text)
    return folder / "calendars.toml"


def test_given_a_special_session_and_a_closure_then_only_those_days_differ(tmp_path: Path) -> None:
    file = written(tmp_path, MUHURAT)
    saturday, monday, tuesday = date(2030, 10, 26), date(2030, 10, 28), date(2030, 10, 29)
    assert (hours("XBOM", saturday), hours("XBOM", monday)) == ([], ["09:15-15:30"])
    assert hours("XBOM", saturday, file) == ["18:15-19:15"]
    assert hours("XBOM", monday, file) == []
    assert hours("XBOM", tuesday, file) == hours("XBOM", tuesday) == ["09:15-15:30"]


def test_given_an_override_of_the_base_then_the_calendar_made_from_it_follows(tmp_path: Path) -> None:
    file = written(tmp_path, MUHURAT)
    assert hours("CDS", date(2030, 10, 26), file) == ["18:15-19:15"]
    assert hours("CDS", date(2030, 10, 28), file) == []


def test_given_an_override_of_a_calendar_of_ours_then_it_holds_there_only(tmp_path: Path) -> None:
    file = written(tmp_path, MUHURAT.replace("XBOM", "MCX"))
    assert hours("MCX", date(2030, 10, 26), file) == ["18:15-19:15"]
    assert hours("XBOM", date(2030, 10, 28), file) == ["09:15-15:30"]


def test_given_two_specials_of_a_day_then_both_stand_in_place_of_the_ordinary_session(tmp_path: Path) -> None:
    drill = '[[special]]\ncalendar = "XBOM"\nday = 2030-10-29\nreason = "drill"\n'
    two = f"{drill}open = 11:30:00\nclose = 12:30:00\n{drill}open = 09:15:00\nclose = 10:00:00\n"
    assert hours("XBOM", date(2030, 10, 29), written(tmp_path, two)) == ["09:15-10:00", "11:30-12:30"]


def test_given_a_file_that_changes_then_the_next_calendar_has_the_change(tmp_path: Path) -> None:
    file = tmp_path / "calendars.toml"
    assert hours("XBOM", date(2030, 10, 28), file) == ["09:15-15:30"]  # there is no file yet
    written(tmp_path, MUHURAT)
    assert hours("XBOM", date(2030, 10, 28), file) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[special", "cannot be read"),
        ('[[clsed]]\ncalendar = "XBOM"\nday = 2030-10-28\nreason = "x"', "clsed"),
        ('[[closed]]\ncalendar = "XBOM"\nday = 2030-10-28', "reason"),
        ('[[closed]]\ncalendar = "XBOM"\nday = "Monday"\nreason = "x"', "date"),
        (MUHURAT.replace("2030-10-28", "2030-10-26"), "has a special session and is closed"),
        (MUHURAT.replace("19:15:00", "18:15:00"), "opens at"),
        (MUHURAT.replace('"XBOM"', '"24/7"'), "no calendar '24/7'"),
        (MUHURAT.replace('"XBOM"', '"xbom"'), "no calendar 'xbom'"),
        (MUHURAT + MUHURAT, "overlap"),
    ],
)
def test_given_a_wrong_file_then_it_and_the_fault_are_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        calendar("XBOM", written(tmp_path, text))


def test_given_the_file_that_is_part_of_the_package_then_it_reads() -> None:
    from barograph.calendars.overrides import KNOWN_FILE

    assert read_overrides(KNOWN_FILE).named() == {"XBOM"}
