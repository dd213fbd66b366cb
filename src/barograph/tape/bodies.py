"""The bodies of blocks: columns of numbers, then definitions of streams, then payloads.

A body of n records is ``recv_ns i64*n | length u32*n | stream u32*n | kind u8*n``, then the
definitions of streams that appear in it first, then the payloads one behind another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar
from zlib import crc32

import numpy as np
import numpy.typing as npt
import zstandard

from barograph.tape.layout import BLOCK_HEAD, BLOCK_MAGIC, COLUMN_BYTES, BlockHead, Codec

COMPRESSION_LEVEL = 1
"""On recorded JSON frames level 1 is smaller than level 3 as well as faster (docs/tape.md)."""
SMALL = 64
"""Blocks of fewer records are gathered many at a time: what NumPy costs a call would outweigh them."""

Ints = npt.NDArray[np.int64]
Counts = npt.NDArray[np.uint32]
Kinds = npt.NDArray[np.uint8]
_N = TypeVar("_N", bound=np.generic)
_Bytes = npt.NDArray[np.uint8]


class Columns(NamedTuple):
    """The numbers of consecutive records, and where their payloads lie in ``buffer``."""

    recv_ns: Ints
    length: Counts
    stream: Counts
    kind: Kinds
    at: Ints
    buffer: bytes

    def cut(self, start: int, stop: int) -> Columns:
        """The records ``start`` to ``stop``, without copying."""
        return Columns(
            self.recv_ns[start:stop],
            self.length[start:stop],
            self.stream[start:stop],
            self.kind[start:stop],
            self.at[start:stop],
            self.buffer,
        )

    def payloads(self, start: int, stop: int) -> list[bytes]:
        """The payloads of the records ``start`` to ``stop``."""
        begin = self.at[start:stop]
        ends = (begin + self.length[start:stop]).tolist()
        buffer = self.buffer
        return [buffer[a:b] for a, b in zip(begin.tolist(), ends, strict=True)]

    def stretches(self) -> list[bytes]:
        """All payloads one after the other, in as few pieces as they lie in the buffer.

        A segment holds millions: to take them singly would keep Python's lock from the threads that decode.
        """
        if not len(self.at):
            return []
        ends = self.at + self.length
        breaks = np.flatnonzero(self.at[1:] != ends[:-1])
        begins = self.at[np.concatenate(([0], breaks + 1))].tolist()
        stops = ends[np.concatenate((breaks, [len(ends) - 1]))].tolist()
        return [self.buffer[a:b] for a, b in zip(begins, stops, strict=True)]


def compress(body: bytes, count: int, compressor: zstandard.ZstdCompressor) -> bytes:
    """The stored form of a raw body of ``count`` records under :attr:`Codec.ZSTD`."""
    times = np.frombuffer(body, "<i8", count)
    steps = np.diff(times, prepend=np.int64(0))
    return compressor.compress(steps.tobytes() + body[8 * count :])


def parse_body(
    data: bytes, offset: int, head: BlockHead, decompressor: zstandard.ZstdDecompressor
) -> tuple[Columns, bytes]:
    """Columns and definitions of the block at ``offset``, whose checksum has been looked at.

    Raises:
        ValueError, zstandard.ZstdError: the body is not what its header says.
    """
    n, begin = head.records, offset + BLOCK_HEAD.size
    if head.codec == Codec.ZSTD:
        body, begin = decompressor.decompress(memoryview(data)[begin : begin + head.body]), 0
        recv_ns = np.cumsum(np.frombuffer(body, "<i8", n, begin), dtype=np.int64)
    else:
        body, recv_ns = data, np.frombuffer(data, "<i8", n, begin)
    length = np.frombuffer(body, "<u4", n, begin + 8 * n)
    stream = np.frombuffer(body, "<u4", n, begin + 12 * n)
    kind = np.frombuffer(body, "u1", n, begin + 16 * n)
    payload = begin + COLUMN_BYTES * n + head.definitions
    at = payload + np.cumsum(length, dtype=np.int64) - length
    end = payload + int(length.sum(dtype=np.int64))
    if end != (len(body) if head.codec == Codec.ZSTD else begin + head.body):
        raise ValueError(f"the lengths of a block's {n} payloads do not add up to its body")
    definitions = body[begin + COLUMN_BYTES * n : payload]
    return Columns(recv_ns, length, stream, kind, at, body), definitions


def scan_small(data: bytes, at: int, pos: int) -> tuple[list[int], list[int], int]:
    """The sound, raw, small blocks without definitions that follow each other from ``at`` on.

    ``pos`` is the position of the first. Returns their offsets, their numbers of records, and
    where they end; what comes there is larger, or not sound.
    """
    view, limit, unpack = memoryview(data), len(data) - BLOCK_HEAD.size, BLOCK_HEAD.unpack_from
    offsets: list[int] = []
    counts: list[int] = []
    while at <= limit:
        magic, crc, body, n, first_pos, _, definitions, codec = unpack(data, at)
        end = at + BLOCK_HEAD.size + body
        if magic != BLOCK_MAGIC or codec or definitions or not 0 < n < SMALL or first_pos != pos:
            break
        if end > len(data) or crc32(view[at + 8 : end]) != crc:
            break
        offsets.append(at)
        counts.append(n)
        at, pos = end, pos + n
    return offsets, counts, at


def gather_small(data: bytes, offsets: Sequence[int], counts: Sequence[int]) -> Columns:
    """The columns of the blocks that :func:`scan_small` found, in one sweep."""
    buffer, per_block = np.frombuffer(data, np.uint8), np.array(counts, np.int64)
    first = np.cumsum(per_block) - per_block
    n = np.repeat(per_block, per_block)
    begin = np.repeat(np.array(offsets, np.int64) + BLOCK_HEAD.size, per_block)
    k = np.arange(len(n)) - np.repeat(first, per_block)
    length = _numbers(buffer, begin + 8 * n + 4 * k, np.uint32)
    before = np.cumsum(length, dtype=np.int64) - length
    return Columns(
        _numbers(buffer, begin + 8 * k, np.int64),
        length,
        _numbers(buffer, begin + 12 * n + 4 * k, np.uint32),
        buffer[begin + 16 * n + k],
        begin + COLUMN_BYTES * n + before - np.repeat(before[first], per_block),
        data,
    )


def _numbers(buffer: _Bytes, offsets: Ints, kind: type[_N]) -> npt.NDArray[_N]:
    """The numbers at ``offsets``, however they are aligned."""
    dtype = np.dtype(kind).newbyteorder("<")
    rows: npt.NDArray[_N] = buffer[offsets[:, None] + np.arange(dtype.itemsize)].view(dtype)[:, 0]
    return rows
