"""One websocket client, as a venue's server sees it.

Frames go out through the transport at once, framed here: a burst is one write, and a frame
can be cut in half, which no websocket library would do for us.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from aiohttp import WSMsgType, web

from barograph.testing.faults import Faults
from barograph.testing.framing import BINARY, CLOSE, PING, PONG, TEXT, blob, close_payload, framed

_RESET = struct.pack("ii", 1, 0)
_SPOKEN = 10_000


class Gone(Exception):
    """The connection has ended. ``code`` is the client's close code, None without a close frame."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"the client has gone (close code {code})")
        self.code = code


class Client:
    """A client's connection.

    Attributes:
        number: counts the server's connections from 1.
        path, query, headers: of the handshake; header names in lower case.
        address: the client's IP address.
        trades, quotes: canonical symbols whose events go to it; the venue keeps them.
        state: the venue's own, whatever it needs to remember.
        limit: at most so many incoming frames in so many seconds (pings and pongs are counted too).
        limit_close: code and reason when it sends more.
        heard: the text and binary frames that it sent (the last 10,000).
        said: the frames of conversation that went to it (the last 10,000), events not among them.
        frames: how many frames of events went to it.
        pong_at: when its last pong came, in the loop's time.
        spoke_at: when something was last sent to it, in the loop's time.
        ended: how the connection ended, as the log has it.
        stall: this connection stands and nothing is sent over it (``Faults.stall`` is for all of them).
        close_within_s: how long it may take to answer a close frame; then the connection is cut.
    """

    def __init__(
        self,
        number: int,
        ws: web.WebSocketResponse,
        request: web.BaseRequest,
        faults: Faults,
        slow: tuple[int, Callable[[Client], None]],
    ) -> None:
        assert request.transport is not None
        self.number = number
        self.path = request.path
        self.query: Mapping[str, str] = dict(request.query)
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in request.headers.items()}
        self.address = request.remote or ""
        self.trades: set[str] = set()
        self.quotes: set[str] = set()
        self.state: Any = None
        self.limit: tuple[int, float] | None = None
        self.limit_close = (1008, "Too many requests")
        self.heard: deque[str | bytes] = deque(maxlen=_SPOKEN)
        self.said: deque[bytes] = deque(maxlen=_SPOKEN)
        self.frames = 0
        self.ended: str | None = None
        self.stall = False
        self.close_within_s = 2.0
        self._ws = ws
        self._transport: asyncio.Transport = request.transport
        self._loop = asyncio.get_running_loop()
        self._faults = faults
        self._slow_bytes, self._too_slow = slow
        self._recent: deque[float] = deque()
        self.pong_at = self.spoke_at = self._loop.time()

    @property
    def open(self) -> bool:
        """Whether frames still go out."""
        return self.ended is None

    @property
    def stalled(self) -> bool:
        """Whether the connection stands and nothing is sent over it."""
        return self.stall or self._faults.stall

    def muted(self, symbol: str) -> bool:
        """Whether a fault withholds anything of ``symbol``: then no snapshot of it may go out either."""
        names = (symbol, f"{symbol}/trades", f"{symbol}/quotes", "*")
        return not self._faults.mute.isdisjoint(names)

    async def receive(self) -> str | bytes:
        """The next text or binary frame. Pings are answered, pongs noted, limits kept.

        Raises:
            Gone: the connection has ended.
        """
        while True:
            message = await self._ws.receive()
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                raise self._gone(message)
            if message.type is WSMsgType.PONG:
                self.pong_at = self._loop.time()
            elif message.type is WSMsgType.PING:
                self._write(framed(PONG, message.data))
            if self._too_many():
                self.close(*self.limit_close)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY) and self.open:
                self.heard.append(message.data)
                return message.data  # type: ignore[no-any-return]

    def _gone(self, message: Any) -> Gone:
        code = message.data if message.type is WSMsgType.CLOSE else None
        if self.open:
            if code is not None:
                self._write(framed(CLOSE, close_payload(code, "")))
            self.ended = f"the client closed it ({code})" if code is not None else "the client has gone"
        return Gone(code)

    def _too_many(self) -> bool:
        limit = self._faults.message_limit or self.limit
        if limit is None:
            return False
        most, seconds = limit
        now = self._loop.time()
        self._recent.append(now)
        while self._recent[0] <= now - seconds:
            self._recent.popleft()
        return len(self._recent) > most

    def send(self, frame: bytes | str) -> None:
        """Send a text frame of conversation."""
        payload = frame.encode() if isinstance(frame, str) else frame
        self.said.append(payload)
        self._write(framed(TEXT, payload))

    def send_binary(self, frame: bytes) -> None:
        """Send a binary frame of conversation."""
        self.said.append(frame)
        self._write(framed(BINARY, frame))

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping; ``pong_at`` tells when it was answered."""
        self._write(framed(PING, payload))

    def push(self, frames: Sequence[bytes], *, binary: bool = False) -> bool:
        """Send frames of events in one write; whether they went out.

        A client that has too much unread is disconnected instead, as venues do.
        """
        if not self.open or self.stalled:
            return False
        if self._transport.get_write_buffer_size() > self._slow_bytes:
            self._too_slow(self)
            return False
        self._transport.write(blob(frames, BINARY if binary else TEXT))
        self.spoke_at = self._loop.time()
        self.frames += len(frames)
        return True

    def close(self, code: int = 1000, reason: str = "", *, ended: str | None = None) -> None:
        """Send a close frame and nothing after it; without an answer the connection is cut.

        Code 0 is a reset instead.
        """
        if not self.open:
            return
        if not code:
            self.drop(ended=ended)
            return
        self._transport.write(framed(CLOSE, close_payload(code, reason)))
        self.ended = ended or f"closed with {code} {reason}".rstrip()
        self._loop.call_later(self.close_within_s, self._transport.abort)

    def drop(self, *, ended: str | None = None) -> None:
        """Reset the connection: no close frame, and what was not yet read is lost."""
        self.ended = self.ended or ended or "dropped"
        connection: socket.socket | None = self._transport.get_extra_info("socket")
        if connection is not None and not self._transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def cut(self, frame: bytes) -> None:
        """Send the first half of ``frame``'s bytes and reset the connection."""
        whole = framed(TEXT, frame)
        self._transport.write(whole[: len(whole) // 2])
        self.drop(ended="cut mid-frame")

    def raw(self, opcode: int, payload: bytes) -> None:
        """Send any frame whatever."""
        self._write(framed(opcode, payload))

    async def drained(self, below: int = 1 << 20) -> None:
        """Wait until the client has less than ``below`` bytes to read, or the connection has ended."""
        while self.open and self._transport.get_write_buffer_size() > below:
            await asyncio.sleep(0.001)

    def _write(self, data: bytes) -> None:
        if self.open and not self.stalled:
            self._transport.write(data)
            self.spoke_at = self._loop.time()

    async def finish(self) -> None:
        """End the connection after the talk: the close handshake if it was begun, then the socket."""
        if self.open:
            self.close()
        try:
            async with asyncio.timeout(self.close_within_s):
                while not self._ws.closed and not self._transport.is_closing():
                    message = await self._ws.receive()
                    if message.type in (
                        WSMsgType.CLOSE,
                        WSMsgType.CLOSED,
                        WSMsgType.CLOSING,
                        WSMsgType.ERROR,
                    ):
                        break
        except TimeoutError:
            self._transport.abort()
        self._transport.close()


async def beside(talk: Coroutine[Any, Any, None], *timers: Coroutine[Any, Any, None]) -> None:
    """Run ``talk`` to its end with ``timers`` beside it; what any of them raises ends them all."""
    main = asyncio.ensure_future(talk)
    tasks = {main, *map(asyncio.ensure_future, timers)}
    try:
        waiting = tasks
        while not main.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
