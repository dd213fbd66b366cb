"""``POST /v1/query``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from barograph.api.described import problems
from barograph.api.doors.callers import Caller
from barograph.api.doors.gate import BODY_BYTES
from barograph.api.formats import CONTENT_TYPES, MEDIA_TYPES, Form, chosen
from barograph.api.problems import Problem
from barograph.api.sandbox import bounds, folders
from barograph.api.sandbox.asked import Question, Where
from barograph.api.sandbox.office import Office, Reply
from barograph.log import get_logger

if TYPE_CHECKING:
    from barograph.api.state import State

log = get_logger()

_BEARER = HTTPBearer(auto_error=False, description="A token of `barograph token create`.")

_Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
# With a bound pydantic looks whether it is text at all: JSON can write half of a character.
_Text = Annotated[str, Field(max_length=BODY_BYTES)]

STALL_S = 30.0
_EXAMPLE = {
    "columns": [{"name": "symbol", "type": "string"}, {"name": "n", "type": "int64"}],
    "rows": [{"symbol": "BTC-USD", "n": 815}],
    "count": 1,
    "cut": None,
}
_HEADERS = {
    "X-Row-Count": {"description": "Rows of the answer.", "schema": {"type": "integer"}},
    "X-Cut": {
        "description": "Which bound cut the answer: `rows` or `bytes`; absent: it is whole.",
        "schema": {"type": "string", "enum": ["rows", "bytes"]},
    },
}


class Column(BaseModel):
    """A column of an answer."""

    name: str
    type: str = Field(description="In Arrow's words.", examples=["int64"])


class Answered(BaseModel):
    """An answer in JSON."""

    columns: list[Column]
    rows: list[dict[str, Any]]
    count: int = Field(description="How many rows there are.")
    cut: str | None = Field(description="Which bound cut the answer: `rows` or `bytes`; null: it is whole.")


class Asked(BaseModel):
    """A query."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(
        max_length=100_000,
        description="One statement that reads: in DuckDB's words, or in PostgreSQL's over a database.",
        examples=["SELECT symbol, count(*) AS n FROM market_microstructure GROUP BY symbol ORDER BY symbol"],
    )
    parameters: list[_Text | _Int64 | float | bool | None] = Field(
        default=[], max_length=1_000, description="Values for `$1`, `$2`, ...", examples=[[]]
    )
    format: Form | None = Field(default=None, description="Before the header Accept.", examples=["json"])


def _described() -> dict[int | str, dict[str, Any]]:
    said = problems(400, 401, 403, 406, 413, 421, 422, 429, 500, 503)
    late = problems(413)[413] | {"description": "The query took longer than it may, and was ended."}
    content: dict[str, Any] = {
        MEDIA_TYPES[Form.JSON]: {"example": _EXAMPLE},
        MEDIA_TYPES[Form.CSV]: {"schema": {"type": "string"}, "example": "symbol,n\nBTC-USD,815\n"},
        MEDIA_TYPES[Form.ARROW]: {"schema": {"type": "string", "format": "binary"}},
    }
    ok = {"model": Answered, "description": "The rows.", "content": content, "headers": _HEADERS}
    return {200: ok, 408: late, **said}


class Relayed(Response):
    """An answer that a worker writes, passed on as it comes; the query is left when it is over."""

    def __init__(self, reply: Reply, form: Form, left: AsyncExitStack) -> None:
        answer = reply.answer
        headers = {"X-Row-Count": str(answer.rows), "Cache-Control": "no-store"}
        if answer.cut is not None:
            headers["X-Cut"] = answer.cut
        super().__init__(media_type=CONTENT_TYPES[form], headers=headers)
        self.headers["content-length"] = str(answer.bytes)
        self._reply, self._left = reply, left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Send it. Who takes nothing for a while loses the rest: others wait for the worker."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        try:
            async with self._left:
                await send(start)
                async for piece in self._reply.pieces():
                    async with asyncio.timeout(STALL_S):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            # The length was told before: the client sees that something is missing.
            log.warning("an answer to a query was broken off", error=repr(error))


def router(state: State, office: Office | None = None) -> APIRouter:
    """The route.

    Args:
        office: another one than usual, for tests.
    """
    serving = office or Office()

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        await asyncio.to_thread(folders.tidy)
        try:
            yield
        finally:
            await serving.close()

    made = APIRouter(tags=["tables"], lifespan=lifespan)
    door = Depends(state.require("read"))

    @made.post(
        "/v1/query",
        summary="SQL that reads",
        response_class=Response,
        responses=_described(),
        dependencies=[Depends(_BEARER)],
    )
    async def query(request: Request, asked: Asked, caller: Caller = door) -> Response:
        """The rows of one SQL statement over the tables and views of docs/tables.md.

        It runs in a process of its own, with bounds on time, memory, rows and bytes; it sees no files,
        settings or other things of the machine.
        """
        form = chosen(request.headers.get("accept"), asked.format)
        question = _question(state, asked, form, serving.turns.most)
        async with AsyncExitStack() as stack:
            reply = await _unless_gone(
                request, stack.enter_async_context(serving.answered(question, caller.key))
            )
            return Relayed(reply, form, stack.pop_all())

    return made


def _question(state: State, asked: Asked, form: Form, workers: int) -> Question:
    web, query = state.settings.web, state.settings.query
    return Question(
        where=Where.of(state.where),
        sql=asked.sql,
        parameters=tuple(asked.parameters),
        form=form.value,
        seconds=web.query_seconds,
        rows=web.query_rows,
        bytes=web.query_mb << 20,
        memory_mb=bounds.memory_mb(query.memory_limit_mb, workers),
    )


async def _unless_gone(request: Request, answering: Any) -> Reply:
    """What ``answering`` gives; it is cancelled when the client goes away."""
    task: asyncio.Task[Reply] = asyncio.ensure_future(answering)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Problem(408, "the client went away")
        return task.result()
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.gather(gone, task, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
