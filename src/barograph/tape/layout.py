"""The bytes of the tape: segment headers, blocks and stream tables (docs/tape.md).

A segment is a header and then blocks. A block is a header of 40 bytes and a columnar
body, so that thousands of records are read with four ``np.frombuffer`` and a slice for
each payload. All numbers are little-endian. Everything here takes and returns values;
files are opened elsewhere.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple
from zlib import crc32

from barograph.errors import DataError
from barograph.records import Stream

SEGMENT_MAGIC = b"BAROTAPE"
BLOCK_MAGIC = b"BLK1"
VERSION = 1
MAX_BODY = 1 << 30
"""Bytes of payload and columns that one block may hold."""

SEGMENT_HEAD = struct.Struct("<8sIIHBxIqQ")
"""magic, crc32 of all that follows, size, version, state, streams, created_ns, first_pos."""
BLOCK_HEAD = struct.Struct("<4sIIIQQIB3x")
"""magic, crc32 of all that follows, body bytes, records, first_pos, synced_pos, definition bytes, codec."""
BLOCK_BEHIND_CRC = struct.Struct("<IIQQIB3x")
ONE_BEHIND_CRC = struct.Struct("<IIQQIB3xqIIB")
"""A block of one raw record up to its payload: the header behind the checksum, then the columns."""
_pack_checksum = struct.Struct("<4sI").pack
_pack_one = ONE_BEHIND_CRC.pack
_DEFINITION = struct.Struct("<IHH")
COLUMN_BYTES = 17
"""Bytes of a record beside its payload."""


class State(IntEnum):
    """The two states of a segment."""

    RAW = 0
    SEALED = 1


class Codec(IntEnum):
    """How a block's body is stored."""

    RAW = 0
    ZSTD = 1
    """A zstd frame; within it ``recv_ns`` stands as differences, the first as it is."""


class SegmentHead(NamedTuple):
    """What stands at the beginning of a segment. ``size``: bytes, streams included."""

    state: State
    size: int
    created_ns: int
    first_pos: int
    streams: tuple[Stream, ...]


class BlockHead(NamedTuple):
    """A block's header. ``body`` and ``definitions`` are bytes; ``codec`` is a :class:`Codec`."""

    crc: int
    body: int
    records: int
    first_pos: int
    synced_pos: int
    definitions: int
    codec: int


def pack_streams(first: int, streams: Sequence[Stream]) -> bytes:
    """Definitions of ``streams``, numbered from ``first`` on."""
    parts = []
    for number, stream in enumerate(streams, first):
        feed, connection = stream.feed.encode(), stream.connection.encode()
        parts += [_DEFINITION.pack(number, len(feed), len(connection)), feed, connection]
    return b"".join(parts)


def parse_streams(data: bytes) -> list[tuple[int, Stream]]:
    """The definitions in ``data``: number and stream.

    Raises:
        struct.error, UnicodeDecodeError: the bytes are no definitions.
    """
    found, offset = [], 0
    while offset < len(data):
        number, feed, connection = _DEFINITION.unpack_from(data, offset)
        middle = offset + _DEFINITION.size + feed
        offset = middle + connection
        stream = Stream(data[middle - feed : middle].decode(), data[middle:offset].decode())
        found.append((number, stream))
    return found


def pack_segment_head(state: State, created_ns: int, first_pos: int, streams: Sequence[Stream]) -> bytes:
    """The header of a segment whose first record is ``first_pos`` and before which ``streams`` were known."""
    table = pack_streams(0, streams)
    size = SEGMENT_HEAD.size + len(table)
    fields = (size, VERSION, state, len(streams), created_ns, first_pos)
    behind = SEGMENT_HEAD.pack(SEGMENT_MAGIC, 0, *fields)[12:] + table
    return SEGMENT_MAGIC + crc32(behind).to_bytes(4, "little") + behind


def segment_head_size(data: bytes) -> int | None:
    """Bytes of the header that ``data`` begins with; None if ``data`` is no beginning of a segment."""
    if len(data) < SEGMENT_HEAD.size or data[:8] != SEGMENT_MAGIC:
        return None
    size: int = SEGMENT_HEAD.unpack_from(data)[2]
    return size


def parse_segment_head(data: bytes) -> SegmentHead | None:
    """The header that ``data`` begins with; None where it is not whole or fails its checksum.

    Raises:
        DataError: a later version of Barograph wrote it.
    """
    wanted = segment_head_size(data)
    if wanted is None or not SEGMENT_HEAD.size <= wanted <= len(data):
        return None
    _, crc, size, version, state, _, created_ns, first_pos = SEGMENT_HEAD.unpack_from(data)
    if crc32(memoryview(data)[12:size]) != crc:
        return None
    if version != VERSION:
        raise DataError(
            f"the segment from position {first_pos} has format version {version}; this Barograph reads "
            f"version {VERSION}: install the one that wrote it, or a later one"
        )
    streams = tuple(stream for _, stream in parse_streams(data[SEGMENT_HEAD.size : size]))
    return SegmentHead(State(state), size, created_ns, first_pos, streams)


def pack_block_head(head: BlockHead, body: bytes) -> bytes:
    """The header that goes before the stored ``body``; the ``crc`` and ``body`` of ``head`` are filled in."""
    behind = BLOCK_BEHIND_CRC.pack(len(body), *head[2:])
    return _pack_checksum(BLOCK_MAGIC, crc32(body, crc32(behind))) + behind


def pack_one(pos: int, synced_pos: int, recv_ns: int, stream: int, kind: int, payload: bytes) -> bytes:
    """A raw block of the one record at ``pos``."""
    length = len(payload)
    behind = _pack_one(COLUMN_BYTES + length, 1, pos, synced_pos, 0, 0, recv_ns, length, stream, kind)
    return _pack_checksum(BLOCK_MAGIC, crc32(payload, crc32(behind))) + behind + payload


def parse_block_head(data: bytes, offset: int) -> BlockHead | None:
    """The header at ``offset``; None where the bytes cannot be one."""
    magic, *fields = BLOCK_HEAD.unpack_from(data, offset)
    head = BlockHead(*fields)
    if magic != BLOCK_MAGIC or head.records == 0 or head.codec > Codec.ZSTD:
        return None
    return head


def block_is_sound(data: bytes, offset: int, head: BlockHead) -> bool:
    """Whether the block at ``offset``, wholly within ``data``, passes its checksum."""
    end = offset + BLOCK_HEAD.size + head.body
    return crc32(memoryview(data)[offset + 8 : end]) == head.crc
