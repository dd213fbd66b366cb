"""One reader a process, many clients: each look at the store is shared by all who listen."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from barograph.api.live.following import News
from barograph.api.live.message import Choice, Message
from barograph.api.live.place import Place
from barograph.api.problems import Problem
from barograph.errors import BarographError
from barograph.log import get_logger

T = TypeVar("T")

log = get_logger()

LOOK_S = 0.05
"""Between two looks: two small reads where nothing has come."""
_LONGEST_S = 2.0
"""Between two looks at a store that does not answer."""
WAITING = 10_000
"""Messages that may wait for one client."""
AGAIN_S = 5


class Source(Protocol):
    """What is followed; see :class:`~barograph.api.live.following.Following`."""

    def now(self) -> Place:
        """The place of those who have had everything."""
        ...

    def look(self, place: Place) -> News | None:
        """What has come since ``place``; None: nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """What a client gets at a time: the messages it wants, and how far it is then."""

    messages: Sequence[Message]
    place: Place
    skipped: bool = False
    other: bool = False


class Listener:
    """A client's bounded queue."""

    def __init__(self, choice: Choice, waiting: int = WAITING) -> None:
        self._choice, self._most = choice, waiting
        self._queue: deque[Heard] = deque()
        self._count = 0
        self._rung = asyncio.Event()
        self.ended: str | None = None

    def offer(self, news: News) -> None:
        """Put in what is wanted of it; where that is too much, everything is dropped and it ends."""
        if self.ended is not None:
            return
        wanted = [message for message, ts_us in news.messages if self._choice.takes(message, ts_us)]
        self._count += 1 + len(wanted)
        if self._count > self._most:
            self.end(
                f"too slow: more than {self._most} messages wait; go on from the last id that you have had"
            )
            return
        self._queue.append(Heard(wanted, news.place, news.skipped, news.other))
        self._rung.set()

    def end(self, reason: str) -> None:
        """Nothing more comes, not even what waits."""
        self.ended = self.ended or reason
        self._queue.clear()
        self._rung.set()

    async def hear(self, within_s: float) -> Heard | None:
        """The next; None: nothing came in time, or it has ended."""
        if not self._queue and self.ended is None:
            self._rung.clear()
            try:
                async with asyncio.timeout(within_s):  # wait_for may forget a cancellation, see Turns
                    await self._rung.wait()
            except TimeoutError:
                return None
        if not self._queue:
            return None
        heard = self._queue.popleft()
        self._count -= 1 + len(heard.messages)
        return heard


class Hub:
    """Follows ``source`` while anybody listens.

    Args:
        most: clients at once.

    Attributes:
        place: how far the last look reached; those who join hear what comes after it.
    """

    def __init__(self, source: Source, most: int, look_s: float = LOOK_S) -> None:
        self._source, self._most, self._look_s = source, most, look_s
        self._listeners: set[Listener] = set()
        self._clients = 0
        self._looking = asyncio.Lock()
        self._thread: ThreadPoolExecutor | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: str | None = None
        self.place = Place()

    @property
    def clients(self) -> int:
        """How many there are."""
        return self._clients

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Be one of the clients; the last to go stops the reader.

        Raises:
            Problem: 503, there are as many as there may be, or the server is going down.
        """
        if self._ended is not None:
            raise Problem(503, self._ended, {"Retry-After": str(AGAIN_S)})
        if self._clients >= self._most:
            raise Problem(
                503,
                f"{self._clients} clients listen to the stream, which is the most; come again later, or "
                "raise the setting web.stream_clients",
                {"Retry-After": str(AGAIN_S)},
            )
        self._clients += 1
        try:
            yield
        finally:
            self._clients -= 1
            if not self._clients:
                self._stop()

    async def here(self) -> Place:
        """How far the reader is; it is started if it does not run.

        Raises:
            StorageError: the store does not answer.
        """
        async with self._looking:
            if self._task is None or self._task.done():
                self._loop = asyncio.get_running_loop()
                self.place = await self._in_thread(self._source.now)
                self._task = asyncio.create_task(self._follow(), name="live stream")
        return self.place

    async def look(self) -> None:
        """Look at once.

        Raises:
            StorageError: the store does not answer.
        """
        async with self._looking:
            news = await self._in_thread(lambda: self._source.look(self.place))
            if news is not None:
                self.place = news.place
                for listener in self._listeners:
                    listener.offer(news)

    @contextmanager
    def joined(self, choice: Choice) -> Iterator[Listener]:
        """Hear what comes after :attr:`place`."""
        listener = Listener(choice)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def end(self, reason: str) -> None:
        """Let everybody go, with a reason; nobody is taken any more. Any thread may say so."""
        self._ended = reason
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end_listeners, reason)

    @property
    def ended(self) -> str | None:
        """Why nobody is taken any more."""
        return self._ended

    def _end_listeners(self, reason: str) -> None:
        for listener in self._listeners:
            listener.end(reason)

    async def _follow(self) -> None:
        failures = 0
        try:
            while True:
                try:
                    await self.look()
                    if failures:
                        log.info("the stream goes on: the store answers again")
                    failures = 0
                except BarographError as error:
                    if not failures:
                        log.warning("the stream waits: the store does not answer", error=str(error))
                    failures += 1
                await asyncio.sleep(min(self._look_s * 2**failures, _LONGEST_S) if failures else self._look_s)
        finally:
            # Stopped, nobody is left; a mistake of ours must not leave them waiting for ever.
            self._end_listeners("the server's reader has ended; go on from the last id that you have had")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        # A thread of its own: however many readings of others wait, news do not.
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="barograph-live")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None
