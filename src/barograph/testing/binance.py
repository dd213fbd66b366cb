"""Binance's websocket, spot and USD-M futures, as its documents describe it.

Source: ``web-socket-streams.md`` of Binance's spot API documents, and "Websocket Market
Streams" of its USD-M futures documents. Where they are silent:

- too many messages and a missing pong are answered with close code 1008;
- the stream beyond the 1,024th is, too;
- a stream that does not exist is accepted, and stays silent (as the real one does);
- a client that reads too slowly is reset.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from barograph.testing.binance_rest import Rest
from barograph.testing.binance_wire import Spot, Usdm
from barograph.testing.client import Client, beside
from barograph.testing.market import Event, LiveMarket, Trade
from barograph.testing.venue import Answer, Asked, PlainVenue

MOST_STREAMS = 1_024
CONNECTS = (300, 300.0)
"""Connection attempts of one address, and in how many seconds."""
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_PERPETUAL = "-PERP"


@dataclass(slots=True)
class _Talk:
    """What is agreed on one connection: its streams, wrapped or bare, and microseconds a unit of time."""

    combined: bool
    per_us: int
    streams: dict[str, None] = field(default_factory=dict)


class Binance(PlainVenue):
    """Binance spot; with ``usdm``, USD-M futures.

    The market's ``BTC-USDT`` is traded on spot, its ``BTC-USDT-PERP`` and ``BTC-USDT-240927``
    on USD-M. Each server shows only its own.

    Args:
        market: what is traded.
        usdm: be the futures' server.
        ping_s: between two pings (spot 20 s, futures 180 s unless given).
        pong_within_s: a connection without a pong for so long is closed (60 s, 600 s).
        lifetime_s: a connection is cut at this age.
        messages: at most so many incoming messages in a second (5, 10).
        shutdown_s: from the ``serverShutdown`` event to the close.
        weights: REST weight that an address may use in a minute (6,000, 2,400).
    """

    name = "binance"

    def __init__(
        self,
        market: LiveMarket,
        *,
        usdm: bool = False,
        ping_s: float | None = None,
        pong_within_s: float | None = None,
        lifetime_s: float = 86_400.0,
        messages: int | None = None,
        shutdown_s: float = 1.0,
        weights: int | None = None,
    ) -> None:
        super().__init__(market)
        self.usdm = usdm
        self.ping_s = ping_s or (180.0 if usdm else 20.0)
        self.pong_within_s = pong_within_s or (600.0 if usdm else 60.0)
        self.lifetime_s = lifetime_s
        self.messages = messages or (10 if usdm else 5)
        self.shutdown_s = shutdown_s
        self.rest = Rest(market.clock, self._names(), usdm, weights or (2_400 if usdm else 6_000))
        self._symbols = {name.lower(): symbol for name, symbol in self.rest.symbols.items()}
        kind = Usdm if usdm else Spot
        self._writers = {symbol: kind(name) for name, symbol in self.rest.symbols.items()}
        self._connects: deque[float] = deque()

    def _names(self) -> dict[str, str]:
        return {_name(symbol): symbol for symbol in self.market.symbols if _is_future(symbol) == self.usdm}

    def door(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer | None:  # noqa: ARG002
        """404 beside ``/ws`` and ``/stream``; 429 for too many attempts."""
        first = self._below_route(path).split("/")[1]
        if first not in ("ws", "stream"):
            return Answer(404, b"<html>404 Not Found</html>", content_type="text/html")
        most, seconds = CONNECTS
        now = asyncio.get_running_loop().time()
        while self._connects and self._connects[0] <= now - seconds:
            self._connects.popleft()
        self._connects.append(now)
        return self.limited(seconds) if len(self._connects) > most else None

    def _below_route(self, path: str) -> str:
        """Futures' streams are routed by kind since 2026; ours are among the public ones."""
        return path.removeprefix("/public") if self.usdm else path

    async def talk(self, client: Client, path: str, query: Mapping[str, str]) -> None:
        """Streams named by the path or query, then requests; pings, and the cut at the end of its life."""
        path = self._below_route(path)
        combined = path.startswith("/stream")
        named = query.get("streams", "") if combined else path.removeprefix("/ws").strip("/")
        client.state = _Talk(combined, 1 if _microseconds(query) else 1_000)
        client.limit = (self.messages, 1.0)
        self._subscribe(client, [name for name in named.split("/") if name])
        await beside(self._requests(client), self._pings(client), self._life(client))

    async def _requests(self, client: Client) -> None:
        while True:
            frame = await client.receive()
            client.send(msgspec.json.encode(self._reply(client, frame)))

    async def _pings(self, client: Client) -> None:
        loop = asyncio.get_running_loop()
        while client.open:
            await asyncio.sleep(self.ping_s)
            if loop.time() - client.pong_at >= self.pong_within_s:
                client.close(1008, "Pong timeout")
            client.ping(b"%d" % (self.market.clock.now_ns() // 1_000_000))

    async def _life(self, client: Client) -> None:
        await asyncio.sleep(self.lifetime_s)
        client.close(1000, "")

    def go_away(self, client: Client) -> None:
        """The ``serverShutdown`` event, and the close after ``shutdown_s``."""
        event = {"e": "serverShutdown", "E": self.market.clock.now_ns() // 1_000_000}
        wrapped = {"stream": "!serverShutdown", "data": event} if client.state.combined else event
        client.send(msgspec.json.encode(wrapped))
        asyncio.get_running_loop().call_later(self.shutdown_s, client.close, 1001, "server shutdown")

    # Requests over the websocket.

    def _reply(self, client: Client, frame: str | bytes) -> dict[str, Any]:
        try:
            request = msgspec.json.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _error(3, "Invalid JSON: expected value at line 1 column 1")
        if not isinstance(request, dict) or "method" not in request:
            return _error(2, "Invalid request: missing field `method` at line 1 column 2")
        number = request.get("id")
        if not _is_id(number) or "id" not in request:
            return _error(2, "Invalid request: request ID must be an unsigned integer")
        refusal = _refusal(request)
        return (refusal or self._done(client, request)) | {"id": number}

    def _done(self, client: Client, request: dict[str, Any]) -> dict[str, Any]:
        method, params = request["method"], request.get("params", [])
        talk: _Talk = client.state
        if method == "SUBSCRIBE":
            self._subscribe(client, params)
        elif method == "UNSUBSCRIBE":
            for stream in params:
                talk.streams.pop(stream, None)
            self._assign(client)
        elif method == "LIST_SUBSCRIPTIONS":
            return {"result": list(talk.streams)}
        elif method == "GET_PROPERTY":
            return {"result": talk.combined}
        else:
            talk.combined = params[1]
        return {"result": None}

    def _subscribe(self, client: Client, streams: Sequence[str]) -> None:
        talk: _Talk = client.state
        talk.streams.update(dict.fromkeys(streams))
        if len(talk.streams) > MOST_STREAMS:
            client.close(1008, "Too many streams")
        self._assign(client)

    def _assign(self, client: Client) -> None:
        """Which of the market's events go to the client: those of its streams that exist."""
        split = [stream.partition("@") for stream in client.state.streams]
        known = [(self._symbols[name], kind) for name, _, kind in split if name in self._symbols]
        client.trades = {symbol for symbol, kind in known if kind == "trade"}
        client.quotes = {symbol for symbol, kind in known if kind == "bookTicker"}

    # Events.

    def seen(self, events: Sequence[Event]) -> Sequence[Event]:
        """Those of its own symbols."""
        if len(self._writers) == len(self.market.symbols):
            return events
        return [event for event in events if event.symbol in self._writers]

    def encode(self, events: Sequence[Event], client: Client) -> list[bytes]:
        """One frame an event, wrapped or bare as the connection has it."""
        combined, per_us, writers = client.state.combined, client.state.per_us, self._writers
        frames: list[bytes] = []
        for event in events:
            writer = writers[event.symbol]
            if type(event) is Trade:
                text, head = writer.trade(event, event.ts_us // per_us), writer.trade_head
            else:
                text, head = writer.quote(event, event.ts_us // per_us), writer.quote_head  # type: ignore[arg-type]
            frames.append(f"{head}{text}}}".encode() if combined else text.encode())
        return frames

    # REST.

    async def get(self, request: Asked) -> Answer:
        """``exchangeInfo``, ``trades``, ``historicalTrades``, ``time`` and ``ping``."""
        return self.rest.answer(request)

    def limited(self, retry_after_s: float) -> Answer:
        """429 with code -1003."""
        return self.rest.limited(retry_after_s)


def _name(symbol: str) -> str:
    base, _, rest = symbol.removesuffix(_PERPETUAL).partition("-")
    return base + rest.replace("-", "_")


def _is_future(symbol: str) -> bool:
    return symbol.count("-") == 2


def _microseconds(query: Mapping[str, str]) -> bool:
    return query.get("timeUnit", "").lower() == "microsecond"


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= 36 and value.isalnum()
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63)


def _refusal(request: dict[str, Any]) -> dict[str, Any] | None:
    """What is wrong with a request, or None."""
    method, params = request["method"], request.get("params", [])
    if method not in _METHODS:
        expected = ", ".join(f"`{known}`" for known in _METHODS)
        return _error(
            2, f"Invalid request: unknown variant `{method}`, expected one of {expected} at line 1 column 28"
        )
    if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
        texts = isinstance(params, list) and all(isinstance(name, str) for name in params)
        return None if texts else _error(2, "Invalid request: params must be a list of strings")
    if method == "LIST_SUBSCRIPTIONS":
        return _error(2, "Invalid request: too many parameters") if params else None
    return _property_refusal(method, params)


def _property_refusal(method: str, params: Any) -> dict[str, Any] | None:
    if not isinstance(params, list) or not params or not isinstance(params[0], str):
        return _error(2, "Invalid request: property name must be a string")
    if params[0] != "combined":
        return _error(0, "Unknown property")
    if len(params) > (2 if method == "SET_PROPERTY" else 1):
        return _error(2, "Invalid request: too many parameters")
    if method == "SET_PROPERTY" and not (len(params) == 2 and isinstance(params[1], bool)):
        return _error(1, "Invalid value type: expected Boolean")
    return None


def _error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "msg": message}}
