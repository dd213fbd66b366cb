"""A receiver of webhooks: a real server on loopback that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web


@dataclass
class Received:
    """One POST as it came."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """Answers with ``answers`` in turn (the last for ever); a number is a status, None is silence."""

    answers: list[int | None]
    headers: dict[str, str] = field(default_factory=dict)
    got: list[Received] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append(Received(dict(request.headers), await request.read()))
        answer = self.answers[min(len(self.got), len(self.answers)) - 1]
        if answer is None:
            await asyncio.Event().wait()
        return web.Response(status=answer or 500, headers=self.headers)

    async def until(self, count: int) -> None:
        """Wait for so many POSTs."""
        async with asyncio.timeout(10):
            while len(self.got) < count:
                await asyncio.sleep(0.005)


Serve = Callable[..., AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def serve(*answers: int | None, **headers: str) -> AsyncIterator[Server]:
    server = Server(list(answers), {name.replace("_", "-"): value for name, value in headers.items()})
    app = web.Application()
    app.router.add_post("/hook/{rest:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/path-secret"
    try:
        yield server
    finally:
        await runner.cleanup()


@pytest.fixture(name="serve")
def serve_fixture() -> Serve:
    """``async with serve(503, 200) as server``: a receiver that answers so."""
    return serve
