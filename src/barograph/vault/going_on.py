"""What a recorder needs to go on after a restore: the tape, and the line's checkpoint.

The tape on the shelf usually reaches a little beyond the tables, or not quite as far: it comes in sealed
segments, the tables as of their moment. Where it does not reach, nobody knows the records in between any
more. The older segments are then laid aside, a new tape begins where the tables end, and the line's state
counts as of there. What it had not closed by then lacks at most what came since its checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from barograph.clock import Clock
from barograph.disk import put_bytes, sync_data, sync_directory
from barograph.snapshot import head, without_head
from barograph.store.durable import publish, storage_errors
from barograph.tape import TapeReader, TapeWriter
from barograph.tape.listing import SegmentInfo, list_segments
from barograph.tape.segments import RAW, segment_path
from barograph.vault.checkpoint import checkpoint_path
from barograph.vault.manifest import File, Manifest

Fetch = Callable[[str, File], Path]
ASIDE = "tape.before"


@dataclass(frozen=True, slots=True)
class Tape:
    """The tape as it was put back.

    Attributes:
        segments: how many are in place.
        begin, end: their positions; both 0 where there are none.
        begins_anew: a new tape was begun where the tables end; older segments lie beside it.
    """

    segments: int
    begin: int
    end: int
    begins_anew: bool


def put_tape(tape: Path, files: Sequence[File], last: Manifest, fetch: Fetch, clock: Clock) -> Tape:
    """Put segments in place, so that the tape reaches from the checkpoint of ``last`` to its end or beyond.

    Raises:
        DataError: a segment is missing or damaged.
    """
    aside = tape.with_name(ASIDE)
    if _was_begun_anew(tape, last):
        _begin(tape, last.next_pos, clock)
        return _told(tape, begins_anew=True)
    for file in files:
        name = file.path.rpartition("/")[2]
        if not (tape / name).exists() and not (aside / name).exists():
            _place(fetch(file.path, file), tape / name)
    needed = last.commits[0][0] if last.checkpoint and last.commits else last.next_pos
    kept = _reaching(tape, needed, last.next_pos) if tape.exists() else []
    _lay_aside(tape, aside, {segment.path.name for segment in kept})
    if kept:
        return _told(tape, begins_anew=False)
    if last.checkpoint is None:
        return Tape(0, 0, 0, begins_anew=False)
    _begin(tape, last.next_pos, clock)
    return _told(tape, begins_anew=True)


def put_checkpoint(data: Path, raw: bytes, at: int | None) -> None:
    """Put the line's state in place; counting as of position ``at``, if that is given."""
    path = checkpoint_path(data)
    content = raw if at is None else moved(raw, at)
    put_bytes(path, content, f"writing {path}", durable=True)


def moved(raw: bytes, at: int) -> bytes:
    """A checkpoint that counts as of another position, all else being as it is."""
    packed = without_head(raw)
    assert packed is not None, "a backup takes no checkpoint that is damaged"
    state: dict[str, Any] = msgspec.msgpack.decode(
        packed, ext_hook=lambda code, data: msgspec.msgpack.Ext(code, bytes(data))
    )
    body = msgspec.msgpack.encode(state | {"next_pos": at})
    return head(body) + body


def _place(fetched: Path, target: Path) -> None:
    with storage_errors("putting back", target):
        with fetched.open("r+b") as file:
            sync_data(file.fileno())
        publish(fetched, target)
        sync_directory(target.parent)


def _reaching(tape: Path, needed: int, end: int) -> list[SegmentInfo]:
    """The last segments without a hole between them, if they reach from ``needed`` to ``end`` or beyond."""
    kept: list[SegmentInfo] = []
    for segment in reversed(list_segments(tape)):
        if kept and segment.next_pos != kept[-1].first_pos:
            break
        kept.append(segment)
    reaches = bool(kept) and kept[-1].first_pos <= needed and kept[0].next_pos >= end
    return kept if reaches else []


def _lay_aside(tape: Path, aside: Path, kept: set[str]) -> None:
    for path in _segments(tape):
        if path.name not in kept:
            with storage_errors("laying aside", path):
                aside.mkdir(exist_ok=True)
                path.replace(aside / path.name)


def _segments(tape: Path) -> Iterator[Path]:
    if tape.exists():
        yield from sorted(path for path in tape.iterdir() if path.suffix == ".sealed")


def _begin(tape: Path, at: int, clock: Clock) -> None:
    """An empty tape whose first record will have the position ``at``."""
    with storage_errors("beginning a tape at", tape):
        tape.mkdir(parents=True, exist_ok=True)
        # A segment whose header was never written: what the writer takes its place from.
        segment_path(tape, at, RAW).touch()
    TapeWriter(tape, clock=clock).close()


def _was_begun_anew(tape: Path, last: Manifest) -> bool:
    return segment_path(tape, last.next_pos, RAW).exists()


def _told(tape: Path, *, begins_anew: bool) -> Tape:
    reader = TapeReader(tape)
    return Tape(sum(1 for _ in tape.glob("*.sealed")), reader.begin, reader.end, begins_anew)
