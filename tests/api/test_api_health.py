"""Health, readiness and figures: of the API, and of a recorder by its status file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.api.house import Served, served, settings_of

from barograph.clock import NS_PER_S
from barograph.recorder.live.metrics import families
from barograph.recorder.live.stats import FeedStage, FeedStats, Stats, TablesStats
from barograph.recorder.live.statusfile import StatusFile, status_path


def stats(*, feed: str = "sim", age_s: float = 0.0, pid: int | None = None, problem: str = "") -> Stats:
    """What a recorder of one feed tells."""
    now_ns = time.time_ns() - int(age_s * NS_PER_S)
    told = FeedStats(feed, FeedStage.LIVE, connections=1, planned=1, frames=7, last_recv_ns=now_ns)
    tables = TablesStats(problem=problem, next_pos=5)
    pid = os.getpid() if pid is None else pid
    return Stats(pid, "0", started_ns=now_ns, now_ns=now_ns, feeds={feed: told}, tables=tables)


def tell(data: Path, told: Stats) -> None:
    file = StatusFile(status_path(data))
    file.put(file.encoded(told))


@pytest.fixture(scope="module")
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_process_that_answers_lives(api: Served) -> None:
    assert api.get("/healthz").json() == {"alive": True}


def test_without_a_recorder_a_store_that_can_be_read_is_ready(api: Served) -> None:
    assert api.get("/readyz").json() == {"ready": True, "reasons": []}


def test_readiness_follows_the_recorder(tmp_path: Path, gone: int) -> None:
    with served(settings_of(tmp_path)) as running:
        tell(tmp_path, stats())
        assert running.get("/readyz").json()["ready"]
        tell(tmp_path, stats(problem="the disk is full"))
        assert "the disk is full" in running.get("/readyz", 503).json()["reasons"][0]
        tell(tmp_path, stats(age_s=60.0))
        assert "told nothing" in running.get("/readyz", 503).json()["reasons"][0]
        tell(tmp_path, stats(age_s=60.0, pid=gone))
        assert "ended" in running.get("/readyz", 503).json()["reasons"][0]


def test_a_recorder_that_ended_with_its_market_is_well(tmp_path: Path, gone: int) -> None:
    # A market that is closed on every day of this test.
    (tmp_path / "calendars.toml").write_text(_closed_today())
    with served(settings_of(tmp_path)) as running:
        tell(tmp_path, stats(feed="kite", age_s=60.0, pid=gone))
        assert running.get("/readyz").json() == {"ready": True, "reasons": []}


def _closed_today() -> str:
    days = [(datetime.now(UTC) + timedelta(days=n)).date().isoformat() for n in (-1, 0, 1)]
    return "".join(f'[[closed]]\ncalendar = "NSE"\nday = {day}\nreason = "a test"\n' for day in days)


def test_why_it_is_not_ready_is_told_to_those_who_may_read_only(tmp_path: Path) -> None:
    with served(settings_of(tmp_path, tokens="always")) as running:
        tell(tmp_path, stats(problem="the disk is full"))
        assert running.get("/readyz", 503).json() == {"ready": False, "reasons": []}


def test_requests_are_counted_by_route_and_status(tmp_path: Path) -> None:
    with served(settings_of(tmp_path)) as running:
        for _ in range(3):
            running.get("/v1/bars")
        running.get("/v1/bars", 400, cursor="x")
        running.get("/v1/a-name-that-is-in-no-metric", 404)
        samples = _samples(running)
    counted = {
        (labels["route"], labels["status"]): value
        for name, labels, value in samples
        if name == "barograph_api_requests_total"
    }
    assert counted == {("/v1/bars", "200"): 3.0, ("/v1/bars", "400"): 1.0, ("other", "404"): 1.0}
    durations = [
        value for name, labels, value in samples if name == "barograph_api_request_duration_seconds_count"
    ]
    assert sum(durations) == 5.0


def test_the_recorders_figures_have_the_recorders_names(tmp_path: Path, gone: int) -> None:
    with served(settings_of(tmp_path)) as running:
        assert _value(running, "barograph_recorder_up") == 0.0
        tell(tmp_path, stats())
        assert _value(running, "barograph_recorder_up") == 1.0
        named = {name for name, _, _ in _samples(running)}
        wanted = {sample.name for family in families(stats()) for sample in family.samples}
        assert wanted <= named
        assert _value(running, "barograph_feed_frames_total") == 7.0
        tell(tmp_path, stats(age_s=60.0, pid=gone))
        assert _value(running, "barograph_recorder_up") == 0.0
        assert "barograph_feed_frames_total" not in {name for name, _, _ in _samples(running)}


def test_a_status_file_that_cannot_be_read_is_no_error(tmp_path: Path) -> None:
    status_path(tmp_path).parent.mkdir(parents=True)
    status_path(tmp_path).write_bytes(msgspec.json.encode({"pid": "x"}))
    with served(settings_of(tmp_path)) as running:
        assert _value(running, "barograph_recorder_up") == 0.0
        running.get("/readyz")


def _samples(running: Served) -> list[tuple[str, dict[str, str], float]]:
    text = running.get("/metrics").text
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def _value(running: Served, wanted: str) -> float:
    (value,) = [value for name, _, value in _samples(running) if name == wanted]
    return value
