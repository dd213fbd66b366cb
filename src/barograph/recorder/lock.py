"""One writer of the tables at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from barograph.errors import StorageBusy


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` for the length of the block; a kill lets it go.

    Raises:
        StorageBusy: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if not _try_lock(file.fileno()):
            file.seek(0)
            holder = file.read(20).decode(errors="replace").strip() or "unknown"
            raise StorageBusy(
                f"{path.parent} is being written by process {holder}; "
                "wait for it to end, or stop it, and run the same command again"
            )
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
