"""One process at a time: a lock that the system frees when its holder dies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

from barograph.errors import StorageBusy

if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """A lock on ``path``, held until :meth:`release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def acquire(self, purpose: str) -> None:
        """Take the lock unless we have it already.

        Raises:
            StorageBusy: another holder has it; ``purpose`` says what for.
        """
        if self._file is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("ab")
        try:
            _take(file)
        except OSError as error:
            file.close()
            raise StorageBusy(
                f"another process is {purpose} {self._path.parent.parent}; wait for it or stop it first"
            ) from error
        self._file = file

    def release(self) -> None:
        """Let go."""
        if self._file is not None:
            self._file.close()
            self._file = None
