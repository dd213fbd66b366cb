"""Whether a process does its work yet: by what it leaves on disk, or by what it answers.

Each probe is a question about one process number, since what a predecessor has left behind
must not count.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from barograph.errors import StorageError
from barograph.recorder.live.statusfile import Life, read_status, status_path
from barograph.recorder.trading.figures import fresh, read_figures

Probe = Callable[[int], bool]

WITHIN_S = 2.0
"""Patience for one answer."""


def recording(data: Path) -> Probe:
    """The recorder of ``data`` writes its figures."""
    path = status_path(data)

    def probe(pid: int) -> bool:
        if not path.is_file():
            return False
        reading = read_status(path, time.time_ns())
        return reading is not None and reading.status.pid == pid and reading.life is Life.RUNNING

    return probe


def trading(data: Path) -> Probe:
    """The trading process of ``data`` writes its figures."""

    def probe(pid: int) -> bool:
        try:
            figures = read_figures(data)
        except StorageError:
            return False
        return figures is not None and figures.pid == pid and fresh(figures, time.time_ns())

    return probe


def answers(url: str) -> Probe:
    """Something answers 200 at ``url``. Who it is cannot be told; a port has one listener."""
    parts = urlsplit(url)

    def probe(_pid: int) -> bool:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=WITHIN_S)
        try:
            connection.request("GET", parts.path, headers={"Connection": "close"})
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return probe
