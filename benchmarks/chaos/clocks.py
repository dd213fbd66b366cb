"""A clock that another process sets: the machine's own plus an offset out of a small file."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

_FORM = struct.Struct("<q")


class Offset:
    """An offset in nanoseconds that two processes share through the file ``path``."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_FORM.size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _FORM.size)

    @property
    def ns(self) -> int:
        """The offset now."""
        offset: int = _FORM.unpack_from(self._memory)[0]
        return offset

    def set(self, seconds: float) -> None:
        """Change it, for both."""
        _FORM.pack_into(self._memory, 0, round(seconds * 1e9))


class ShiftedClock:
    """The machine's clock plus an offset."""

    def __init__(self, offset: Offset) -> None:
        self._offset = offset

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC, as this clock has it."""
        return time.time_ns() + self._offset.ns
