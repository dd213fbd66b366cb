"""Making files durable: data to the disk, names into directories, files into place."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from barograph.errors import StorageError, StorageFull

_FULL = {errno.ENOSPC, errno.EFBIG} | ({errno.EDQUOT} if hasattr(errno, "EDQUOT") else set())


def sync_data(fd: int) -> None:
    """Bring the data of ``fd`` to the disk, with as little of the rest as the platform allows."""
    if sys.platform == "darwin":
        import fcntl

        # fsync leaves data in the drive's cache there.
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:
        os.fsync(fd)


def sync_directory(path: Path) -> None:
    """Bring the names in the directory ``path`` to the disk. Windows has no such call."""
    if sys.platform == "win32":
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write the whole of ``data``, however little the system takes at a time."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def storage_error(error: OSError, what: str) -> StorageError:
    """The error that tells of ``error`` while ``what`` was being done."""
    if error.errno in _FULL:
        return StorageFull(
            f"no space left while {what} ({error.strerror}); nothing half-written remains: free some space "
            "or raise the limit, and go on"
        )
    return StorageError(f"{what} failed: {error}; look at the disk and its log, then open the tape again")
