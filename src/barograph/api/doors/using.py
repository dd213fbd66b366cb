"""When each token was last used, kept without a write at each request."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Self

import msgspec

from barograph.clock import NS_PER_S, Clock
from barograph.disk import put_bytes, read_json
from barograph.errors import StorageError
from barograph.log import get_logger

KEEP_EVERY_S = 60.0
"""What a list shows may be so old."""

log = get_logger()


class LastUsed:
    """Moments by token id, in memory, written now and then by :meth:`keep`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._moments: dict[str, int] = {}
        self._kept_ns = clock.now_ns()
        self._lock = threading.Lock()

    @classmethod
    def beside(cls, tokens: Path, clock: Clock) -> Self:
        """For the tokens in the file ``tokens``."""
        return cls(tokens.with_name("tokens.used.json"), clock)

    def note(self, identity: str) -> None:
        """The token ``identity`` is being used."""
        self._moments[identity] = self._clock.now_ns()

    def due(self) -> bool:
        """Whether there is something to keep, and the last time is long ago."""
        passed_ns = self._clock.now_ns() - self._kept_ns
        return bool(self._moments) and not 0 <= passed_ns < KEEP_EVERY_S * NS_PER_S

    def keep(self) -> None:
        """Write it. Touches the disk: not for the event loop. A disk that refuses is told in the log."""
        with self._lock:
            self._kept_ns = self._clock.now_ns()
            if not self._moments:
                return
            known = read_used(self.path)
            # Other workers of the server write theirs: the later moment holds.
            later = {name: max(moment, known.get(name, 0)) for name, moment in self._moments.copy().items()}
            try:
                put_bytes(self.path, msgspec.json.encode({**known, **later}), f"writing {self.path}")
            except StorageError as error:
                log.warning("last use of tokens not kept", error=str(error))


def read_used(path: Path) -> dict[str, int]:
    """Nanoseconds since 1970 by token id; none where nothing can be read."""
    try:
        return read_json(path, dict[str, int], f"reading {path}") or {}
    except (StorageError, msgspec.DecodeError) as error:
        log.warning("last use of tokens unreadable", path=str(path), error=str(error))
        return {}
