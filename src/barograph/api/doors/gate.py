"""The outermost door: every request gets a number, a bound, safe headers, a measure, and an answer.

Plain ASGI, for it also stands around streams and WebSockets.
"""

from __future__ import annotations

import re
import time
import uuid
from contextvars import ContextVar
from typing import TYPE_CHECKING

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

from barograph.api.doors.callers import is_readable
from barograph.api.problems import MEDIA_TYPE, Problem, problem_of
from barograph.errors import BarographError
from barograph.log import get_logger

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from barograph.api.metrics import Requests

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The number of the request that is being answered."""
BODY_BYTES = 1 << 20
"""No request has a larger body."""

_OURS = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TOO_LONG = f"the body is longer than {BODY_BYTES} bytes, which is the most"
_BUG = "the server could not answer; its log has the reason under this request id"
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
}

log = get_logger()


class Gate:
    """Stands around the application.

    Args:
        requests: counts them.
    """

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        passage = _Passage(scope, receive, send)
        token = REQUEST_ID.set(passage.request_id)
        begun = time.perf_counter()
        try:
            with self._requests.in_progress():
                await self._through(scope, passage)
        finally:
            REQUEST_ID.reset(token)
            if scope["type"] == "http":
                took_s = time.perf_counter() - begun
                self._requests.count(_route(passage.asked), str(scope["method"]), passage.status, took_s)

    async def _through(self, scope: Scope, passage: _Passage) -> None:
        try:
            passage.check_head()
            await self._app(passage.asked, passage.receive, passage.send)
        except Problem as problem:
            await passage.refuse(problem)
        except BarographError as error:
            log.warning("request failed", request_id=passage.request_id, path=scope["path"], error=str(error))
            await passage.refuse(problem_of(error))
        except Exception:
            log.exception("a bug", request_id=passage.request_id, path=scope["path"])
            await passage.refuse(Problem(500, _BUG))


class _Passage:
    """One request on its way in, and its answer on its way out.

    Attributes:
        asked: the request as the application is given it.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._headers = Headers(scope=scope)
        given = self._headers.get("x-request-id", "")
        self.request_id = given if _OURS.fullmatch(given) else uuid.uuid4().hex
        self.status = 0
        # HEAD is answered as GET is, but for the body: by all routes, and without a route of its own.
        self._head_only = scope.get("method") == "HEAD"
        self.asked = {**scope, "method": "GET"} if self._head_only else scope
        self._begun = self._ended = False
        self._bytes = 0

    def check_head(self) -> None:
        """Refuse a host that is none, and a body that says itself that it is too long."""
        if not is_readable(f"//{self._headers.get('host', '')}"):
            raise Problem(400, "the header Host is no name or address of a machine")
        length = self._headers.get("content-length", "0")
        if length.isdecimal() and int(length) > BODY_BYTES:
            raise Problem(413, _TOO_LONG)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            if self._bytes > BODY_BYTES:
                # FastAPI lets its own kind of refusal through while it reads a body.
                raise HTTPException(413, _TOO_LONG)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept"):
            self._begun = True
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            headers["X-Request-ID"] = self.request_id
            if message["type"] == "http.response.start":
                self.status = message["status"]
                for name, value in _SAFE.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            message = {**message, "headers": headers.raw}
        elif self._head_only and message["type"] == "http.response.body":
            if self._ended:
                return
            self._ended = True
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem. What has begun can only be broken off, which the client notices."""
        if self._begun:
            return
        if self._scope["type"] == "websocket":
            await self._send({"type": "websocket.close", "code": 1011, "reason": problem.detail[:120]})
            return
        body = msgspec.json.encode(problem.body(self.request_id))
        headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **problem.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})


def _route(scope: Scope) -> str:
    """The route as it is written in the code: names of metrics must not grow with what is asked."""
    path: str = getattr(scope.get("route"), "path", "") or "other"
    return path
