"""Pieces of a long load: the next is made ready while the server works on those before it.

The server's work, most of it on the primary key, is one core's for each connection; making rows
ready is ours. So one piece is made ready while one or, over a second connection, two are on their way:
never more than three are held, however long the load is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from barograph.store.postgres.preparing import Prepared

Put = Callable[[Prepared], int]
"""Puts a piece in, in a transaction of its own; how many rows were new or newer."""


def put_all(pieces: Iterable[Prepared], put: Put, beside: Callable[[], Put | None]) -> int:
    """Put all pieces in, two at a time if there is a way beside; how many rows were new or newer.

    ``pieces`` are made in the caller's thread; ``put`` and the way beside it have a thread each, so
    each needs a connection of its own. When it ends, by an error too, no piece is on its way any more, and
    each of them is there whole or not at all.

    Args:
        beside: asked once, when a second piece comes while the first is on its way; None: there is
            no second way.

    Raises:
        The error of the first piece that failed, or of ``pieces``. No piece is begun after it.
    """
    with ThreadPoolExecutor(2, thread_name_prefix="barograph-load") as pool:
        lanes = _Lanes(pool, put, beside)
        for piece in pieces:
            lanes.send(piece)
            del piece  # while the next one is made, those who put this one in hold it, and nobody else
        return lanes.finish()


class _Lanes:
    """The ways to the server, idle and at work."""

    def __init__(self, pool: ThreadPoolExecutor, put: Put, beside: Callable[[], Put | None]) -> None:
        self._pool = pool
        self._idle: list[Put] = [put]
        self._beside: Callable[[], Put | None] | None = beside
        self._working: dict[Future[int], Put] = {}
        self._changed = 0

    def send(self, piece: Prepared) -> None:
        """Put a piece on its way as soon as there is one."""
        self._collect(wait_s=0)
        if not self._idle and self._beside is not None:
            opened, self._beside = self._beside(), None
            self._idle += [opened] if opened is not None else []
        if not self._idle:
            self._collect()
        put = self._idle.pop()
        self._working[self._pool.submit(put, piece)] = put

    def finish(self) -> int:
        while self._working:
            self._collect()
        return self._changed

    def _collect(self, wait_s: float | None = None) -> None:
        """Hear of those that are done; wait for one if nothing else is said."""
        done, _ = wait(self._working, wait_s, FIRST_COMPLETED)
        for each in done:
            self._idle.append(self._working.pop(each))
            self._changed += each.result()
