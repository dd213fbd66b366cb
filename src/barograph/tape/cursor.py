"""A place on the tape, moving on over blocks, segments and the sealing of segments.

Here it is judged what the end of the readable bytes means: the end of the tape for now,
the next segment, or damage. A live tape changes between two looks, so nothing is called
damage before it has been looked at again after the evidence against it was found.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from barograph.errors import DataError, TapeCorrupt
from barograph.records import Stream
from barograph.tape.blocks import REMEDY, BlockReader, Part, head_is_torn
from barograph.tape.segments import (
    RAW,
    open_segment,
    segment_begins,
    segment_files,
    segment_of,
    segment_path,
)

_LOOKS = 8
"""Listings of the directory before a segment counts as missing: sealing may fall between two of them."""


class Cursor:
    """A place on the tape that moves on from block to block and segment to segment."""

    def __init__(self, tape: Path, start: int) -> None:
        self._tape = tape
        self._start = start
        self._blocks: BlockReader | None = None
        self._known: tuple[Stream, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._blocks is not None:
            self._blocks.close()

    @property
    def pos(self) -> int:
        """Position of the next record; below the start where the tape does not reach that far."""
        return 0 if self._blocks is None else self._blocks.pos

    @property
    def is_at_end(self) -> bool:
        """Whether the segment that is being written has been read as far as it goes."""
        blocks = self._blocks
        if blocks is None or blocks.index is not None or blocks.has_more:
            return False
        return not segment_begins(self._tape, blocks.pos)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """All streams known so far; the same object until there are more."""
        if self._blocks is not None and len(self._blocks.streams) != len(self._known):
            self._known = tuple(self._blocks.streams)
        return self._known

    def advance(self) -> list[Part]:
        """The next records, some megabytes of them; empty where the tape ends for now.

        Raises:
            TapeCorrupt: a damaged block, or a hole between segments.
        """
        while True:
            blocks = self._blocks or self._open()
            if blocks is None:
                return []
            parts = blocks.read() or self._after(blocks)
            if parts is None:
                continue
            wanted = [part for part in parts if part.next_pos > self._start]
            if wanted or not parts:
                return [cut(part, self._start) for part in wanted]

    def _open(self) -> BlockReader | None:
        """The segment that holds the start; None where the tape is empty yet."""
        for _ in range(_LOOKS):
            positions = list(segment_files(self._tape))
            if not positions:
                return None
            first = segment_of(positions, self._start)
            if first is None:
                if self._start:
                    raise DataError(
                        f"{self._tape}: position {self._start} is gone, the tape begins at {positions[0]}; "
                        "start from there, or restore older segments from a backup"
                    )
                first = self._start = positions[0]
            self._blocks = _opened(self._tape, first, self._start)
            if self._blocks is not None:
                return self._blocks
            if first == positions[-1]:
                return None
        raise TapeCorrupt(f"{self._tape}: no segment holds position {self._start}; {REMEDY}")

    def _after(self, blocks: BlockReader) -> list[Part] | None:
        """What comes where ``blocks`` gave nothing more: None after going over to the next segment."""
        fault = blocks.fault
        if not fault and self._next_segment(blocks):
            return None
        if not self._goes_on(blocks):
            return []
        # The tape goes on behind this place: either it did so between the two looks, or there is damage.
        if parts := blocks.read():
            return parts
        if blocks.fault is None and self._next_segment(blocks):
            return None
        what = blocks.fault or f"the segment ends at position {blocks.pos} and no other begins there"
        raise TapeCorrupt(f"{blocks.path}: damaged at offset {blocks.offset}: {what}; {REMEDY}")

    def _next_segment(self, blocks: BlockReader) -> bool:
        if blocks.pos == blocks.head.first_pos:
            return False
        following = _opened(self._tape, blocks.pos, blocks.pos)
        if following is None:
            return False
        blocks.close()
        self._blocks = following
        return True

    def _goes_on(self, blocks: BlockReader) -> bool:
        if blocks.index is not None and (blocks.fault or blocks.pos != blocks.index.next_pos):
            return True
        files = segment_files(self._tape)
        later = [pos for pos in files if pos > blocks.head.first_pos]
        if later and not (later == [blocks.pos] and head_is_torn(files[blocks.pos])):
            return True
        return blocks.fault is not None and blocks.beyond_fault() is not None


def _opened(tape: Path, first_pos: int, start: int) -> BlockReader | None:
    """The segment at ``first_pos``; None where there is none, or a live one whose header is not whole yet."""
    try:
        return open_segment(tape, first_pos, start)
    except TapeCorrupt:
        if first_pos == max(segment_files(tape)) and head_is_torn(segment_path(tape, first_pos, RAW)):
            return None
        # It was being made at the first look: at the second one its header is whole, or damaged.
        return open_segment(tape, first_pos, start)


def cut(part: Part, start: int, stop: int | None = None) -> Part:
    """The records of ``part`` from position ``start`` up to and without ``stop``."""
    first = max(start - part.first_pos, 0)
    last = len(part.columns.length) if stop is None else max(stop - part.first_pos, 0)
    if first == 0 and last >= len(part.columns.length):
        return part
    return Part(part.first_pos + first, part.columns.cut(first, last), part.offset)
