"""The application: the routes, behind the doors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from barograph import __version__
from barograph.api import health
from barograph.api.answers import Answers
from barograph.api.described import DESCRIPTION, HOME
from barograph.api.doors.gate import REQUEST_ID, Gate
from barograph.api.ending import told_first
from barograph.api.live import end_all
from barograph.api.metrics import Requests
from barograph.api.problems import MEDIA_TYPE, Problem, problem_of
from barograph.api.resources import bars, studies, symbols, tables, trading
from barograph.api.state import State
from barograph.errors import BarographError
from barograph.log import get_logger

if TYPE_CHECKING:
    from barograph.settings import Settings

KEEP_USE_S = 5.0
"""Between two looks whether the last use of tokens should be kept."""
_ROOMS = ("barograph.api.live", "barograph.api.sandbox")

log = get_logger()


def create_app(settings: Settings, state: State | None = None) -> FastAPI:
    """The API with these settings.

    Args:
        state: another one than ``State.of(settings)``, for tests; it is closed when the application ends.

    Raises:
        SettingsError: everybody would be let in at a public address, or nothing says where the tables are.
    """
    state = state or State.of(settings)
    requests = Requests()
    app = FastAPI(
        title="Barograph",
        version=__version__,
        summary="Recorded markets: bars, ticks, quotes, anomalies, coverage, paper trading, studies.",
        description=DESCRIPTION,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan(state),
    )
    app.state.barograph = state
    _add_errors(app)
    _add_routes(app, state, requests)
    if settings.web.cors:
        _add_cors(app, settings.web.cors)
    app.add_middleware(Gate, requests=requests)
    return app


def _add_routes(app: FastAPI, state: State, requests: Requests) -> None:
    bearer = HTTPBearer(auto_error=False, description="A token of `barograph token create`.")
    guarded = [Depends(bearer), Depends(state.require("read"))]
    answers = Answers(state)
    for made in (each.router(answers) for each in (symbols, bars, tables, trading, studies)):
        app.include_router(made, dependencies=guarded)
    for made in _others(state):
        app.include_router(made)
    app.include_router(health.router(state, requests))

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return HTMLResponse(HOME)


def _others(state: State) -> Iterable[APIRouter]:
    """The routers of rooms that bring their own doors: the live stream, and SQL."""
    for name in _ROOMS:
        if find_spec(f"{name}.routes") is not None:
            router: Callable[[State], APIRouter] = import_module(name).router
            yield router(state)


def _add_cors(app: FastAPI, origins: tuple[str, ...]) -> None:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match", "Last-Event-ID", "X-Request-ID"],
        expose_headers=["ETag", "Link", "Retry-After", "X-Request-ID"],
        max_age=600,
    )


def _add_errors(app: FastAPI) -> None:
    async def of_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return _told(error)

    async def of_house(request: Request, error: Exception) -> Response:
        assert isinstance(error, BarographError)
        problem = problem_of(error)
        if problem.status >= 500:
            log.warning(
                "request failed", request_id=REQUEST_ID.get(), path=request.url.path, error=str(error)
            )
        return _told(problem)

    async def of_parameters(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _told(Problem(422, "; ".join(_wrong(each) for each in error.errors())[:2_000]))

    async def of_routing(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _told(Problem(error.status_code, str(error.detail), error.headers))

    app.add_exception_handler(Problem, of_problem)
    app.add_exception_handler(BarographError, of_house)
    app.add_exception_handler(RequestValidationError, of_parameters)
    app.add_exception_handler(HTTPException, of_routing)


def _told(problem: Problem) -> Response:
    body = problem.body(REQUEST_ID.get())
    return JSONResponse(body, problem.status, problem.headers, media_type=MEDIA_TYPE)


def _wrong(error: Any) -> str:
    """One wrong parameter, in words, without what was given: it may be long."""
    place = ".".join(str(part) for part in error.get("loc", ()))
    return f"{place}: {error.get('msg', 'is wrong')}"


def _lifespan(state: State) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        keeping = asyncio.create_task(_keep_use(state), name="last use of tokens")
        try:
            with told_first(end_all):
                yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            await asyncio.to_thread(state.doorkeeper.used.keep)
            state.close()

    return lifespan


async def _keep_use(state: State) -> None:
    while True:
        await asyncio.sleep(KEEP_USE_S)
        if state.doorkeeper.used.due():
            await asyncio.to_thread(state.doorkeeper.used.keep)
