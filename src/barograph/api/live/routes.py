"""``GET /v1/stream`` and ``WS /v1/stream``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any
from weakref import WeakSet

from fastapi import APIRouter, Depends, Header, Query
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from barograph.api.described import problems
from barograph.api.live import ws
from barograph.api.live.following import Following
from barograph.api.live.hub import LOOK_S, Hub
from barograph.api.live.message import TOPICS, Choice, Topic
from barograph.api.live.place import Place
from barograph.api.live.session import HEARTBEAT_S, Session
from barograph.api.live.sse import MEDIA_TYPE, STALL_S, EventStream
from barograph.api.problems import Problem, problem_of
from barograph.errors import BarographError, UsageError
from barograph.log import get_logger

if TYPE_CHECKING:
    from barograph.api.state import State

log = get_logger()

_BEARER = HTTPBearer(auto_error=False, description="A token of `barograph token create`.")

_BEGINNING = "0"
_serving: WeakSet[Live] = WeakSet()

_SINCE = "Go on after this id; `0` with `start`: from that time on. The header Last-Event-ID goes before it."
_EXAMPLE = (
    'event: bar\nid: mKhhYjEy...\ndata: {"type":"bar","id":"mKhhYjEy...","data":'
    '{"timestamp":"2024-08-08T13:35:00.000000Z","symbol":"BTC-USD","venue":"sim","price":61000.5}}\n\n'
)
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events without an end: bar, anomaly, trade; ready, heartbeat, reset, end.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE}},
    },
    **problems(400, 401, 403, 421, 422, 429, 500, 503),
}


class Listening(BaseModel):
    """What a client wants to hear."""

    model_config = ConfigDict(extra="forbid")

    tables: str = Field(
        default=",".join(TOPICS),
        max_length=100,
        description="Of bars, anomalies and trades those wanted, with commas.",
        examples=["bars,anomalies"],
    )
    symbol: list[str] = Field(
        default=[], max_length=1_000, description="Symbols; all when absent.", examples=[["BTC-USD"]]
    )
    venue: list[str] = Field(
        default=[], max_length=100, description="Venues; all when absent.", examples=[["sim"]]
    )
    since: str | None = Field(default=None, max_length=5_000, description=_SINCE)
    start: str | None = Field(
        default=None,
        max_length=64,
        description="Nothing before this time: a date or a time in ISO 8601, UTC where no zone is named.",
        examples=["2024-08-08"],
    )

    def choice(self) -> Choice:
        """The messages that are wanted.

        Raises:
            UsageError: a table or a time that is none.
        """
        from barograph.market.times import moment_us

        asked = [name.strip() for name in self.tables.split(",")]
        unknown = [name for name in asked if name not in TOPICS]
        if unknown:
            raise UsageError(f"tables={unknown[0]!r} is not streamed; there are {', '.join(TOPICS)}")
        topics: frozenset[Topic] = frozenset(topic for topic in TOPICS if topic in asked)
        return Choice(
            topics,
            frozenset(self.symbol) or None,
            frozenset(self.venue) or None,
            moment_us(self.start),
        )

    def place(self, last: str | None, here: Place) -> Place:
        """Where to begin.

        Args:
            last: the header ``Last-Event-ID``, which goes before ``since``.

        Raises:
            UsageError: an id that is none, or a beginning without a time.
        """
        since = last or self.since
        if not since:
            return here
        if since != _BEGINNING:
            return Place.of(since)
        if self.start is None:
            raise UsageError("since=0 begins in the past: say where, such as start=2024-08-08")
        return Place(origin=here.origin, upto=here.pos)


class Live:
    """The stream of one process.

    Args:
        look_s: between two looks at the store.
    """

    def __init__(
        self,
        state: State,
        look_s: float = LOOK_S,
        heartbeat_s: float = HEARTBEAT_S,
        stall_s: float = STALL_S,
        first_s: float = ws.FIRST_S,
    ) -> None:
        self._state = state
        self._following = Following(state)
        self._heartbeat_s, self._stall_s, self._first_s = heartbeat_s, stall_s, first_s
        self.hub = Hub(self._following, state.settings.web.stream_clients, look_s)

    def end(self, reason: str = "the server is going down; come again with your last id") -> None:
        """Let all clients go: to be called when the server is told to end, for it waits for them."""
        self.hub.end(reason)

    async def over_http(self, connection: HTTPConnection, asked: Listening, last: str | None) -> Response:
        """The answer to ``GET /v1/stream``.

        Raises:
            Problem, UsageError, StorageError: told before anything is streamed.
        """
        choice = asked.choice()
        with ExitStack() as stack:
            stack.enter_context(self.hub.attended())
            place = asked.place(last, await self.hub.here())
            parts = self._session(connection, choice, place, None).messages()
            return EventStream(parts, stack.pop_all(), self._stall_s)

    async def over_websocket(self, socket: WebSocket) -> None:
        """Serve a WebSocket from its first breath to its last."""
        token = ws.offered_token(socket)
        try:
            self._state.doorkeeper.admit(socket, "read", token)
            asked = _listening(socket)
            choice = asked.choice()
            with ExitStack() as stack:
                stack.enter_context(self.hub.attended())
                here = await self.hub.here()
                place = asked.place(socket.headers.get("last-event-id"), here)
                await ws.accept(socket)
                await self._talk(socket, asked, choice, place, token)
        except WebSocketDisconnect:
            return
        except Problem as problem:
            await ws.refuse(socket, problem)
        except BarographError as error:
            await ws.refuse(socket, problem_of(error))

    async def _talk(
        self, socket: WebSocket, asked: Listening, choice: Choice, place: Place, token: str | None
    ) -> None:
        """All that comes once it is let in."""
        try:
            if asked.since is None and "last-event-id" not in socket.headers:
                first = await ws.first_message(socket, self._first_s)
                if first.since is not None:
                    asked = asked.model_copy(
                        update={"since": first.since, "start": first.start or asked.start}
                    )
                    choice, place = asked.choice(), asked.place(None, await self.hub.here())
            parts = self._session(socket, choice, place, token).messages()
            await ws.send_all(socket, parts, self._stall_s)
        except BarographError as error:
            await ws.close(socket, problem_of(error))
        except TimeoutError:
            log.info("a client of the stream took nothing and was let go", after_s=self._stall_s)

    def _session(
        self, connection: HTTPConnection, choice: Choice, place: Place, token: str | None
    ) -> Session:
        def check() -> None:
            """A token that was revoked ends the stream; one request more is no reason to."""
            try:
                self._state.doorkeeper.admit(connection, "read", token)
            except Problem as problem:
                if problem.status != 429:
                    raise

        return Session(self._state, self.hub, self._following.ledger, choice, place, check, self._heartbeat_s)


def _listening(socket: WebSocket) -> Listening:
    """The parameters of a WebSocket's address.

    Raises:
        Problem: 422, one that there is not, or that is of the wrong type.
    """
    query = socket.query_params
    lists = ("symbol", "venue")
    given: dict[str, Any] = {name: value for name, value in query.items() if name not in lists}
    given |= {name: query.getlist(name) for name in lists}
    try:
        return Listening.model_validate(given)
    except ValidationError as error:
        one = error.errors(include_url=False)[0]
        raise Problem(422, f"{'.'.join(map(str, one['loc']))}: {one['msg']}") from None


def router(state: State, live: Live | None = None) -> APIRouter:
    """The routes of the stream.

    Args:
        live: to be kept by who must end it; one is made where none is given.
    """
    serving = live or Live(state)
    _serving.add(serving)
    made = APIRouter(tags=["live"])

    @made.get(
        "/v1/stream",
        summary="What is committed, as it is committed",
        response_class=Response,
        responses=_RESPONSES,
        dependencies=[Depends(_BEARER), Depends(state.require("read"))],
    )
    async def stream(
        connection: HTTPConnection,
        asked: Annotated[Listening, Query()],
        last_event_id: Annotated[str | None, Header(description="As `since`; browsers send it.")] = None,
    ) -> Response:
        """New and revised minutes, anomalies and completed trades, as Server-Sent Events."""
        return await serving.over_http(connection, asked, last_event_id)

    @made.websocket("/v1/stream")
    async def socket(websocket: WebSocket) -> None:
        await serving.over_websocket(websocket)

    return made


def end_all() -> None:
    """End every stream of this process, with a reason: a server that is told to end waits for them.

    Any thread may say so, a signal's handler too.
    """
    for live in list(_serving):
        live.end()
