"""One writer a tape: an exclusive lock that the operating system lets go of when its holder dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from barograph.errors import StorageBusy

_NAME = ".lock"
_LOCKED_BYTE = 1 << 20
"""Windows locks bytes, and locked bytes cannot be read: the lock lies far behind the holder's pid."""


def acquire(tape: Path) -> int:
    """Lock ``tape`` for writing; the descriptor holds the lock until it is closed.

    Raises:
        StorageBusy: another process, or another writer in this one, holds it.
    """
    fd = os.open(tape / _NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(fd)
    except OSError:
        holder = os.pread(fd, 32, 0) if hasattr(os, "pread") else os.read(fd, 32)
        os.close(fd)
        raise StorageBusy(
            f"the tape {tape} is being written by process {holder.decode().strip() or 'unknown'}; "
            "one tape has one writer: stop that process, or record to another directory"
        ) from None
    os.ftruncate(fd, 0)
    os.write(fd, b"%d\n" % os.getpid())
    return fd


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> None:
        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(fd, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
