"""Listing and verifying: what is there, and every way in which it may not be sound."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from barograph.errors import TapeCorrupt
from barograph.records import Kind, Record, Stream
from barograph.tape import TapeWriter, list_segments, verify
from barograph.tape.index import TRAILER, Tally, pack_index, pack_trailer
from barograph.tape.sealing import SealedFile, seal
from barograph.tape.segments import segment_files

A, B = Stream("sim", "a"), Stream("kite", "b")
Fill = Callable[..., list[Record]]


def two_segments(tape: Path, opened: Callable[..., TapeWriter]) -> None:
    """Four records in a sealed segment, two in the live one."""
    with opened(roll_bytes=430) as writer:
        writer.append(A, 50, Kind.OPEN, b"{}")
        writer.append_many([A, B], np.array([0, 1, 0]), np.array([70, 20, 60]), Kind.FRAME, [b"x" * 40] * 3)
        writer.append(B, 80, Kind.FRAME, b"y" * 100)
        writer.append(A, 90, Kind.CLOSE, b"{}")


def test_segments_tell_what_they_hold(opened: Callable[..., TapeWriter], tape: Path) -> None:
    two_segments(tape, opened)
    sealed, live = list_segments(tape)
    assert (sealed.state, sealed.first_pos, sealed.next_pos, sealed.records) == ("sealed", 0, 4, 4)
    assert (sealed.first_ns, sealed.last_ns, sealed.payload_bytes) == (20, 70, 122)
    assert sealed.counts == {(A, Kind.OPEN): 1, (A, Kind.FRAME): 2, (B, Kind.FRAME): 1}
    assert sealed.by_kind == {Kind.OPEN: 1, Kind.FRAME: 3}
    assert sealed.by_stream == {A: 3, B: 1}
    assert sealed.bytes == sealed.path.stat().st_size
    assert (live.state, live.first_pos, live.next_pos, live.first_ns, live.last_ns) == ("live", 4, 6, 80, 90)
    assert live.counts == {(B, Kind.FRAME): 1, (A, Kind.CLOSE): 1}
    assert set(live.streams) == {A, B}


def test_raw_and_sealed_tell_the_same(fill: Fill, tape: Path) -> None:
    fill([b"a"], [b"b", b"cc"], [b"d"] * 80)
    (raw,) = list_segments(tape)
    seal(raw.path)
    (sealed,) = list_segments(tape)
    for name in ("first_pos", "next_pos", "first_ns", "last_ns", "payload_bytes", "counts"):
        assert getattr(raw, name) == getattr(sealed, name)


def test_an_empty_live_segment_is_listed(opened: Callable[..., TapeWriter], tape: Path) -> None:
    opened()
    (segment,) = list_segments(tape)
    assert (segment.records, segment.first_ns, segment.counts) == (0, None, {})


def test_listing_a_damaged_raw_segment_says_where(fill: Fill, tape: Path) -> None:
    fill([b"one"], [b"two"])
    path = next(tape.glob("*.tape"))
    path.write_bytes(path.read_bytes().replace(b"one", b"ONE"))
    with pytest.raises(TapeCorrupt, match=r"damaged at offset 40: the block fails its checksum"):
        list_segments(tape)


def test_verifying_tells_how_far_it_is(opened: Callable[..., TapeWriter], tape: Path) -> None:
    two_segments(tape, opened)
    told: list[tuple[int, int]] = []
    assert verify(tape, lambda done, total: told.append((done, total))) == []
    sizes = [file.stat().st_size for file in segment_files(tape).values()]
    assert told == [(sizes[0], sum(sizes)), (sum(sizes), sum(sizes))]


def test_any_flipped_bit_of_a_sealed_segment_is_found(
    opened: Callable[..., TapeWriter], tape: Path, patched: Callable[..., Any]
) -> None:
    two_segments(tape, opened)
    (path,) = tape.glob("*.sealed")
    data = path.read_bytes()
    for offset in range(len(data)):
        with patched(path, offset, bytes([data[offset] ^ 0x10])):
            problems = verify(tape)
            assert {problem.path for problem in problems} == {path}, offset


def test_any_flipped_bit_of_a_raw_segment_that_is_followed_by_another_is_found(
    fill: Fill, tape: Path, patched: Callable[..., Any]
) -> None:
    fill([b"one"], [b"two", b"three"])
    raw = next(tape.glob("*.tape"))
    content = raw.read_bytes()
    fill([b"x" * 500], roll_bytes=600)
    raw.with_suffix(".sealed").unlink()
    raw.write_bytes(content)
    assert verify(tape) == []
    for offset in range(len(content)):
        with patched(raw, offset, bytes([content[offset] ^ 0x10])):
            assert [problem.path for problem in verify(tape)] == [raw], offset


def test_all_damaged_blocks_are_told_not_only_the_first(fill: Fill, tape: Path) -> None:
    fill(*([b"payload-%d" % n] for n in range(6)))
    path = next(tape.glob("*.tape"))
    path.write_bytes(path.read_bytes().replace(b"payload-1", b"?" * 9).replace(b"payload-4", b"?" * 9))
    problems = verify(tape)
    assert [problem.message for problem in problems] == ["the block fails its checksum"] * 2
    assert problems[0].offset < problems[1].offset


def test_a_missing_segment_is_a_problem(fill: Fill, tape: Path) -> None:
    fill(*([b"x" * 300] for _ in range(4)), roll_bytes=500)
    list(segment_files(tape).values())[1].unlink()
    (problem,) = verify(tape)
    assert problem.message == "begins at position 2 where 1 was due"


def test_the_tail_being_written_is_no_problem(fill: Fill, tape: Path) -> None:
    fill([b"one"])
    path = next(tape.glob("*.tape"))
    with path.open("ab") as file:
        file.write(b"BLK1 half")
    assert verify(tape) == []


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("last position", {"next_pos": 4}),
        ("blocks", {"blocks": [(0, 40, 7, 9)]}),
        ("counts", {"counts": {(0, 1): 2, (0, 2): 1}}),
        ("streams", {"streams": [A, B]}),
        ("bytes of payloads", {"payload_bytes": 12}),
    ],
)
def test_an_index_that_tells_something_else_is_a_problem(
    fill: Fill, tape: Path, monkeypatch: pytest.MonkeyPatch, what: str, change: dict[str, Any]
) -> None:
    """An index with sound checksums and wrong contents, as a faulty sealing would make it."""
    fill([b"one", b"two", b"three"])

    def finish(self: SealedFile, next_pos: int, streams: list[Stream]) -> None:
        told = {
            "next_pos": next_pos,
            "blocks": self._blocks,
            "counts": self._tally.counts,
            "streams": streams,
        }
        told |= {name: value for name, value in change.items() if name in told}
        index = pack_index(**told)
        self._put(index)
        size = change.get("payload_bytes", self._tally.payload_bytes)
        self._file.write(pack_trailer(self._sha256.digest(), index, size))

    monkeypatch.setattr(SealedFile, "finish", finish)
    sealed = seal(next(tape.glob("*.tape")))
    data = sealed.read_bytes()
    assert hashlib.sha256(data[: -TRAILER.size]).digest() == data[-TRAILER.size : -TRAILER.size + 32]
    assert [p.message for p in verify(tape)] == [f"the index's {what} do not agree with the blocks"]


def test_a_tally_spans_all_receipt_times() -> None:
    tally = Tally()
    for first, last in [(5, 7), (-3, 6), (4, 9)]:
        tally.see(first, last)
    assert (tally.first_ns, tally.last_ns) == (-3, 9)
