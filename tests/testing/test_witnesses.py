"""Servers and decoders were written from the venues' documents by different hands: they must agree.

What a market made, written by a server, read from the socket and decoded by the feed, is
what the market made.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from barograph.clock import ManualClock
from barograph.feeds.registry import feed
from barograph.records import Frames, Kind
from barograph.testing import Coinbase, LiveMarket, Quote, Trade, Venue, VenueServer, named_venue

NOW_NS = 1_723_161_255_708_706_000
END = "99999.5"

KRAKEN = [
    {"method": "subscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": False}},
    {
        "method": "subscribe",
        "params": {"channel": "ticker", "symbol": ["BTC/USD"], "snapshot": False, "event_trigger": "bbo"},
    },
]
COINBASE = [{"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches", "ticker"]}]

STREAMS = "btcusdt@trade/btcusdt@bookTicker"
CASES = [
    ("binance", "BTC-USDT", f"/ws/{STREAMS}", [], "/api/v3/historicalTrades?symbol=BTCUSDT&fromId=1"),
    ("binance", "BTC-USDT", f"/stream?streams={STREAMS}", [], "/api/v3/trades?symbol=BTCUSDT"),
    ("binance-usdm", "BTC-USDT-PERP", f"/ws/{STREAMS}", [], "/fapi/v1/trades?symbol=BTCUSDT"),
    ("coinbase", "BTC-USD", "/", COINBASE, "/products/BTC-USD/trades"),
    ("kraken", "BTC-USD", "/v2", KRAKEN, "/0/public/Trades?pair=XBTUSD"),
]
IDS = ["binance", "binance combined", "binance usdm", "coinbase", "kraken"]


def served(name: str, symbol: str) -> Venue:
    return named_venue(name, LiveMarket([symbol], clock=ManualClock(NOW_NS)))


def decoded(name: str, payloads: list[bytes], kind: Kind) -> Any:
    n = len(payloads)
    records = Frames(
        0,
        np.arange(n),
        np.full(n, NOW_NS, dtype=np.int64),
        np.full(n, kind, dtype=np.uint8),
        np.zeros(n, dtype=np.uint32),
        payloads,
    )
    decoder = feed(name.partition("-")[0])
    state = decoder.state()
    rows = decoder.decode(state, records)
    assert rows.rejects == []
    return state, rows


async def frames_of(wire: Any, server: VenueServer, path: str, requests: list[Any]) -> list[bytes]:
    """Everything that a client hears while the market trades."""
    symbol = server.market.symbols[0]
    async with wire.connect(server.url + path) as socket:
        for request in requests:
            await socket.send(request)
        await server.until(lambda: bool(server.connections[1].trades and server.connections[1].quotes))
        server.market.make(trades=150, quotes=150)
        server.market.trade(symbol, price=END, side=-1)
        heard = [await socket.text()]
        while END.encode() not in heard[-1]:
            heard.append(await socket.text())
        return heard


def trades_of(ticks: Any) -> list[tuple[Any, ...]]:
    return list(
        zip(
            ticks.trade_id.tolist(),
            ticks.price.tolist(),
            ticks.size.tolist(),
            ticks.side.tolist(),
            strict=True,
        )
    )


def expected(trades: list[Trade]) -> list[tuple[Any, ...]]:
    return [(trade.number, float(trade.price), float(trade.size), trade.side) for trade in trades]


@pytest.mark.parametrize(("name", "symbol", "path", "requests", "old"), CASES, ids=IDS)
def test_the_decoder_reads_from_the_socket_what_the_market_made(
    wire: Any, name: str, symbol: str, path: str, requests: list[Any], old: str
) -> None:
    async def scenario() -> tuple[list[bytes], LiveMarket]:
        async with VenueServer(served(name, symbol)) as server:
            return await frames_of(wire, server, path, requests), server.market

    heard, market = asyncio.run(scenario())
    state, rows = decoded(name, heard, Kind.FRAME)
    assert state.symbols == [symbol]
    made = market.trades[symbol].newest(1_000)
    assert trades_of(rows.ticks) == expected(made)
    unit = 1_000 if name.startswith("binance") else 1
    assert [ts // unit for ts in rows.ticks.ts_us.tolist()] == [trade.ts_us // unit for trade in made]
    if name != Coinbase.name:  # which shows the book only as trades find it
        quotes: list[Quote] = market.quotes[symbol].newest(1_000)
        columns = (rows.quotes.bid_price, rows.quotes.bid_size, rows.quotes.ask_price, rows.quotes.ask_size)
        read = list(zip(*(column.tolist() for column in columns), strict=True))
        wanted = [tuple(map(float, (q.bid, q.bid_size, q.ask, q.ask_size))) for q in quotes]
        assert read == wanted
    else:
        assert len(rows.quotes) > 100


@pytest.mark.parametrize(("name", "symbol", "path", "requests", "old"), CASES, ids=IDS)
def test_the_decoder_reads_from_rest_what_the_market_made(
    wire: Any, name: str, symbol: str, path: str, requests: list[Any], old: str
) -> None:
    async def scenario() -> tuple[bytes, LiveMarket]:
        async with VenueServer(served(name, symbol)) as server:
            server.market.make(trades=40)
            url = server.rest_url + old
            _, body, _ = await wire.get(url, raw=True)
            return b'{"url":"%s"}\n%s' % (url.encode(), body), server.market

    payload, market = asyncio.run(scenario())
    _, rows = decoded(name, [payload], Kind.REST)
    made = market.trades[symbol].newest(1_000)
    assert len(made) == 40
    assert trades_of(rows.ticks) == expected(made)
    unit = 1_000 if name.startswith("binance") else 1
    assert [ts // unit for ts in rows.ticks.ts_us.tolist()] == [trade.ts_us // unit for trade in made]
