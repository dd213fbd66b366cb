"""``/healthz``, ``/readyz`` and ``/metrics``: what supervisors and scrapers ask."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from fastapi import APIRouter
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from barograph.api.described import problems
from barograph.api.metrics import registry
from barograph.api.problems import Problem
from barograph.clock import NS_PER_US
from barograph.errors import BarographError, SettingsError
from barograph.log import get_logger
from barograph.recorder.live.alarms import Bounds
from barograph.recorder.live.health import not_ready
from barograph.recorder.live.statusfile import Life, Reading, read_status, status_path

if TYPE_CHECKING:
    from barograph.api.metrics import Requests
    from barograph.api.state import State

log = get_logger()


class Alive(BaseModel):
    """That the process answers."""

    alive: bool = Field(examples=[True])


class Ready(BaseModel):
    """Whether it does its job."""

    ready: bool = Field(examples=[True])
    reasons: list[str] = Field(
        description="Why not, a sentence each; told to those who may read only.", examples=[[]]
    )


def router(state: State, requests: Requests) -> APIRouter:
    """The routes. Without a token all but the figures and the reasons is told."""
    made = APIRouter(tags=["health"])
    registered = registry(requests, state.settings.data_dir, state.clock)

    @made.get("/healthz", summary="Whether the process lives", response_model=Alive)
    async def healthz() -> Response:
        """Answers as long as the process does. A restart helps where it does not."""
        return JSONResponse({"alive": True})

    @made.get(
        "/readyz",
        summary="Whether it does its job",
        response_model=Ready,
        responses={503: {"model": Ready, "description": "It does not; `reasons` say why."}},
    )
    async def readyz(request: Request) -> Response:
        """The store can be read, and the recorder, where there is one, records. A closed market is well."""
        reasons = await state.run(reasons_against, state)
        shown = reasons if _may_read(state, request) else []
        return JSONResponse({"ready": not reasons, "reasons": shown}, 503 if reasons else 200)

    @made.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={
            200: {"description": "Text of Prometheus.", "content": {"text/plain": {}}},
            **problems(401, 403, 421, 429, 500, 503),
        },
    )
    async def metrics(request: Request) -> Response:
        """Requests by route, status and duration, and the recorder's figures from its status file."""
        state.doorkeeper.admit(request, "read")
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(await state.run(encode, registered), headers={"Content-Type": content_type})

    return made


def reasons_against(state: State) -> list[str]:
    """Why the house is not ready, a sentence each; nothing when it is. Blocks."""
    return [*_of_store(state), *_of_recorder(state)]


def _of_store(state: State) -> list[str]:
    try:
        state.version()
    except BarographError as error:
        return [f"the store cannot be read: {error}"]
    return []


def _of_recorder(state: State) -> list[str]:
    reading = read_status(status_path(state.settings.data_dir), state.clock.now_ns())
    if reading is None:
        return []  # nobody records here
    open_feeds = _open_feeds(state, reading)
    if reading.life is Life.RUNNING:
        return not_ready(reading.status, open_feeds, Bounds.of(state.settings.record))
    if reading.life is Life.STUCK:
        return [f"the recorder is there and has told nothing for {reading.age_s:.0f} s"]
    if open_feeds:
        return [f"the recorder ended, and the market of {', '.join(sorted(open_feeds))} is open"]
    return []


def _open_feeds(state: State, reading: Reading) -> Collection[str]:
    """Feeds of the recorder with a market that is open now."""
    now_us = state.clock.now_ns() // NS_PER_US
    return [name for name in reading.status.feeds if _is_open(state, name, now_us)]


def _is_open(state: State, name: str, now_us: int) -> bool:
    from barograph.feeds.live.registry import live, usual_calendar
    from barograph.recorder.live.hours import calendars_of
    from barograph.recorder.places import Places

    calendar_of = Places.of(state.settings.data_dir).calendar
    try:
        found = calendars_of(live(name, state.settings))
    except BarographError as error:
        # The recorder may have been told of keys and symbols that we have not.
        log.debug("feed not described here", feed=name, error=str(error))
        found = set()
    try:
        return any(calendar_of(each).is_open_at(now_us) for each in found or {usual_calendar(name)})
    except BarographError as error:
        log.warning("market hours unknown, taken as open", feed=name, error=str(error))
        return True


def _may_read(state: State, request: Request) -> bool:
    try:
        state.doorkeeper.admit(request, "read")
    except (Problem, SettingsError):
        return False
    return True
