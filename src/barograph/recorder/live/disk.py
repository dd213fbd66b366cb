"""How full the disk is, and when it will be."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from barograph.clock import NS_PER_S

DAY_NS = 86_400 * NS_PER_S
WINDOW_NS = DAY_NS
"""What growth is measured over: sealing makes segments smaller each hour and days smaller each night."""
EVERY_NS = 60 * NS_PER_S
"""Looks closer to each other than this count as one."""
LEAST_NS = 600 * NS_PER_S
"""Growth over less than this says nothing about days."""


class DiskUse(NamedTuple):
    """What the data directory takes, and what is left for it."""

    free_bytes: int
    tape_bytes: int
    lake_bytes: int

    @property
    def used_bytes(self) -> int:
        """Tape and tables together."""
        return self.tape_bytes + self.lake_bytes


def disk_use(data: Path) -> DiskUse:
    """What the data directory ``data`` takes now. Walks over its files: not for the event loop.

    Raises:
        OSError: the disk does not answer.
    """
    return DiskUse(shutil.disk_usage(data).free, _size(data / "tape"), _size(data / "lake"))


def there(data: Path) -> Path:
    """The directory ``data``, absolute, or the nearest one above it that is there: its disk is the same."""
    return next(folder for folder in (data.absolute(), *data.absolute().parents) if folder.exists())


def _size(folder: Path) -> int:
    return sum(_sizes(os.fspath(folder)))


def _sizes(folder: str) -> Iterator[int]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _sizes(entry.path)
                else:
                    yield entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return  # sealed, merged or deleted while we looked


class Growth:
    """Bytes a day, from looks at what is used.

    The slope of the straight line that fits the looks of the last 24 hours best (least squares), so that
    a segment that is sealed in between does not turn it over.

    Example:
        >>> growth = Growth()
        >>> for minute in range(61):
        ...     growth.add(minute * 60 * NS_PER_S, minute * 1000)
        >>> round(growth.bytes_per_day)
        1440000
    """

    def __init__(self) -> None:
        self._looks: deque[tuple[int, int]] = deque()

    def add(self, now_ns: int, used_bytes: int) -> None:
        """Note that ``used_bytes`` are used at ``now_ns``."""
        looks = self._looks
        if looks and now_ns < looks[-1][0]:
            looks.clear()  # the clock was set back: nothing before can be compared
        if looks and now_ns - looks[-1][0] < EVERY_NS:
            return
        looks.append((now_ns, used_bytes))
        while looks[0][0] < now_ns - WINDOW_NS:
            looks.popleft()

    @property
    def bytes_per_day(self) -> float:
        """Bytes that a day adds; 0 while less than ten minutes are known, and when nothing grows."""
        if not self._looks or self._looks[-1][0] - self._looks[0][0] < LEAST_NS:
            return 0.0
        return max(_slope(self._looks) * DAY_NS, 0.0)


def _slope(points: deque[tuple[int, int]]) -> float:
    first_ns, first_bytes = points[0]
    times = [(moment - first_ns) / NS_PER_S for moment, _ in points]
    sizes = [size - first_bytes for _, size in points]
    mean_time, mean_size = sum(times) / len(times), sum(sizes) / len(sizes)
    spread = sum((time - mean_time) ** 2 for time in times)
    together = sum((t - mean_time) * (s - mean_size) for t, s in zip(times, sizes, strict=True))
    return together / spread / NS_PER_S


def days_until_full(free_bytes: int, bytes_per_day: float) -> float | None:
    """Days until nothing is left at this rate; None when nothing grows.

    >>> days_until_full(100, 50.0), days_until_full(100, 0.0)
    (2.0, None)
    """
    return free_bytes / bytes_per_day if bytes_per_day > 0 else None
