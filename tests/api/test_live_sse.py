"""However a stream of events ends, its client is counted no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from barograph.api.live.message import Message
from barograph.api.live.place import Place
from barograph.api.live.sse import EventStream

STALL_S = 0.05


class Attended:
    """Who is there."""

    def __init__(self) -> None:
        self.clients = 0

    @contextmanager
    def one(self) -> Any:
        self.clients += 1
        try:
            yield
        finally:
            self.clients -= 1


async def messages(how: str) -> AsyncIterator[Sequence[Message]]:
    yield [Message("ready", Place(), {})]
    if how == "fails":
        raise ZeroDivisionError
    if how != "ends":
        await asyncio.Event().wait()


@pytest.mark.parametrize("how", ["ends", "fails", "leaves", "stalls", "cancelled"])
def test_a_client_is_counted_no_more_when_its_stream_is_over(how: str) -> None:
    attended, sent = Attended(), asyncio.Event()

    async def receive() -> Any:
        await (sent if how == "leaves" else asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if b"event: ready" in message.get("body", b""):
            sent.set()
            if how == "stalls":
                await asyncio.Event().wait()

    async def work() -> None:
        context = attended.one()
        context.__enter__()
        assert attended.clients == 1
        stream = asyncio.ensure_future(
            EventStream(messages(how), context, STALL_S)({"type": "http"}, receive, send)
        )
        await sent.wait()
        if how == "cancelled":
            stream.cancel()
        (ended,) = await asyncio.gather(stream, return_exceptions=True)
        expected = {"fails": ZeroDivisionError, "cancelled": asyncio.CancelledError}.get(how, type(None))
        assert isinstance(ended, expected)

    asyncio.run(work())
    assert attended.clients == 0
