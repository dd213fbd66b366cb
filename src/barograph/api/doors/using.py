"""When each token was last used, kept without a write at each request."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Self

import msgspec

from barograph.clock import NS_PER_S, Clock
from barograph.disk import storage_error
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
                _write(self.path, {**known, **later})
            except StorageError as error:
                log.warning("last use of tokens not kept", error=str(error))


def read_used(path: Path) -> dict[str, int]:
    """Nanoseconds since 1970 by token id; none where nothing can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("last use of tokens unreadable", path=str(path), error=str(error))
        return {}


def _write(path: Path, moments: dict[str, int]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(msgspec.json.encode(moments))
        temporary.replace(path)
    except OSError as error:
        raise storage_error(error, f"writing {path}") from error
