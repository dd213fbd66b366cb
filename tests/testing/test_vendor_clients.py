"""The vendors' own clients connect to our servers, and our decoders read what they read.

This is what makes the servers true: ``massive`` and ``kiteconnect`` were written by the venues,
the servers from the venues' documents, the decoders apart from both.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from kiteconnect import KiteConnect
from kiteconnect.exceptions import TokenException
from massive import RESTClient, WebSocketClient
from massive.exceptions import AuthError, BadResponse
from websockets.exceptions import ConnectionClosedError

from barograph.feeds import kite as our_kite
from barograph.feeds.feed import Feed, FeedState
from barograph.feeds.polygon import CRYPTO, STOCKS
from barograph.records import Frames, Kind
from barograph.rows import Decoded
from barograph.testing import Account, Kite, LiveMarket, Massive, Quote, Trade, VenueServer, serving
from barograph.testing.log import read_events

WITHIN_S = 15.0
NIFTY, INFY, USDINR = "NSE:NIFTY 50", "NSE:INFY", "CDS:USDINR"
CRYPTO_SYMBOLS, STOCK_SYMBOLS = ["BTC-USD", "ETH-USD"], ["AAPL", "MSFT"]
TICKER = Path(__file__).parent / "ticker_process.py"


class Tap:
    """A connection that keeps every frame of data, for our decoders."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    @asynccontextmanager
    async def on(self, url: str, *said: dict[str, Any]) -> AsyncIterator[aiohttp.ClientSession]:
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            for message in said:
                await socket.send_str(json.dumps(message))
            listening = asyncio.create_task(self._listen(socket))
            yield session
            await socket.close()
            await listening

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            self.frames.append(message.data if isinstance(message.data, bytes) else message.data.encode())


def decode(feed: Feed, payloads: Sequence[bytes]) -> tuple[FeedState, Decoded]:
    """What our decoder makes of frames; those with an address in front are answers of REST."""
    n = len(payloads)
    kinds = [Kind.REST if payload.startswith(b'{"url"') else Kind.FRAME for payload in payloads]
    recv_ns = np.full(n, time.time_ns(), dtype=np.int64)
    streams = np.zeros(n, dtype=np.uint32)
    frames = Frames(0, np.arange(n), recv_ns, np.array(kinds, dtype=np.uint8), streams, list(payloads))
    state = feed.state()
    decoded = feed.decode(state, frames)
    assert decoded.rejects == []
    return state, decoded


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.01)


# Massive.


def massive_client(server: VenueServer, market: str, *params: str, key: str = "test-key") -> WebSocketClient:
    return WebSocketClient(
        key,
        feed=f"127.0.0.1:{server.port}",
        market=market,
        secure=False,
        subscriptions=list(params),
        max_reconnects=0,
    )


@asynccontextmanager
async def listening(client: WebSocketClient) -> AsyncIterator[list[Any]]:
    """What the vendor's client hands to its user while it is connected."""
    got: list[Any] = []

    async def keep(messages: list[Any]) -> None:
        got.extend(messages)

    running = asyncio.create_task(client.connect(keep))
    yield got
    await client.close()
    await running


async def heard_by_both(
    cluster: str, log_file: Path, params: Sequence[str]
) -> tuple[list[Any], list[Trade | Quote], list[bytes]]:
    """What the vendor's client was given, what the log says was made and handed over, and the frames."""
    market = LiveMarket([*CRYPTO_SYMBOLS, *STOCK_SYMBOLS], seed=5)
    said = ({"action": "auth", "params": "test-key"}, {"action": "subscribe", "params": ",".join(params)})
    tap = Tap()
    symbols = CRYPTO_SYMBOLS if cluster == "crypto" else STOCK_SYMBOLS
    async with VenueServer(Massive(market, connections=2), log_file=log_file) as server:
        async with (
            listening(massive_client(server, cluster, *params)) as got,
            tap.on(f"{server.url}/{cluster}", *said),
        ):
            await server.connected(2)
            await until(
                lambda: all(len(client.said) >= 2 + len(params) for client in server.connections.values())
            )
            for _ in range(3):
                market.make(trades=150, quotes=150)
            made = [event for event in read_events(log_file) if event.symbol in symbols]
            await until(lambda: len(got) == len(made))
        for connection in (1, 2):
            handed = server.log.counts_handed(connection)
            assert sum(handed.values()) == len(made)
        return got, made, tap.frames


def test_given_crypto_then_the_vendors_client_reads_what_was_sent_and_so_do_we(tmp_path: Path) -> None:
    got, made, frames = asyncio.run(heard_by_both("crypto", tmp_path / "log", ["XT.*", "XQ.*"]))
    trades = [event for event in made if isinstance(event, Trade)]
    quotes = [event for event in made if isinstance(event, Quote)]
    theirs = [message for message in got if message.event_type == "XT"]
    read = [(m.pair, int(m.id), m.timestamp, m.price, m.size, {1: -1, 2: 1}[m.conditions[0]]) for m in theirs]
    assert sorted(read) == sorted(
        (e.symbol, e.number, e.ts_us // 1_000, float(e.price), float(e.size), e.side) for e in trades
    )
    their_quotes = [m for m in got if m.event_type == "XQ"]
    read_quotes = [
        (m.pair, m.timestamp, m.bid_price, m.bid_size, m.ask_price, m.ask_size) for m in their_quotes
    ]
    assert sorted(read_quotes) == sorted(
        (e.symbol, e.ts_us // 1_000, float(e.bid), float(e.bid_size), float(e.ask), float(e.ask_size))
        for e in quotes
    )
    state, ours = decode(CRYPTO, frames)
    names = [state.symbols[code] for code in ours.ticks.instrument]
    ticks = zip(names, ours.ticks.ts_us, ours.ticks.price, ours.ticks.size, ours.ticks.side, strict=True)
    assert list(ticks) == [(pair, ms * 1_000, price, size, side) for pair, _, ms, price, size, side in read]
    assert len(set(zip(names, ours.ticks.trade_id.tolist(), strict=True))) == len(trades)
    columns = (ours.quotes.bid_price, ours.quotes.bid_size, ours.quotes.ask_price, ours.quotes.ask_size)
    named = [state.symbols[code] for code in ours.quotes.instrument]
    rows = list(zip(named, ours.quotes.ts_us // 1_000, *columns, strict=True))
    assert rows == read_quotes


def test_given_stocks_then_the_vendors_client_reads_what_was_sent_and_so_do_we(tmp_path: Path) -> None:
    got, made, frames = asyncio.run(heard_by_both("stocks", tmp_path / "log", ["T.*", "Q.AAPL", "Q.MSFT"]))
    trades = [event for event in made if isinstance(event, Trade)]
    quotes = [event for event in made if isinstance(event, Quote)]
    theirs = [message for message in got if message.event_type == "T"]
    read = [(m.symbol, int(m.id), m.timestamp, m.price, m.size) for m in theirs]
    assert sorted(read) == sorted(
        (e.symbol, e.number, e.ts_us // 1_000, float(e.price), int(e.size)) for e in trades
    )
    read_quotes = [
        (m.symbol, m.timestamp, m.bid_price, m.bid_size * 100, m.ask_price, m.ask_size * 100)
        for m in got
        if m.event_type == "Q"
    ]
    assert sorted(read_quotes) == sorted(
        (e.symbol, e.ts_us // 1_000, float(e.bid), int(e.bid_size), float(e.ask), int(e.ask_size))
        for e in quotes
    )
    state, ours = decode(STOCKS, frames)
    names = [state.symbols[code] for code in ours.ticks.instrument]
    ticks = list(zip(names, ours.ticks.ts_us // 1_000, ours.ticks.price, ours.ticks.size, strict=True))
    assert ticks == [(symbol, ms, price, size) for symbol, _, ms, price, size in read]
    assert ours.ticks.seq.tolist() == [message.sequence_number for message in theirs]
    columns = (ours.quotes.bid_price, ours.quotes.bid_size, ours.quotes.ask_price, ours.quotes.ask_size)
    named = [state.symbols[code] for code in ours.quotes.instrument]
    assert list(zip(named, ours.quotes.ts_us // 1_000, *columns, strict=True)) == read_quotes


def test_given_a_key_without_rights_then_the_vendors_client_raises_auth_error() -> None:
    async def scenario() -> None:
        market = LiveMarket(CRYPTO_SYMBOLS)
        async with VenueServer(Massive(market, {"poor": Account(crypto="basic")})) as server:
            for key, message in (("wrong", "authentication failed"), ("poor", "doesn't include websocket")):
                client = massive_client(server, "crypto", "XT.*", key=key)
                with pytest.raises(AuthError, match=message):
                    await asyncio.wait_for(client.connect(_ignore), WITHIN_S)

    asyncio.run(scenario())


def test_given_a_second_connection_then_the_vendors_client_is_closed_with_1008() -> None:
    async def scenario() -> None:
        async with (
            VenueServer(Massive(LiveMarket(CRYPTO_SYMBOLS))) as server,
            listening(massive_client(server, "crypto", "XT.*")) as got,
        ):
            await server.connected(1)
            second = massive_client(server, "crypto", "XT.*")
            with pytest.raises(ConnectionClosedError) as caught:
                await asyncio.wait_for(second.connect(_ignore), WITHIN_S)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1008
            server.market.trade("BTC-USD")
            await until(lambda: len(got) == 1)

    asyncio.run(scenario())


def test_given_a_clean_close_then_the_vendors_client_takes_it_for_an_ordinary_end() -> None:
    async def scenario() -> None:
        async with VenueServer(Massive(LiveMarket(CRYPTO_SYMBOLS))) as server:
            running = asyncio.create_task(massive_client(server, "crypto", "XT.*").connect(_ignore))
            await server.connected(1)
            server.act("go_away")
            await asyncio.wait_for(running, WITHIN_S)

    asyncio.run(scenario())


async def _ignore(messages: Any) -> None:
    del messages


@pytest.mark.parametrize(
    ("ticker", "symbol", "feed"), [("X:BTCUSD", "BTC-USD", CRYPTO), ("AAPL", "AAPL", STOCKS)]
)
def test_given_old_trades_then_the_vendors_rest_client_reads_every_page_and_so_do_we(
    ticker: str, symbol: str, feed: Feed
) -> None:
    market = LiveMarket(["BTC-USD", "AAPL"])
    made = [market.trade(symbol, size=str(n), side=(-1) ** n) for n in range(1, 26)]
    with serving(Massive(market)) as served:
        client = RESTClient("test-key", base=served.rest_url, retries=0)
        since = made[4].ts_us * 1_000
        got = list(client.list_trades(ticker, timestamp_gte=since, order="asc", limit=7))
        raw = client.list_trades(ticker, timestamp_gte=since, order="asc", limit=100, raw=True).data
        client.client.clear()
        wanted = [trade for trade in made if trade.ts_us >= made[4].ts_us]
        assert [int(row.id) for row in got] == [trade.number for trade in wanted]
        assert [(row.price, row.size) for row in got] == [(float(t.price), float(t.size)) for t in wanted]
        assert len(served.server.requests) == -(-len(wanted) // 7) + 1
    url = {"url": f"https://api.massive.com/v3/trades/{ticker}"}
    _, ours = decode(feed, [json.dumps(url).encode() + b"\n" + raw])
    assert ours.ticks.ts_us.tolist() == [trade.ts_us for trade in wanted]
    assert ours.ticks.size.tolist() == [float(trade.size) for trade in wanted]
    assert ours.ticks.side.tolist() == [trade.side if feed is CRYPTO else 0 for trade in wanted]


@pytest.mark.parametrize("venue_symbol", [("X:BTCUSD", "BTC-USD", CRYPTO), ("AAPL", "AAPL", STOCKS)])
def test_given_a_trade_on_both_ways_then_our_decoder_names_it_the_same(
    venue_symbol: tuple[str, str, Feed],
) -> None:
    ticker, symbol, feed = venue_symbol
    market = LiveMarket([symbol])
    venue = Massive(market)
    wire = venue.encode([market.trade(symbol)], None)
    with serving(venue) as served:
        client = RESTClient("test-key", base=served.rest_url, retries=0)
        raw = client.list_trades(ticker, raw=True).data
        client.client.clear()
    answer = json.dumps({"url": f"/v3/trades/{ticker}"}).encode() + b"\n" + raw
    _, ours = decode(feed, [*wire, answer])
    assert len(ours.ticks) == 2
    assert len({*zip(ours.ticks.instrument.tolist(), ours.ticks.trade_id.tolist(), strict=True)}) == 1
    assert len(set(ours.ticks.seq.tolist())) == 1


def test_given_no_right_then_the_vendors_rest_client_raises_what_we_answer() -> None:
    venue = Massive(LiveMarket(["AAPL"]), {"poor": Account(stocks="basic")})
    with serving(venue) as served:
        for key, message in (("wrong", "Unknown API Key"), ("poor", "NOT_AUTHORIZED")):
            client = RESTClient(key, base=served.rest_url, retries=0)
            with pytest.raises(BadResponse, match=message):
                list(client.list_trades("AAPL"))
            client.client.clear()


# Kite.


def trade_of(tick: dict[str, Any], before: dict[int, int]) -> tuple[Any, ...] | None:
    """A trade as the vendor's reading tells it: the growth of the day's volume."""
    token = tick["instrument_token"]
    grown = tick["volume_traded"] - before.get(token, tick["volume_traded"])
    before[token] = tick["volume_traded"]
    return (token, tick["last_price"], grown, tick["last_trade_time"]) if grown > 0 else None


async def ticker_and_tap(
    venue: Kite, modes: dict[str, list[int]], market_day: Callable[[LiveMarket], None]
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """What the vendor's ticker was given, and the same frames (a list of instruments before them)."""
    said = [
        {"a": action, "v": value}
        for mode, tokens in modes.items()
        for action, value in (("subscribe", tokens), ("mode", [mode, tokens]))
    ]
    tap = Tap()
    async with VenueServer(venue) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(TICKER), server.url, "test-key", "test-token", json.dumps(modes)),
            stdout=asyncio.subprocess.PIPE,
        )
        url = f"{server.url}?api_key=test-key&access_token=test-token"
        async with tap.on(url, *said) as session:
            wanted = {token: mode for mode, tokens in modes.items() for token in tokens}
            await until(
                lambda: [client.state.modes for client in server.connections.values()] == [wanted, wanted]
            )
            market_day(venue.market)
            await until(lambda: len({client.frames for client in server.connections.values()}) == 1)
            venue.postback({"order_id": "the end"})
            output, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
            async with session.get(f"{server.rest_url}/instruments") as response:
                listed = await response.read()
    ticks = [tick for frame in json.loads(output)["ticks"] for tick in frame]
    return ticks, [b'{"url":"https://api.kite.trade/instruments"}\n' + listed, *tap.frames]


def test_given_full_mode_then_the_vendors_ticker_reads_the_market_and_so_do_we() -> None:
    market = LiveMarket([INFY, USDINR], seed=3)
    venue = Kite(market)
    tokens = {venue.token(symbol): symbol for symbol in market.symbols}

    def day(market: LiveMarket) -> None:
        market.trade(INFY, price="1520.45", size="7")
        market.quote(INFY, bid="1520.40", bid_size="30", ask="1520.50", ask_size="20")
        market.trade(USDINR, price="83.9475", size="1000")
        for _ in range(4):
            market.make(trades=40, quotes=40)

    ticks, frames = asyncio.run(ticker_and_tap(venue, {"full": list(tokens)}, day))
    full = [tick for tick in ticks if tick["mode"] == "full"]
    trades = {symbol: market.trades[symbol].newest(1_000) for symbol in market.symbols}
    before: dict[int, int] = {}
    told = [trade for tick in full if (trade := trade_of(tick, before)) is not None]
    for token, symbol in tokens.items():
        assert [trade[1:] for trade in told if trade[0] == token] == [
            (float(trade.price), int(trade.size), float(trade.ts_us // 1_000_000)) for trade in trades[symbol]
        ]
        last = [tick for tick in full if tick["instrument_token"] == token][-1]
        prices, sizes = zip(*((float(t.price), int(t.size)) for t in trades[symbol]), strict=True)
        assert last["ohlc"] == {"open": prices[0], "high": max(prices), "low": min(prices), "close": 100.0}
        assert (last["volume_traded"], last["last_traded_quantity"]) == (sum(sizes), sizes[-1])
        mean = sum(price * size for price, size in zip(prices, sizes, strict=True)) / sum(sizes)
        assert last["average_traded_price"] == pytest.approx(mean, abs=0.01)
        [quote] = market.quotes[symbol].newest(1)
        best = [last["depth"][side][0] for side in ("buy", "sell")]
        assert [(level["price"], level["quantity"]) for level in best] == [
            (float(quote.bid), int(quote.bid_size)),
            (float(quote.ask), int(quote.ask_size)),
        ]
    state, ours = decode(our_kite.FEED, frames)
    names = [state.symbols[code] for code in ours.ticks.instrument]
    rows = zip(names, ours.ticks.price, ours.ticks.size, ours.ticks.ts_us // 1_000_000, strict=True)
    assert list(rows) == [(tokens[token], *rest) for token, *rest in told]
    books = [(tick["instrument_token"], *book_of(tick)) for tick in full]
    assert quotes_of(state, ours) == changes(books, tokens)


def book_of(tick: dict[str, Any]) -> tuple[float, ...]:
    buy, sell = tick["depth"]["buy"][0], tick["depth"]["sell"][0]
    return buy["price"], buy["quantity"], sell["price"], sell["quantity"]


def changes(books: Sequence[tuple[Any, ...]], tokens: dict[int, str]) -> list[tuple[Any, ...]]:
    """The books that differ from the one before of the same instrument, and are not empty."""
    last: dict[int, tuple[Any, ...]] = {}
    changed = []
    for token, *book in books:
        if tuple(book) != last.get(token) and any(book):
            changed.append((tokens[token], *book))
        last[token] = tuple(book)
    return changed


def quotes_of(state: FeedState, decoded: Decoded) -> list[tuple[Any, ...]]:
    q = decoded.quotes
    names = [state.symbols[code] for code in q.instrument]
    return list(zip(names, q.bid_price, q.bid_size, q.ask_price, q.ask_size, strict=True))


def test_given_an_index_and_other_modes_then_the_vendors_ticker_reads_them() -> None:
    market = LiveMarket([NIFTY, INFY, USDINR])
    venue = Kite(market)
    index, stock, currency = (venue.token(symbol) for symbol in market.symbols)

    def day(market: LiveMarket) -> None:
        for price in ("24140.55", "24200.00", "24100.10"):
            market.trade(NIFTY, price=price)
        market.trade(INFY, price="1520.45", size="7")
        market.trade(USDINR, price="83.9475")

    wanted = {"full": [index], "quote": [stock], "ltp": [currency]}
    ticks, frames = asyncio.run(ticker_and_tap(venue, wanted, day))
    last = {tick["instrument_token"]: tick for tick in ticks}
    seen = last[index]
    assert (seen["mode"], seen["tradable"], seen["last_price"]) == ("full", False, 24100.1)
    assert seen["ohlc"] == {"high": 24200.0, "low": 24100.1, "open": 24140.55, "close": 100.0}
    assert seen["exchange_timestamp"] == market.trades[NIFTY].newest(1)[0].ts_us // 1_000_000
    assert (last[stock]["mode"], last[stock]["volume_traded"], last[stock]["last_price"]) == (
        "quote",
        7,
        1520.45,
    )
    assert (last[currency]["mode"], last[currency]["last_price"]) == ("ltp", 83.9475)
    _, ours = decode(our_kite.FEED, frames)
    assert (ours.ticks.price.tolist(), ours.ticks.size.tolist()) == ([1520.45], [7.0])


def test_given_a_wrong_token_then_the_vendors_ticker_hears_403() -> None:
    async def scenario() -> None:
        async with VenueServer(Kite(LiveMarket([INFY]))) as server:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, str(TICKER), server.url, "test-key", "old-token", '{"ltp":[1]}'),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            output, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
            assert "403 - Forbidden" in json.loads(output)["error"]

    asyncio.run(scenario())


def test_given_a_login_then_the_vendors_client_gets_its_token_and_the_instruments() -> None:
    venue = Kite(LiveMarket([INFY, NIFTY, USDINR]), access_token="")
    with serving(venue) as served:
        client = KiteConnect("test-key", root=served.rest_url)
        with pytest.raises(TokenException, match="Incorrect"):
            client.profile()
        with pytest.raises(TokenException, match="checksum"):
            client.generate_session(venue.sessions.log_in("test-key"), "wrong-secret")
        session = client.generate_session(venue.sessions.log_in("test-key"), "test-secret")
        assert venue.sessions.allowed("test-key", session["access_token"])
        assert client.profile()["user_id"] == session["user_id"]
        listed = {f"{row['exchange']}:{row['tradingsymbol']}": row for row in client.instruments()}
        assert {symbol: row["instrument_token"] for symbol, row in listed.items()} == {
            symbol: venue.token(symbol) for symbol in venue.market.symbols
        }
        assert listed[INFY]["tick_size"] == 0.05
        assert [row["tradingsymbol"] for row in client.instruments("CDS")] == ["USDINR"]
        client.invalidate_access_token()
        with pytest.raises(TokenException):
            client.profile()
        client.reqsession.close()
