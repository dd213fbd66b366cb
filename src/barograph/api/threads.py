"""Threads for what blocks: reading files, asking a database. As many as there may be, and a bounded queue."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from barograph.errors import StorageBusy

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
WAITING = 256
"""So many calls may wait for a thread; more are refused, for they would wait longer than anybody does."""


class Threads:
    """A bounded pool of threads with a bounded queue before it.

    Attributes:
        busy: calls that run or wait.
    """

    def __init__(self, count: int = THREADS, waiting: int = WAITING) -> None:
        self.count = count
        self.bound = count + waiting
        self.busy = 0
        self._counting = threading.Lock()
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="barograph-api")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in one of the threads, with the caller's context (request id).

        Raises:
            StorageBusy: too many wait already.
        """
        with self._counting:
            if self.busy >= self.bound:
                raise StorageBusy(f"{self.busy} readings run or wait: that is the most; ask again soon")
            self.busy += 1
        context = contextvars.copy_context()
        work = self._pool.submit(partial(context.run, function, *args, **kwargs))
        work.add_done_callback(self._done)
        return await asyncio.wrap_future(work)

    def tidy(self, function: Callable[[], None]) -> None:
        """Call ``function``, which lets go of something, when a thread is free; nobody waits for it."""
        try:
            self._pool.submit(function)
        except RuntimeError:  # the pool is closed: what it held goes with the process
            return

    def close(self) -> None:
        """Take no more; what runs is let run to its end, what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self, _: object) -> None:
        with self._counting:
            self.busy -= 1
