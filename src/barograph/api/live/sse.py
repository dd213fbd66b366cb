"""Messages as Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from barograph.api.live.message import Message
from barograph.log import get_logger

log = get_logger()

MEDIA_TYPE = "text/event-stream"
STALL_S = 30.0
"""A client that takes nothing for so long is let go."""
_RETRY_MS = 2_000


class EventStream(Response):
    """An answer that goes on until the client or the stream ends.

    Args:
        parts: the messages.
        attended: is left when it is over.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        parts: AsyncIterator[Sequence[Message]],
        attended: AbstractContextManager[object],
        stall_s: float = STALL_S,
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._parts, self._attended, self._stall_s = parts, attended, stall_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Send the messages; ends early when the client goes away."""
        try:
            await until_first(self._sent(send), gone(receive))
        except TimeoutError:
            log.info("a client of the stream took nothing and was let go", after_s=self._stall_s)
        finally:
            self._attended.__exit__(None, None, None)

    async def _sent(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await self._send(send, b"retry: %d\n\n" % _RETRY_MS)
        async with aclosing(self._parts) as parts:  # type: ignore[type-var]
            async for messages in parts:
                await self._send(send, b"".join(message.sse for message in messages))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, body: bytes) -> None:
        async with asyncio.timeout(self._stall_s):
            await send({"type": "http.response.body", "body": body, "more_body": True})


async def gone(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


async def until_first(*works: object) -> None:
    """Run coroutines until the first of them returns or raises; the others are cancelled.

    Raises:
        Exception: what the first to end raised.
    """
    tasks = [asyncio.ensure_future(work) for work in works]  # type: ignore[call-overload]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
