"""Signals, turned into calls on the event loop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Signals:
    """While the block runs, SIGTERM and SIGINT call ``stop`` and SIGHUP, where there is one, ``reload``.

    Both are called on the running loop. The handlers that were there before come back. In a thread other
    than the main one, which gets no signals, nothing is done.
    """

    def __init__(self, stop: Callable[[], None], reload: Callable[[], None]) -> None:
        self._calls = {signal.SIGTERM: stop, signal.SIGINT: stop}
        if hasattr(signal, "SIGHUP"):
            self._calls[signal.SIGHUP] = reload
        self._former: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        loop = asyncio.get_running_loop()
        for number, call in self._calls.items():
            self._former[number] = signal.getsignal(number)
            # Windows' loops cannot wait for signals; this way all systems go alike.
            signal.signal(number, lambda *_, call=call: loop.call_soon_threadsafe(call))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)  # type: ignore[arg-type]
