"""The recorder's figures on disk, written anew each second, for whoever asks how it does.

``state/recorder.status.json`` needs no server and no port, and stays behind when the process is gone: then
it tells when it last ran. It is replaced by a rename, so a reader sees the old one or the new one.
It is not synced: after a power cut there is nothing to tell about the present.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from barograph.clock import NS_PER_S
from barograph.disk import storage_error
from barograph.errors import StorageError
from barograph.log import get_logger
from barograph.recorder.live.stats import Stats

FRESH_S = 5.0
"""A file older than this was not written by a process that does well."""
RATE_OVER_S = 10.0
"""Frames per second are an average over so long."""

log = get_logger()


def status_path(data: Path) -> Path:
    """Where the data directory ``data`` has the file."""
    return data / "state" / "recorder.status.json"


class Status(Stats):
    """What the file holds: :class:`Stats`, and what only two of them can tell."""

    frames_per_s: dict[str, float] = msgspec.field(default_factory=dict)


class StatusFile:
    """Writes the file.

    Args:
        path: from :func:`status_path`; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before: deque[tuple[int, dict[str, int]]] = deque()

    def encoded(self, stats: Stats) -> bytes:
        """``stats`` with the rates since earlier ones, as they will stand in the file."""
        fields = {name: getattr(stats, name) for name in Stats.__struct_fields__}
        return msgspec.json.encode(Status(**fields, frames_per_s=self._rates(stats)))

    def put(self, content: bytes) -> None:
        """Replace the file. Touches the disk: not for the event loop.

        Raises:
            StorageError, StorageFull: the old file stays.
        """
        temporary = self.path.with_suffix(".tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            temporary.replace(self.path)
        except OSError as error:
            raise storage_error(error, f"writing {self.path}") from error

    async def keep(self, stats: Callable[[], Stats], every_s: float = 1.0) -> None:
        """Write what ``stats`` returns, again and again, until cancelled: a task of the recorder's group.

        A disk that refuses is told once in the log; recording does not depend on this file.
        """
        refused = False
        while True:
            try:
                await asyncio.to_thread(self.put, self.encoded(stats()))
                refused = False
            except StorageError as error:
                if not refused:
                    log.warning("status not written", error=str(error))
                refused = True
            await asyncio.sleep(every_s)

    def _rates(self, stats: Stats) -> dict[str, float]:
        frames = {name: feed.frames for name, feed in stats.feeds.items()}
        before = self._before
        if before and before[-1][0] >= stats.now_ns:
            before.clear()  # the clock was set back
        before.append((stats.now_ns, frames))
        while len(before) > 2 and before[1][0] <= stats.now_ns - RATE_OVER_S * NS_PER_S:
            before.popleft()
        then_ns, then = before[0]
        seconds = (stats.now_ns - then_ns) / NS_PER_S
        if seconds == 0:
            return {}
        return {name: round((count - then.get(name, 0)) / seconds, 3) for name, count in frames.items()}


class Life(StrEnum):
    """Whether the process that wrote the file still does."""

    RUNNING = "running"
    STUCK = "stuck"
    """It is there and has not written for a while."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Reading:
    """The file, and what to think of it."""

    status: Status
    age_s: float
    life: Life


def read_status(path: Path, now_ns: int) -> Reading | None:
    """What the recorder last said; None where it never said anything that can be read."""
    try:
        status = msgspec.json.decode(path.read_bytes(), type=Status)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        log.warning("status file unreadable", path=str(path), error=str(error))
        return None
    age_s = (now_ns - status.now_ns) / NS_PER_S
    return Reading(status, age_s, _life(status.pid, age_s))


def _life(pid: int, age_s: float) -> Life:
    alive = _is_alive(pid)
    if abs(age_s) <= FRESH_S and alive is not False:
        return Life.RUNNING
    return Life.STUCK if alive else Life.ENDED


def _is_alive(pid: int) -> bool | None:
    """Whether there is a process ``pid``; None where that cannot be asked."""
    if sys.platform == "win32":  # signal 0 is a Control-C there
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except OverflowError:
        return False
    return True
