"""Where the simulated market was left, on disk: one small file in the data directory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from barograph.disk import put_bytes, read_json
from barograph.feeds.live.sim import COURSES
from barograph.log import get_logger
from barograph.simulator.courses import Course

log = get_logger()


def courses_at(data: Path) -> Path:
    """Where the data directory ``data`` has the courses."""
    return data / COURSES


def read_courses(path: Path) -> dict[str, Course]:
    """The courses that ``path`` holds, by symbol; none where there is no file or it cannot be understood.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        doing = f"reading where the simulated market was left, {path}"
        kept = read_json(path, list[Course], doing) or []
    except msgspec.DecodeError as error:
        # Prices begin anew; numbers are beyond all there were, see the module of courses.
        log.warning("the simulated market begins anew", path=str(path), problem=str(error))
        return {}
    return {course.symbol: course for course in kept}


def write_courses(path: Path, courses: Iterable[Course]) -> None:
    """Put ``courses`` in the place of what ``path`` holds, whole or not at all, and synced.

    Raises:
        StorageFull, StorageError: it cannot be written; what was there is as it was.
    """
    content = msgspec.json.encode(list(courses))
    put_bytes(path, content, f"keeping where the simulated market is, {path}", durable=True, alone=True)
