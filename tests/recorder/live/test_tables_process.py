"""The tables in a process of their own: nothing changes for who reads them, whatever befalls that process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from barograph.clock import ManualClock
from barograph.gaps import Channel, Gap
from barograph.recorder.live.running import Running
from barograph.recorder.live.stats import TablesStats
from barograph.recorder.live.tables.messages import Figures, Gaps, Report, received, send
from barograph.recorder.live.tables.process import TablesProcess
from barograph.recorder.live.tables.shared import SharedEnd

from .house import House
from .pains.venues import BINANCE, KRAKEN, scene


def tables(house: House) -> TablesProcess:
    running = house.recorder._running
    assert isinstance(running, Running)
    assert isinstance(running._tables, TablesProcess)
    return running._tables


def apart(path: Path, case=BINANCE, **values):  # type: ignore[no-untyped-def]
    return scene(case, path, record__second_process=True, **values)


def test_rows_figures_and_the_end_are_as_on_a_thread(tmp_path: Path) -> None:
    with apart(tmp_path) as it:
        it.trade(20)
        it.all_stored()
        assert tables(it.house).alive
        it.house.until(lambda: tables(it.house).rss_bytes > 10 << 20, what="its memory")
        it.house.until(lambda: it.house.stats.tables.ticks == 20, what="its figures")
        final = it.house.stop()
        assert final.tables.next_pos == final.journal.appended
        assert not (tables(it.house)).alive
    assert it.is_as_made()


def test_given_the_process_is_killed_again_and_again_then_recording_goes_on_and_nothing_is_twice(
    tmp_path: Path,
) -> None:
    with apart(tmp_path) as it, capture_logs() as lines:
        for _ in range(3):
            it.trade(5)
            killed = tables(it.house).pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            it.house.until(lambda: it.house.stats.tables.problem, what="the death is told")
            it.trade(5)
            it.house.until(lambda pid=killed: tables(it.house).pid != pid, what="begun again")
            it.all_stored()
            it.house.until(lambda: not it.house.stats.tables.problem, what="well again")
        assert it.house.stats.feeds["binance"].disconnects == 0
        assert it.is_as_made()
    assert [line for line in lines if "ended by itself" in str(line.get("problem"))]


def test_given_it_dies_at_the_very_end_then_the_next_start_makes_what_is_left(tmp_path: Path) -> None:
    with apart(tmp_path) as it:
        it.trade(5)
        it.all_stored()
        pid = tables(it.house).pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # it does nothing any more, and does not die of orders either
        it.trade(5)
        it.house.until(lambda: it.house.stats.journal.waiting_records == 0, what="on the tape")
        final = it.house.stop(within_s=40)
        assert final.tables.next_pos < final.journal.appended
    with scene(BINANCE, tmp_path, it.served.server.venue) as again:
        again.house.until(lambda: len(again.stored()) == 10, what="all trades of before")


def test_gaps_that_it_finds_are_refilled(tmp_path: Path) -> None:
    with apart(tmp_path) as it:
        it.trade(5)
        it.all_stored()
        it.cut_off(meanwhile=lambda: it.trade(7))
        it.trade(5)
        it.all_stored()
        lost = it.never_handed()
        assert len(lost) == 7
        assert it.repaired() == lost


def test_what_it_says_stands_in_the_one_log(tmp_path: Path) -> None:
    with capture_logs() as lines, apart(tmp_path, KRAKEN) as it:
        (tmp_path / "state" / "line.checkpoint").write_bytes(b"rubbish")
        pid = tables(it.house).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        it.house.until(lambda: tables(it.house).pid != pid, what="begun again")
        it.trade(3)
        it.all_stored()
    unreadable = [line for line in lines if "checkpoint unreadable" in line["event"]]
    assert unreadable
    assert unreadable[0]["log_level"] == "warning"


def test_given_its_parent_is_killed_then_it_ends_too(tmp_path: Path) -> None:
    code = (
        "import sys; from barograph.settings import Flag, Settings;"
        "from barograph.recorder.live.recorder import Recorder;"
        "from pathlib import Path;"
        "flags = [Flag('data_dir', Path(sys.argv[1]), 't'), Flag('record.feeds', ('sim',), 't')];"
        "Recorder(Settings.load(environ={}, flags=flags), Settings.load).run()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.DEVNULL)
    house = House.at(tmp_path)
    try:
        house.until(lambda: _children(parent.pid), 30, "a child")
        (child,) = _children(parent.pid)
        house.until((tmp_path / "lake").is_dir, 30, "rows")
    finally:
        parent.kill()
        parent.wait()
    house.until(lambda: not _runs(child), what="the child is gone")


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(each) for path in found for each in path.read_text().split()]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_shared_end_tells_position_and_time(tmp_path: Path) -> None:
    clock = ManualClock(1_000)
    here = SharedEnd(tmp_path / "state" / "shared", create=True)
    there = SharedEnd(tmp_path / "state" / "shared")
    assert not there.wait_beyond(0, 0.0)
    here.tell(7, clock)
    assert there.next_pos == 7
    assert there.wait_beyond(6, 0.0)
    assert there.now_ns() >= 1_000


def test_messages_come_whole_and_in_order(tmp_path: Path) -> None:
    import msgspec

    gap = Gap("binance", "BTC-USDT", Channel.TRADES, 1, 2, 3, 4, "ids skipped")
    sent: list[Report] = [Figures(TablesStats(next_pos=3), alive=True, rss_bytes=9), Gaps([gap], mute=True)]
    path = tmp_path / "pipe"
    with path.open("wb") as to:
        for report in sent:
            send(to, msgspec.msgpack.encode(report))
    with path.open("ab") as to:
        to.write(b"\x09\x00\x00\x00torn")
    with path.open("rb") as source:
        assert [msgspec.msgpack.decode(each, type=Report) for each in received(source)] == sent


@pytest.fixture(autouse=True)
def _posix() -> None:
    if sys.platform == "win32":
        pytest.skip("processes are killed by signals here")
