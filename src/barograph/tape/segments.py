"""The files of a tape: their names, their order, and which of two copies counts.

A segment is named by its first position: ``00000000000000131072.tape`` while it is raw,
``00000000000000131072.sealed`` afterwards. Where both are there, sealing was cut short
after the sealed one was put in place, and the sealed one counts.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from pathlib import Path

from barograph.disk import storage_error, sync_data
from barograph.errors import DataError
from barograph.tape.blocks import BlockReader

RAW = ".tape"
SEALED = ".sealed"
SEALING = ".sealing"
_NAME = re.compile(r"(\d{20})\.(tape|sealed)")


def segment_path(tape: Path, first_pos: int, suffix: str) -> Path:
    """The file of the segment that begins at ``first_pos``."""
    return tape / f"{first_pos:020d}{suffix}"


def segment_begins(tape: Path, pos: int) -> bool:
    """Whether there is a segment whose first position is ``pos``."""
    stem = f"{tape}/{pos:020d}"  # asked after every block: a path for each would take longer than the asking
    return os.path.exists(stem + RAW) or os.path.exists(stem + SEALED)


def segment_files(tape: Path) -> dict[int, Path]:
    """The tape's files by first position, ascending.

    Raises:
        DataError: there is no such directory.
    """
    try:
        names = os.listdir(tape)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"there is no tape at {tape}; `barograph tape import` or `barograph simulate` makes one"
        ) from None
    found: dict[int, Path] = {}
    for name in sorted(names, key=lambda name: (name[:20], name.endswith(SEALED))):
        matched = _NAME.fullmatch(name)
        if matched:
            found[int(matched[1])] = tape / name
    return found


def sync_tape(tape: Path) -> None:
    """Bring to the disk what others have appended so far: for those who are about to rely on it outside.

    A segment is synced by its writer before the next one begins, so the newest is all there is to do; the one
    before it as well, in case it has just been rolled.

    Raises:
        StorageError: the disk does not take it.
    """
    for path in list(segment_files(tape).values())[-2:]:
        if path.suffix != RAW:
            continue
        try:
            with path.open("rb") as file:
                sync_data(file.fileno())
        except FileNotFoundError:
            continue  # it has been sealed meanwhile, which syncs it
        except OSError as error:
            raise storage_error(error, f"syncing {path}") from error


def open_segment(tape: Path, first_pos: int, start: int = 0) -> BlockReader | None:
    """The segment that begins at ``first_pos``, at the block of ``start``; None where there is none.

    The sealed file is tried first and last: sealing may take the raw one's place between two looks.
    """
    for suffix in (SEALED, RAW, SEALED):
        try:
            return BlockReader(segment_path(tape, first_pos, suffix), start)
        except FileNotFoundError:
            continue
    return None


def segment_of(positions: list[int], pos: int) -> int | None:
    """Of the ascending first ``positions`` that of the segment holding ``pos``; None before the first."""
    row = bisect_right(positions, pos) - 1
    return positions[row] if row >= 0 else None
