"""Writing: positions, syncing, rolling, sealing, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from barograph.clock import NS_PER_S, ManualClock
from barograph.errors import StorageBusy, StorageError, UsageError
from barograph.records import Kind, Record, Stream
from barograph.tape import TapeReader, TapeWriter, list_segments
from barograph.tape import commit as commit_module
from barograph.tape import writer as writer_module

A, B = Stream("sim", "a"), Stream("binance", "b")
HOUR_NS = 3600 * NS_PER_S
Opened = Callable[..., TapeWriter]


def states(tape: Path) -> list[str]:
    return [segment.state for segment in list_segments(tape)]


def test_positions_and_stream_numbers_go_on_after_reopening(
    opened: Opened, records: Callable[..., list[Record]]
) -> None:
    with opened() as writer:
        assert writer.append(A, 1, Kind.FRAME, b"0") == 0
        assert writer.append(B, 2, Kind.SENT, b"1") == 1
    with opened() as writer:
        assert (writer.next_pos, list(writer.streams), writer.recovery) == (2, [A, B], None)
        assert writer.append(B, 3, Kind.FRAME, b"2") == 2
    assert [(r.stream, r.kind, r.payload) for r in records()] == [
        (A, Kind.FRAME, b"0"),
        (B, Kind.SENT, b"1"),
        (B, Kind.FRAME, b"2"),
    ]


def test_an_empty_tape_is_opened_again_without_a_word(opened: Opened, tape: Path) -> None:
    opened().close()
    with capture_logs() as logs:
        assert opened().recovery is None
    assert logs == []


def test_appending_nothing_writes_nothing(opened: Opened, tape: Path) -> None:
    writer = opened()
    size = next(tape.glob("*.tape")).stat().st_size
    assert writer.append_many([A], 0, np.array([], np.int64), Kind.FRAME, []) == 0
    assert (writer.next_pos, next(tape.glob("*.tape")).stat().st_size) == (0, size)


def test_a_record_can_be_read_when_append_returns(
    opened: Opened, records: Callable[..., list[Record]]
) -> None:
    writer = opened(fsync_interval_s=3600)
    for n in range(1, 20):
        writer.append(A, n, Kind.FRAME, b"x" * n)
        assert len(records()) == n


def test_sync_brings_everything_to_the_disk(opened: Opened) -> None:
    writer = opened(fsync_interval_s=3600)
    writer.append(A, 1, Kind.FRAME, b"")
    assert writer.synced_pos == 0
    assert writer.sync() == 1
    assert writer.synced_pos == 1


@pytest.mark.parametrize(
    "settings", [{"fsync_interval_s": 0.001}, {"fsync_interval_s": 3600, "fsync_bytes": 100}]
)
def test_records_are_synced_by_themselves_given_time_or_bytes(
    opened: Opened, settings: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Event()
    real = commit_module.sync_data

    def observed(fd: int) -> None:
        real(fd)
        synced.set()

    writer = opened(**settings)
    monkeypatch.setattr(commit_module, "sync_data", observed)
    writer.append(A, 1, Kind.FRAME, b"x" * 200)
    assert synced.wait(30)


def test_a_failed_sync_stops_the_tape(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = opened(fsync_interval_s=3600)
    writer.append(A, 1, Kind.FRAME, b"")

    def broken(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(commit_module, "sync_data", broken)
    with pytest.raises(StorageError, match="look at the disk"):
        writer.sync()
    monkeypatch.undo()
    # The pages may be gone although a second sync would succeed: nothing is called synced any more.
    with pytest.raises(StorageError, match="look at the disk"):
        writer.append(A, 2, Kind.FRAME, b"")
    assert writer.synced_pos == 0
    with pytest.raises(StorageError, match="look at the disk"):
        writer.close()
    assert opened().next_pos == 1


def test_segments_are_rolled_by_size_and_sealed_at_close(
    opened: Opened, tape: Path, records: Callable[..., list[Record]]
) -> None:
    with opened(roll_bytes=1000) as writer:
        for n in range(20):
            writer.append(A, n, Kind.FRAME, b"x" * 300)
    segments = list_segments(tape)
    assert [s.first_pos for s in segments] == list(range(0, 20, 2))
    assert [s.state for s in segments] == ["sealed"] * 9 + ["live"]
    assert [r.recv_ns for r in records()] == list(range(20))


def test_segments_are_rolled_on_the_hour_unless_empty(opened: Opened, tape: Path, clock: ManualClock) -> None:
    with opened() as writer:
        clock.advance(7200)
        writer.append(A, 1, Kind.FRAME, b"")
        assert len(list(tape.glob("0*"))) == 1
        clock.advance((-clock.now_ns() % HOUR_NS) / NS_PER_S - 1)
        writer.append(A, 1, Kind.FRAME, b"")
        assert len(list(tape.glob("0*"))) == 1
        clock.advance(1)
        writer.append(A, 1, Kind.FRAME, b"")
    assert [s.records for s in list_segments(tape)] == [2, 1]


def test_an_hour_that_ended_while_closed_rolls_at_the_first_append(
    opened: Opened, tape: Path, clock: ManualClock
) -> None:
    with opened() as writer:
        writer.append(A, 1, Kind.FRAME, b"")
    clock.advance(3600)
    with opened() as writer:
        writer.append(A, 2, Kind.FRAME, b"")
    assert states(tape) == ["sealed", "live"]


def test_a_rolled_segment_is_synced_before_the_next_begins(opened: Opened) -> None:
    writer = opened(roll_bytes=300, fsync_interval_s=3600)
    writer.append(A, 1, Kind.FRAME, b"x" * 100)
    writer.append(A, 1, Kind.FRAME, b"x" * 100)
    assert writer.synced_pos == 1


def test_a_second_writer_is_refused_and_told_who_writes(opened: Opened, tape: Path) -> None:
    writer = opened()
    with pytest.raises(
        StorageBusy, match=rf"written by process {os.getpid()}; wait for it to end, or stop it"
    ):
        opened()
    program = (
        "import sys; from pathlib import Path; from barograph.clock import SystemClock\n"
        "from barograph.tape import TapeWriter\n"
        "TapeWriter(Path(sys.argv[1]), clock=SystemClock())"
    )
    other = subprocess.run(
        [sys.executable, "-c", program, str(tape)], capture_output=True, text=True, check=False
    )
    assert f"StorageBusy: the tape {tape} is being written by process {os.getpid()}" in other.stderr
    writer.close()
    opened().append(A, 1, Kind.FRAME, b"")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recv_ns": np.arange(3)}, r"2 payloads with receipt times of shape \(3,\)"),
        ({"stream": np.array([0])}, r"2 payloads with streams of shape \(1,\)"),
        ({"kind": np.array([1, 1, 1], np.uint8)}, r"2 payloads with kinds of shape \(3,\)"),
        ({"kind": 0}, r"kinds from 0 to 0; they go from 1 to 8"),
        ({"kind": np.array([1, 9], np.uint8)}, r"kinds from 1 to 9; they go from 1 to 8"),
    ],
)
def test_columns_that_do_not_fit_are_refused(opened: Opened, change: dict[str, object], message: str) -> None:
    writer = opened()
    given = {"stream": 0, "recv_ns": np.arange(2), "kind": 1, "payloads": [b"", b""]} | change
    with pytest.raises(UsageError, match=message):
        writer.append_many([A], **given)
    with pytest.raises(UsageError, match="kinds from 9 to 9"):
        writer.append(A, 1, 9, b"")
    assert (writer.next_pos, list(writer.streams)) == (0, [])


def test_a_payload_larger_than_a_block_is_refused(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "MAX_BODY", 1000)
    writer = opened()
    assert writer.append(A, 1, Kind.FRAME, bytes(1000 - 17 - 12)) == 0
    assert writer.append(A, 1, Kind.FRAME, bytes(1000 - 17)) == 1
    with pytest.raises(UsageError, match="it may be 1000: append fewer at once"):
        writer.append(A, 1, Kind.FRAME, bytes(1000 - 16))
    with pytest.raises(UsageError, match="2 records of 1034 bytes in one call"):
        writer.append_many([A], 0, np.zeros(2, np.int64), Kind.FRAME, [bytes(500)] * 2)
    assert writer.next_pos == 2


def test_an_interrupt_in_the_middle_of_an_append_takes_it_back(
    opened: Opened, records: Callable[..., list[Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = opened()
    writer.append(A, 1, Kind.FRAME, b"first")
    real = writer_module.write_all

    def interrupted(fd: int, data: bytes) -> None:
        real(fd, data[:45])
        raise KeyboardInterrupt

    monkeypatch.setattr(writer_module, "write_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.append_many([B], 0, np.array([2]), Kind.FRAME, [b"second"])
    monkeypatch.undo()
    writer.append(B, 3, Kind.FRAME, b"third")
    assert [(r.stream, r.payload) for r in records()] == [(A, b"first"), (B, b"third")]


def test_a_closed_tape_is_not_appended_to(opened: Opened) -> None:
    writer = opened()
    writer.close()
    writer.close()
    with pytest.raises(UsageError, match="is closed; open it again"):
        writer.append(A, 1, Kind.FRAME, b"")


def test_streams_are_defined_once_and_only_if_used(opened: Opened, tape: Path) -> None:
    many = [Stream("sim", f"c{n}") for n in range(100)]
    with opened(roll_bytes=500) as writer:
        for turn in range(3):
            for n in (7, 3, 7, 99):
                writer.append_many(many, np.array([n, n]), np.array([turn, n]), Kind.FRAME, [b"p", b"q"])
        assert list(writer.streams) == [many[7], many[3], many[99]]
    assert TapeReader(tape).streams == (many[7], many[3], many[99])
    assert {r.stream for run in TapeReader(tape).read() for r in run} == {many[7], many[3], many[99]}


def test_a_directory_that_cannot_be_made_is_a_storage_error(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="opening the tape"):
        TapeWriter(tmp_path / "file" / "tape", clock=clock)
