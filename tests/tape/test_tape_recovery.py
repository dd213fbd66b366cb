"""Opening a tape after a crash, a power cut or damage: what is kept, what is cut, what is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from barograph.errors import TapeCorrupt
from barograph.records import Kind, Record, Stream
from barograph.tape import Recovery, TapeReader, TapeWriter, list_segments, verify
from barograph.tape.blocks import BlockReader
from barograph.tape.sealing import seal

A, NEW = Stream("sim", "a"), Stream("sim", "new")
Opened = Callable[..., TapeWriter]
Fill = Callable[..., list[Record]]
Read = Callable[..., list[Record]]


def last_block(path: Path) -> int:
    """Offset of the last block of a raw segment."""
    with BlockReader(path) as blocks:
        offsets = []
        while parts := blocks.read():
            offsets += [part.offset for part in parts]
        return offsets[-1]


def test_a_tail_torn_at_any_byte_is_cut(fill: Fill, opened: Opened, tape: Path, records: Read) -> None:
    fill([b"one"], [b"two", b"three"])
    with opened() as writer:
        writer.append_many([NEW], 0, np.arange(3), Kind.FRAME, [b"4", b"", b"six"])
    path = tape / f"{0:020d}.tape"
    whole = path.read_bytes()
    start = last_block(path)
    for size in range(start, len(whole)):
        path.write_bytes(whole[:size])
        assert len(records()) == 3
        with capture_logs() as logs:
            writer = opened()
        torn = size - start
        assert writer.recovery == (Recovery(path, 3, torn) if torn else None)
        assert [log["event"] for log in logs] == (["tape.torn_tail"] if torn else [])
        assert writer.append(NEW, 9, Kind.FRAME, b"again") == 3
        writer.close()
        assert [r.payload for r in records()] == [b"one", b"two", b"three", b"again"]
        assert TapeReader(tape).streams[-1] == NEW
        assert verify(tape) == []


def test_a_large_block_that_is_torn_is_not_read(
    fill: Fill, opened: Opened, tape: Path, records: Read
) -> None:
    expected = fill([b"one"], [b"%d" % n for n in range(70)])
    path = tape / f"{0:020d}.tape"
    whole = path.read_bytes()
    start = last_block(path)
    for size in [*range(start, start + 60), *range(start + 60, len(whole), 13), len(whole) - 1]:
        path.write_bytes(whole[:size])
        assert records() == expected[:1]
    assert opened().recovery == Recovery(path, 1, len(whole) - 1 - start)


def test_a_tail_of_one_record_torn_at_any_byte_is_cut(
    fill: Fill, opened: Opened, tape: Path, records: Read
) -> None:
    fill([b"one"], [b"two"])
    path = tape / f"{0:020d}.tape"
    whole = path.read_bytes()
    for size in range(len(whole) - 60, len(whole)):
        path.write_bytes(whole[:size])
        opened().close()
        assert [r.payload for r in records()] == [b"one"]


@pytest.mark.parametrize("tail", [bytes(5000), b"\xff" * 100, b"BLK1" * 40], ids=["zeros", "ones", "magic"])
def test_a_tail_of_anything_is_cut(
    fill: Fill, opened: Opened, tape: Path, records: Read, tail: bytes
) -> None:
    """What a power cut leaves: the file had grown, its data had not been written."""
    expected = fill([b"one", b"two"])
    path = tape / f"{0:020d}.tape"
    with path.open("ab") as file:
        file.write(tail)
    assert records() == expected
    assert opened().recovery == Recovery(path, 2, len(tail))
    assert records() == expected


@pytest.mark.parametrize("kept", range(41))
def test_a_segment_torn_in_its_header_is_no_segment(
    fill: Fill, opened: Opened, tape: Path, records: Read, kept: int
) -> None:
    expected = fill([b"one"], [b"two"])
    path = tape / f"{2:020d}.tape"
    path.write_bytes((tape / f"{0:020d}.tape").read_bytes()[:kept])
    if kept == 40:
        path.write_bytes(bytes(4096))
    assert records() == expected
    assert [s.next_pos for s in list_segments(tape)] == [2]
    with capture_logs():
        writer = opened()
    assert writer.recovery is not None
    assert writer.recovery.kept == 2
    assert not path.exists()
    assert writer.append(A, 1, Kind.FRAME, b"three") == 2


def test_an_only_segment_torn_in_its_header_keeps_its_position(opened: Opened, tape: Path) -> None:
    tape.mkdir()
    (tape / f"{500:020d}.tape").write_bytes(b"BARO")
    assert TapeReader(tape).end == 0
    with capture_logs():
        assert opened().append(A, 1, Kind.FRAME, b"") == 500


def unsynced_tape(opened: Opened, *, sync_after: int | None) -> None:
    """Three records, each its block; synced after the one that is named."""
    with opened(fsync_interval_s=3600) as writer:
        for n in range(3):
            writer.append(A, n, Kind.FRAME, b"payload-%d" % n)
            if n == sync_after:
                writer.sync()


@pytest.mark.parametrize("sync_after", [None, 0])
def test_a_block_lost_in_a_power_cut_takes_the_unsynced_ones_behind_it(
    opened: Opened, tape: Path, records: Read, sync_after: int | None
) -> None:
    unsynced_tape(opened, sync_after=sync_after)
    path = tape / f"{0:020d}.tape"
    at = path.read_bytes().index(b"payload-1")
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes(9))
    with capture_logs() as logs:
        assert opened().next_pos == 1
    assert logs[0]["event"] == "tape.torn_tail"
    assert [r.payload for r in records()] == [b"payload-0"]


def test_damage_of_synced_records_is_kept_and_gone_around(opened: Opened, tape: Path, records: Read) -> None:
    unsynced_tape(opened, sync_after=1)
    path = tape / f"{0:020d}.tape"
    before = path.read_bytes()
    at = before.index(b"payload-1")
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"PAYLOAD-1")
    with capture_logs() as logs:
        writer = opened(roll_bytes=300)
        assert writer.append(NEW, 9, Kind.FRAME, b"x" * 300) == 3
        writer.append(NEW, 9, Kind.FRAME, b"")
        writer.close()
    assert sorted(log["event"] for log in logs) == ["tape.damaged", "tape.seal_damaged"]
    assert path.stat().st_size == len(before)
    assert [r.payload for r in records(start=3)] == [b"x" * 300, b""]
    with pytest.raises(TapeCorrupt, match=r"0{20}\.tape: damaged at offset \d+: .*`barograph tape verify`"):
        records()
    (problem,) = verify(tape)
    assert (problem.path, problem.message) == (path, "the block fails its checksum")


@pytest.mark.parametrize("later", [[], [Stream("sim", "later")]], ids=["last", "middle"])
def test_stream_numbers_lost_to_damage_are_not_given_out_again(
    opened: Opened, tape: Path, later: list[Stream]
) -> None:
    with opened(fsync_interval_s=3600) as writer:
        for n, stream in enumerate([A, Stream("sim", "lost"), *later, A]):
            writer.append(stream, n, Kind.FRAME, b"payload-%d" % n)
            writer.append(stream, n, Kind.FRAME, b"")
            writer.sync()
        end = writer.next_pos
    path = tape / f"{0:020d}.tape"
    path.write_bytes(path.read_bytes().replace(b"payload-1", b"PAYLOAD-1"))
    with capture_logs():
        writer = opened()
        assert list(writer.streams) == [A, Stream("lost", "lost-1"), *later]
        assert writer.append(NEW, 1, Kind.FRAME, b"") == end
    assert TapeReader(tape).streams == (A, Stream("lost", "lost-1"), *later, NEW)


def test_a_damaged_header_before_records_is_not_cut(fill: Fill, opened: Opened, tape: Path) -> None:
    fill([b"one"])
    path = tape / f"{0:020d}.tape"
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)
    with pytest.raises(TapeCorrupt, match="header is damaged at offset 0"):
        opened()
    assert path.read_bytes() == data


def half_sealed(tape: Path, fill: Fill) -> tuple[Path, Path, list[Record]]:
    """A tape whose first segment is raw and sealed at once."""
    expected = fill([b"a" * 500], [b"b" * 500], [b"c"], roll_bytes=700)
    sealed = tape / f"{0:020d}.sealed"
    raw = sealed.with_suffix(".tape")
    with BlockReader(sealed) as blocks:
        assert blocks.index is not None
    aside = tape.parent / "aside"
    with TapeWriter(aside, clock=_Still()) as writer:
        writer.append_many([Stream("sim", "sim-1")], 0, np.array([expected[0].recv_ns]), 1, [b"a" * 500])
    shutil.copy(aside / raw.name, raw)
    return raw, sealed, expected


class _Still:
    def now_ns(self) -> int:
        return 0


def test_a_crash_between_rename_and_removal_leaves_no_double_records(
    fill: Fill, opened: Opened, tape: Path, records: Read
) -> None:
    raw, sealed, expected = half_sealed(tape, fill)
    assert records() == expected
    assert verify(tape) == []
    opened().close()
    assert (raw.exists(), sealed.exists()) == (False, True)
    assert records() == expected


def test_a_sealed_file_that_cannot_be_opened_gives_way_to_its_raw_one(
    fill: Fill, opened: Opened, tape: Path, records: Read
) -> None:
    raw, sealed, expected = half_sealed(tape, fill)
    sealed.write_bytes(sealed.read_bytes()[:-1])
    with capture_logs() as logs:
        opened().close()
    assert [log["event"] for log in logs] == ["tape.sealed_again"]
    assert (raw.exists(), sealed.exists()) == (False, True)
    assert records() == expected
    assert verify(tape) == []


def test_an_unfinished_sealing_is_done_again(fill: Fill, opened: Opened, tape: Path, records: Read) -> None:
    expected = fill([b"one"])
    with capture_logs():
        writer = opened(roll_bytes=100)
    unfinished = tape / f"{0:020d}.sealing"
    unfinished.write_bytes(b"half")
    writer.append(A, 1, Kind.FRAME, b"x")
    writer.close()
    assert not unfinished.exists()
    assert [s.state for s in list_segments(tape)] == ["sealed", "live"]
    assert records()[:1] == expected


def test_rolled_segments_that_a_crash_left_raw_are_sealed(fill: Fill, opened: Opened, tape: Path) -> None:
    fill([b"one"])
    raw = (tape / f"{0:020d}.tape").read_bytes()
    fill([b"two" * 100], roll_bytes=200)
    (tape / f"{0:020d}.sealed").unlink()
    (tape / f"{0:020d}.tape").write_bytes(raw)
    assert [s.state for s in list_segments(tape)] == ["raw", "live"]
    opened().close()
    assert [s.state for s in list_segments(tape)] == ["sealed", "live"]


def test_a_tape_of_sealed_segments_only_goes_on_in_a_new_one(
    fill: Fill, opened: Opened, tape: Path, records: Read
) -> None:
    expected = fill([b"one", b"two"])
    seal(tape / f"{0:020d}.tape")
    writer = opened()
    assert writer.append(A, 1, Kind.FRAME, b"three") == 2
    assert records()[:2] == expected
    assert [s.state for s in list_segments(tape)] == ["sealed", "live"]
