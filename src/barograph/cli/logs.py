"""Logging, set up in this one place: to standard error, for people or as JSON lines."""

from __future__ import annotations

import logging
import os
import sys

import structlog


def colour() -> bool:
    """Whether standard error may be coloured: a terminal, and NO_COLOR not set (no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def configure(level: str, form: str) -> None:
    """Send log lines of at least ``level`` to standard error, as ``console`` or ``json``."""
    renderer: structlog.typing.Processor
    if form == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=colour())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
