"""Reading: runs and their bounds, seeking, following, and what damage says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from barograph.clock import ManualClock
from barograph.errors import DataError, TapeCorrupt, UsageError
from barograph.records import Kind, Record, Stream
from barograph.tape import TapeReader, TapeWriter
from barograph.tape import cursor as cursor_module
from barograph.tape.sealing import seal
from barograph.tape.segments import segment_files

A = Stream("sim", "a")
Fill = Callable[..., list[Record]]
Opened = Callable[..., TapeWriter]


def many(count: int, size: int = 100) -> list[bytes]:
    return [b"%d " % n + b"x" * size for n in range(count)]


@pytest.mark.parametrize("batch", [1, 7, 100])
@pytest.mark.parametrize("roll_bytes", [700, 20_000])
def test_every_start_and_stop_gives_those_records(
    fill: Fill, tape: Path, batch: int, roll_bytes: int
) -> None:
    payloads = many(100)
    fill(*(payloads[n : n + batch] for n in range(0, 100, batch)), roll_bytes=roll_bytes)
    reader = TapeReader(tape)
    assert (reader.begin, reader.end) == (0, 100)
    for start in range(101):
        assert [p for run in reader.read(start) for p in run.payloads] == payloads[start:]
    for start, stop in [(0, 0), (0, 1), (3, 57), (99, 100), (50, 20), (40, 500)]:
        runs = list(reader.read(start, stop))
        assert [p for run in runs for p in run.payloads] == payloads[start:stop]
        assert [run.first_pos for run in runs] == ([start] if start < stop else [])


def test_runs_keep_their_bounds_over_blocks_and_segments(fill: Fill, tape: Path) -> None:
    fill(*(many(33) for _ in range(10)), roll_bytes=8000)
    assert len(segment_files(tape)) > 3
    reader = TapeReader(tape)
    assert [len(run) for run in reader.read(max_records=100)] == [100, 100, 100, 30]
    for run in reader.read(max_bytes=1000):
        assert sum(map(len, run.payloads)) <= 1000
    assert [len(run) for run in reader.read(max_bytes=1)] == [1] * 330
    (run,) = reader.read()
    assert len(run) == 330


def test_a_record_over_the_bound_is_a_run_of_its_own(fill: Fill, tape: Path) -> None:
    fill([b"a" * 10, b"b" * 100, b"c" * 10, b"", b"d" * 40])
    runs = list(TapeReader(tape).read(max_bytes=50))
    assert [[len(p) for p in run.payloads] for run in runs] == [[10], [100], [10, 0, 40]]


def test_the_numbers_of_a_run_are_aligned_writable_and_its_own(fill: Fill, tape: Path) -> None:
    fill([b"odd"], [b"sizes!"] * 70)
    seal(next(tape.glob("*.tape")))
    for _ in range(2):
        (run,) = TapeReader(tape).read()
        for column, dtype in ((run.recv_ns, np.int64), (run.kind, np.uint8), (run.stream, np.uint32)):
            assert column.dtype == dtype
            assert column.flags.aligned
            assert column.flags.writeable
            assert column.flags.c_contiguous
        run.recv_ns[:] = 0


def test_bounds_below_one_are_refused(fill: Fill, tape: Path) -> None:
    fill([b""])
    with pytest.raises(UsageError, match="a run of 0 records and 5 bytes"):
        list(TapeReader(tape).read(max_records=0, max_bytes=5))


def test_no_tape_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no tape at .*nowhere; `barograph tape import` or"):
        TapeReader(tmp_path / "nowhere")


def test_an_empty_tape_has_no_records(opened: Opened, tape: Path) -> None:
    opened()
    reader = TapeReader(tape)
    assert (reader.begin, reader.end, reader.streams, list(reader.read())) == (0, 0, (), [])


def test_a_start_behind_the_end_is_told(fill: Fill, tape: Path) -> None:
    fill([b"one"])
    reader = TapeReader(tape)
    assert list(reader.read(1)) == []
    with pytest.raises(DataError, match="position 2 is not on the tape, which ends at 1"):
        list(reader.read(2))
    with pytest.raises(DataError, match="position 2 is not on the tape, which ends at 1"):
        next(reader.follow(2, lambda: False))


def test_positions_that_were_deleted_are_told(fill: Fill, tape: Path) -> None:
    fill(*([p] for p in many(10)), roll_bytes=500)
    first, second = list(segment_files(tape).items())[:2]
    first[1].unlink()
    reader = TapeReader(tape)
    assert reader.begin == second[0]
    assert next(reader.read()).first_pos == second[0]
    with pytest.raises(DataError, match=f"position 1 is gone, the tape begins at {second[0]}"):
        next(reader.read(1))


@pytest.mark.parametrize("start", [0, 5])
def test_a_missing_segment_is_a_hole_not_the_end(fill: Fill, tape: Path, start: int) -> None:
    fill(*([p] for p in many(10)), roll_bytes=300)
    files = segment_files(tape)
    hole = list(files)[5]
    files[hole].unlink()
    with pytest.raises(TapeCorrupt, match=f"ends at position {hole} and no other begins there"):
        list(TapeReader(tape).read(start))


def test_damage_in_the_middle_names_file_and_offset_and_remedy(fill: Fill, tape: Path) -> None:
    fill(*([p] for p in many(4)))
    path = next(tape.glob("*.tape"))
    data = bytearray(path.read_bytes())
    at = data.index(b"1 xxx")
    data[at] ^= 1
    path.write_bytes(data)
    runs = TapeReader(tape).read(max_records=1)
    assert next(runs).payloads == many(1)
    with pytest.raises(
        TapeCorrupt, match=rf"{path}: damaged at offset {at - 57}: .* run `barograph tape verify`"
    ):
        next(runs)


def test_every_byte_of_a_sealed_segment_is_guarded(
    fill: Fill, tape: Path, patched: Callable[..., Any]
) -> None:
    expected = fill([b"one", b"two"], [b"three"], stream=A)
    seal(next(tape.glob("*.tape")))
    (path,) = tape.glob("*.sealed")
    data = path.read_bytes()
    unguarded = 0
    for offset in range(len(data)):
        with patched(path, offset, bytes([data[offset] ^ 0x55])):
            try:
                found = [r for run in TapeReader(tape).read() for r in run]
            except (TapeCorrupt, DataError):
                continue
            # The whole-file sha256 and the size of all payloads are for verify and list only.
            assert found == expected
            unguarded += 1
    assert unguarded == 32 + 8


@pytest.mark.parametrize("batch", [1, 70])
def test_a_block_that_was_taken_out_is_damage(fill: Fill, tape: Path, batch: int) -> None:
    fill(*([b"x" * 10] * batch for _ in range(3)))
    path = next(tape.glob("*.tape"))
    data = path.read_bytes()
    first, second, third = (i for i in range(len(data)) if data[i : i + 4] == b"BLK1")
    assert first < second
    path.write_bytes(data[:second] + data[third:])
    with pytest.raises(TapeCorrupt, match=f"begins at position {2 * batch} where {batch} was due"):
        list(TapeReader(tape).read())


def test_a_block_that_claims_more_than_it_holds_is_damage(fill: Fill, tape: Path) -> None:
    fill([b"one"], [b"two"])
    path = next(tape.glob("*.tape"))
    data = bytearray(path.read_bytes())
    first = data.index(b"BLK1")
    data[first + 8 : first + 12] = (1 << 29).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(TapeCorrupt, match="ends behind the end"):
        list(TapeReader(tape).read())


def test_follow_waits_when_there_is_nothing_new_and_stops_when_told(opened: Opened, tape: Path) -> None:
    writer = opened(roll_bytes=500)
    written = [writer.append(A, n, Kind.FRAME, b"%d" % n) for n in range(2)]
    waits = iter([3, 0, 200, None])

    def wait() -> bool:
        more = next(waits)
        for _ in range(more or 0):
            written.append(writer.append(A, len(written), Kind.FRAME, b"%d" % len(written)))
        return more is not None

    runs = list(TapeReader(tape).follow(1, wait, max_records=150))
    assert [len(run) for run in runs] == [1, 3, 150, 50]
    assert [r.payload for run in runs for r in run] == [b"%d" % n for n in range(1, 205)]


def test_follow_looks_again_before_it_waits(opened: Opened, tape: Path) -> None:
    writer = opened()
    writer.append(A, 1, Kind.FRAME, b"0")
    runs = TapeReader(tape).follow(0, lambda: False)
    assert next(runs).payloads == [b"0"]
    writer.append(A, 1, Kind.FRAME, b"1")
    assert next(runs).payloads == [b"1"]
    assert list(runs) == []


def test_follow_begins_before_the_first_record(opened: Opened, tape: Path) -> None:
    tape.mkdir()
    writers: list[TapeWriter] = []

    def wait() -> bool:
        if writers:
            return False
        writers.append(opened())
        writers[0].append(A, 1, Kind.FRAME, b"first")
        return True

    assert [run.payloads for run in TapeReader(tape).follow(0, wait)] == [[b"first"]]


def test_a_reader_keeps_its_place_while_its_segment_is_sealed(opened: Opened, tape: Path) -> None:
    writer = opened(roll_bytes=1 << 30)
    for n in range(10):
        writer.append(A, n, Kind.FRAME, b"%d" % n)
    runs = TapeReader(tape).follow(0, lambda: False, max_records=1)
    assert next(runs).payloads == [b"0"]
    writer.close()
    seal(next(tape.glob("*.tape")))
    with TapeWriter(tape, clock=ManualClock()) as again:
        again.append(A, 1, Kind.FRAME, b"10")
    assert [p for run in runs for p in run.payloads] == [b"%d" % n for n in range(1, 11)]


def test_a_segment_missed_by_one_listing_is_looked_for_again(
    fill: Fill, tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing that runs while a segment is sealed may show neither of its files."""
    expected = fill(*([p] for p in many(10)), roll_bytes=300)
    real, looks = cursor_module.segment_files, []

    def blind(path: Path) -> dict[int, Path]:
        looks.append(path)
        return {p: f for p, f in real(path).items() if len(looks) > 3 or p in (0, 4)}

    monkeypatch.setattr(cursor_module, "segment_files", blind)
    assert [r for run in TapeReader(tape).read(2) for r in run] == expected[2:]


def test_a_segment_that_is_gone_when_it_is_opened_is_looked_for_again(
    fill: Fill, tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fill([b"0", b"1", b"2"], [b"x" * 500], roll_bytes=550)
    real, looks = cursor_module.segment_files, []

    def stale(path: Path) -> dict[int, Path]:
        looks.append(path)
        return real(path) if len(looks) > 1 else {0: path, 1: path, 3: path}

    monkeypatch.setattr(cursor_module, "segment_files", stale)
    assert [r for run in TapeReader(tape).read(2) for r in run] == expected[2:]


def test_a_tape_that_goes_on_between_two_looks_is_not_damaged(
    opened: Opened, tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of the segment, and before the listing: more is appended, and the segment is rolled."""
    writer = opened(roll_bytes=700)
    writer.append(A, 0, Kind.FRAME, b"0" * 100)
    real = cursor_module.segment_files

    def late(path: Path) -> dict[int, Path]:
        while seen and writer.next_pos < 6:
            writer.append(A, 0, Kind.FRAME, b"%d" % writer.next_pos * 100)
        return real(path)

    monkeypatch.setattr(cursor_module, "segment_files", late)
    seen: list[bytes] = []
    for run in TapeReader(tape).follow(0, lambda: False, max_records=1):
        seen += run.payloads
    assert seen == [b"%d" % n * 100 for n in range(6)]


@pytest.mark.parametrize("size", [0, 10, 39])
def test_a_segment_being_made_is_waited_for(
    opened: Opened, tape: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The reader finds a header that is not whole; it is whole when it looks whether it is torn."""
    writer = opened(roll_bytes=250)
    writer.append(A, 0, Kind.FRAME, b"0" * 100)
    writer.append(A, 0, Kind.FRAME, b"1" * 100)
    made = tape / f"{1:020d}.tape"
    whole = made.read_bytes()
    made.write_bytes(whole[:size])
    real = cursor_module.head_is_torn

    def late(path: Path) -> bool:
        made.write_bytes(whole)
        return real(path)

    monkeypatch.setattr(cursor_module, "head_is_torn", late)
    assert [p[:1] for run in TapeReader(tape).read() for p in run.payloads] == [b"0", b"1"]


PROCESS = """
import sys
from pathlib import Path
import numpy as np
from barograph.clock import SystemClock
from barograph.records import Kind, Stream
from barograph.tape import TapeWriter
with TapeWriter(Path(sys.argv[1]), clock=SystemClock(), roll_bytes=40_000) as tape:
    stream = Stream("sim", "other-process")
    sys.stdin.readline()
    while tape.next_pos < 30_000:
        n = 1 + tape.next_pos % 97
        payloads = [b"%d" % (tape.next_pos + k) * 5 for k in range(n)]
        tape.append_many([stream], 0, np.arange(n), Kind.FRAME, payloads)
"""


def test_following_a_process_that_writes_rolls_and_seals(tape: Path) -> None:
    tape.mkdir()
    reader = TapeReader(tape)
    with subprocess.Popen([sys.executable, "-c", PROCESS, str(tape)], stdin=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.close()

        def wait() -> bool:
            os.sched_yield() if hasattr(os, "sched_yield") else None
            return writer.poll() is None

        seen = 0
        for run in reader.follow(0, wait):
            assert run.first_pos == seen
            assert run.payloads == [b"%d" % n * 5 for n in range(seen, seen + len(run))]
            seen = run.next_pos
    assert writer.returncode == 0
    assert seen > 0
    assert [p for run in reader.read(seen) for p in run.payloads] == [
        b"%d" % n * 5 for n in range(seen, reader.end)
    ]
    assert len(segment_files(tape)) > 10


@pytest.mark.parametrize("written", [0, 5, 20])
def test_the_end_stays_while_the_next_segment_is_being_made(fill: Fill, tape: Path, written: int) -> None:
    fill(many(30), many(30), roll_bytes=20_000)
    reader = TapeReader(tape)
    end, streams = reader.end, reader.streams
    newest = segment_files(tape)[max(segment_files(tape))]
    following = tape / f"{end:020d}{newest.suffix}"
    # What a kill leaves, or another process sees, between making the file and writing its header.
    following.write_bytes(newest.read_bytes()[:written])
    assert (reader.end, reader.streams) == (end, streams)
    assert sum(len(run) for run in reader.read()) == end
