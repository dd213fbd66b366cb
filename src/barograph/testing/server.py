"""A venue's server on a loopback socket: websocket and REST on one port, faults, and a log.

>>> import asyncio, aiohttp
>>> from barograph.testing import Binance, LiveMarket, VenueServer
>>> async def first_trade():
...     async with VenueServer(Binance(LiveMarket(["BTC-USDT"]))) as server:
...         async with aiohttp.ClientSession() as session:
...             async with session.ws_connect(f"{server.url}/ws/btcusdt@trade") as socket:
...                 await server.connected(1)
...                 server.market.trade("BTC-USDT", price="61800.10", size="0.5")
...                 return (await socket.receive_json())["p"]
>>> asyncio.run(first_trade())
'61800.10000000'
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from barograph.clock import NS_PER_US
from barograph.errors import UsageError
from barograph.tape import redact_url
from barograph.testing import acts
from barograph.testing.client import Client, Gone
from barograph.testing.control import PREFIX, control
from barograph.testing.faults import Faults, Shaping
from barograph.testing.log import ServerLog
from barograph.testing.market import Event, LiveMarket, Trade
from barograph.testing.venue import Answer, Asked, Past, Venue

_STOP_WITHIN_S = 0.1
_HELD_S = 0.2
"""How long an event waits for the next one to change places with."""
_HEADERS_MAX = 256 << 10
"""A combined-stream URL of 1,024 names is longer than what aiohttp takes of a line by itself."""


class VenueServer:
    """Serves one venue. An asynchronous context manager.

    Args:
        venue: whom.
        port: where on 127.0.0.1; 0 takes a free one.
        faults: what goes wrong; the test may change them at any time.
        log_file: also write the log there, as JSON lines.
        remote_control: answer ``/_barograph/...`` (see ``control.py``), for servers in other processes.

    Attributes:
        market: the venue's.
        connections: open websocket connections by their number.
        requests: the REST requests so far, as (path, query), the last 10,000.
    """

    def __init__(
        self,
        venue: Venue,
        port: int = 0,
        faults: Faults | None = None,
        *,
        log_file: Path | None = None,
        remote_control: bool = False,
    ) -> None:
        self.venue = venue
        self.market: LiveMarket = venue.market
        self.faults = faults or Faults()
        self.log = ServerLog(log_file)
        self.connections: dict[int, Client] = {}
        self.requests: deque[tuple[str, Mapping[str, str]]] = deque(maxlen=10_000)
        self.port = port
        self._remote_control = remote_control
        self._opened = 0
        self._shaping = Shaping(self.faults)
        self._past = Past(self.market, self.faults)
        self._asked: deque[float] = deque()
        self._failures: list[Exception] = []
        self._changed = asyncio.Condition()
        self._runner: web.ServerRunner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    @property
    def url(self) -> str:
        """Where websockets connect: ``ws://127.0.0.1:port``."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        """Where REST is asked: ``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        server = web.Server(
            self._handle, access_log=None, max_line_size=_HEADERS_MAX, max_field_size=_HEADERS_MAX
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_STOP_WITHIN_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.market.listen(self._made)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if self._failures and error is None:
            raise self._failures[0]

    async def stop(self) -> None:
        """Reset every connection and stop listening. The market goes on; another server may take it.

        Stopping twice changes nothing.
        """
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self.market.forget(self._made)
        for client in tuple(self.connections.values()):
            client.drop(ended="the server stopped")
        await runner.cleanup()
        self.log.close()

    async def until(self, condition: Callable[[], bool], within_s: float = 10.0) -> None:
        """Wait until ``condition`` holds; it is looked at whenever something happened here.

        Raises:
            TimeoutError: it did not come true in time.
        """
        async with asyncio.timeout(within_s):
            while not condition():
                try:
                    async with asyncio.timeout(0.01), self._changed:
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def connected(self, n: int = 1, within_s: float = 10.0) -> list[Client]:
        """The open connections, when there are ``n`` that have subscribed to something."""
        await self.until(lambda: len(self._subscribed()) >= n, within_s)
        return self._subscribed()

    def _subscribed(self) -> list[Client]:
        return [
            client for client in self.connections.values() if client.open and (client.trades or client.quotes)
        ]

    def act(self, name: str, connection: int | None = None, **options: Any) -> int:
        """Do one of ``acts.ACTS`` to a connection, or to all; how many it was done to.

        Raises:
            UsageError: there is no such act.
        """
        if name not in acts.ACTS:
            raise UsageError(f"{name!r} is nothing that a server does; there are: {', '.join(acts.ACTS)}")
        victims = [
            client
            for number, client in self.connections.items()
            if client.open and connection in (None, number)
        ]
        for client in victims:
            self.log.note(self._now_ns(), "fault", client.number, act=name)
            if name == "go_away":
                self.venue.go_away(client)
            else:
                acts.act(client, name, self._true_frame(client), **options)
        return len(victims)

    def _true_frame(self, client: Client) -> bytes:
        symbol = self.market.symbols[0]
        trade = Trade(
            symbol, self.market.trades[symbol].next_number, self._now_ns() // NS_PER_US, "1", "1", 1
        )
        return (self.venue.encode([trade], client) or [b'{"nothing":"of this venue"}'])[0]

    def _now_ns(self) -> int:
        return self.market.clock.now_ns()

    # Events, from the market to the sockets.

    def _made(self, events: Sequence[Event]) -> None:
        if threading.get_ident() == self._thread:
            self._publish(events)
        else:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._publish, events)

    def _publish(self, events: Sequence[Event]) -> None:
        shown = self.venue.seen(events)
        self.log.made(shown, self._now_ns())
        shaped = self._shaping.shaped(shown)
        assert self._loop is not None
        if self._shaping.held:
            self._loop.call_later(_HELD_S, lambda: self._share_out(self._shaping.released()))
        if not shaped:
            return
        if self.faults.delay_s:
            self._loop.call_later(self.faults.delay_s, self._share_out, shaped)
        else:
            self._share_out(shaped)

    def _share_out(self, events: Sequence[Event]) -> None:
        for client in tuple(self.connections.values()):
            if client.open and not client.stalled and (client.trades or client.quotes):
                self._hand(client, events)

    def _hand(self, client: Client, events: Sequence[Event]) -> None:
        trades, quotes = client.trades, client.quotes
        wanted = [event for event in events if event.symbol in (trades if type(event) is Trade else quotes)]
        if not wanted:
            return
        frames = self.venue.encode(wanted, client)
        # Written down first: what arrives must be in the log even if we are killed between the two.
        self.log.handed(client.number, wanted, self._now_ns())
        if not client.push(frames, binary=self.venue.binary):
            self.log.note(self._now_ns(), "lost", client.number, events=len(wanted))

    # Requests.

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._remote_control and request.path.startswith(PREFIX):
            return await control(self, request)
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._websocket(request)
            return await self._rest(request)
        except Exception as error:
            self._failures.append(error)
            raise
        finally:
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _websocket(self, request: web.BaseRequest) -> web.StreamResponse:
        if status := self.faults.refuse_now():
            self.log.note(self._now_ns(), "refused", status=status)
            return web.Response(status=status, headers=self._retry_after())
        headers = {name.lower(): value for name, value in request.headers.items()}
        if refusal := self.venue.door(request.path, dict(request.query), headers):
            self.log.note(self._now_ns(), "refused", status=refusal.status)
            return _response(refusal)
        ws = web.WebSocketResponse(autoping=False, autoclose=False, compress=False)
        try:
            await ws.prepare(request)
        except ConnectionError:
            self.log.note(self._now_ns(), "gone")  # before it was let in
            return web.Response()
        client = self._welcome(ws, request)
        try:
            await self.venue.talk(client, request.path, client.query)
        except Gone:
            pass  # the ordinary end
        finally:
            await client.finish()
            del self.connections[client.number]
            self.log.note(self._now_ns(), "ended", client.number, how=client.ended)
        return ws

    def _welcome(self, ws: web.WebSocketResponse, request: web.BaseRequest) -> Client:
        self._opened += 1
        slow = (self.venue.slow_bytes, self.venue.too_slow)
        client = Client(self._opened, ws, request, self.faults, slow)
        self.connections[client.number] = client
        self.log.note(self._now_ns(), "opened", client.number, path=client.path)
        return client

    def _retry_after(self) -> dict[str, str]:
        return {"Retry-After": f"{self.faults.retry_after_s:g}"}

    async def _rest(self, request: web.BaseRequest) -> web.StreamResponse:
        query = dict(request.query)
        self.requests.append((request.path, query))
        if self.faults.rest_slow_s:
            await asyncio.sleep(self.faults.rest_slow_s)
        answer = await self._answer(request, query)
        self.log.note(self._now_ns(), "rest", url=redact_url(request.path_qs), status=answer.status)
        return _response(answer)

    async def _answer(self, request: web.BaseRequest, query: Mapping[str, str]) -> Answer:
        if status := self.faults.rest_status_now():
            return Answer(status, b"<html>no</html>", self._retry_after(), "text/html")
        if self._too_often():
            return self.venue.limited(self.faults.retry_after_s)
        form = {name: str(value) for name, value in (await request.post()).items()}
        headers = {name.lower(): value for name, value in request.headers.items()}
        return await self.venue.get(
            Asked(request.method, request.path, query, form, headers, request.remote or "", self._past)
        )

    def _too_often(self) -> bool:
        if self.faults.rest_limit is None:
            return False
        assert self._loop is not None
        most, seconds = self.faults.rest_limit
        now = self._loop.time()
        while self._asked and self._asked[0] <= now - seconds:
            self._asked.popleft()
        if len(self._asked) >= most:
            return True
        self._asked.append(now)
        return False

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run ``work`` beside the server, on its loop."""
        assert self._loop is not None
        return self._loop.create_task(work)


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body,
        headers=dict(answer.headers),
        content_type=answer.content_type,
    )
