"""Where the simulated market was left, on disk: one small file in the data directory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from barograph.disk import storage_error, sync_data, sync_directory, write_all
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
        kept = msgspec.json.decode(path.read_bytes(), type=list[Course])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise storage_error(error, f"reading where the simulated market was left, {path}") from error
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
    temporary = path.with_suffix(".tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            write_all(descriptor, msgspec.json.encode(list(courses)))
            sync_data(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
        sync_directory(path.parent)
    except OSError as error:
        raise storage_error(error, f"keeping where the simulated market is, {path}") from error
