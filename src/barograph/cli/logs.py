"""Logging, set up in this one place: to standard error, for people or as JSON lines, without secrets.

What other libraries say through the standard library's logging takes the same way, so that a service's
standard error is JSON lines and nothing else.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from barograph.log import Redaction

if TYPE_CHECKING:
    from structlog.typing import Processor

    from barograph.settings import Settings


def colour() -> bool:
    """Whether standard error may be coloured: a terminal, and NO_COLOR not set (no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def configure(level: str, form: str, secrets: Sequence[str] = ()) -> None:
    """Send log lines of at least ``level`` to standard error, as ``console`` or ``json``.

    ``secrets`` are values that are masked wherever they turn up in a line.
    """
    redaction = Redaction(secrets, _without_secrets)
    before: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redaction.event,
    ]
    after: list[Processor] = [_renderer(form), redaction.line]
    least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*before, *after],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(_Unfailing()),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    _take_in_others(before, after, least)


def secret_values(settings: Settings) -> list[str]:
    """Every secret that the settings hold, in clear: for :func:`configure` and nobody else."""
    from pydantic import SecretStr

    found = []
    for path in _secret_paths():
        value: object = settings
        for name in path:
            value = getattr(value, name)
        if isinstance(value, SecretStr):
            found.append(value.get_secret_value())
    return found


def _secret_paths() -> list[tuple[str, ...]]:
    from barograph.settings.tree import leaves

    return [path for path, leaf in leaves().items() if leaf.is_secret]


def _renderer(form: str) -> Processor:
    if form == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=colour())


def _without_secrets(text: str) -> str:
    # Loaded with the first line that has an address: most commands never write one.
    from barograph.tape import redact_url

    return redact_url(text)


class _Unfailing:
    """Standard error, for log lines: one that cannot be written is left out.

    A full disk below the log must not end what the log tells of.
    """

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


class _Handler(logging.Handler):
    """Ours among the root logger's handlers, to be found again."""

    def emit(self, record: logging.LogRecord) -> None:
        _Unfailing().write(self.format(record) + "\n")


def _take_in_others(before: list[Processor], after: list[Processor], least: int) -> None:
    """Let warnings and errors of other libraries go the same way."""
    handler = _Handler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *after],
        )
    )
    root = logging.getLogger()
    for former in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(max(least, logging.WARNING))
