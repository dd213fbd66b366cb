"""The tables behind a tape that is being written: up to date, behind, refused, ended and begun again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from barograph.clock import ManualClock
from barograph.errors import StorageError
from barograph.gaps import Gap
from barograph.recorder import LineSettings, replay
from barograph.recorder.line import Line
from barograph.recorder.live import follower as module
from barograph.recorder.live.follower import Findings, Follower, Pace
from barograph.recorder.live.journal import Journal
from barograph.recorder.places import Places
from barograph.records import Records
from barograph.store import Commit, Scan
from barograph.store.lake import Lake
from barograph.store.reading import read
from barograph.tables import TABLES
from barograph.tape import TapeWriter

from ..making import records
from .house import warmed

PACE = Pace(commit_interval_s=0.01, step_records=400, checkpoint_interval_s=3600.0, stale_after_s=60.0)
RUN = records(minutes=3)
END = len(RUN) - 20
LAST = RUN.cut(END, len(RUN))
"""What is put while the end has begun."""


class House:
    """A tape, the follower behind it, and what it has told."""

    def __init__(self, data: Path, store: Lake | None = None, pace: Pace = PACE) -> None:
        self.places = Places.of(data)
        self.clock = ManualClock(int(RUN.recv_ns[0]))
        self.gaps: list[Gap] = []
        self.anomalies: list[pa.Table] = []
        writer = TapeWriter(self.places.tape, clock=self.clock)
        self.journal = Journal(writer, self.clock, 64 << 20)
        self.store = store or Lake(self.places.lake, self.clock)
        self.follower = Follower(
            self.places,
            LineSettings(),
            pace,
            self.store,
            self.journal,
            self.clock,
            Findings(self.gaps.extend, lambda _: None, self.anomalies.append),
        )

    def put(self, run: Records) -> None:
        """Bring ``run`` to the tape, and the clock to its end."""
        for at in range(len(run)):
            stream = run.streams[int(run.stream[at])]
            self.journal.put(stream, int(run.recv_ns[at]), int(run.kind[at]), run.payloads[at])
        self.clock.advance((int(run.recv_ns.max()) - self.clock.now_ns()) / 1e9)

    def caught_up(self, end: int) -> None:
        self.until(lambda: self.follower.stats.next_pos >= end)

    @staticmethod
    def until(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def finish(self, within_s: float = 20.0, last: Records | None = None) -> bool:
        """End as the recorder does; ``last`` is what comes on the tape while it ends."""
        self.follower.hold()
        if last is not None:
            self.put(last)
        self.journal.close(5.0)
        return self.follower.finish(self.journal.next_pos, within_s)


@contextmanager
def following(data: Path, store: Lake | None = None, pace: Pace = PACE) -> Iterator[House]:
    warmed()
    house = House(data, store, pace)
    house.follower.start()
    try:
        yield house
    finally:
        if house.follower.alive:
            house.finish(5.0)


def tables(data: Path) -> dict[str, pa.Table]:
    """All rows, in an order that is the same for equal rows."""
    lake = Lake(data / "lake")
    found = {name: read(lake, Scan(name)) for name in TABLES}
    return {
        name: table.sort_by([(column, "ascending") for column in TABLES[name].key])
        for name, table in found.items()
    }


def replayed(data: Path, elsewhere: Path) -> dict[str, pa.Table]:
    """What a replay makes of the same tape."""
    shutil.copytree(data / "tape", elsewhere / "tape")
    replay(elsewhere)
    return tables(elsewhere)


@pytest.mark.parametrize("steps", [1, 7])
def test_a_tape_followed_while_it_is_written_has_the_tables_of_its_replay(tmp_path: Path, steps: int) -> None:
    with following(tmp_path / "live") as house:
        for bounds in np.array_split(np.arange(END), steps):
            end = int(bounds[-1]) + 1
            house.put(RUN.cut(int(bounds[0]), end))
            house.caught_up(end)
        assert house.finish(last=LAST)
    assert tables(tmp_path / "live") == replayed(tmp_path / "live", tmp_path / "again")


def test_figures_tell_where_the_tables_are(tmp_path: Path) -> None:
    with following(tmp_path) as house:
        house.put(RUN)
        house.caught_up(len(RUN))
        stats = house.follower.stats
        assert (stats.next_pos, stats.tape_pos, stats.problem) == (len(RUN), len(RUN), "")
        assert stats.commits >= len(RUN) // PACE.step_records
        assert stats.ticks == len(read(house.store, Scan("ticks")))
        assert stats.newest_event_us == max(
            int(read(house.store, Scan(name))["ts"].cast("int64").to_numpy().max())
            for name in ("ticks", "quotes")
        )
        assert stats.lag_s < 1.0


def test_steps_are_no_larger_than_asked(tmp_path: Path) -> None:
    with following(tmp_path) as house:
        house.put(RUN)
        house.caught_up(len(RUN))
        assert max(end - begin for begin, end in house.store.commits(0)) <= PACE.step_records


def test_at_the_end_the_state_is_saved_and_the_next_one_goes_on_there(tmp_path: Path) -> None:
    half = len(RUN) // 2
    with following(tmp_path) as house:
        house.put(RUN.cut(0, half))
        assert house.finish()
        assert house.follower.saved_pos == half
    with following(tmp_path) as house:
        house.until(lambda: house.follower.saved_pos == half)
        house.put(RUN.cut(half, len(RUN)))
        house.caught_up(len(RUN))
        assert house.finish()
        assert all(begin >= half for begin, _ in house.store.commits(half))
    assert tables(tmp_path)["ticks"].num_rows == house.follower.stats.ticks


def test_after_a_crash_what_was_committed_is_made_again_and_stands_once(tmp_path: Path) -> None:
    with following(tmp_path / "live") as house:
        house.put(RUN)
        house.caught_up(len(RUN))
        shutil.copytree(
            tmp_path / "live", tmp_path / "crashed", ignore=shutil.ignore_patterns("*.lock", "*.tmp")
        )
        assert house.finish()
    with following(tmp_path / "crashed") as again:
        assert again.follower.saved_pos == 0
        again.caught_up(len(RUN))
        assert again.finish()
    assert tables(tmp_path / "crashed") == tables(tmp_path / "live")


def test_given_a_store_that_refuses_then_it_waits_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    with following(tmp_path / "live") as house:
        house.put(RUN.cut(0, 500))
        house.caught_up(500)
        lake, away = house.places.lake, tmp_path / "away"
        lake.rename(away)
        lake.write_bytes(b"")
        house.put(RUN.cut(500, END))
        house.until(lambda: house.follower.stats.problem)
        house.until(lambda: house.follower.stats.tape_pos == END)
        assert house.follower.stats.next_pos == 500
        lake.unlink()
        away.rename(lake)
        house.caught_up(END)
        assert house.follower.stats.problem == ""
        assert house.finish(last=LAST)
    assert tables(tmp_path / "live") == replayed(tmp_path / "live", tmp_path / "again")


def test_given_a_store_that_is_down_at_the_start_then_it_begins_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEGIN_AGAIN_S", 0.01)
    (tmp_path / "lake").write_bytes(b"")
    with following(tmp_path) as house:
        house.put(RUN)
        house.until(lambda: house.follower.stats.problem)
        assert house.follower.alive
        (tmp_path / "lake").unlink()
        house.caught_up(len(RUN))
        assert house.follower.stats.problem == ""


class Refusing(Lake):
    """A lake on a device that is full."""

    def commit(self, commit: Commit) -> None:
        raise StorageError(f"no room for {commit.next_pos}")


def test_an_end_that_the_store_does_not_allow_comes_in_time_and_says_so(tmp_path: Path) -> None:
    with following(tmp_path, Refusing(tmp_path / "lake")) as house:
        house.put(RUN)
        house.until(lambda: house.follower.stats.problem)
        begun = time.monotonic()
        assert not house.finish(0.1)
        assert time.monotonic() - begun < 2.5
        house.until(lambda: not house.follower.alive)
    with following(tmp_path) as house:
        house.caught_up(len(RUN))


def test_a_bug_in_the_line_does_not_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEGIN_AGAIN_S", 0.001)
    well, bad = Line.advance, [ZeroDivisionError("a bug"), ZeroDivisionError("a bug")]

    def sometimes(line: Line, run: Records) -> dict[str, pa.Table]:
        if bad and run.first_pos > 0:
            raise bad.pop()
        return well(line, run)

    monkeypatch.setattr(Line, "advance", sometimes)
    with following(tmp_path / "live") as house:
        house.put(RUN.cut(0, END))
        house.caught_up(END)
        assert not bad
        assert house.finish(last=LAST)
        assert house.follower.stats.problem == ""
    assert tables(tmp_path / "live") == replayed(tmp_path / "live", tmp_path / "again")


def test_while_it_holds_nothing_is_taken_and_the_end_takes_all(tmp_path: Path) -> None:
    with following(tmp_path) as house:
        house.put(RUN.cut(0, 100))
        house.caught_up(100)
        house.follower.hold()
        house.put(RUN.cut(100, len(RUN)))
        house.journal.close(5.0)
        assert house.follower.stats.next_pos < len(RUN)
        assert house.follower.finish(house.journal.next_pos, 20.0)
        assert house.follower.stats.next_pos == len(RUN)
        assert not house.follower.alive
