"""Backups that were cut off: the next run removes what the one before has left.

A run notes the folder that it is about to fill, and takes the note back when the manifest is there. A note
that is found is that of a run that was killed: nobody else makes backups of this data directory meanwhile,
since a lock is held. Folders of other machines are left to ``prune``, which waits a day.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from barograph.disk import storage_error
from barograph.log import get_logger
from barograph.vault.manifest import MANIFEST
from barograph.vault.shelf import Shelf

log = get_logger()


class _Note(msgspec.Struct, frozen=True):
    shelf: str
    folder: str


def scratch_folder(data: Path) -> Path:
    """Where files of a backup lie for a moment; only who holds the lock uses it."""
    return data / "state" / "backup"


@contextmanager
def noted(data: Path, shelf: Shelf, folder: str) -> Iterator[Path]:
    """Note that ``folder`` is being filled; gives an empty scratch folder. The note goes at a clean end."""
    scratch = scratch_folder(data)
    note = _note_path(data, shelf)
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        note.write_bytes(msgspec.json.encode(_Note(str(shelf), folder)))
    except OSError as error:
        raise storage_error(error, f"making {scratch}") from error
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    # Only here: what failed is as unfinished as what was killed.
    note.unlink(missing_ok=True)


def remove_unfinished(data: Path, shelf: Shelf) -> None:
    """Remove what a run that was cut off has left on ``shelf``.

    Raises:
        StorageError: the shelf said no; the note stays.
    """
    path = _note_path(data, shelf)
    try:
        note = msgspec.json.decode(path.read_bytes(), type=_Note)
    except FileNotFoundError:
        return
    except (OSError, msgspec.DecodeError):
        path.unlink(missing_ok=True)  # cut off while it was written: nothing had been put yet
        return
    left = [item.path for item in shelf.list(f"{note.folder}/")]
    if left and f"{note.folder}/{MANIFEST}" not in left:
        log.info("removing what an interrupted backup has left", shelf=note.shelf, folder=note.folder)
        shelf.delete(left)
    path.unlink(missing_ok=True)


def _note_path(data: Path, shelf: Shelf) -> Path:
    import hashlib

    return data / "state" / f"backup-{hashlib.sha256(str(shelf).encode()).hexdigest()[:12]}.unfinished"
