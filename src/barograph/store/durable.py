"""Files that are there whole or not at all, even after the power has failed.

A file is *staged* (written under a temporary name and synced), then *published*
(renamed over its final name, which readers see at once). What the disk refuses
becomes one of the house's errors.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from barograph.disk import storage_error, sync_data, temporary

__all__ = ["NO_LINKS", "link", "publish", "stage", "storage_errors", "temporary"]

NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EINVAL}


@contextmanager
def storage_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn an ``OSError`` raised inside into ``StorageFull`` or ``StorageError``.

    ``FileNotFoundError`` passes through: a reader that lost a file lists again.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise storage_error(error, f"{doing} {path}") from error


def stage(path: Path, data: memoryview) -> None:
    """Write ``data`` to ``path`` and sync it; on failure nothing is left there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            file.write(data)
            sync_data(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def publish(staged: Path, target: Path) -> None:
    """Give a staged file its final name, replacing what had it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        staged.replace(target)
    except FileNotFoundError:
        # A sweep may have removed the empty folder in the meantime.
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)


def link(path: Path, other: Path) -> None:
    """Give the file at ``path`` a second name, where the file system can do that."""
    other.parent.mkdir(parents=True, exist_ok=True)
    try:
        other.unlink(missing_ok=True)
        os.link(path, other)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
