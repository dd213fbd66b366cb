"""The line's checkpoint, as the recorder leaves it in the data directory: taken along as it is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from barograph.disk import storage_error
from barograph.snapshot import unpack, without_head


class Checkpoint(NamedTuple):
    """A checkpoint's file, and the tape position that it stands at."""

    raw: bytes
    next_pos: int


class _Stand(msgspec.Struct):
    """What a checkpoint says of itself, without the rest."""

    next_pos: int


def checkpoint_path(data: Path) -> Path:
    """Where the checkpoint of a data directory lies."""
    return data / "state" / "line.checkpoint"


def read_checkpoint(data: Path) -> Checkpoint | None:
    """The checkpoint of the data directory; None when there is none that can be read.

    Raises:
        StorageError: the disk does not give it.
    """
    path = checkpoint_path(data)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error(error, f"reading {path}") from error
    state = without_head(raw)
    if state is None:
        return None
    try:
        return Checkpoint(raw, unpack(state, _Stand).next_pos)
    except msgspec.DecodeError:
        return None
