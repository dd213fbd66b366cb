"""The index at the end of a sealed segment: where its blocks are and what they hold.

The last 56 bytes of the file are the trailer: sha256 of all before the trailer, crc32
and length of the index, and a magic. The index stands right before it.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from barograph.records import Stream
from barograph.tape.bodies import Columns
from barograph.tape.layout import pack_streams, parse_streams

TRAILER = struct.Struct("<32sIIQ8s")
"""sha256, crc32 of the index, length of the index, bytes of all payloads, magic."""
_MAGIC = b"BAROSEAL"
_HEAD = struct.Struct("<IIIIQ")
"""blocks, counts, streams, zero, next_pos."""
_BLOCK = np.dtype([("first_pos", "<u8"), ("offset", "<u8"), ("first_ns", "<i8"), ("last_ns", "<i8")])
_COUNT = np.dtype([("stream", "<u4"), ("kind", "<u4"), ("records", "<u8")])


@dataclass(frozen=True, slots=True)
class Index:
    """What a sealed segment holds.

    Attributes:
        next_pos: the position after its last record.
        blocks: per block its first position, its offset, and its earliest and latest receipt time.
        counts: records by (number of the stream, kind).
        streams: all streams known at the segment's end, in the order of their numbers.
        payload_bytes: bytes of all payloads.
    """

    next_pos: int
    blocks: npt.NDArray[Any]
    counts: Mapping[tuple[int, int], int]
    streams: tuple[Stream, ...]
    payload_bytes: int

    def offset_of(self, pos: int) -> tuple[int, int]:
        """First position and offset of the block that holds ``pos``."""
        row = int(np.searchsorted(self.blocks["first_pos"], np.uint64(pos), side="right")) - 1
        return int(self.blocks["first_pos"][row]), int(self.blocks["offset"][row])


class Tally:
    """Counts records by stream and kind, with their receipt times and bytes."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[int, int]] = Counter()
        self.payload_bytes = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None

    def add(self, columns: Columns) -> None:
        """Count ``columns``, which hold at least one record."""
        pairs, records = np.unique(columns.stream.astype(np.int64) << 8 | columns.kind, return_counts=True)
        for pair, n in zip(pairs.tolist(), records.tolist(), strict=True):
            self.counts[pair >> 8, pair & 255] += n
        self.payload_bytes += int(columns.length.sum(dtype=np.int64))
        self.see(int(columns.recv_ns.min()), int(columns.recv_ns.max()))

    def see(self, first_ns: int, last_ns: int) -> None:
        """Widen the span of receipt times."""
        self.first_ns = first_ns if self.first_ns is None else min(self.first_ns, first_ns)
        self.last_ns = last_ns if self.last_ns is None else max(self.last_ns, last_ns)


def pack_index(
    next_pos: int,
    blocks: Sequence[tuple[int, int, int, int]],
    counts: Mapping[tuple[int, int], int],
    streams: Sequence[Stream],
) -> bytes:
    """The index, without its trailer."""
    rows = [(stream, kind, n) for (stream, kind), n in sorted(counts.items())]
    return b"".join(
        (
            _HEAD.pack(len(blocks), len(rows), len(streams), 0, next_pos),
            np.array(blocks, _BLOCK).tobytes(),
            np.array(rows, _COUNT).tobytes(),
            pack_streams(0, streams),
        )
    )


def pack_trailer(sha256: bytes, index: bytes, payload_bytes: int) -> bytes:
    """The last bytes of a sealed segment."""
    return TRAILER.pack(sha256, zlib.crc32(index), len(index), payload_bytes, _MAGIC)


def read_trailer(file: BinaryIO, size: int) -> tuple[bytes, bytes, int] | None:
    """sha256, index and bytes of payloads of the sealed ``file``; None if its end is not sound."""
    if size < TRAILER.size:
        return None
    file.seek(size - TRAILER.size)
    sha256, crc, length, payload_bytes, magic = TRAILER.unpack(file.read(TRAILER.size))
    if magic != _MAGIC or length > size - TRAILER.size:
        return None
    file.seek(size - TRAILER.size - length)
    index = file.read(length)
    return (sha256, index, payload_bytes) if zlib.crc32(index) == crc else None


def read_index(file: BinaryIO, size: int) -> tuple[Index, int] | None:
    """The index of the sealed ``file`` and the offset where its blocks end; None if it is not sound."""
    trailer = read_trailer(file, size)
    if trailer is None:
        return None
    _, data, payload_bytes = trailer
    n_blocks, n_counts, _, _, next_pos = _HEAD.unpack_from(data)
    middle = _HEAD.size + n_blocks * _BLOCK.itemsize
    end = middle + n_counts * _COUNT.itemsize
    rows = np.frombuffer(data, _COUNT, n_counts, middle).tolist()
    index = Index(
        next_pos,
        np.frombuffer(data, _BLOCK, n_blocks, _HEAD.size),
        {(stream, kind): n for stream, kind, n in rows},
        tuple(stream for _, stream in parse_streams(data[end:])),
        payload_bytes,
    )
    return index, size - TRAILER.size - len(data)
