"""Two numbers that the recorder and the process of the tables share: how far the tape reaches, and the time.

A file mapped into both: writing a number costs the recorder a tenth of a microsecond a block, and nobody
waits for anybody. The child's clock is the recorder's, however the machine's is set.
"""

from __future__ import annotations

import mmap
import threading
import time
from pathlib import Path

import numpy as np

from barograph.clock import Clock

_NUMBERS = 2
_LOOK_S = 0.01


class SharedEnd:
    """The recorder's side and the child's: both map the file ``path``.

    Args:
        path: made anew by the recorder (``create``).
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(8 * _NUMBERS))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8 * _NUMBERS)
        # Aligned numbers of eight bytes are written and read whole.
        self._numbers = np.frombuffer(self._map, dtype=np.int64)
        self._stop = threading.Event()

    @property
    def next_pos(self) -> int:
        """The position after the last record appended."""
        return int(self._numbers[0])

    def tell(self, next_pos: int, clock: Clock) -> None:
        """The recorder: the tape reaches so far, and its clock shows this."""
        self._numbers[1] = clock.now_ns() - time.monotonic_ns()
        self._numbers[0] = next_pos

    def now_ns(self) -> int:
        """The recorder's time."""
        return time.monotonic_ns() + int(self._numbers[1])

    def wait_beyond(self, pos: int, timeout_s: float) -> bool:
        """Wait until records beyond ``pos`` are appended; whether there are."""
        until_s = time.monotonic() + timeout_s
        while self.next_pos <= pos and time.monotonic() < until_s and not self._stop.is_set():
            self._stop.wait(_LOOK_S)
        return self.next_pos > pos
