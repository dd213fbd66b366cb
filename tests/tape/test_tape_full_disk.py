"""No space: what was being written is taken back, the tape stays readable and goes on when there is space."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs
from tests.conftest import skip_or_fail

from barograph.clock import ManualClock
from barograph.errors import StorageFull
from barograph.records import Kind, Stream
from barograph.tape import TapeReader, TapeWriter, list_segments, verify

A, NEW = Stream("sim", "a"), Stream("sim", "new")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits and mounts of POSIX")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow over ``size`` bytes: writes are cut short and then refused with EFBIG."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        skip_or_fail(str(error))
    if done.returncode:
        skip_or_fail(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def payloads(tape: Path) -> list[bytes]:
    return [payload for run in TapeReader(tape).read() for payload in run.payloads]


@pytest.mark.parametrize("short_by", [1, 57, 99])
def test_an_append_cut_short_is_taken_back(tape: Path, clock: ManualClock, short_by: int) -> None:
    with TapeWriter(tape, clock=clock) as writer:
        writer.append(A, 1, Kind.FRAME, b"first")
        path = next(tape.glob("*.tape"))
        size = path.stat().st_size
        block = 40 + 17 + 60
        with largest_file(size + block - short_by), pytest.raises(StorageFull, match="no space left"):
            writer.append(A, 2, Kind.FRAME, b"s" * 60)
        assert path.stat().st_size == size
        assert (writer.next_pos, payloads(tape)) == (1, [b"first"])
        assert writer.append(A, 2, Kind.FRAME, b"second") == 1
    assert payloads(tape) == [b"first", b"second"]
    assert verify(tape) == []


def test_a_stream_whose_first_record_was_taken_back_is_defined_anew(tape: Path, clock: ManualClock) -> None:
    with TapeWriter(tape, clock=clock) as writer:
        writer.append(A, 1, Kind.FRAME, b"first")
        with largest_file(next(tape.glob("*.tape")).stat().st_size + 10), pytest.raises(StorageFull):
            writer.append_many([NEW], 0, np.arange(2), Kind.FRAME, [b"x", b"y"])
        assert list(writer.streams) == [A]
        writer.append(NEW, 2, Kind.FRAME, b"second")
    assert TapeReader(tape).streams == (A, NEW)
    assert payloads(tape) == [b"first", b"second"]


def test_a_segment_that_cannot_be_begun_leaves_the_former_one(tape: Path, clock: ManualClock) -> None:
    with TapeWriter(tape, clock=clock) as writer:
        writer.append(A, 1, Kind.FRAME, b"first")
        clock.advance(3600)
        with largest_file(20), pytest.raises(StorageFull, match="beginning a new segment"):
            writer.append(A, 2, Kind.FRAME, b"second")
        assert len(list(tape.glob("*.tape"))) == 1
        assert writer.append(A, 2, Kind.FRAME, b"second") == 1
    assert [s.state for s in list_segments(tape)] == ["sealed", "live"]
    assert payloads(tape) == [b"first", b"second"]


def append_for_ever(writer: TapeWriter, rng: np.random.Generator, written: list[bytes]) -> None:
    """Append, and note what was accepted, until an append is refused."""
    while True:
        payload = rng.bytes(3000)
        assert writer.append(A, 1, Kind.FRAME, payload) == len(written)
        written.append(payload)


def test_a_disk_that_fills_up_and_is_cleared(small_disk: Path, clock: ManualClock) -> None:
    tape, ballast = small_disk / "tape", small_disk / "ballast"
    ballast.write_bytes(bytes(200 << 10))
    rng = np.random.default_rng(1)
    written: list[bytes] = []
    with capture_logs(), TapeWriter(tape, clock=clock, roll_bytes=64 << 10) as writer:
        for refused in range(3):
            with pytest.raises(StorageFull, match="no space left"):
                append_for_ever(writer, rng, written)
            assert payloads(tape) == written
            size = ballast.stat().st_size - (60 << 10) if refused < 2 else 0
            os.truncate(ballast, size)  # written anew it would compete with the tape for its own room
        writer.append(A, 1, Kind.FRAME, b"last")
    with capture_logs():
        TapeWriter(tape, clock=clock).close()
    assert payloads(tape) == [*written, b"last"]
    assert verify(tape) == []
    assert not list(tape.glob("*.sealing"))


def test_sealing_without_space_leaves_the_raw_segment(
    tape: Path, clock: ManualClock, records: Callable[..., list[object]]
) -> None:
    rng = np.random.default_rng(1)
    with capture_logs() as logs:
        writer = TapeWriter(tape, clock=clock, roll_bytes=50_000)
        writer.append(A, 1, Kind.FRAME, rng.bytes(40_000))
        with largest_file(30_000):
            writer.append(A, 1, Kind.FRAME, rng.bytes(20_000))
            writer.close()
    assert [log["event"] for log in logs] == ["tape.seal_later"]
    assert [s.state for s in list_segments(tape)] == ["raw", "live"]
    assert len(records()) == 2
    TapeWriter(tape, clock=clock).close()
    assert [s.state for s in list_segments(tape)] == ["sealed", "live"]
