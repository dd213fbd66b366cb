"""The name of a lake's content, and how far that content came from another store.

A random name is given when the first rows are committed. It goes along with backups, so that a store that
has been restored or synced counts as the same content, and a rebuild, which gives another name, does not.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from barograph.disk import read_json, sync_directory
from barograph.errors import StoreCorrupt
from barograph.store.durable import publish, stage, temporary
from barograph.store.layout import lineage_path, temporary_folder


class Origin(msgspec.Struct, frozen=True):
    """Where a lake's content comes from.

    Attributes:
        name: of the content; empty: nothing yet.
        taken: rows made from records before this position came from another store: they are in sealed
            files, whatever these say; 0: all rows were committed here.
    """

    name: str = ""
    taken: int = 0


def origin(root: Path) -> Origin:
    """The origin of the lake at ``root``; an empty name where it has not been written down."""
    path = lineage_path(root)
    try:
        return read_json(path, Origin, f"reading {path}") or Origin()
    except msgspec.DecodeError as error:
        raise StoreCorrupt(
            f"{path} cannot be read: {error}; sync or restore the lake again, "
            "or make it again from the tape with `barograph rebuild`"
        ) from error


def begin(root: Path) -> Origin:
    """The lake's origin, with a new name if it has none. The caller has the writer's lock."""
    known = origin(root)
    if known.name:
        return known
    named = Origin(secrets.token_hex(16), known.taken)
    write_origin(root, named)
    return named


def write_origin(root: Path, given: Origin) -> None:
    """Replace the origin, durably."""
    target = lineage_path(root)
    path = temporary(temporary_folder(root), target.name)
    stage(path, memoryview(msgspec.json.encode(given)))
    publish(path, target)
    sync_directory(target.parent)
