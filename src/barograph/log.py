"""Log lines of the libraries: events with values, never on standard output.

A program that configures structlog decides where they go. One that does not gets them on
standard error; structlog's own default is standard output, where data belongs.
"""

from __future__ import annotations

import sys
from typing import Any

import structlog

if not structlog.is_configured():
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def get_logger() -> Any:
    """A logger: ``get_logger().warning("what happened", path=..., bytes=...)``."""
    return structlog.get_logger()
