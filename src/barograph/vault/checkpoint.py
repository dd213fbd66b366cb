"""The line's checkpoint, as the recorder leaves it in the data directory: taken along as it is."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from barograph.disk import storage_error
from barograph.snapshot import unpack

# The file's form is that of `recorder.checkpoint`, which this room may not import: both are on one floor.
_MAGIC = b"BAROCKP1"
_HEAD = len(_MAGIC) + 4


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
    body = raw[_HEAD:]
    if raw[:_HEAD] != _MAGIC + zlib.crc32(body).to_bytes(4, "little"):
        return None
    try:
        return Checkpoint(raw, unpack(body, _Stand).next_pos)
    except msgspec.DecodeError:
        return None
