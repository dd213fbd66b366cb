"""Opening a tape for writing after whatever happened to it: a crash, a power cut, a damaged disk."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from barograph.log import get_logger
from barograph.records import Stream
from barograph.tape.blocks import BlockReader, head_is_torn
from barograph.tape.segments import RAW, segment_files

log = get_logger()


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was taken off the end of a tape when it was opened.

    Attributes:
        path: the segment.
        kept: the position after the last record that is whole.
        dropped_bytes: bytes of what was being written when the end came.
    """

    path: Path
    kept: int
    dropped_bytes: int


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a tape goes on.

    Attributes:
        next_pos: the position of the next record.
        streams: all streams known so far.
        live: the raw segment to append to; None where a new one has to be begun.
        created_ns: when ``live`` was begun.
        recovery: what was taken off; None if the tape was whole.
    """

    next_pos: int
    streams: list[Stream]
    live: Path | None
    created_ns: int
    recovery: Recovery | None


def recover(tape: Path) -> Tail:
    """Cut the torn tail off the last segment of ``tape`` and tell where to go on.

    Damage in the middle, with records behind it that were synced after it, is no torn tail:
    nothing is cut, the segment stays for ``barograph tape verify``, and a new one is begun.

    Raises:
        TapeCorrupt: the header of the last segment, or the index of a sealed one, is damaged.
    """
    files = segment_files(tape)
    if not files:
        return Tail(0, [], None, 0, None)
    last = files[max(files)]
    if last.suffix == RAW and head_is_torn(last):
        return _without_head(tape, last)
    with BlockReader(last) as blocks:
        if blocks.index is not None:
            return Tail(blocks.index.next_pos, list(blocks.index.streams), None, 0, None)
        while blocks.read():
            pass
        torn = Tail(blocks.pos, list(blocks.streams), last, blocks.head.created_ns, None)
        offset, fault = blocks.offset, blocks.fault
        dropped = blocks.end - offset
        _go_around_damage(blocks)
        if blocks.synced_pos > torn.next_pos:
            log.error("tape.damaged", path=str(last), offset=offset, fault=fault)
            return Tail(blocks.pos, blocks.streams, None, 0, None)
    if not dropped:
        return torn
    recovery = Recovery(last, torn.next_pos, dropped)
    _cut(last, offset, recovery)
    return replace(torn, recovery=recovery)


def _without_head(tape: Path, last: Path) -> Tail:
    dropped = last.stat().st_size
    last.unlink()
    before = recover(tape) if segment_files(tape) else Tail(int(last.stem), [], None, 0, None)
    recovery = Recovery(last, before.next_pos, dropped)
    log.warning("tape.torn_tail", path=str(last), kept=recovery.kept, dropped_bytes=recovery.dropped_bytes)
    return replace(before, recovery=recovery)


def _cut(path: Path, offset: int, recovery: Recovery) -> None:
    with path.open("r+b") as file:
        file.truncate(offset)
        os.fsync(file.fileno())
    log.warning("tape.torn_tail", path=str(path), kept=recovery.kept, dropped_bytes=recovery.dropped_bytes)


def _go_around_damage(blocks: BlockReader) -> None:
    """Read on behind what is damaged, to the end of what is sound.

    The positions in between are lost, and so are the streams that were defined there; their
    numbers stay taken.
    """
    highest = -1
    while blocks.fault and (found := blocks.beyond_fault()):
        offset, head = found
        blocks.skip_to(offset, head.first_pos)
        while parts := blocks.read():
            highest = max(highest, *(int(part.columns.stream.max()) for part in parts))
    blocks.pad_streams(highest + 1)
