"""What a tape holds, and whether it is sound: listing and verifying segments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from barograph.errors import TapeCorrupt
from barograph.records import Kind, Stream
from barograph.tape.blocks import REMEDY, BlockReader, head_is_torn
from barograph.tape.bodies import Ints
from barograph.tape.index import Index, Tally
from barograph.tape.segments import open_segment, segment_files

Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all."""


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """One segment of a tape.

    Attributes:
        path: its file.
        state: ``sealed``; ``raw``: rolled, but not sealed yet; ``live``: being appended to.
        first_pos: position of its first record.
        next_pos: the position after its last whole record.
        bytes: size of the file.
        payload_bytes: bytes of all payloads, as they came.
        first_ns: earliest receipt time; None without records.
        last_ns: latest receipt time; None without records.
        counts: records by stream and kind.
    """

    path: Path
    state: Literal["live", "raw", "sealed"]
    first_pos: int
    next_pos: int
    bytes: int
    payload_bytes: int
    first_ns: int | None
    last_ns: int | None
    counts: Mapping[tuple[Stream, int], int]

    @property
    def records(self) -> int:
        """How many records it holds."""
        return self.next_pos - self.first_pos

    @property
    def by_kind(self) -> dict[Kind, int]:
        """Records by kind."""
        found: Counter[Kind] = Counter()
        for (_, kind), n in self.counts.items():
            found[Kind(kind)] += n
        return dict(found)

    @property
    def by_stream(self) -> dict[Stream, int]:
        """Records by stream."""
        found: Counter[Stream] = Counter()
        for (stream, _), n in self.counts.items():
            found[stream] += n
        return dict(found)

    @property
    def streams(self) -> list[Stream]:
        """The streams that it has records of."""
        return list(self.by_stream)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a tape.

    Attributes:
        path: the segment.
        offset: where in the file.
        message: what is wrong there.
    """

    path: Path
    offset: int
    message: str


def list_segments(path: Path) -> list[SegmentInfo]:
    """The segments of the tape at ``path``, in order. Raw ones are read through, sealed ones know.

    Raises:
        DataError: there is no such directory.
        TapeCorrupt: a header, an index or, in a raw segment, a block is damaged.
    """
    found = []
    files = segment_files(path)
    for first_pos, file in files.items():
        live = first_pos == max(files)
        if live and head_is_torn(file):
            break
        blocks = open_segment(path, first_pos)
        if blocks is not None:
            with blocks:
                found.append(_sealed(blocks, blocks.index) if blocks.index else _raw(blocks, live=live))
    return found


def _sealed(blocks: BlockReader, index: Index) -> SegmentInfo:
    rows = index.blocks
    return SegmentInfo(
        blocks.path,
        "sealed",
        blocks.head.first_pos,
        index.next_pos,
        blocks.size,
        index.payload_bytes,
        int(rows["first_ns"].min()),
        int(rows["last_ns"].max()),
        {(index.streams[stream], kind): n for (stream, kind), n in index.counts.items()},
    )


def _raw(blocks: BlockReader, *, live: bool) -> SegmentInfo:
    tally = Tally()
    while parts := blocks.read():
        for part in parts:
            tally.add(part.columns)
    if blocks.fault and (not live or blocks.beyond_fault()):
        raise TapeCorrupt(f"{blocks.path}: damaged at offset {blocks.offset}: {blocks.fault}; {REMEDY}")
    return SegmentInfo(
        blocks.path,
        "live" if live else "raw",
        blocks.head.first_pos,
        blocks.pos,
        blocks.size,
        tally.payload_bytes,
        tally.first_ns,
        tally.last_ns,
        {(blocks.streams[stream], kind): n for (stream, kind), n in tally.counts.items()},
    )


def verify(path: Path, progress: Progress | None = None) -> list[Problem]:
    """Read the whole tape at ``path`` and check everything that can be checked.

    Checksums of headers, blocks, indexes and files; positions without holes; lengths that add
    up; indexes that agree with what they index. The block being written is no problem.

    Args:
        progress: called with the bytes read and the bytes of all segments.

    Raises:
        DataError: there is no such directory.
    """
    problems: list[Problem] = []
    files = segment_files(path)
    total = sum(map(_size, files.values()))
    done, due = 0, next(iter(files), None)
    for first_pos, file in files.items():
        if due not in (first_pos, None):
            problems.append(Problem(file, 0, f"begins at position {first_pos} where {due} was due"))
        live = first_pos == max(files)
        if live and head_is_torn(file):
            break
        try:
            blocks = open_segment(path, first_pos)
        except TapeCorrupt as error:
            problems.append(Problem(file, 0, str(error)))
            blocks = None
        if blocks is None:
            due = None
            continue
        with blocks:
            found = list(_check(blocks, live=live))
            # Where a damaged segment was to end, only its index can tell.
            due = blocks.index.next_pos if blocks.index else None if found else blocks.pos
            problems += found
            done += blocks.size
        if progress:
            progress(min(done, total), total)
    return problems


def _size(file: Path) -> int:
    """Bytes of ``file``; none if it has been sealed meanwhile."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _check(blocks: BlockReader, *, live: bool) -> Iterator[Problem]:
    """The problems of one segment; ``blocks`` is at its end afterwards."""
    tally, rows = Tally(), []
    while True:
        for part in blocks.read():
            tally.add(part.columns)
            rows.append((part.first_pos, part.offset, *_span(part.columns.recv_ns)))
        if not blocks.fault:
            if blocks.offset == blocks.end:
                break
            continue
        beyond = blocks.beyond_fault()
        if beyond is None and live:
            break
        yield Problem(blocks.path, blocks.offset, blocks.fault)
        if beyond is None:
            break
        blocks.skip_to(beyond[0], beyond[1].first_pos)
    if blocks.index:
        yield from _check_index(blocks, blocks.index, tally, rows)


def _span(recv_ns: Ints) -> tuple[int, int]:
    return int(recv_ns.min()), int(recv_ns.max())


def _check_index(
    blocks: BlockReader, index: Index, tally: Tally, rows: list[tuple[int, int, int, int]]
) -> Iterator[Problem]:
    found = [
        ("last position", index.next_pos, blocks.pos),
        ("blocks", index.blocks.tolist(), rows),
        ("counts", dict(index.counts), dict(tally.counts)),
        ("streams", list(index.streams), blocks.streams),
        ("bytes of payloads", index.payload_bytes, tally.payload_bytes),
    ]
    for what, said, is_ in found:
        if said != is_:
            yield Problem(blocks.path, blocks.end, f"the index's {what} do not agree with the blocks")
    if not blocks.matches_sha256():
        yield Problem(blocks.path, blocks.size, "the file does not match its sha256")
