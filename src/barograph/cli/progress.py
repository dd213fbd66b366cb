"""Progress bars on standard error, for what takes more than two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from barograph.cli.logs import colour

PATIENCE_S = 2.0
"""A bar appears only after this long: quick work leaves no trace."""

Report = Callable[[int, int], None]
"""Called with what is done and what there is in all, in the same unit."""

Stage = Callable[[str, int, int], None]
"""The same, with what is going on before them."""


@contextmanager
def stages(*, quiet: bool) -> Iterator[Stage]:
    """A ``stage(title, done, total)`` that draws a bar while the block runs.

    Nothing is drawn when ``quiet`` or when standard error is no terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield _say_nothing
        return
    bar = _Bar()
    try:
        yield bar.report
    finally:
        bar.close()


@contextmanager
def progress(title: str, *, quiet: bool) -> Iterator[Report]:
    """As :func:`stages`, for work of one stage: ``report(done, total)``."""
    with stages(quiet=quiet) as stage:
        yield partial(stage, title)


def _say_nothing(_title: str, _done: int, _total: int) -> None:
    """A stage that nobody sees."""


class _Bar:
    """A rich bar that is shown on the first report after :data:`PATIENCE_S`."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._started = time.monotonic()
        self._shown = False
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True, no_color=not colour()),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)

    def report(self, title: str, done: int, total: int) -> None:
        if not self._shown and time.monotonic() - self._started > PATIENCE_S:
            self._bar.start()
            self._shown = True
        if self._shown:
            self._bar.update(self._task, description=title, completed=done, total=total)

    def close(self) -> None:
        if self._shown:
            self._bar.stop()
