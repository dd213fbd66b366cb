"""The units: taken by systemd as they are, elapsing when a market opens, the same as the repository's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.calendars import calendar
from barograph.scheduling import House, Unit, timetable, units
from barograph.scheduling.house import quoted
from barograph.scheduling.units import Backups

from ..conftest import skip_or_fail

ROOT = Path(__file__).resolve().parents[2]
BACKUPS = Backups(time(16), "Asia/Kolkata", "XBOM")
Analyze = Callable[..., str]


@pytest.fixture(scope="module")
def analyze(tmp_path_factory: pytest.TempPathFactory) -> Analyze:
    """``analyze("verify", file)``: what systemd-analyze says; a failure when it finds fault."""
    program = shutil.which("systemd-analyze")
    if program is None:
        skip_or_fail("systemd-analyze is not installed (Debian: apt-get install systemd)")

    runtime = tmp_path_factory.mktemp("runtime")  # where a user's own manager would have its sockets

    def run(*words: str, now: datetime | None = None) -> str:
        given = [f"--base-time={now:%Y-%m-%d %H:%M:%S} UTC"] if now else []
        command = [program, *given, *words]
        env = os.environ | {"SYSTEMD_LOG_LEVEL": "notice", "LC_ALL": "C", "TZ": "UTC"}
        env["XDG_RUNTIME_DIR"] = str(runtime)
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


def house(folder: Path, account: str | None = "root", **others: object) -> House:
    program = Path(sys.executable).with_name("barograph")
    return House((str(program),), folder / "my 5 % data", folder / "barograph.toml", account, **others)  # type: ignore[arg-type]


def of_nse(at: House, today: date = date(2024, 10, 28), **options: bool) -> list[Unit]:
    times = timetable(calendar("NSE"), today, time(8, 55), time(15, 35))
    return units(at, "NSE", times, BACKUPS, ("--feed", "kite", "--symbols", "NSE:M&M"), **options)


def written(made: list[Unit], folder: Path) -> list[str]:
    folder.mkdir(parents=True)
    for unit in made:
        (folder / unit.name).write_text(unit.text)
    return [str(folder / unit.name) for unit in made]


def line(unit: Unit, name: str) -> str:
    [found] = [line for line in unit.text.splitlines() if line.startswith(f"{name}=")]
    return found.removeprefix(f"{name}=")


def on_calendar(made: list[Unit], name: str) -> list[str]:
    [unit] = [unit for unit in made if unit.name == name]
    return [
        line.removeprefix("OnCalendar=") for line in unit.text.splitlines() if line.startswith("OnCalendar=")
    ]


@pytest.mark.parametrize("account", ["root", None])
@pytest.mark.parametrize("market", ["NSE", "24/7"])
def test_systemd_finds_no_fault_with_the_units(
    analyze: Analyze, tmp_path: Path, account: str | None, market: str
) -> None:
    at = house(tmp_path, account, writable=(tmp_path / "other 5 % backups",))
    made = of_nse(at, power_off=account is not None) if market == "NSE" else units(at, market, None, BACKUPS)
    files = written(made, tmp_path / "units")
    assert analyze(*([] if account else ["--user"]), "verify", *files) == ""


def test_systemd_finds_fault_with_a_unit_that_is_wrong(analyze: Analyze, tmp_path: Path) -> None:
    [unit] = [unit for unit in of_nse(house(tmp_path)) if unit.name == "barograph-record.timer"]
    files = written([Unit(unit.name, unit.text.replace("Mon..Fri", "Mon..Fry"))], tmp_path / "units")
    with pytest.raises(AssertionError):
        assert analyze("verify", *files) == ""


@pytest.mark.parametrize(
    ("market", "start", "stop", "now", "next_start"),
    [
        ("NSE", "08:55", "15:35", "2025-03-14 04:00", "2025-03-17 03:25"),  # over a weekend
        ("NSE", "08:55", "15:35", "2025-03-17 03:24", "2025-03-17 03:25"),
        ("NYSE", "09:25", "16:05", "2025-03-07 15:00", "2025-03-10 13:25"),  # summer time begins on the 9th
        ("NYSE", "09:25", "16:05", "2025-03-06 15:00", "2025-03-07 14:25"),
        ("NYSE", "09:25", "16:05", "2025-10-31 14:00", "2025-11-03 14:25"),  # and ends on 2 November
        ("NYSE", "09:25", "16:05", "2025-10-31 13:00", "2025-10-31 13:25"),
    ],
)
def test_systemd_starts_the_recorder_by_the_markets_clock(
    analyze: Analyze, market: str, start: str, stop: str, now: str, next_start: str
) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    times = timetable(calendar(market), at.date(), time.fromisoformat(start), time.fromisoformat(stop))
    told = analyze("calendar", times.starts()[0], now=at)
    # Its own zone is UTC here.
    assert f"Next elapse: {datetime.fromisoformat(next_start):%a %Y-%m-%d %H:%M:%S} UTC" in told, told


def test_systemd_starts_the_recorder_for_a_budget_saturday(analyze: Analyze, tmp_path: Path) -> None:
    friday = datetime(2025, 1, 31, 12, tzinfo=UTC)
    expressions = on_calendar(of_nse(house(tmp_path), friday.date()), "barograph-record.timer")
    told = [analyze("calendar", each, now=friday) for each in expressions]
    assert "Next elapse: Sat 2025-02-01 03:25:00 UTC" in "".join(told)


def test_each_start_of_a_year_is_ahead_of_a_session_and_none_is_without_start(tmp_path: Path) -> None:
    """What the timer and the question of the service leave is exactly the days with a session."""
    nse, first = calendar("NSE"), date(2024, 10, 28)
    times = timetable(nse, first, time(8, 55), time(15, 35))
    zone = ZoneInfo("Asia/Kolkata")
    extra = {moment.date(): moment for moment in times.extra_starts}
    for part in nse.sessions(first, first + timedelta(days=365)):
        weekday = part.day.weekday() in times.weekdays
        begun = datetime.combine(part.day, time(8, 55)) if weekday else extra[part.day]
        assert begun.replace(tzinfo=zone) <= datetime.fromtimestamp(part.open_us / 1e6, tz=zone)


def test_the_backup_of_a_day_that_ends_late_is_made_again_behind_it(tmp_path: Path) -> None:
    due = on_calendar(of_nse(house(tmp_path)), "barograph-backup.timer")
    assert due[:2] == ["*-*-* 16:00:00 Asia/Kolkata", "2024-11-01 19:20:00 Asia/Kolkata"]


def test_the_service_asks_first_and_ends_by_itself(tmp_path: Path) -> None:
    record = of_nse(house(tmp_path))[0]
    assert "session-today --market NSE --not-before 08:55 --unsure-is-yes" in line(record, "ExecCondition")
    start = line(record, "ExecStart")
    assert "record --until session-close --market NSE --feed kite --symbols NSE:M&M" in start
    assert f'--data "{tmp_path}/my 5 %% data"' in start
    assert line(record, "Restart") == "on-failure"
    assert "Environment=BAROGRAPH__RECORD__CLOSE_GRACE_S=300" in record.text
    assert "[Install]" not in record.text, "the timer starts it"


def test_the_machine_is_turned_off_behind_a_backup_that_was_verified(tmp_path: Path) -> None:
    made = {unit.name: unit for unit in of_nse(house(tmp_path), power_off=True)}
    backup, off = made["barograph-backup.service"], made["barograph-power-off.service"]
    assert line(backup, "OnSuccess") == "barograph-power-off.service"
    assert "backup verify" in line(backup, "ExecStartPost")
    assert "session-today --market NSE --over" in line(off, "ExecCondition")
    assert "OnSuccess" not in "".join(unit.text for unit in of_nse(house(tmp_path)))


def test_around_the_clock_nothing_starts_or_stops_it(tmp_path: Path) -> None:
    made = units(house(tmp_path), "24/7", None, BACKUPS, ("--feed", "sim"))
    assert "barograph-record.timer" not in [unit.name for unit in made]
    assert line(made[0], "Restart") == "always"
    assert "WantedBy=multi-user.target" in made[0].text
    for word in ("ExecCondition", "--until", "RuntimeMaxSec"):
        assert word not in made[0].text


def test_a_house_where_people_live_is_seen_and_only_its_data_is_writable() -> None:
    at = House(("/home/me/venv/bin/barograph",), Path("/home/me/data"), None, "me", (Path("/mnt/backups"),))
    record = units(at, "24/7", None, BACKUPS)[0].text
    assert "ProtectHome=read-only" in record
    assert "ReadWritePaths=/home/me/data\nReadWritePaths=/mnt/backups" in record
    away = House(("/opt/b/bin/barograph",), Path("/var/lib/barograph"), None, "barograph")
    assert "ProtectHome=yes" in units(away, "24/7", None, BACKUPS)[0].text
    assert "StateDirectory=barograph" in units(away, "24/7", None, BACKUPS)[0].text


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0", exclude_categories=["C", "Z"])))
def test_a_quoted_word_is_read_back_as_it_was(word: str) -> None:
    """Read after the rules of systemd.service(5): quotes, then backslashes, %% and $$."""
    text = quoted(word)
    inner = text[1:-1].replace('\\"', '"') if text.startswith('"') else text.replace('\\"', '"')
    assert inner.replace("\\\\", "\\").replace("%%", "%").replace("$$", "$") == word
    assert (
        text.startswith('"') == text.endswith('"') == (word == "" or any(sign in word for sign in "\"';\\"))
    )


def test_the_units_in_the_repository_are_those_that_are_written() -> None:
    config = Path("/etc/barograph/barograph.toml")
    at = House(("/opt/barograph/bin/barograph",), Path("/var/lib/barograph"), config, "barograph")
    made = units(at, "24/7", None, Backups(time(16), "UTC", "24/7"))
    there = {file.name: file.read_text() for file in (ROOT / "infrastructure" / "systemd").iterdir()}
    assert there == {unit.name: unit.text for unit in made}
