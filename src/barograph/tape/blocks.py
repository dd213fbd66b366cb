"""Reading the blocks of one segment file, from any of them on, without a lock.

A live segment grows while it is read, and its last block may be in the middle of being
written. :class:`BlockReader` therefore reads whole blocks only and says where it stopped
and why; whether that is the end, a torn tail or damage is for the caller to judge.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import zstandard

from barograph.errors import TapeCorrupt
from barograph.records import Stream
from barograph.tape.bodies import Columns, gather_small, parse_body, scan_small
from barograph.tape.index import TRAILER, Index, read_index, read_trailer
from barograph.tape.layout import (
    BLOCK_HEAD,
    BLOCK_MAGIC,
    SEGMENT_HEAD,
    SEGMENT_MAGIC,
    BlockHead,
    SegmentHead,
    State,
    block_is_sound,
    parse_block_head,
    parse_segment_head,
    parse_streams,
    segment_head_size,
)

CHUNK = 1 << 20
REMEDY = "run `barograph tape verify` to see all that is damaged, and restore the segment from a backup"


class Part(NamedTuple):
    """Consecutive records out of one or more blocks; ``first_pos`` is that of the first.

    ``offset`` is that of the first block in its file.
    """

    first_pos: int
    columns: Columns
    offset: int = 0

    @property
    def next_pos(self) -> int:
        """The position after the last record."""
        return self.first_pos + len(self.columns.length)


def read_head(file: BinaryIO) -> SegmentHead | None:
    """The header of the segment ``file``; None where it is not whole or fails its checksum."""
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    data = file.read(SEGMENT_HEAD.size)
    wanted = segment_head_size(data)
    if wanted is None or not len(data) <= wanted <= size:
        return None
    return parse_segment_head(data + file.read(wanted - len(data)))


def head_is_torn(path: Path) -> bool:
    """Whether the raw segment ``path`` was cut off while its header was being written.

    The header is synced before the first record is appended, so a torn one has nothing behind it.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= CHUNK else b"?"
    except FileNotFoundError:
        return False
    wanted = segment_head_size(data)
    only_head = SEGMENT_MAGIC.startswith(data[:8]) and (wanted is None or wanted >= len(data))
    return parse_segment_head(data) is None and (only_head or not data.strip(b"\0"))


class BlockReader:
    """The whole blocks of a segment, in order.

    Attributes:
        path: the file.
        head: its header.
        index: its index if it is sealed, else None.
        pos: position of the next record.
        offset: where the block of that record begins.
        streams: all streams known up to there.
        synced_pos: what the last block read says was on the disk before it was written.
        fault: why the last :meth:`read` stopped before the end of the blocks; None at the end.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        """Open ``path`` at the block that holds ``start``, or at the first.

        Raises:
            FileNotFoundError: the segment is gone; it may have been sealed or deleted meanwhile.
            TapeCorrupt: header or index are damaged.
        """
        self.path = path
        self.fault: str | None = None
        self.synced_pos = 0
        self._behind_damage = False
        # Before what costs time: readers of a live tape often ask for a segment that is not there yet.
        self._file: BinaryIO = path.open("rb", buffering=0)
        self._decompressor = zstandard.ZstdDecompressor()
        try:
            self._begin(start)
        except BaseException:
            self._file.close()
            raise

    def _begin(self, start: int) -> None:
        head = read_head(self._file)
        if head is None:
            raise TapeCorrupt(f"{self.path}: the segment's header is damaged at offset 0; {REMEDY}")
        self.head, self.index = head, self._read_index(head)
        self.pos, self.offset, self.streams = head.first_pos, head.size, list(head.streams)
        if self.index is not None and start > head.first_pos:
            self.pos, self.offset = self.index.offset_of(min(start, self.index.next_pos - 1))
            self.streams = list(self.index.streams)

    def _read_index(self, head: SegmentHead) -> Index | None:
        self._end: int | None = None
        if head.state is State.RAW:
            return None
        found = read_index(self._file, self.size)
        if found is None:
            raise TapeCorrupt(f"{self.path}: the index at the end of the sealed segment is damaged; {REMEDY}")
        index, self._end = found
        return index

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self._file.fileno()).st_size

    @property
    def end(self) -> int:
        """The offset where the blocks end: the index of a sealed segment, the size of a raw one."""
        return self.size if self._end is None else self._end

    @property
    def has_more(self) -> bool:
        """Whether there are bytes behind what has been read."""
        return self.offset < self.end

    def read(self) -> list[Part]:
        """The next blocks, about 1 MiB of them; empty at the end or where :attr:`fault` says why."""
        self.fault = None
        data = self._bytes(self.offset, CHUNK)
        first = self._whole_size(data)
        if first is None:
            return []
        if first > len(data):
            data = self._bytes(self.offset, first)
        return list(self._parts(data))

    def matches_sha256(self) -> bool:
        """Whether all that precedes the trailer of this sealed file has the checksum that stands there."""
        trailer = read_trailer(self._file, self.size)
        left = self.size - TRAILER.size
        sha256 = hashlib.sha256()
        self._file.seek(0)
        while data := self._file.read(min(CHUNK, left)):
            sha256.update(data)
            left -= len(data)
        return trailer is not None and trailer[0] == sha256.digest()

    def beyond_fault(self) -> tuple[int, BlockHead] | None:
        """Offset and header of the next sound block at or behind the fault; None where there is none.

        Tells damage in the middle from a torn tail, behind which nothing whole can stand.
        """
        start = self.offset
        while start < self.end:
            data = self._bytes(start, CHUNK)
            found = data.find(BLOCK_MAGIC)
            while found >= 0:
                head = self._sound_block(start + found)
                if head is not None and head.first_pos > self.pos:
                    return start + found, head
                found = data.find(BLOCK_MAGIC, found + 1)
            start += max(len(data) - len(BLOCK_MAGIC) + 1, len(BLOCK_MAGIC))
        return None

    def skip_to(self, offset: int, pos: int) -> None:
        """Go on, behind damage, at the block at ``offset`` with first position ``pos``."""
        self.offset, self.pos, self._behind_damage = offset, pos, True

    def pad_streams(self, count: int) -> None:
        """Fill the table up to ``count`` streams, for definitions that were lost to damage."""
        self.streams += [Stream("lost", f"lost-{number}") for number in range(len(self.streams), count)]

    def _sound_block(self, offset: int) -> BlockHead | None:
        data = self._bytes(offset, BLOCK_HEAD.size)
        head = parse_block_head(data, 0) if len(data) == BLOCK_HEAD.size else None
        if head is None or offset + BLOCK_HEAD.size + head.body > self.end:
            return None
        data = self._bytes(offset, BLOCK_HEAD.size + head.body)
        return head if block_is_sound(data, 0, head) else None

    def _bytes(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        wanted = min(size, self.end - offset)
        data = self._file.read(max(wanted, 0))
        while len(data) < wanted and (more := self._file.read(wanted - len(data))):
            data += more
        return data

    def _whole_size(self, data: bytes) -> int | None:
        """Bytes of the block that ``data`` begins with; None if it is not whole, a fault if there are any."""
        if not data:
            return None
        if len(data) < BLOCK_HEAD.size:
            self.fault = f"{len(data)} bytes are less than a block's header"
            return None
        head = parse_block_head(data, 0)
        if head is None:
            self.fault = "there is no block's header"
            return None
        if self.offset + BLOCK_HEAD.size + head.body > self.end:
            self.fault = f"the block's body of {head.body} bytes ends behind the end"
            return None
        return BLOCK_HEAD.size + head.body

    def _parts(self, data: bytes) -> Iterator[Part]:
        """The whole blocks of ``data``; small ones that follow each other become one part."""
        at, base = 0, self.offset
        while at + BLOCK_HEAD.size <= len(data):
            offsets, counts, end = scan_small(data, at, self.pos)
            if offsets:
                yield Part(self.pos, gather_small(data, offsets, counts), base + at)
                self.synced_pos = BLOCK_HEAD.unpack_from(data, offsets[-1])[5]
                at, self.offset, self.pos = end, base + end, self.pos + sum(counts)
                continue
            head = parse_block_head(data, at)
            end = at + BLOCK_HEAD.size + head.body if head else len(data) + 1
            if head is None or end > len(data) or not self._accepts(data, at, head):
                return
            columns = self._columns(data, at, head)
            if columns is None:
                return
            yield Part(self.pos, columns, base + at)
            self.synced_pos = head.synced_pos
            at, self.offset, self.pos = end, base + end, self.pos + head.records

    def _accepts(self, data: bytes, at: int, head: BlockHead) -> bool:
        if not block_is_sound(data, at, head):
            self.fault = "the block fails its checksum"
        elif head.first_pos != self.pos:
            self.fault = f"the block begins at position {head.first_pos} where {self.pos} was due"
        return self.fault is None

    def _columns(self, data: bytes, at: int, head: BlockHead) -> Columns | None:
        try:
            columns, definitions = parse_body(data, at, head, self._decompressor)
            self._define(definitions)
        except (ValueError, struct.error, zstandard.ZstdError) as error:
            self.fault = f"the block cannot be read: {error}"
            return None
        return columns

    def _define(self, definitions: bytes) -> None:
        for number, stream in parse_streams(definitions) if definitions else ():
            if self._behind_damage:
                self.pad_streams(number)
            if number == len(self.streams):
                self.streams.append(stream)
            elif number > len(self.streams) or self.streams[number] != stream:
                raise ValueError(f"stream {number} is defined as {stream}, against the table")
