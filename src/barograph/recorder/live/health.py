"""What supervisors and scrapers ask over HTTP: ``/metrics``, ``/healthz`` and ``/readyz``.

``/healthz`` tells whether to restart the process: its loop answers and somebody sees to the tables.
``/readyz`` tells whether it does its job: the tape takes records, the tables keep up,
and each feed is live or its market closed. A restart would help none of these, so they are
kept apart.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from barograph.clock import NS_PER_S
from barograph.errors import SettingsError
from barograph.recorder.live.alarms import Bounds
from barograph.recorder.live.stats import FeedStage, FeedStats, Stats

if TYPE_CHECKING:
    from aiohttp import web


@dataclass(frozen=True, slots=True)
class View:
    """What the answers are made from; all of it is asked at each request, on the event loop.

    Attributes:
        stats: the figures of now, ``now_ns`` included.
        open_feeds: names of the feeds with at least one market that is open now.
        tables_alive: whether somebody sees to the tables.
        bounds: what is still well.
    """

    stats: Callable[[], Stats]
    open_feeds: Callable[[], Collection[str]]
    tables_alive: Callable[[], bool]
    bounds: Bounds


def not_ready(stats: Stats, open_feeds: Collection[str], bounds: Bounds) -> list[str]:
    """Why the recorder does not do its job, a sentence each; nothing when it does."""
    return [
        *_house(stats, bounds),
        *(why for feed in stats.feeds.values() for why in _feed(feed, stats, open_feeds, bounds)),
    ]


def _house(stats: Stats, bounds: Bounds) -> Iterator[str]:
    if stats.journal.problem:
        yield f"the tape does not take records: {stats.journal.problem}"
    if stats.tables.problem:
        yield f"the store does not take rows: {stats.tables.problem}"
    if stats.tables.lag_s > bounds.behind_s:
        allowed = f"{bounds.behind_s:.0f} s are allowed"
        yield f"the tables are {stats.tables.lag_s:.0f} s behind the tape; {allowed}"


def _feed(feed: FeedStats, stats: Stats, open_feeds: Collection[str], bounds: Bounds) -> Iterator[str]:
    if feed.stage is FeedStage.STOPPED:
        yield f"{feed.feed} has stopped: {feed.problem}"
        return
    if feed.feed not in open_feeds:
        return
    if feed.stage is not FeedStage.LIVE:
        yield f"{feed.feed} is {feed.stage}: {feed.connections} of {feed.planned} connections are ready"
    silent_s = (stats.now_ns - max(feed.last_recv_ns, stats.started_ns)) / NS_PER_S
    if silent_s > bounds.mute_s:
        yield f"{feed.feed} has sent no frame for {silent_s:.0f} s although its market is open"


def application(view: View) -> web.Application:
    """The three answers as an aiohttp application."""
    from aiohttp import web
    from prometheus_client.exposition import choose_encoder

    from barograph.recorder.live.metrics import registry

    registered = registry(view.stats)

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registered), headers={"Content-Type": content_type})

    async def healthz(_: web.Request) -> web.Response:
        alive = view.tables_alive()
        reasons = [] if alive else ["nobody sees to the tables"]
        return web.json_response({"alive": alive, "reasons": reasons}, status=200 if alive else 503)

    async def readyz(_: web.Request) -> web.Response:
        reasons = not_ready(view.stats(), view.open_feeds(), view.bounds)
        body = {"ready": not reasons, "reasons": reasons}
        return web.json_response(body, status=503 if reasons else 200)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    return app


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve ``app`` while the block runs; yields the port, which the system chose if ``port`` is 0.

    Raises:
        SettingsError: the address cannot be had.
    """
    from aiohttp import web

    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise SettingsError(
                f"metrics cannot be served at {host}:{port}: {error.strerror or error}; "
                "set record.metrics_port (or --metrics-port) to a free port, or 0 for any"
            ) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
