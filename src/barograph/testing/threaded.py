"""A server in a thread of its own, for tests that have no event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from barograph.testing.faults import Faults
from barograph.testing.server import VenueServer
from barograph.testing.venue import Venue

R = TypeVar("R")
_WITHIN_S = 10.0


class Served:
    """A running server and the way to its thread.

    The market may be used directly; whatever touches connections goes through :meth:`do`.
    """

    def __init__(self, server: VenueServer, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.market = server.market
        self.faults = server.faults
        self.log = server.log
        self.url = server.url
        self.rest_url = server.rest_url
        self._loop = loop

    def do(self, what: Callable[[VenueServer], R], within_s: float = _WITHIN_S) -> R:
        """Call ``what`` with the server, in its thread."""

        async def done() -> R:
            return what(self.server)

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(within_s)

    def act(self, name: str, connection: int | None = None, **options: Any) -> int:
        """:meth:`VenueServer.act`."""
        return self.do(lambda server: server.act(name, connection, **options))

    def connected(self, n: int = 1, within_s: float = _WITHIN_S) -> None:
        """Wait until ``n`` connections have subscribed to something."""
        asyncio.run_coroutine_threadsafe(self.server.connected(n, within_s), self._loop).result(within_s + 1)

    def until(self, condition: Callable[[], bool], within_s: float = _WITHIN_S) -> None:
        """Wait until ``condition`` holds; it is asked in the server's thread."""
        asyncio.run_coroutine_threadsafe(self.server.until(condition, within_s), self._loop).result(
            within_s + 1
        )


@contextmanager
def serving(venue: Venue, port: int = 0, faults: Faults | None = None, **options: Any) -> Iterator[Served]:
    """Serve ``venue`` in a thread; arguments as :class:`VenueServer`.

    Raises:
        OSError: the port cannot be had.
    """
    ready: threading.Event = threading.Event()
    box: list[Any] = []

    async def main() -> None:
        async with VenueServer(venue, port, faults, **options) as server:
            over = asyncio.Event()
            box.extend((server, asyncio.get_running_loop(), over))
            ready.set()
            await over.wait()

    def run() -> None:
        try:
            asyncio.run(main())
        except Exception as error:  # noqa: BLE001 - raised again in the test's thread
            failures.append(error)
        finally:
            ready.set()

    failures: list[Exception] = []
    thread = threading.Thread(target=run, name=f"venue {venue.name}", daemon=True)
    thread.start()
    ready.wait(_WITHIN_S)
    try:
        if failures:
            raise failures[0]
        server, loop, over = box
        yield Served(server, loop)
        loop.call_soon_threadsafe(over.set)
    finally:
        if box and thread.is_alive():
            with suppress(RuntimeError):  # its loop is closed: it has just ended
                box[1].call_soon_threadsafe(box[2].set)
        thread.join(_WITHIN_S)
    if failures:
        raise failures[0]
