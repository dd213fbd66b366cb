"""The bytes: what goes on the tape comes off it, in either state, and lies where docs/tape.md says."""

from __future__ import annotations

import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.clock import ManualClock
from barograph.errors import DataError
from barograph.records import Kind, Record, Stream
from barograph.tape import TapeReader, TapeWriter, list_segments, verify
from barograph.tape.blocks import BlockReader
from barograph.tape.layout import State, pack_segment_head, parse_segment_head
from barograph.tape.sealing import seal

STREAMS = [Stream("sim", "a"), Stream("binance", "b"), Stream("Börse", "öffentlich/1"), Stream("", "")]

record = st.tuples(
    st.sampled_from(STREAMS),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from(list(Kind)),
    st.binary(max_size=60) | st.integers(0, 3000).map(lambda n: b"BLK1" * n),
)
batches = st.lists(st.lists(record, min_size=1, max_size=90), max_size=6)


def write(tape: Path, wanted: list[list[tuple[Stream, int, Kind, bytes]]], roll_bytes: int) -> list[Record]:
    """Append ``wanted``, lone records by ``append``, and say what must be read back."""
    expected = []
    with TapeWriter(tape, clock=ManualClock(), roll_bytes=roll_bytes) as writer:
        for batch in wanted:
            if len(batch) == 1:
                pos = writer.append(*batch[0])
            else:
                streams, times, kinds, payloads = zip(*batch, strict=True)
                pos = writer.append_many(
                    STREAMS,
                    np.array([STREAMS.index(s) for s in streams], np.uint32),
                    np.array(times, np.int64),
                    np.array(kinds, np.uint8),
                    payloads,
                )
            assert pos == len(expected)
            expected += [Record(pos + i, r[1], r[2], r[0], r[3]) for i, r in enumerate(batch)]
    return expected


@settings(max_examples=40, deadline=None)
@given(wanted=batches, roll_bytes=st.sampled_from([1, 4000, 1 << 20]), cut=st.integers(1, 50))
def test_records_come_back_as_they_went_raw_and_sealed_in_any_runs(
    wanted: list[list[tuple[Stream, int, Kind, bytes]]], roll_bytes: int, cut: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        tape = Path(directory)
        expected = write(tape, wanted, roll_bytes)
        reader = TapeReader(tape)
        assert [r for run in reader.read() for r in run] == expected
        assert [r for run in reader.read(max_records=cut) for r in run] == expected
        for raw in tape.glob("*.tape"):
            if raw.stat().st_size > 200:
                seal(raw)
        assert [r for run in reader.read() for r in run] == expected
        assert (
            [r for run in reader.read(cut, 2 * cut) for r in run] == expected[cut : 2 * cut]
            if (cut <= len(expected))
            else True
        )
        assert verify(tape) == []
        assert sum(segment.records for segment in list_segments(tape)) == len(expected)


def test_a_raw_block_lies_as_documented(tape: Path, clock: ManualClock) -> None:
    with TapeWriter(tape, clock=clock) as writer:
        writer.append_many(
            [Stream("sim", "c1")], 0, np.array([11, -12]), np.array([1, 2], np.uint8), [b"abc", b"de"]
        )
    data = (tape / "00000000000000000000.tape").read_bytes()
    head = struct.unpack("<8sIIHBxIqQ", data[:40])
    assert head == (b"BAROTAPE", zlib.crc32(data[12:40]), 40, 1, 0, 0, clock.now_ns(), 0)
    block = data[40:]
    definitions = struct.pack("<IHH", 0, 3, 2) + b"simc1"
    body = struct.pack("<2q2I2I2B", 11, -12, 3, 2, 0, 0, 1, 2) + definitions + b"abcde"
    behind = struct.pack("<IIQQIB3x", len(body), 2, 0, 0, len(definitions), 0) + body
    assert block == b"BLK1" + struct.pack("<I", zlib.crc32(behind)) + behind


def test_a_block_of_one_is_the_same_by_append_and_by_append_many(tape: Path, clock: ManualClock) -> None:
    with TapeWriter(tape, clock=clock, fsync_interval_s=3600) as writer:
        writer.append(STREAMS[0], 1, Kind.FRAME, b"first")
        start = next(tape.glob("*.tape")).stat().st_size
        writer.append(STREAMS[0], 7, Kind.SENT, b"same")
        writer.append_many([STREAMS[0]], 0, np.array([7]), Kind.SENT, [b"same"])
    data = next(tape.glob("*.tape")).read_bytes()[start:]
    first, second = data[: len(data) // 2], data[len(data) // 2 :]
    # Magic, lengths and body agree; checksum and position cannot.
    assert (first[:4], first[8:16], first[24:]) == (second[:4], second[8:16], second[24:])


def test_a_later_format_is_refused_with_its_version() -> None:
    data = bytearray(pack_segment_head(State.RAW, 0, 5, []))
    data[16:18] = (7).to_bytes(2, "little")
    data[8:12] = zlib.crc32(data[12:]).to_bytes(4, "little")
    with pytest.raises(DataError, match=r"position 5 has format version 7; this Barograph reads version 1"):
        parse_segment_head(bytes(data))


def test_sealed_blocks_are_cut_to_about_a_mebibyte(tape: Path, clock: ManualClock) -> None:
    payloads = [bytes([i % 251]) * 1000 for i in range(5000)]
    with TapeWriter(tape, clock=clock) as writer:
        writer.append_many([STREAMS[0]], 0, np.arange(5000), Kind.FRAME, payloads)
    seal(next(tape.glob("*.tape")))
    (segment,) = list_segments(tape)
    assert segment.state == "sealed"
    assert segment.bytes < segment.payload_bytes / 10
    with BlockReader(segment.path) as blocks:
        assert blocks.index is not None
        sizes = np.diff([*blocks.index.blocks["first_pos"].tolist(), 5000])
    assert len(sizes) == 5
    assert max(sizes) < 1100
