"""Kraken's websocket, version 2, as its documents describe it.

Source: docs.kraken.com, "Spot WebSocket v2": status, heartbeat, ping, trade, ticker. Chosen
here where they are silent: closing codes, and that a connection is only reset when its client
reads too slowly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import msgspec

from barograph.clock import NS_PER_US
from barograph.testing.client import Client, beside
from barograph.testing.kraken_rest import Rest
from barograph.testing.market import Event, LiveMarket, Quote, Trade
from barograph.testing.stamps import rfc3339
from barograph.testing.venue import Answer, Asked, PlainVenue

SNAPSHOT = 50
"""Trades in the snapshot on subscribing."""
_PATHS = ("/v2", "/v2/")


@dataclass(slots=True)
class _Talk:
    """What is subscribed on one connection; ``by_trade``: tickers that follow trades, not the book."""

    trades: set[str] = field(default_factory=set)
    by_book: set[str] = field(default_factory=set)
    by_trade: set[str] = field(default_factory=set)


class Kraken(PlainVenue):
    """Kraken spot.

    The market's ``BTC-USD`` is ``BTC/USD`` here, and ``XBTUSD`` over REST. With
    ``event_trigger`` ``trades`` (Kraken's own default) a ticker goes out beside each trade; the
    server's log knows tickers of ``bbo`` only.

    Args:
        market: what is traded.
        heartbeat_s: a connection with a subscription hears something this often.
        idle_s: a connection without subscriptions that says nothing for so long is closed.
    """

    name = "kraken"

    def __init__(self, market: LiveMarket, *, heartbeat_s: float = 1.0, idle_s: float = 60.0) -> None:
        super().__init__(market)
        self.heartbeat_s = heartbeat_s
        self.idle_s = idle_s
        self.rest = Rest(market)
        self._symbols = {symbol.replace("-", "/"): symbol for symbol in market.symbols}
        self._answers: dict[str, Callable[[Client, dict[str, Any], dict[str, Any]], None]] = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
        }

    def door(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer | None:  # noqa: ARG002
        """404 beside ``/v2``; version 1 is not served."""
        return None if path in _PATHS else Answer(404, b"not found", content_type="text/plain")

    async def talk(self, client: Client, path: str, query: Mapping[str, str]) -> None:  # noqa: ARG002
        """The status, then requests; heartbeats where nothing else goes out."""
        client.state = _Talk()
        status = {"version": "2.0.10", "system": "online", "api_version": "v2"}
        number = {"connection_id": 12_393_906_104_898_154_338 + client.number}
        client.send(msgspec.json.encode({"channel": "status", "type": "update", "data": [status | number]}))
        await beside(self._requests(client), self._heartbeats(client))

    async def _requests(self, client: Client) -> None:
        while True:
            try:
                async with asyncio.timeout(None if self._subscribed(client) else self.idle_s):
                    frame = await client.receive()
            except TimeoutError:
                client.close(1000, "inactive")
                return
            self._request(client, frame)

    @staticmethod
    def _subscribed(client: Client) -> bool:
        talk: _Talk = client.state
        return bool(talk.trades or talk.by_book or talk.by_trade)

    async def _heartbeats(self, client: Client) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(0.001, client.spoke_at + self.heartbeat_s - loop.time()))
            if client.stalled or not self._subscribed(client):
                await asyncio.sleep(self.heartbeat_s)
            elif loop.time() - client.spoke_at >= self.heartbeat_s:
                client.send(b'{"channel":"heartbeat"}')

    # Requests over the websocket.

    def _now(self) -> str:
        return rfc3339(self.market.clock.now_ns() // NS_PER_US)

    def _request(self, client: Client, frame: str | bytes) -> None:
        times = {"time_in": self._now()}
        try:
            request = msgspec.json.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            request = None
        if not isinstance(request, dict) or not isinstance(request.get("params", {}), dict):
            self._fail(client, "error", "Malformed request", times)
            return
        method = str(request.get("method"))
        number = {"req_id": request["req_id"]} if "req_id" in request else {}
        if method == "ping":
            self._reply(client, {"method": "pong"} | number, times)
        elif method in self._answers:
            self._answers[method](client, request.get("params", {}), number | times)
        else:
            self._fail(client, method, "Unsupported method", number | times)

    def _reply(self, client: Client, reply: dict[str, Any], rest: Mapping[str, Any]) -> None:
        client.send(msgspec.json.encode(reply | dict(rest) | {"time_out": self._now()}))

    def _fail(self, client: Client, method: str, error: str, rest: Mapping[str, Any]) -> None:
        self._reply(client, {"error": error, "method": method, "success": False}, rest)

    def _each(
        self, client: Client, method: str, params: dict[str, Any], rest: dict[str, Any]
    ) -> list[tuple[str, str]]:
        """The pairs (Kraken's and the market's name) that a request is about; the others get their errors."""
        if params.get("channel") not in ("trade", "ticker"):
            self._fail(client, method, f"Channel {params.get('channel')} not supported", rest)
            return []
        named = params.get("symbol")
        if not isinstance(named, list) or not named:
            self._fail(client, method, "Symbol(s) missing", rest)
            return []
        pairs = []
        for name in map(str, named):
            if name in self._symbols:
                pairs.append((name, self._symbols[name]))
            else:
                self._fail(client, method, f"Currency pair not supported {name}", rest | {"symbol": name})
        return pairs

    def _subscribe(self, client: Client, params: dict[str, Any], rest: dict[str, Any]) -> None:
        trigger, snapshot = params.get("event_trigger", "trades"), params.get("snapshot", True)
        for name, symbol in self._each(client, "subscribe", params, rest):
            result: dict[str, Any] = {"channel": params["channel"], "snapshot": snapshot, "symbol": name}
            if params["channel"] == "ticker":
                result["event_trigger"] = trigger
            mine, others = self._places(client, params["channel"], trigger)
            if symbol in mine or symbol in others:
                self._fail(client, "subscribe", "Already subscribed", rest | {"symbol": name})
                continue
            self._reply(client, {"method": "subscribe", "result": result, "success": True}, rest)
            if snapshot:
                self._snapshot(client, params["channel"], symbol)
            mine.add(symbol)
            self._assign(client)

    @staticmethod
    def _places(client: Client, channel: str, trigger: str) -> tuple[set[str], set[str]]:
        """Where a subscription is noted, and where else the same channel's may stand."""
        talk: _Talk = client.state
        if channel == "trade":
            return talk.trades, set()
        return (talk.by_book, talk.by_trade) if trigger == "bbo" else (talk.by_trade, talk.by_book)

    def _unsubscribe(self, client: Client, params: dict[str, Any], rest: dict[str, Any]) -> None:
        for name, symbol in self._each(client, "unsubscribe", params, rest):
            here = [place for place in self._places(client, params["channel"], "bbo") if symbol in place]
            if not here:
                self._fail(client, "unsubscribe", "Subscription Not Found", rest | {"symbol": name})
                continue
            here[0].remove(symbol)
            self._assign(client)
            result = {"channel": params["channel"], "symbol": name}
            self._reply(client, {"method": "unsubscribe", "result": result, "success": True}, rest)

    @staticmethod
    def _assign(client: Client) -> None:
        talk: _Talk = client.state
        client.trades = talk.trades | talk.by_trade
        client.quotes = talk.by_book

    def _snapshot(self, client: Client, channel: str, symbol: str) -> None:
        quote = self.market.quotes[symbol].last
        if channel == "trade":
            client.send(_trades(self.market.trades[symbol].newest(SNAPSHOT), "snapshot"))
        elif quote is not None:
            client.send(self._ticker(quote, "snapshot"))

    # Events.

    def encode(self, events: Sequence[Event], client: Client) -> list[bytes]:
        """Trades of a symbol that follow each other share a frame; a quote has its own."""
        talk: _Talk = client.state
        frames: list[bytes] = []
        for (kind, symbol), run in groupby(events, key=_kind_and_symbol):
            if kind is Quote:
                frames += [self._ticker(quote) for quote in run]  # type: ignore[arg-type]
                continue
            trades = list(run)
            if symbol in talk.trades:
                frames.append(_trades(trades))  # type: ignore[arg-type]
            quote = self.market.quotes[symbol].last
            if symbol in talk.by_trade and quote is not None:
                frames += [self._ticker(quote._replace(ts_us=trade.ts_us)) for trade in trades]
        return frames

    def _ticker(self, quote: Quote, kind: str = "update") -> bytes:
        last = self.market.trades[quote.symbol].last
        price = last.price if last else quote.bid
        pair = quote.symbol.replace("-", "/")
        return (
            f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{pair}","bid":{quote.bid},'
            f'"bid_qty":{quote.bid_size},"ask":{quote.ask},"ask_qty":{quote.ask_size},"last":{price},'
            f'"volume":1.0,"vwap":{price},"low":{price},"high":{price},"change":0.0,"change_pct":0.0,'
            f'"timestamp":"{rfc3339(quote.ts_us)}"}}]}}'
        ).encode()

    # REST.

    async def get(self, request: Asked) -> Answer:
        """``/0/public/Trades``, ``AssetPairs``, ``Time`` and ``SystemStatus``."""
        return self.rest.answer(request)

    def limited(self, retry_after_s: float) -> Answer:  # noqa: ARG002
        """200 with an error, as Kraken tells all of them."""
        return self.rest.error("EGeneral:Too many requests")


def _kind_and_symbol(event: Event) -> tuple[type, str]:
    return type(event), event.symbol


def _trades(trades: Sequence[Trade], kind: str = "update") -> bytes:
    rows = ",".join(
        f'{{"symbol":"{trade.symbol.replace("-", "/")}","side":"{"buy" if trade.side > 0 else "sell"}",'
        f'"price":{trade.price},"qty":{trade.size},"ord_type":"{"market" if trade.number % 3 else "limit"}",'
        f'"trade_id":{trade.number},"timestamp":"{rfc3339(trade.ts_us)}"}}'
        for trade in trades
    )
    return f'{{"channel":"trade","type":"{kind}","data":[{rows}]}}'.encode()
