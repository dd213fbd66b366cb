"""Retention: the oldest goes first, what is needed stays, and no crash leaves a hole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.clock import NS_PER_S, ManualClock
from barograph.errors import DataError, StorageError, TapeCorrupt
from barograph.recorder.live import retention
from barograph.recorder.live.retention import DAY_NS, GB, Pruned, Retention, Segment, prune, sealed_segments
from barograph.records import Kind, Stream
from barograph.tape import TapeReader, TapeWriter, list_segments, verify
from barograph.tape.segments import segment_files

START_NS = 1_723_075_200 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
STREAM = Stream("sim", "sim-1")
EACH = 5


def write(tape: Path, hours: int) -> None:
    """A tape of so many hourly segments of five records, of which the last one is live."""
    clock = ManualClock(START_NS)
    with TapeWriter(tape, clock=clock) as writer:
        for _ in range(hours):
            times = clock.now_ns() + np.arange(EACH)
            payloads = [b"%d" % (writer.next_pos + n) for n in range(EACH)]
            writer.append_many([STREAM], 0, times, Kind.FRAME, payloads)
            clock.advance(3600)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Ten hourly segments: nine sealed, one live."""
    write(tmp_path / "tape", 10)
    return tmp_path / "tape"


def cut(
    tape: Path,
    *,
    days: float | None = None,
    gb: float | None = None,
    held: int = 1 << 40,
    now_ns: int = START_NS + 10 * HOUR_NS,
    dry_run: bool = False,
    on_sealed: Callable[[Segment], bool] | None = None,
) -> Pruned:
    return prune(
        tape, keep_days=days, keep_gb=gb, held_pos=held, now_ns=now_ns, dry_run=dry_run, on_sealed=on_sealed
    )


def begins(tape: Path) -> list[int]:
    return list(segment_files(tape))


def is_whole(tape: Path, end: int = 10 * EACH) -> bool:
    """Sound, without holes, and every record that is there is the one that was written."""
    reader = TapeReader(tape)
    records = [record for run in reader.read() for record in run]
    payloads = [record.payload for record in records]
    return not verify(tape) and payloads == [b"%d" % pos for pos in range(reader.begin, end)]


def test_given_an_age_then_whole_segments_that_are_older_go(tape: Path) -> None:
    now_ns = START_NS + 10 * HOUR_NS
    pruned = cut(tape, days=6.5 / 24, now_ns=now_ns)
    assert [segment.first_pos for segment in pruned.segments] == [0, 5, 10, 15]
    assert begins(tape) == list(range(20, 50, 5))
    assert (pruned.begin, pruned.kept_because) == (20, "")
    assert is_whole(tape)
    assert cut(tape, days=6.5 / 24, now_ns=now_ns).segments == ()


def test_given_a_size_then_the_oldest_go_until_it_is_kept(tape: Path) -> None:
    sizes = {segment.first_pos: segment.bytes for segment in list_segments(tape)}
    limit = sum(sizes.values()) - sizes[0] - sizes[5] - 1
    pruned = cut(tape, gb=limit / GB)
    assert [segment.first_pos for segment in pruned.segments] == [0, 5, 10]
    assert pruned.bytes == sizes[0] + sizes[5] + sizes[10]
    assert sum(segment.bytes for segment in list_segments(tape)) <= limit
    assert is_whole(tape)


def test_given_tables_that_are_behind_then_nothing_beyond_them_goes(tape: Path) -> None:
    for held in (0, 4, 5, 9, 10, 12):
        pruned = cut(tape, days=0.001, held=held)
        assert TapeReader(tape).begin == held // EACH * EACH
        assert f"up to {held:,} only" in pruned.kept_because


def test_given_every_limit_then_the_newest_segment_stays_and_the_tape_goes_on_where_it_was(
    tape: Path,
) -> None:
    cut(tape, days=1e-9, gb=1e-9)
    assert begins(tape) == [45]
    with TapeWriter(tape, clock=ManualClock(START_NS)) as writer:
        assert writer.next_pos == 50
        writer.append(STREAM, START_NS, Kind.FRAME, b"50")
    assert is_whole(tape, 51)


def test_given_a_rolled_segment_that_is_not_sealed_then_it_stays_and_all_behind_it(tape: Path) -> None:
    sealed = segment_files(tape)[10]
    sealed.rename(sealed.with_suffix(".tape"))
    assert [segment.first_pos for segment in cut(tape, days=1e-9).segments] == [0, 5]


def test_given_no_limit_then_nothing_goes_and_a_dry_run_deletes_nothing(tape: Path) -> None:
    assert cut(tape) == Pruned((), "", 0)
    told = cut(tape, days=1e-9, dry_run=True)
    assert (len(told.segments), told.begin, begins(tape)) == (9, 45, list(range(0, 50, 5)))
    assert cut(tape, days=1e-9).segments == told.segments


def test_given_both_forms_of_a_segment_then_both_go(tape: Path) -> None:
    sealed = segment_files(tape)[0]
    sealed.with_suffix(".tape").write_bytes(b"left by a crash while sealing")
    cut(tape, days=9.5 / 24)
    assert begins(tape)[0] == 5
    assert is_whole(tape)


def test_given_a_damaged_segment_then_it_stays_for_a_person_to_look_at(tape: Path) -> None:
    path = segment_files(tape)[5]
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(TapeCorrupt):
        cut(tape, days=1e-9)
    assert path.exists()


def test_given_no_tape_then_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no tape"):
        cut(tmp_path / "nowhere", days=1)


def test_given_a_disk_that_refuses_in_the_middle_then_what_is_left_is_whole(
    tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def refuse(path: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(retention, "sync_directory", refuse)
    with pytest.raises(StorageError, match="Input/output error"):
        cut(tape, days=1e-9)
    assert begins(tape)[0] == 15
    assert is_whole(tape)


DYING = """
import os, sys
from pathlib import Path
from barograph.recorder.live import retention
from barograph.disk import sync_directory
left = int(sys.argv[2])
def unlink(self, missing_ok=False, really=Path.unlink):
    global left
    if left == 0:
        os.kill(os.getpid(), 9)
    left -= 1
    really(self, missing_ok=missing_ok)
Path.unlink = unlink
retention.prune(Path(sys.argv[1]), keep_days=1e-9, keep_gb=None, held_pos=1 << 40, now_ns=1 << 62)
"""


@pytest.mark.parametrize("calls", [0, 1, 4])
def test_given_a_kill_at_any_deletion_then_what_is_left_is_whole(tape: Path, calls: int) -> None:
    done = subprocess.run([sys.executable, "-c", DYING, str(tape), str(calls)], check=False)
    assert done.returncode == -9
    assert begins(tape)[0] == calls // 2 * EACH
    assert is_whole(tape)


def test_given_an_uploader_then_what_it_does_not_have_is_kept(tape: Path) -> None:
    offered: list[int] = []
    has: set[int] = set()

    def on_sealed(segment: Segment) -> bool:
        offered.append(segment.first_pos)
        return segment.first_pos in has

    keeping = Retention(tape, keep_days=1e-9, keep_gb=None, on_sealed=on_sealed)
    now_ns = START_NS + 10 * HOUR_NS
    pruned = keeping.look(1 << 40, now_ns)
    assert (pruned.segments, "not been copied away" in pruned.kept_because) == ((), True)
    assert set(offered) == set(range(0, 45, 5)), "every sealed segment is offered, old or not"
    has.update([0, 5, 15])
    assert [segment.first_pos for segment in keeping.look(1 << 40, now_ns).segments] == [0, 5]
    offered.clear()
    has.add(10)
    assert [segment.first_pos for segment in keeping.look(1 << 40, now_ns).segments] == [10, 15]
    assert 15 not in offered, "what it once had is not asked about again"
    assert is_whole(tape)


def test_given_no_limits_then_an_uploader_is_still_offered_what_is_sealed(tape: Path) -> None:
    offered: list[Path] = []

    def on_sealed(segment: Segment) -> bool:
        offered.append(segment.path)
        return True

    keeping = Retention(tape, None, None, on_sealed)
    for _ in range(3):
        assert keeping.look(0, START_NS).segments == ()
    assert offered == [segment.path for segment in sealed_segments(tape)]


@settings(max_examples=40, deadline=None)
@given(
    hours=st.integers(1, 8),
    days=st.none() | st.floats(0.01, 0.5),
    gb=st.none() | st.floats(1e-9, 3e-6),
    held=st.integers(0, 45),
)
def test_whatever_the_limits_what_stays_has_no_hole_and_holds_what_is_needed(
    tmp_path_factory: pytest.TempPathFactory, hours: int, days: float | None, gb: float | None, held: int
) -> None:
    tape = tmp_path_factory.mktemp("any") / "tape"
    write(tape, hours)
    cut(tape, days=days, gb=gb, held=held)
    reader = TapeReader(tape)
    assert is_whole(tape, hours * EACH)
    assert reader.begin <= max(held, 0)
    assert reader.end == hours * EACH
    for segment in sealed_segments(tape):
        if days is not None and segment.last_ns < START_NS + 10 * HOUR_NS - int(days * DAY_NS):
            assert segment.next_pos > held
        break
