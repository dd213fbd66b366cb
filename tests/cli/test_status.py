"""status: what the recorder says of itself, once and again and again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from barograph.cli.status_view import as_fields, as_lines, as_text
from barograph.clock import NS_PER_S
from barograph.recorder.live.stats import FeedStage, FeedStats, Stats
from barograph.recorder.live.statusfile import Life, Reading, Status, StatusFile, read_status, status_path

STARTED_NS = 1_723_075_200 * NS_PER_S


def figures(now_ns: int, pid: int | None = None) -> Stats:
    """An hour of two feeds, one of which has stopped."""
    stats = Stats(pid or os.getpid(), "0.1", now_ns - 3600 * NS_PER_S, now_ns=now_ns)
    stats.feeds = {
        "binance": FeedStats(
            "binance",
            FeedStage.LIVE,
            symbols=2,
            connections=1,
            planned=1,
            frames=123_456,
            last_recv_ns=now_ns - NS_PER_S // 2,
            gaps_open=1,
            refilled=4,
            not_refilled=2,
        ),
        "kite": FeedStats(
            "kite", FeedStage.STOPPED, "the token has expired; run barograph login kite", planned=1
        ),
    }
    stats.tables.tape_pos, stats.tables.next_pos, stats.tables.lag_s = 1000, 990, 0.31
    stats.journal.waiting_records, stats.journal.waiting_bytes = 17, 4096
    stats.disk_free_bytes, stats.disk_used_per_day_bytes = 50_000_000_000, 2e9
    stats.rss_bytes = 123_000_000
    return stats


def reading(life: Life = Life.RUNNING, age_s: float = 0.4) -> Reading:
    stats = figures(STARTED_NS)
    fields = {name: getattr(stats, name) for name in Stats.__struct_fields__}
    return Reading(Status(**fields, frames_per_s={"binance": 812.5, "kite": 0.0}), age_s, life)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with nothing in it."""
    (tmp_path / "d").mkdir()
    return tmp_path / "d"


def leave_status(data: Path, now_ns: int, pid: int | None = None) -> None:
    file = StatusFile(status_path(data))
    file.encoded(figures(now_ns - NS_PER_S))
    file.put(file.encoded(figures(now_ns, pid)))


def test_the_text_has_every_figure() -> None:
    text = as_text(reading())
    for words in (
        "running since 2024-08-07T23:00:00Z",
        "812.5",
        "123456",
        "0.3 s behind the tape (10 records)",
        "17 records before the tape, 4.1 kB",
        "50.0 GB left, full in about 25 days",
        "123.0 MB",
        "problem   kite: the token has expired; run barograph login kite",
    ):
        assert words in text
    assert "\x1b" not in text


def test_a_line_for_a_pipe_is_whole_in_itself() -> None:
    binance, kite = as_lines(reading()).splitlines()
    assert binance == (
        "2024-08-08T00:00:00Z binance live messages/s=812.5 last_s=0.5 lag_s=0.3"
        " gaps=1 missing=2 queue=17 disk_free=50000000000"
    )
    assert "kite stopped messages/s=0.0 last_s=- " in kite


def test_what_has_ended_or_does_not_answer_is_not_shown_as_running() -> None:
    ended = reading(Life.ENDED, 1e6)
    assert "last ran 2024-08-07T23:00:00Z to 2024-08-08T00:00:00Z" in as_text(ended)
    assert "kite: the token has expired" in as_text(ended)
    fields = as_fields(ended)
    assert fields is not None
    assert {feed["messages_per_s"] for feed in fields["feeds"]} == {None}
    stuck = as_text(reading(Life.STUCK, 60.0))
    assert "not answering since" in stuck
    assert f"problem   process {os.getpid()} has not said anything for 60 s" in stuck
    assert "none ever ran here" in as_text(None)
    assert as_fields(None) is None


def test_given_no_recorder_then_the_directory_is_told_all_the_same(call: Any, data: Path) -> None:
    told = call("status", "--data", data, "--json").json
    assert told["recorder"] is None
    assert told["disk"]["free_bytes"] > 0
    assert told["disk"]["days_until_full"] is None
    assert "none ever ran here" in call("status", "--data", data).out
    leave_status(data, STARTED_NS)
    assert "not answering" in call("status", "--data", data).out


def test_given_a_recorder_then_its_figures_are_told(call: Any, data: Path) -> None:
    leave_status(data, time.time_ns())
    outcome = call("status", "--data", data, "--json")
    recorder = outcome.json["recorder"]
    assert (recorder["state"], recorder["pid"]) == ("running", os.getpid())
    assert recorder["tables"]["records_behind"] == 10
    assert recorder["problems"] == ["kite: the token has expired; run barograph login kite"]
    assert outcome.json["disk"]["used_per_day_bytes"] == 2_000_000_000
    assert "running since" in call("status", "--data", data).out


def test_given_a_recorder_that_has_ended_then_when_it_last_ran_is_told(call: Any, data: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    leave_status(data, STARTED_NS, process.pid)
    assert "none runs; last ran 2024-08-07T23:00:00Z" in call("status", "--data", data).out


def watching(data: Path, *words: str, **more: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "barograph", "status", "--watch", "--data", str(data), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


@pytest.fixture
def updating(data: Path) -> Iterator[Path]:
    """A data directory whose status file tells of a living process."""
    leave_status(data, time.time_ns())
    yield data
    assert read_status(status_path(data), time.time_ns()) is not None


def test_watching_in_a_pipe_gives_a_json_line_each_second_and_ends_well(updating: Path) -> None:
    with watching(updating, "--json") as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert [line["recorder"]["feeds"][0]["feed"] for line in lines] == ["binance", "binance"]


def test_watching_ends_well_when_its_reader_goes_away(updating: Path) -> None:
    with watching(updating) as process:
        assert process.stdout is not None
        assert " binance live " in process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=20) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_watching_on_a_terminal_draws_again(updating: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "barograph", "status", "--watch", "--data", str(updating)]
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "150", "LINES": "40"}
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    shown = b""
    while shown.count(b"binance") < 2:
        shown += os.read(ours, 65_536)
    process.send_signal(signal.SIGINT)
    try:
        while os.read(ours, 65_536):
            pass
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait(timeout=20) == 0
    assert b"problem   kite" in shown
    assert b"\x1b[" in shown, "lines are drawn over"
