"""``barograph schedule``: what is shown, the answer in an exit code, what is written and what is not."""

from __future__ import annotations

import os
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

NSE = ("--market", "NSE", "--start", "08:55", "--stop", "15:35")
SIM = ("--", "--feed", "sim")
UNITS = {
    f"barograph-{name}"
    for name in (
        "record.service",
        "record.timer",
        "backup.service",
        "backup.timer",
        "backup-raw.service",
        "backup-raw.timer",
    )
}


def shown(call: Any, *words: object) -> dict[str, Any]:
    """The days by their date."""
    told = call("schedule", "show", *words, "--json").json
    return {row["day"]: row for row in told["days"]}


def special(day: date, opens: str = "10:00:00", closes: str = "11:00:00") -> None:
    """A session of our own in the data directory's file."""
    Path("data").mkdir(exist_ok=True)
    with Path("data/calendars.toml").open("a") as file:
        file.write(
            f'[[special]]\ncalendar = "NSE"\nday = {day}\nreason = "drill"\n'
            f"open = {opens}\nclose = {closes}\n"
        )


def coming(weekday: int) -> date:
    """The next such weekday in India, at least a week away."""
    today = datetime.now(ZoneInfo("Asia/Kolkata")).date() + timedelta(days=7)
    return today + timedelta(days=(weekday - today.weekday()) % 7)


# show


def test_the_days_of_a_market_with_their_hours_in_both_times(call: Any) -> None:
    days = shown(call, "--market", "NSE", "--first", "2025-10-18", "--days", "7")
    assert [row["kind"] for row in days.values()] == [
        "weekend", "weekend", "ordinary", "special", "holiday", "ordinary", "ordinary",
    ]  # fmt: skip
    assert days["2025-10-20"]["hours"] == ["09:15-15:30"]
    assert days["2025-10-20"]["utc"] == ["2025-10-20T03:45Z/2025-10-20T10:00Z"]
    assert (days["2025-10-21"]["hours"], days["2025-10-21"]["reason"]) == (
        ["13:45-14:45"],
        "Diwali Muhurat trading",
    )
    assert days["2025-10-22"]["reason"] == "Diwali Balipratipada"


def test_holidays_and_early_closes_of_new_york(call: Any) -> None:
    days = shown(call, "--market", "NASDAQ", "--first", "2025-11-26", "--days", "3")
    assert days["2025-11-27"]["reason"] == "Thanksgiving"
    assert (days["2025-11-28"]["kind"], days["2025-11-28"]["hours"]) == ("short", ["09:30-13:00"])


def test_around_the_clock_every_day_is_a_session(call: Any) -> None:
    days = shown(call, "--market", "24/7", "--days", "3")
    assert [row["kind"] for row in days.values()] == ["ordinary"] * 3


def test_a_session_of_the_data_directorys_file_is_shown(call: Any) -> None:
    special(date(2025, 3, 15))
    days = shown(call, "--market", "NSE", "--first", "2025-03-15", "--days", "1", "--data", "data")
    assert (days["2025-03-15"]["kind"], days["2025-03-15"]["reason"]) == ("special", "drill")


def test_it_warns_where_the_holidays_end_and_not_before(call: Any) -> None:
    until = date.fromisoformat(
        call("schedule", "show", "--market", "NSE", "--json").json["holidays_known_until"]
    )
    near, far = until - timedelta(days=60), until - timedelta(days=61)
    outcome = call("schedule", "show", "--market", "NSE", "--first", near, "--json")
    assert str(until) in outcome.json["warning"]
    assert "calendars.toml" in outcome.err
    outcome = call("schedule", "show", "--market", "NSE", "--first", far, "--json")
    assert outcome.json["warning"] is None
    assert outcome.err == ""


def test_in_a_pipe_it_is_csv_and_an_unknown_market_is_refused_with_those_there_are(call: Any) -> None:
    out = call("schedule", "show", "--market", "NSE", "--first", "2025-03-13", "--days", "2").out
    assert out.splitlines() == [
        "day,weekday,kind,hours,utc,reason",
        "2025-03-13,Thu,ordinary,09:15-15:30,2025-03-13T03:45Z/2025-03-13T10:00Z,",
        "2025-03-14,Fri,holiday,-,-,Holi",
    ]
    assert "NSE, BSE, NYSE, NASDAQ" in call("schedule", "show", "--market", "Mumbai", code=2).err
    call("schedule", "show", "--market", "NSE", "--days", "0", code=2)
    call("schedule", "show", "--market", "NSE", "--first", "soon", code=2)


# session-today


def test_the_answer_is_the_exit_code_and_a_sentence(call: Any) -> None:
    words = ("schedule", "session-today", "--market", "NSE", "--date")
    assert "Muhurat" in call(*words, "2024-11-01").out
    assert "Holi" in call(*words, "2025-03-14", code=10).out
    told = call(*words, "2025-03-14", "--json", code=10).json
    assert (told["yes"], told["day"]) == (False, "2025-03-14")


def test_what_is_over_is_the_opposite_question(call: Any) -> None:
    words = ("schedule", "session-today", "--market", "NSE", "--over", "--date")
    call(*words, "2025-03-14")
    assert "it is over" in call(*words, "2025-03-13").out
    call(*words, date.today() + timedelta(days=9 - date.today().weekday()), code=10)  # noqa: DTZ011


def test_a_broken_file_is_an_error_or_a_yes_as_is_asked(call: Any) -> None:
    Path("data").mkdir()
    Path("data/calendars.toml").write_text("[[special")
    words = ("schedule", "session-today", "--market", "NSE", "--data", "data")
    assert "calendars.toml" in call(*words, code=3).err
    assert "not known" in call(*words, "--unsure-is-yes").err
    call("schedule", "session-today", "--market", "Mumbai", "--unsure-is-yes", code=2)
    call(*words, "--not-before", "nine", code=2)
    call(*words, "--not-before", "09:00Z", code=2)


# install


def test_the_units_are_written_and_the_next_commands_told(call: Any) -> None:
    outcome = call("schedule", "install", *NSE, "--directory", "units", "--json", *SIM)
    assert {Path(file["path"]).name for file in outcome.json["files"]} == UNITS
    assert {file["state"] for file in outcome.json["files"]} == {"new"}
    assert {file.name for file in Path("units").iterdir()} == UNITS
    assert outcome.json["next"] == [
        "systemctl daemon-reload",
        "systemctl enable --now barograph-record.timer barograph-backup.timer barograph-backup-raw.timer",
    ]
    record = Path("units/barograph-record.service").read_text()
    assert "User=barograph" in record
    assert "--data /var/lib/barograph" in record, "as nothing says otherwise"


def test_again_it_changes_nothing_and_tells_what_it_changed_otherwise(call: Any) -> None:
    words = ("schedule", "install", "--directory", "units", "--data", "data", "--json")
    call(*words, *NSE, *SIM)
    stamps = {file.name: file.stat().st_mtime_ns for file in Path("units").iterdir()}
    assert {file["state"] for file in call(*words, *NSE, *SIM).json["files"]} == {"same"}
    assert {file.name: file.stat().st_mtime_ns for file in Path("units").iterdir()} == stamps
    saturday = coming(5)
    special(saturday)
    told = call(*words, *NSE, *SIM)
    states = {Path(file["path"]).name: file["state"] for file in told.json["files"]}
    assert [name for name, state in states.items() if state != "same"] == ["barograph-record.timer"]
    assert told.json["next"][-1] == "systemctl restart barograph-record.timer"
    assert f"OnCalendar={saturday} 09:40:00 Asia/Kolkata" in Path("units/barograph-record.timer").read_text()
    assert "special sessions" in told.err


def test_units_that_are_not_needed_any_more_are_told(call: Any) -> None:
    words = ("schedule", "install", "--directory", "units", "--json")
    call(*words, *NSE, *SIM)
    told = call(*words, "--market", "24/7", *SIM).json
    states = {Path(file["path"]).name: file["state"] for file in told["files"]}
    assert states["barograph-record.timer"] == "not needed"
    assert told["next"][0] == "systemctl disable --now barograph-record.timer"
    [enable] = [command for command in told["next"] if "enable" in command]
    assert "barograph-record.service" in enable


def test_a_dry_run_prints_the_files_and_writes_none(call: Any) -> None:
    outcome = call("schedule", "install", *NSE, "--directory", "units", "--dry-run", *SIM)
    assert "OnCalendar=Mon..Fri *-*-* 08:55:00 Asia/Kolkata" in outcome.out
    assert not Path("units").exists()
    texts = call("schedule", "install", *NSE, "--directory", "units", "--dry-run", "--json", *SIM).json
    assert all(file["text"] in outcome.out for file in texts["files"])


def test_a_file_of_somebody_else_is_not_touched_and_nothing_is_written(call: Any) -> None:
    Path("units").mkdir()
    Path("units/barograph-backup.timer").write_text("mine")
    assert "drop-in" in call("schedule", "install", *NSE, "--directory", "units", *SIM, code=2).err
    assert [file.name for file in Path("units").iterdir()] == ["barograph-backup.timer"]


def test_for_oneself_they_go_into_ones_own_folder_with_ones_own_data(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "barograph.toml").write_text('[record]\nfeeds = ["sim"]\n')
    outcome = call("schedule", "install", *NSE, "--user")
    record = (tmp_path / "config" / "systemd" / "user" / "barograph-record.service").read_text()
    assert "User=" not in record
    assert f"--config {tmp_path}/barograph.toml --data {tmp_path}/data" in record
    assert "systemctl --user daemon-reload" in outcome.err
    assert "enable-linger" in outcome.err


def test_the_backup_goes_by_the_market_unless_the_settings_say_otherwise(call: Any, tmp_path: Path) -> None:
    call("schedule", "install", *NSE, "--directory", "units", *SIM)
    assert "OnCalendar=*-*-* 16:00:00 Asia/Kolkata" in Path("units/barograph-backup.timer").read_text()
    (tmp_path / "barograph.toml").write_text(
        '[backup]\nzone = "Europe/London"\ndaily_at = "18:30"\nmarket = "XLON"\n'
    )
    call("schedule", "install", *NSE, "--directory", "units", *SIM)
    assert "OnCalendar=*-*-* 18:30:00 Europe/London" in Path("units/barograph-backup.timer").read_text()
    assert "BAROGRAPH__BACKUP__MARKET=XLON" in Path("units/barograph-backup.service").read_text()


def test_a_backup_before_the_end_of_the_session_is_remarked(call: Any) -> None:
    words = ("--market", "NYSE", "--start", "09:25", "--stop", "16:05", "--dry-run", *SIM)
    assert "backup.daily_at" in call("schedule", "install", *words).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--market", "NSE"), "--start 08:55"),
        (("--market", "24/7", "--start", "08:55"), "around the clock"),
        (("--market", "NSE", "--start", "08:55", "--stop", "15:00"), "15:30"),
        ((*NSE, "--user", "--power-off"), "leave --user out"),
        ((*NSE, "--directory", "units", "--enable"), "leave --directory out"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(call: Any, words: tuple[str, ...], said: str) -> None:
    assert said in call("schedule", "install", *words, *SIM, code=2).err


def test_without_a_feed_it_says_where_to_name_one(call: Any) -> None:
    assert "-- --feed" in call("schedule", "install", *NSE, "--dry-run", code=2).err


def test_a_relative_place_of_backups_is_refused_and_a_whole_one_made_writable(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAROGRAPH__BACKUP__TO", "backups")
    said = call("schedule", "install", *NSE, "--dry-run", *SIM, code=3).err
    assert str(tmp_path / "backups") in said
    monkeypatch.setenv("BAROGRAPH__BACKUP__TO", "/mnt/backups")
    assert "ReadWritePaths=/mnt/backups" in call("schedule", "install", *NSE, "--dry-run", *SIM).out


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for systemctl")
def test_enable_runs_the_commands_and_tells_when_systemd_says_no(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No service manager runs where tests do: a script of its name notes what it is told."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "systemctl"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\ntest "$2" != daemon-reload || exit $CODE\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CODE", "0")
    call("schedule", "install", *NSE, "--user", "--enable", *SIM)
    assert (tmp_path / "told").read_text().splitlines()[0] == "--user daemon-reload"
    assert "enable --now barograph-record.timer" in (tmp_path / "told").read_text()
    monkeypatch.setenv("CODE", "1")
    assert "ended with 1" in call("schedule", "install", *NSE, "--user", "--enable", *SIM, code=75).err
