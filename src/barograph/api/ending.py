"""An orderly end: streams hear of it first, for a server that is told to end waits for its answers."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def told_first(end: Callable[[], None]) -> Iterator[None]:
    """While the block runs, ``end`` is called before whoever else handles SIGTERM and SIGINT.

    The server's own handlers are there before the application begins, in each of several processes too. A
    thread other than the main one gets no signals: there nothing is done.

    Args:
        end: called from a signal's handler; must neither block nor fail.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.getsignal(number) for number in NUMBERS}

    def handle(number: int, frame: FrameType | None) -> None:
        end()
        handler = former[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in NUMBERS:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
