"""Everything that was put comes on the tape, in order, whatever the disk does meanwhile."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from barograph.clock import SystemClock
from barograph.errors import StorageError
from barograph.recorder.live import journal as journal_module
from barograph.recorder.live.journal import BLOCK_BYTES, BLOCK_RECORDS, RECORD_BYTES, Journal, _blocks, _Runs
from barograph.records import Kind, Stream
from barograph.tape import TapeWriter, verify
from barograph.tape import commit as commit_module
from barograph.tape.segments import segment_files

from .echo import on_tape

A, B = Stream("sim", "a"), Stream("kraken", "b")
MIB = 1 << 20


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "tape"


@pytest.fixture
def writer(tape: Path) -> Callable[[], TapeWriter]:
    """Opens the test's tape; syncs of its own do not come in between."""
    return lambda: TapeWriter(tape, clock=SystemClock(), fsync_interval_s=60)


@pytest.fixture
def journal(writer: Callable[[], TapeWriter]) -> Iterator[Journal]:
    made = Journal(writer(), SystemClock(), MIB, reopen=writer)
    yield made
    made.close(5.0)


def wait(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        threading.Event().wait(0.002)


def test_a_record_after_a_pause_waits_for_nobody_and_the_next_ones_go_together(
    writer: Callable[[], TapeWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "BLOCK_S", (30.0, 30.0))
    journal, blocks = Journal(writer(), SystemClock(), MIB), []
    journal.when_appended(blocks.append)
    journal.put(A, 1, Kind.FRAME, b"first")
    assert journal.wait_beyond(0, 10.0)
    for number in range(5):
        journal.put(A, 2 + number, Kind.FRAME, b"next")
    assert not journal.wait_beyond(1, 0.2)  # within half a minute of the first block
    journal.close(5.0)
    assert blocks == [1, 6]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file grows over ``size`` bytes: the disk is full."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def broken(fd: int) -> None:
    raise OSError(5, "Input/output error")


def test_records_come_on_the_tape_as_they_were_put(journal: Journal, tape: Path) -> None:
    journal.put(A, 1, Kind.OPEN, b"{}")
    journal.put_frames(A, 2, [b"one", b"two"], 6)
    journal.put(B, 3, Kind.FRAME, b"three")
    journal.put_frames(A, 4, [b"four"], 4)
    assert journal.wait_beyond(4, 10.0)
    found = [(r.recv_ns, r.kind, r.stream, r.payload) for r in on_tape(tape)]
    assert found == [
        (1, Kind.OPEN, A, b"{}"),
        (2, Kind.FRAME, A, b"one"),
        (2, Kind.FRAME, A, b"two"),
        (3, Kind.FRAME, B, b"three"),
        (4, Kind.FRAME, A, b"four"),
    ]


def test_a_list_of_frames_may_be_used_again_at_once(journal: Journal, tape: Path) -> None:
    frames = [b"one"]
    journal.put_frames(A, 1, frames, 3)
    frames.clear()
    journal.close(5.0)
    assert [r.payload for r in on_tape(tape)] == [b"one"]


def test_threads_put_at_once_and_nothing_is_lost_nor_disordered(journal: Journal, tape: Path) -> None:
    def put(stream: Stream) -> None:
        for n in range(2000):
            journal.put(stream, n, Kind.FRAME, b"%d" % n)

    threads = [threading.Thread(target=put, args=(Stream("sim", str(n)),)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close(10.0)
    found = on_tape(tape)
    assert len(found) == 6000
    for n in range(3):
        assert [r.recv_ns for r in found if r.stream.connection == str(n)] == list(range(2000))


def test_waiting_ends_with_the_time_or_with_the_journal(journal: Journal) -> None:
    assert not journal.wait_beyond(0, 0.01)
    journal.put(A, 1, Kind.FRAME, b"")
    assert journal.wait_beyond(0, 10.0)
    assert journal.next_pos == 1
    journal.close(5.0)
    assert not journal.wait_beyond(1, 60.0)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_loses_nothing_and_the_journal_goes_on_when_there_is_room(
    journal: Journal, tape: Path
) -> None:
    journal.put(A, 0, Kind.FRAME, b"before")
    assert journal.wait_beyond(0, 10.0)
    with capture_logs() as logs:
        with largest_file(os.path.getsize(segment_files(tape)[0])):
            for n in range(1, 100):
                journal.put(A, n, Kind.FRAME, b"x" * 50)
            wait(lambda: journal.stats.problem)
            assert "no space left" in journal.stats.problem
            assert journal.stats.waiting_records == 99
            assert journal.next_pos == 1
        assert journal.wait_beyond(99, 10.0)
    assert [r.recv_ns for r in on_tape(tape)] == list(range(100))
    assert journal.stats.problem == ""
    assert journal.stats.waiting_records == journal.stats.waiting_bytes == 0
    assert journal.stats.highest_bytes >= 99 * 50
    assert [line["event"] for line in logs] == ["journal.refused", "journal.goes_on"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_over_its_bound_it_is_full_and_below_half_no_more(journal: Journal, tape: Path) -> None:
    turns: list[bool] = []
    end = journal.subscribe(lambda: turns.append(journal.full))
    journal.put(A, 0, Kind.FRAME, b"")
    assert journal.wait_beyond(0, 10.0)
    with capture_logs(), largest_file(100):
        for n in range(9):
            journal.put(A, 1 + n, Kind.FRAME, bytes(MIB // 8 - RECORD_BYTES))
        assert journal.full
        # What must not be lost is taken all the same.
        journal.put(A, 10, Kind.CLOSE, b"{}")
        assert turns == [True]
    wait(lambda: not journal.full)
    end()
    journal.close(10.0)
    assert turns == [True, False]
    assert len(on_tape(tape)) == 11


def test_after_a_failed_sync_the_tape_is_opened_anew_under_the_same_positions(
    journal: Journal, tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.put(A, 0, Kind.FRAME, b"before")
    assert journal.wait_beyond(0, 10.0)
    monkeypatch.setattr(commit_module, "sync_data", broken)
    with capture_logs() as logs, pytest.raises(StorageError):
        journal.writer.sync()
    monkeypatch.undo()
    with capture_logs() as logs:
        journal.put(A, 1, Kind.FRAME, b"after")
        assert journal.wait_beyond(1, 10.0)
    assert [line["event"] for line in logs] == ["journal.refused", "tape.reopened", "journal.goes_on"]
    assert [(r.pos, r.payload) for r in on_tape(tape)] == [(0, b"before"), (1, b"after")]
    assert journal.writer.sync() == 2
    assert not list(verify(tape))


def test_what_a_failed_sync_took_from_the_file_is_appended_again(
    tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy() -> TapeWriter:
        """The file system fell back to what the disk had: the last records are gone."""
        (segment,) = segment_files(tape).values()
        os.truncate(segment, sizes[1])
        return TapeWriter(tape, clock=SystemClock(), fsync_interval_s=60)

    sizes: list[int] = []
    journal = Journal(
        TapeWriter(tape, clock=SystemClock(), fsync_interval_s=60), SystemClock(), MIB, reopen=lossy
    )
    for n in range(4):
        sizes.append(segment_files(tape)[0].stat().st_size)
        journal.put(A, n, Kind.FRAME, b"x" * 10)
        assert journal.wait_beyond(n, 10.0)
    monkeypatch.setattr(commit_module, "sync_data", broken)
    with pytest.raises(StorageError):
        journal.writer.sync()
    monkeypatch.undo()
    with capture_logs() as logs:
        journal.put(A, 4, Kind.FRAME, b"after")
        assert journal.wait_beyond(4, 10.0)
    assert [line["appended_again"] for line in logs if line["event"] == "tape.reopened"] == [3]
    journal.close(5.0)
    assert [r.recv_ns for r in on_tape(tape)] == list(range(5))


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_closing_while_the_disk_refuses_tells_what_is_lost(writer: Callable[[], TapeWriter]) -> None:
    journal = Journal(writer(), SystemClock(), MIB)
    with capture_logs(), largest_file(1):
        for n in range(3):
            journal.put(A, n, Kind.FRAME, b"x")
        with pytest.raises(StorageError, match="3 records could not be written"):
            journal.close(0.1)


def test_an_unforeseen_error_is_told_and_tried_again(
    journal: Journal, tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def before(self, stream: Stream, kind: int) -> None:
            raise ValueError("a bug")

        def after(self, stream: Stream, kind: int) -> None: ...

    monkeypatch.setattr(journal, "_watch", Broken())
    with capture_logs() as logs:
        journal.put(A, 1, Kind.OPEN, b"{}")
        wait(lambda: journal.stats.problem)
        assert journal.stats.problem == "ValueError: a bug"
        monkeypatch.setattr(journal, "_watch", None)
        assert journal.wait_beyond(0, 10.0)
    assert "journal.failed" in {line["event"] for line in logs}


def test_the_watch_is_told_around_the_ends_of_a_connection(
    writer: Callable[[], TapeWriter], tape: Path
) -> None:
    seen: list[tuple[str, int, int]] = []

    class Noting:
        def before(self, stream: Stream, kind: int) -> None:
            seen.append(("before", kind, len(on_tape(tape))))

        def after(self, stream: Stream, kind: int) -> None:
            seen.append(("after", kind, len(on_tape(tape))))

    journal = Journal(writer(), SystemClock(), MIB, watch=Noting())
    journal.put(A, 1, Kind.OPEN, b"{}")
    journal.put(A, 1, Kind.CLOCK, b"{}")
    assert journal.wait_beyond(1, 10.0)
    journal.close(5.0)
    assert [(when, kind) for when, kind, _ in seen] == [("before", Kind.OPEN), ("after", Kind.OPEN)]
    assert seen[0][2] < seen[1][2]


RUN = st.tuples(
    st.sampled_from([A, B]), st.integers(0, 9), st.sampled_from(list(Kind)), st.lists(st.binary(max_size=40))
)


@given(st.lists(RUN, max_size=20), st.integers(1, 8), st.integers(1, 100))
def test_blocks_hold_every_record_in_order_and_keep_their_bounds(
    runs: list[tuple[Stream, int, Kind, list[bytes]]], records: int, size: int
) -> None:
    waiting = _Runs()
    expected = []
    for stream, recv_ns, kind, payloads in runs:
        waiting.streams.append(stream)
        waiting.recv_ns.append(recv_ns)
        waiting.kinds.append(kind)
        waiting.counts.append(len(payloads))
        waiting.payloads += payloads
        expected += [(stream, recv_ns, kind, payload) for payload in payloads]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_module, "BLOCK_RECORDS", records)
        patch.setattr(journal_module, "BLOCK_BYTES", size)
        blocks = list(_blocks(waiting))
    found = [
        (block.streams[block.stream[i]], block.recv_ns[i], block.kind[i], payload)
        for block in blocks
        for i, payload in enumerate(block.payloads)
    ]
    assert found == expected
    for block in blocks:
        assert 0 < len(block) <= records
        assert block.size == sum(map(len, block.payloads))
        assert block.size <= size or len(block) == 1


def test_the_bounds_of_a_block_keep_it_small() -> None:
    assert BLOCK_RECORDS <= 10_000
    assert BLOCK_BYTES <= 8 * MIB
