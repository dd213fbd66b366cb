"""``record --until session-close``: a recorder that ends by itself behind the market's close."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from structlog.testing import capture_logs

from barograph.calendars import ALWAYS_OPEN, Calendar, Session, calendar
from barograph.calendars.calendar import from_sessions
from barograph.clock import ManualClock, from_us, to_us
from barograph.errors import SettingsError, UsageError
from barograph.recorder.live.hours import SessionClose, UntilClose, last_close_us
from barograph.recorder.live.stats import Stats
from barograph.recorder.places import Places

from .echo import BOTH, EchoLive
from .house import House, Shifted, settings_of

INDIA, NEW_YORK = ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York")


def us(text: str, zone: ZoneInfo = INDIA) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=zone))


class Trading(EchoLive):
    """A feed whose symbols trade by these calendars."""

    def __init__(self, calendars: Mapping[str, str]) -> None:
        super().__init__("ws://127.0.0.1:1", {"spot-0": dict.fromkeys(calendars, BOTH)})
        self._of = calendars

    def calendar(self, symbol: str) -> str:
        return self._of[symbol]


def close_of(
    at_us: int, *names: str, market: str | None = None, overrides: Path | None = None
) -> SessionClose:
    """The close that counts for feeds with these calendars, asked at ``at_us``."""
    clock = ManualClock(at_us * 1_000)
    made = SessionClose(UntilClose(market), lambda name: calendar(name, overrides), clock, 300.0)
    made.follow([Trading({name: name}) for name in names])
    return made


def ends(made: SessionClose) -> str | None:
    return (
        None if made.end_ns is None else f"{from_us(made.end_ns // 1_000).astimezone(INDIA):%Y-%m-%d %H:%M}"
    )


# When.


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2025-03-13T08:55", "2025-03-13 15:35"),
        ("2024-11-01T08:55", "2024-11-01 19:05"),  # Muhurat trading
        ("2024-03-02T08:55", "2024-03-02 12:35"),  # a drill in two halves, a Saturday
        ("2024-03-02T10:30", "2024-03-02 12:35"),  # between them
        ("2025-03-14T08:55", None),  # a holiday
        ("2025-03-15T08:55", None),  # a Saturday
    ],
)
def test_it_ends_a_grace_after_the_last_close_of_the_markets_day(now: str, end: str | None) -> None:
    assert ends(close_of(us(now), "XBOM")) == end


def test_an_early_close_is_respected() -> None:
    made = close_of(us("2025-11-28T09:25", NEW_YORK), "XNYS")
    assert made.end_ns == us("2025-11-28T13:05", NEW_YORK) * 1_000


def test_of_several_markets_the_last_close_counts() -> None:
    made = close_of(us("2025-03-13T08:55"), "XBOM", "MCX")
    assert ends(made) == "2025-03-13 23:35"
    assert ends(close_of(us("2025-03-14T08:55"), "XBOM", "MCX")) is not None, "one of them is open"


def test_a_session_over_midnight_ends_on_the_next_date() -> None:
    night = from_sessions(
        "night", [Session(date(2025, 3, 14), us("2025-03-13T18:00"), us("2025-03-14T02:00"))], None, INDIA
    )
    assert last_close_us(night, us("2025-03-13T19:00")) == us("2025-03-14T02:00")
    assert last_close_us(night, us("2025-03-13T17:00")) is None
    assert last_close_us(night, us("2025-03-14T10:00")) == us("2025-03-14T02:00")


def test_a_market_that_never_closes_is_refused_unless_it_is_said_whose_close_counts() -> None:
    with pytest.raises(UsageError, match="--market NSE"):
        close_of(us("2025-03-13T08:55"), "XBOM", "24/7")
    with pytest.raises(UsageError, match="24/7"):
        close_of(us("2025-03-13T08:55"), market="24/7")
    assert ends(close_of(us("2025-03-13T08:55"), "24/7", market="NSE")) == "2025-03-13 15:35"


def test_why_there_is_nothing_to_record_is_told_by_the_markets_own_date() -> None:
    assert close_of(us("2025-03-13T15:34"), "XBOM").over is None
    assert "over" in str(close_of(us("2025-03-13T15:35"), "XBOM").over)
    # Friday evening in New York is Saturday in India.
    assert "Sat 2025-03-15" in str(close_of(us("2025-03-14T20:00", NEW_YORK), "XBOM").over)


def test_a_file_that_becomes_broken_changes_nothing_and_is_told() -> None:
    broken = False

    def named(name: str) -> Calendar:
        if broken:
            raise SettingsError("half written")
        return ALWAYS_OPEN if name == "24/7" else calendar(name)

    made = SessionClose(UntilClose(), named, ManualClock(us("2025-03-13T08:55") * 1_000), 300.0)
    made.follow([Trading({"A": "XBOM"})])
    broken = True
    with capture_logs() as logs:
        made._look_again()
    assert ends(made) == "2025-03-13 15:35"
    assert "half written" in logs[0]["problem"]


# A whole recorder.


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The calendars as a data directory keeps them from one start to the next."""
    folder = tmp_path_factory.mktemp("calendars")
    for name in ("XBOM", "XNYS"):
        calendar(name, cache=folder)
    return folder


@pytest.fixture
def data(tmp_path: Path, computed: Path) -> Path:
    """A data directory that has them."""
    shutil.copytree(computed, tmp_path / "d" / "state" / "calendars")
    return tmp_path / "d"


class Ending(House):
    """A house whose recorder is to end with a session."""

    asked = UntilClose("NSE")

    def _run(self) -> None:
        try:
            self.final = self.recorder.run(until=self.asked)
        except BaseException as error:  # noqa: BLE001 - raised again in the test
            self.failure = error


def ending_at(data: Path, now: str, **values: object) -> Ending:
    return Ending.at(data, Shifted(us(now) * 1_000), record__feeds=("sim",), **values)  # type: ignore[return-value]


def test_a_recorder_ends_by_itself_with_0_and_whole_tables(data: Path) -> None:
    house = ending_at(data, "2025-03-13T15:29:50", record__close_grace_s=20.0)
    house.start()
    house.live("sim")
    house.until(lambda: house.stats.tables.ticks)
    assert isinstance(house.clock, Shifted)
    house.clock.advance(15.0)  # The market has closed, the grace goes on.
    end = house.tape_end
    house.until(lambda: house.tape_end > end, what="frames behind the close")
    assert house.running
    house.clock.advance(20.0)
    house.until(lambda: not house.running, what="it ends by itself")
    assert house.final is not None
    assert house.recorder.exit_code == 0
    assert house.recorder.not_begun is None
    assert house.final.tables.next_pos == house.final.journal.appended


@pytest.mark.parametrize(
    ("now", "why"), [("2025-03-14T09:00", "no session"), ("2025-03-13T20:00", "session is over")]
)
def test_without_a_session_it_ends_at_once_and_the_service_manager_is_told(
    data: Path, now: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        house = ending_at(data, now)
        stats = house.recorder.run(until=house.asked)
        manager.settimeout(5.0)
        assert manager.recv(4096).startswith(b"READY=1")
    assert why in str(house.recorder.not_begun)
    assert (house.recorder.exit_code, stats.tables.next_pos) == (0, 0)
    assert not (data / "tape").exists()


def test_the_feeds_own_market_counts_where_none_is_named(data: Path) -> None:
    clock = Shifted(us("2025-11-28T13:06", NEW_YORK) * 1_000)
    house = Ending(settings_of(data, record__feeds=("sim",), feeds__sim__symbols=("AAPL",)), clock)
    house.recorder.run(until=UntilClose())
    assert "XNYS: the session is over, recording ended at 18:05 UTC" in str(house.recorder.not_begun)
    always = Ending(settings_of(data, record__feeds=("sim",), feeds__sim__symbols=("BTC-USD",)), clock)
    with pytest.raises(UsageError, match="never closes"):
        always.recorder.run(until=UntilClose())


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_a_real_process_follows_a_session_that_is_cut_short(data: Path) -> None:
    # A market where it is neither shortly before nor shortly after midnight now.
    zone, name = next(
        (z, n) for z, n in ((INDIA, "NSE"), (NEW_YORK, "NYSE")) if 0 < datetime.now(z).hour < 23
    )
    session_until(data, zone, name, "23:59:59")
    words = [sys.executable, "-m", "barograph", "record", "--feed", "sim", "--data", str(data)]
    words += ["--until", "session-close", "--market", name, "--json"]
    env = os.environ | {"BAROGRAPH__RECORD__CLOSE_GRACE_S": "0"}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    ) as process:
        try:
            wait_live(process, Places.of(data).state / "recorder.status.json")
            session_until(data, zone, name, "00:00:02")
            process.send_signal(signal.SIGHUP)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, err
    told = msgspec.json.decode(out)
    assert told["tables_reach"] == told["tape_end"] > 0
    again = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    assert again.returncode == 0, again.stderr
    assert "the session is over" in again.stderr
    assert msgspec.json.decode(again.stdout)["tape_end"] == 0


def session_until(data: Path, zone: ZoneInfo, name: str, closes: str) -> None:
    """Today has one session, from midnight on."""
    entry = f'calendar = "{name}"\nday = {datetime.now(zone).date()}\nreason = "made for a test"\n'
    (data / "calendars.toml").write_text(f"[[special]]\n{entry}open = 00:00:01\nclose = {closes}\n")


def wait_live(process: subprocess.Popen[str], file: Path) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if file.exists():
            stats = msgspec.json.decode(file.read_bytes(), type=Stats)
            if "sim" in stats.feeds and stats.feeds["sim"].stage == "live" and stats.tables.ticks:
                return
        time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate())
