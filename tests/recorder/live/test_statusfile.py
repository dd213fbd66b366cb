"""The status file: whole at every moment, true about who is alive."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import structlog

from barograph.clock import NS_PER_S
from barograph.errors import StorageError
from barograph.recorder.live.stats import FeedStage, FeedStats, Stats
from barograph.recorder.live.statusfile import Life, StatusFile, read_status, status_path

NOW_NS = 1_723_075_200 * NS_PER_S


def figures(frames: int = 0, second: float = 0, pid: int | None = None) -> Stats:
    now_ns = NOW_NS + int(second * NS_PER_S)
    feed = FeedStats("binance", FeedStage.LIVE, frames=frames, last_recv_ns=now_ns)
    return Stats(pid or os.getpid(), "0.1", NOW_NS, now_ns=now_ns, feeds={"binance": feed})


@pytest.fixture
def file(tmp_path: Path) -> StatusFile:
    return StatusFile(status_path(tmp_path))


@pytest.fixture
def dead_pid() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_given_figures_then_the_reader_has_all_of_them(file: StatusFile) -> None:
    stats = figures(7)
    stats.tables.problem, stats.journal.waiting_bytes = "refused", 12
    file.put(file.encoded(stats))
    reading = read_status(file.path, NOW_NS + NS_PER_S)
    assert reading is not None
    for name in Stats.__struct_fields__:
        assert getattr(reading.status, name) == getattr(stats, name)
    assert (reading.life, reading.age_s) == (Life.RUNNING, 1.0)
    assert [path.name for path in file.path.parent.iterdir()] == ["recorder.status.json"]


def test_given_nothing_or_rubbish_then_there_is_no_reading(file: StatusFile) -> None:
    assert read_status(file.path, NOW_NS) is None
    for rubbish in (b"", b"{", b'{"pid": "x"}', b"\xff\x00", b'{"pid": 1, "host": "\xff"}'):
        file.put(rubbish)
        with structlog.testing.capture_logs() as lines:
            assert read_status(file.path, NOW_NS) is None
        assert [line["event"] for line in lines] == ["status file unreadable"]


def test_given_a_process_that_is_gone_or_silent_then_the_file_is_not_taken_for_the_present(
    file: StatusFile, dead_pid: int
) -> None:
    def life(pid: int, age_s: float) -> Life:
        file.put(file.encoded(figures(pid=pid)))
        reading = read_status(file.path, NOW_NS + int(age_s * NS_PER_S))
        assert reading is not None
        return reading.life

    assert life(os.getpid(), 2) is Life.RUNNING
    assert life(os.getpid(), -2) is Life.RUNNING
    assert life(os.getpid(), 60) is Life.STUCK
    assert life(dead_pid, 1) is Life.ENDED
    assert life(dead_pid, 1_000_000) is Life.ENDED
    assert life(1 << 70, 1) is Life.ENDED


def test_given_looks_each_second_then_rates_are_those_of_the_last_ten(file: StatusFile) -> None:
    def rate(frames: int, second: float) -> float | None:
        file.put(file.encoded(figures(frames, second)))
        reading = read_status(file.path, NOW_NS)
        assert reading is not None
        return reading.status.frames_per_s.get("binance")

    assert rate(0, 0) is None
    assert rate(500, 1) == 500
    for second in range(2, 100):
        assert rate(500 * second, second) == 500
    for second in range(100, 111):
        last = rate(500 * 99, second)
    assert last == 0
    assert rate(500 * 99, 50) is None, "the clock was set back"
    assert rate(500 * 99 + 10, 51) == 10


def test_given_a_reader_at_any_moment_then_it_never_sees_half_a_file(file: StatusFile) -> None:
    file.put(file.encoded(figures()))
    stop = threading.Event()

    def write() -> None:
        count = 0
        while not stop.is_set():
            count += 1
            file.put(file.encoded(figures(count, second=count)))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        readings = []
        while len(readings) < 2_000 or len({one.status.now_ns for one in readings if one}) <= 10:
            readings.append(read_status(file.path, NOW_NS))
    finally:
        stop.set()
        writer.join()
    assert None not in readings


def test_given_a_disk_that_refuses_then_it_is_told_once_and_writing_goes_on_when_it_can(
    tmp_path: Path,
) -> None:
    (tmp_path / "state").write_text("in the way")
    file = StatusFile(status_path(tmp_path))
    with pytest.raises(StorageError):
        file.put(b"{}")

    async def scenario() -> None:
        asked = 0

        def stats() -> Stats:
            nonlocal asked
            asked += 1
            return figures(second=asked)

        keeping = asyncio.create_task(file.keep(stats, every_s=0.001))
        async with asyncio.timeout(10):
            while asked < 5:
                await asyncio.sleep(0.001)
            (tmp_path / "state").unlink()
            while not file.path.exists():
                await asyncio.sleep(0.001)
        keeping.cancel()
        await asyncio.wait([keeping])

    with structlog.testing.capture_logs() as lines:
        asyncio.run(scenario())
    assert [line["event"] for line in lines] == ["status not written"]
