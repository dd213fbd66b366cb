"""How long tape is kept: whole sealed segments go, oldest first, once nothing needs them.

A segment is needed while the tables, with their checkpoint, do not hold all of it, and while whoever copies
segments away (:data:`OnSealed`) has not got it. The newest segment stays always: the tape's next position
is known from it. What is kept has no holes: each deletion is on the disk before the next.

When the beginning of a tape is gone, the tables are the only copy of what it held, and
``barograph rebuild`` refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from barograph.clock import NS_PER_S
from barograph.disk import storage_error, sync_directory
from barograph.errors import SettingsError
from barograph.log import get_logger
from barograph.recorder.checkpoint import Checkpoints
from barograph.snapshot import unpack
from barograph.tape.segments import RAW, SEALED, open_segment, segment_files

if TYPE_CHECKING:
    from barograph.recorder.shaping import LineSettings
    from barograph.store.opening import Location

DAY_NS = 86_400 * NS_PER_S
GB = 1_000_000_000

log = get_logger()


@dataclass(frozen=True, slots=True)
class Segment:
    """A sealed segment that is not the newest.

    Attributes:
        path: its file.
        first_pos: position of its first record.
        next_pos: the position after its last record.
        bytes: size of the file.
        last_ns: latest receipt time in it.
    """

    path: Path
    first_pos: int
    next_pos: int
    bytes: int
    last_ns: int


OnSealed = Callable[[Segment], bool]
"""Where an uploader joins: called with a sealed segment, again and again until it returns True.

True says that the segment is safe elsewhere; until then it is kept, whatever the limits. The
call must not take long: it hands the work to others and tells how far they are.
"""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one pruning did, or would do.

    Attributes:
        segments: deleted, oldest first.
        kept_because: why the oldest one that is over the limits had to stay; empty: none is.
        begin: position where the tape begins now.
    """

    segments: tuple[Segment, ...]
    kept_because: str
    begin: int

    @property
    def bytes(self) -> int:
        """What was freed."""
        return sum(segment.bytes for segment in self.segments)


def prune(
    tape: Path,
    *,
    keep_days: float | None,
    keep_gb: float | None,
    held_pos: int,
    now_ns: int,
    dry_run: bool = False,
    on_sealed: OnSealed | None = None,
) -> Pruned:
    """Delete the oldest sealed segments of the tape at ``tape`` that are over a limit.

    The writer's lock is not needed: it never touches a segment once it is sealed. A reader
    that stands in a deleted segment fails as if it were missing.

    Args:
        tape: the tape's directory.
        keep_days: segments whose newest record is older go; None: no limit.
        keep_gb: the oldest go while the whole tape is larger (GB of 10^9 bytes); None: no limit.
        held_pos: the position up to which tables and checkpoint need no tape any more.
        now_ns: the present.
        dry_run: only tell.
        on_sealed: says of a segment whether it is safe elsewhere.

    Raises:
        DataError: there is no tape.
        TapeCorrupt: a segment that is to go is damaged; it stays.
        StorageError: the disk refused; what was deleted before is gone, the rest is whole.
    """
    files = segment_files(tape)
    total = sum(_size(path) for path in files.values())
    gone: list[Segment] = []
    why = ""
    for segment in sealed_segments(tape):
        if not _over(segment, total, keep_days, keep_gb, now_ns):
            break
        if why := _needed(segment, held_pos, on_sealed):
            break
        if not dry_run:
            _delete(tape, segment)
        gone.append(segment)
        total -= segment.bytes
    begin = gone[-1].next_pos if gone else next(iter(files), 0)
    return Pruned(tuple(gone), why, begin)


class _Stand(msgspec.Struct):
    """What a checkpoint says of itself, without the rest."""

    shape: bytes
    kernel_version: int
    next_pos: int


def held_position(data: Path, settings: LineSettings, tables: Location | None = None) -> int:
    """The position up to which the tables of ``data`` and their checkpoint need no tape any more.

    Args:
        tables: where the tables are; None: they are the directory's lake.

    Raises:
        SettingsError: the tables have to be rebuilt first, for which the whole tape is needed.
    """
    from barograph.bars import KERNEL_VERSION
    from barograph.store.opening import Location

    # Looking must not make the folder of a data directory that has no tables.
    saved = Checkpoints(data / "state").load() if (data / "state").is_dir() else None
    if saved is None:
        return 0
    try:
        stand = unpack(saved, _Stand)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{_REBUILD_FIRST} (the checkpoint is of another version: {error})") from error
    if (stand.shape, stand.kernel_version) != (settings.shape(), KERNEL_VERSION):
        raise SettingsError(_REBUILD_FIRST)
    with closing((tables or Location(data)).open()) as store:
        return min(stand.next_pos, store.committed())


_REBUILD_FIRST = (
    "the tables were made with other settings or by another version, and only the whole tape can make them "
    "again; put the settings back, or run `barograph rebuild` before tape is deleted"
)


class Retention:
    """Keeps the tape within its limits while the recorder runs, and offers sealed segments to an uploader.

    Args:
        tape: the tape's directory.
        keep_days: as :func:`prune`.
        keep_gb: as :func:`prune`.
        on_sealed: where an uploader joins; None: nobody copies segments away.
    """

    def __init__(
        self,
        tape: Path,
        keep_days: float | None,
        keep_gb: float | None,
        on_sealed: OnSealed | None = None,
    ) -> None:
        self._tape = tape
        self._keep_days = keep_days
        self._keep_gb = keep_gb
        self._on_sealed = on_sealed
        self._safe: set[int] = set()

    def look(self, held_pos: int, now_ns: int) -> Pruned:
        """Offer what is sealed, delete what is over the limits. Touches the disk: not for the event loop.

        Raises:
            TapeCorrupt, StorageError: as :func:`prune`.
        """
        if self._on_sealed is not None:
            for segment in sealed_segments(self._tape):
                self._is_safe(segment)
        pruned = prune(
            self._tape,
            keep_days=self._keep_days,
            keep_gb=self._keep_gb,
            held_pos=held_pos,
            now_ns=now_ns,
            on_sealed=self._is_safe,
        )
        self._safe -= {segment.first_pos for segment in pruned.segments}
        if pruned.segments:
            log.info("tape pruned", segments=len(pruned.segments), bytes=pruned.bytes, begin=pruned.begin)
        return pruned

    def _is_safe(self, segment: Segment) -> bool:
        """Whether the uploader has it; once it said so it is not asked again."""
        if self._on_sealed is None or segment.first_pos in self._safe:
            return True
        if self._on_sealed(segment):
            self._safe.add(segment.first_pos)
            return True
        return False


def sealed_segments(tape: Path) -> Iterator[Segment]:
    """The sealed segments from the oldest on, up to the first that is not sealed; never the newest.

    Raises:
        DataError: there is no tape.
        TapeCorrupt: a header or an index is damaged.
    """
    for (first_pos, path), (next_pos, _) in pairwise(segment_files(tape).items()):
        if path.suffix != SEALED:
            return
        blocks = open_segment(tape, first_pos)
        if blocks is None:  # deleted since the folder was read
            continue
        with blocks:
            if blocks.index is None:
                return
            last_ns = int(blocks.index.blocks["last_ns"].max())
            yield Segment(path, first_pos, next_pos, blocks.size, last_ns)


def _over(segment: Segment, total: int, keep_days: float | None, keep_gb: float | None, now_ns: int) -> bool:
    too_old = keep_days is not None and segment.last_ns < now_ns - int(keep_days * DAY_NS)
    return too_old or (keep_gb is not None and total > keep_gb * GB)


def _needed(segment: Segment, held_pos: int, on_sealed: OnSealed | None) -> str:
    """Why the segment must stay; empty when it may go."""
    if segment.next_pos > held_pos:
        return (
            f"{segment.path.name} reaches to record {segment.next_pos:,}, "
            f"and the tables with their checkpoint hold records up to {held_pos:,} only"
        )
    if on_sealed is not None and not on_sealed(segment):
        return f"{segment.path.name} has not been copied away yet"
    return ""


def _delete(tape: Path, segment: Segment) -> None:
    try:
        # Left by a crash while sealing; without the sealed one it would count again.
        segment.path.with_suffix(RAW).unlink(missing_ok=True)
        segment.path.unlink(missing_ok=True)
        # On the disk before the next goes: a power cut must not leave a hole.
        sync_directory(tape)
    except OSError as error:
        raise storage_error(error, f"deleting {segment.path}") from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # sealed since the folder was read
        return 0
