"""Coinbase Exchange, as its documents describe it, and its recordings where they are silent.

Source: docs.cdp.coinbase.com/exchange, "WebSocket Feed" (overview, channels, rate limits,
errors) and "REST API" (get product trades, pagination). From a recording of 2021: a match and
its ticker share their sequence; the ticker follows the match; on subscribing come the reply,
then each product's ticker and ``last_match``. Undocumented and chosen here: close code 1008
for a client that does not subscribe in time or sends too much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec

from barograph.clock import NS_PER_US
from barograph.testing.client import Client, beside
from barograph.testing.coinbase_rest import answer, limited
from barograph.testing.market import Event, LiveMarket, Quote, Trade
from barograph.testing.stamps import rfc3339
from barograph.testing.venue import Answer, Asked, PlainVenue

CHANNELS = ("heartbeat", "matches", "ticker", "ticker_batch", "status")
"""Channels that are served; the last two are accepted and stay silent."""
_GUARDED = ("level2", "level3", "full", "user")
"""Channels for which a client must have signed in."""
_STEP = 7


def sequence(number: int) -> int:
    """The sequence of the trade called ``number``, and of its ticker: growing with holes, as they do."""
    return 1_000_000 + _STEP * number


class Coinbase(PlainVenue):
    """Coinbase Exchange.

    A ticker is sent after each match and has the book as it was then; quotes of the market
    are seen only so. In the server's log a ticker is a quote with the number of its trade.

    Args:
        market: what is traded; its symbols are Coinbase's product ids.
        subscribe_within_s: a connection that has not subscribed by then is closed.
        heartbeat_s: between two heartbeats of a product.
        messages: at most so many incoming messages in a second.
    """

    name = "coinbase"

    def __init__(
        self,
        market: LiveMarket,
        *,
        subscribe_within_s: float = 5.0,
        heartbeat_s: float = 1.0,
        messages: int = 100,
    ) -> None:
        super().__init__(market)
        self.subscribe_within_s = subscribe_within_s
        self.heartbeat_s = heartbeat_s
        self.messages = messages
        self._book: dict[str, Quote] = {}

    async def talk(self, client: Client, path: str, query: Mapping[str, str]) -> None:  # noqa: ARG002
        """Subscriptions, and heartbeats beside them."""
        client.state = {}
        client.limit = (self.messages, 1.0)
        await beside(self._requests(client), self._impatience(client), self._heartbeats(client))

    async def _requests(self, client: Client) -> None:
        while True:
            frame = await client.receive()
            try:
                request = msgspec.json.decode(frame)
            except (msgspec.DecodeError, UnicodeDecodeError):
                client.send(_error("Malformed JSON"))
                continue
            self._request(client, request)

    async def _impatience(self, client: Client) -> None:
        await asyncio.sleep(self.subscribe_within_s)
        if not client.state:
            client.close(1008, "no subscribe message")

    async def _heartbeats(self, client: Client) -> None:
        while True:
            await asyncio.sleep(self.heartbeat_s)
            for product in sorted(client.state.get("heartbeat", ())):
                client.send(self._heartbeat(product))

    def _heartbeat(self, product: str) -> bytes:
        last = self.market.trades[product].last
        number = last.number if last else 0
        now = rfc3339(self.market.clock.now_ns() // NS_PER_US)
        beat = {"type": "heartbeat", "last_trade_id": number, "product_id": product}
        return msgspec.json.encode(beat | {"sequence": sequence(number) + 3, "time": now})

    def _request(self, client: Client, request: Any) -> None:
        kind = request.get("type") if isinstance(request, dict) else None
        if kind not in ("subscribe", "unsubscribe"):
            client.send(_error("Malformed message", f"{kind} is not a valid type"))
            return
        asked = _channels(request)
        reason = self._wrong(asked)
        if reason:
            client.send(_error(f"Failed to {kind}", reason))
        elif kind == "subscribe":
            self._subscribe(client, asked)
        else:
            self._unsubscribe(client, asked)

    def _wrong(self, asked: dict[str, list[str]]) -> str:
        """Why the request cannot be met as a whole, or nothing."""
        if not asked:
            return "No channels provided"
        for channel, products in asked.items():
            if channel in _GUARDED:
                return f"{channel} channel requires authentication"
            if channel not in CHANNELS:
                return f"{channel} is not a valid channel"
            if not products and channel != "status":
                return f"You need to specify at least one product ID for channel {channel}"
            for product in products:
                if product not in self.market.symbols:
                    return f"{product} is not a valid product"
        return ""

    def _subscribe(self, client: Client, asked: dict[str, list[str]]) -> None:
        for channel, products in asked.items():
            client.state.setdefault(channel, set()).update(products)
        self._assign(client)
        self._confirm(client)
        for channel, products in asked.items():
            for product in products:
                self._snapshot(client, channel, product)

    def _unsubscribe(self, client: Client, asked: dict[str, list[str]]) -> None:
        for channel, products in asked.items():
            left = client.state.get(channel, set()) - set(products)
            client.state[channel] = left
            if not left:
                del client.state[channel]
        self._assign(client)
        self._confirm(client)

    def _assign(self, client: Client) -> None:
        client.trades = client.state.get("matches", set())
        client.quotes = client.state.get("ticker", set())

    def _confirm(self, client: Client) -> None:
        channels = [
            {"name": channel, "product_ids": sorted(products), "account_ids": None}
            for channel, products in client.state.items()
        ]
        client.send(msgspec.json.encode({"type": "subscriptions", "channels": channels}))

    def _snapshot(self, client: Client, channel: str, product: str) -> None:
        last = self.market.trades[product].last
        if last is None:
            return
        if channel == "matches":
            client.send(_match(last, "last_match"))
        elif channel == "ticker" and product in self._book:
            client.send(self._ticker(self._seen_at(last)))

    # Events.

    def seen(self, events: Sequence[Event]) -> Sequence[Event]:
        """Each trade and then its ticker; quotes by themselves change only the book."""
        shown: list[Event] = []
        for event in events:
            if type(event) is Quote:
                self._book[event.symbol] = event
            elif type(event) is Trade:
                shown.append(event)
                if event.symbol in self._book:
                    shown.append(self._seen_at(event))
        return shown

    def _seen_at(self, trade: Trade) -> Quote:
        return self._book[trade.symbol]._replace(number=trade.number, ts_us=trade.ts_us)

    def encode(self, events: Sequence[Event], client: Client) -> list[bytes]:  # noqa: ARG002
        """One frame an event."""
        return [_match(event) if type(event) is Trade else self._ticker(event) for event in events]  # type: ignore[arg-type]

    def _ticker(self, quote: Quote) -> bytes:
        [trade] = self.market.trades[quote.symbol].from_number(quote.number, 1)
        side = "buy" if trade.side > 0 else "sell"
        price = trade.price
        day = f'"open_24h":"{price}","volume_24h":"1","low_24h":"{price}","high_24h":"{price}"'
        bid = f'"best_bid":"{quote.bid}","best_bid_size":"{quote.bid_size}"'
        ask = f'"best_ask":"{quote.ask}","best_ask_size":"{quote.ask_size}"'
        return (
            f'{{"type":"ticker","sequence":{sequence(trade.number)},"product_id":"{trade.symbol}",'
            f'"price":"{price}",{day},"volume_30d":"30",{bid},{ask},"side":"{side}",'
            f'"time":"{rfc3339(quote.ts_us)}","trade_id":{trade.number},"last_size":"{trade.size}"}}'
        ).encode()

    def too_slow(self, client: Client) -> None:
        """An ``ErrSlowConsume`` error and the close."""
        client.send(_error("ErrSlowConsume", "the client has too many backed up messages"))
        client.close(1008, "ErrSlowConsume", ended="too slow")

    # REST.

    async def get(self, request: Asked) -> Answer:
        """``/products``, ``/products/{id}/trades`` and ``/time``."""
        return answer(request, self.market)

    def limited(self, retry_after_s: float) -> Answer:
        """429."""
        return limited(retry_after_s)


def _channels(request: dict[str, Any]) -> dict[str, list[str]]:
    """Products by channel, from either form: names beside ``product_ids``, or objects with their own."""
    common = request.get("product_ids") or []
    asked: dict[str, list[str]] = {}
    for channel in request.get("channels") or []:
        named = channel if isinstance(channel, dict) else {"name": channel}
        asked[str(named.get("name"))] = [str(name) for name in named.get("product_ids", common)]
    return asked


@lru_cache(maxsize=4_096)
def _orders(symbol: str, number: int) -> tuple[str, str]:
    """The ids of a maker's and a taker's order."""
    maker, taker = (uuid5(NAMESPACE_OID, f"{role} {symbol} {number}") for role in ("maker", "taker"))
    return str(maker), str(taker)


def _match(trade: Trade, kind: str = "match") -> bytes:
    """``side`` is the maker's: a buyer took what a seller had offered."""
    side = "sell" if trade.side > 0 else "buy"
    maker, taker = _orders(trade.symbol, trade.number % 64)
    return (
        f'{{"type":"{kind}","trade_id":{trade.number},"maker_order_id":"{maker}","taker_order_id":"{taker}",'
        f'"side":"{side}","size":"{trade.size}","price":"{trade.price}","product_id":"{trade.symbol}",'
        f'"sequence":{sequence(trade.number)},"time":"{rfc3339(trade.ts_us)}"}}'
    ).encode()


def _error(message: str, reason: str = "") -> bytes:
    error = {"type": "error", "message": message} | ({"reason": reason} if reason else {})
    return msgspec.json.encode(error)
