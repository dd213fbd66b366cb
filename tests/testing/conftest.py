"""A websocket client for tests of servers: plain, with deadlines, and seeing what came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import msgspec
import pytest
from aiohttp import WSMsgType

WITHIN_S = 5.0

R = TypeVar("R")


@dataclass(slots=True)
class Socket:
    """One connection; ``pings`` are those it has seen."""

    ws: aiohttp.ClientWebSocketResponse
    answers_pings: bool = True
    pings: list[bytes] = field(default_factory=list)

    async def message(self) -> aiohttp.WSMessage:
        """The next message of any kind but pings and pongs."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                message = await self.ws.receive()
                if message.type is WSMsgType.PONG:
                    continue
                if message.type is not WSMsgType.PING:
                    return message
                self.pings.append(message.data)
                if self.answers_pings:
                    await self.ws.pong(message.data)

    async def text(self) -> bytes:
        """The next text frame."""
        message = await self.message()
        assert message.type is WSMsgType.TEXT, message
        return message.data.encode()

    async def json(self) -> Any:
        """The next text frame, parsed."""
        return msgspec.json.decode(await self.text())

    async def send(self, value: Any) -> None:
        """Send a text frame: text as it is, anything else as JSON."""
        await self.ws.send_str(value if isinstance(value, str) else msgspec.json.encode(value).decode())

    async def ask(self, value: Any) -> Any:
        """Send, and the next text frame."""
        await self.send(value)
        return await self.json()

    async def ended(self) -> int | None:
        """Read to the end: the server's close code, 1006 without a close frame."""
        while (await self.message()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
            pass
        return self.ws.close_code

    async def silent(self, seconds: float) -> bool:
        """Whether nothing at all comes for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self.ws.receive()
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def connect(url: str, *, answers_pings: bool = True, **options: Any) -> AsyncIterator[Socket]:
    """A connection to ``url``."""
    async with aiohttp.ClientSession() as session:
        ws = await session.ws_connect(url, autoping=False, max_msg_size=64 << 20, **options)
        try:
            yield Socket(ws, answers_pings)
        finally:
            await ws.close()


async def get(url: str, *, raw: bool = False, **options: Any) -> tuple[int, Any, dict[str, str]]:
    """Status, body (parsed, if it is JSON and not wanted raw) and headers (names in lower case) of a GET."""
    async with aiohttp.ClientSession() as session, session.get(url, **options) as answer:
        body = await answer.read()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        parsed = msgspec.json.decode(body) if "json" in headers["content-type"] and not raw else body
        return answer.status, parsed, headers


@dataclass(frozen=True, slots=True)
class Wire:
    """What tests need (test modules are not importable from each other)."""

    connect: Callable[..., Any] = connect
    get: Callable[..., Awaitable[tuple[int, Any, dict[str, str]]]] = get


@pytest.fixture
def wire() -> Wire:
    """A client's tools."""
    return Wire()
