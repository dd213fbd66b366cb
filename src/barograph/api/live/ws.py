"""The same messages over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

from barograph.api.doors.gate import REQUEST_ID
from barograph.api.live.message import Message
from barograph.api.live.sse import STALL_S, gone, until_first
from barograph.api.problems import MEDIA_TYPE, Problem
from barograph.errors import UsageError

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

PROTOCOL = "barograph"
"""The subprotocol; beside it a client that cannot set headers offers ``bearer.<token>``."""

FIRST_S = 1.0
"""So long a client that has said nothing of an id may take for its first message."""
_BEARER = "bearer."
_LONGEST = 8_192
_CLOSED_FOR = {401: 3000, 403: 3003, 400: 4400, 429: 4429}
_AGAIN_LATER = 1013


class First(msgspec.Struct, forbid_unknown_fields=True):
    """What a client may send as its first message."""

    since: str | None = None
    start: str | None = None


def offered_token(socket: WebSocket) -> str | None:
    """The token among the subprotocols that a client offers; None: there is none."""
    offered = socket.scope.get("subprotocols", [])
    return next((each.removeprefix(_BEARER) for each in offered if each.startswith(_BEARER)), None)


async def accept(socket: WebSocket) -> None:
    """Let it in."""
    offered = socket.scope.get("subprotocols", [])
    await socket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)


async def refuse(socket: WebSocket, problem: Problem) -> None:
    """Tell why it is not let in: by an answer of HTTP where the server can, else by the code of the close."""
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        body = msgspec.json.encode(problem.body(REQUEST_ID.get()))
        await socket.send_denial_response(Response(body, problem.status, problem.headers, MEDIA_TYPE))
    else:
        await close(socket, problem)


async def close(socket: WebSocket, problem: Problem) -> None:
    """End it, with as much of the reason as fits."""
    reason = problem.detail.encode()[:120].decode(errors="ignore")
    await socket.close(_CLOSED_FOR.get(problem.status, _AGAIN_LATER), reason)


async def first_message(socket: WebSocket, within_s: float) -> First:
    """The client's first message; an empty one where it sends none in time.

    Raises:
        UsageError: it makes no sense.
        WebSocketDisconnect: the client has gone.
    """
    try:
        async with asyncio.timeout(within_s):
            message = await socket.receive()
    except TimeoutError:
        return First()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text = message.get("text")
    if text is None:
        raise UsageError('the first message is text such as {"since": "<id>"}, and not bytes')
    try:
        # What is longer is cut, and then makes no sense either.
        return msgspec.json.decode(text[:_LONGEST], type=First)
    except msgspec.DecodeError as error:
        raise UsageError(f'the first message is {{"since": "<id>"}} or nothing: {error}') from None


async def send_all(
    socket: WebSocket, parts: AsyncIterator[Sequence[Message]], stall_s: float = STALL_S
) -> None:
    """Send messages until the stream or the client ends; what the client still says is not looked at.

    Raises:
        TimeoutError: the client has taken nothing for ``stall_s``.
    """

    async def sent() -> None:
        async with aclosing(parts) as messages:  # type: ignore[type-var]
            async for lot in messages:
                for message in lot:
                    async with asyncio.timeout(stall_s):
                        await socket.send_text(message.json.decode())
        await socket.close(_AGAIN_LATER)

    try:
        await until_first(sent(), gone(socket.receive))
    except WebSocketDisconnect:
        return
