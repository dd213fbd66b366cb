from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from barograph.feeds.feed import FeedState
from barograph.feeds.sim import FEED
from barograph.records import Frames, Kind
from barograph.rows import ABSENT, Decoded
from barograph.simulator import Market, frames

START_US = 1_723_075_200_000_000
TRADE = {"e": "trade", "s": "BTC-USD", "t": START_US + 7, "i": 5, "p": 64000.5, "q": 0.25, "b": -1}
QUOTE = {"e": "quote", "s": "ETH-USD", "t": START_US, "u": 3, "bp": 1.5, "bq": 2.5, "ap": 1.75, "aq": 3.5}


def run(payloads: Sequence[bytes], recv_ns: object = 0) -> Frames:
    n = len(payloads)
    return Frames(
        0,
        np.arange(n),
        np.full(n, recv_ns, dtype=np.int64),
        np.full(n, Kind.FRAME, dtype=np.uint8),
        np.zeros(n, dtype=np.uint32),
        list(payloads),
    )


def decoded(*payloads: bytes, state: FeedState | None = None) -> Decoded:
    return FEED.decode(state if state is not None else FeedState(), run(payloads))


def test_a_trade_and_a_quote() -> None:
    state = FeedState()
    rows = decoded(json.dumps(TRADE).encode(), json.dumps(QUOTE).encode(), state=state)
    ticks, quotes = rows.ticks, rows.quotes
    assert state.symbols == ["BTC-USD", "ETH-USD"]
    assert (ticks.record[0], ticks.ts_us[0], ticks.instrument[0]) == (0, START_US + 7, 0)
    assert (ticks.price[0], ticks.size[0], ticks.side[0]) == (64000.5, 0.25, -1)
    assert (ticks.trade_id[0], ticks.seq[0], ticks.flags[0]) == (5, ABSENT, 0)
    assert (quotes.record[0], quotes.ts_us[0], quotes.instrument[0], quotes.seq[0]) == (1, START_US, 1, 3)
    assert (quotes.bid_price[0], quotes.bid_size[0]) == (1.5, 2.5)
    assert (quotes.ask_price[0], quotes.ask_size[0]) == (1.75, 3.5)
    assert not quotes.estimated[0]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"[]",
        b'{"e":5}',
        b"{" * 50_000,
        json.dumps({**TRADE, "b": 0}).encode(),
        json.dumps({**TRADE, "t": 0}).encode(),
        json.dumps({**TRADE, "i": 2**63}).encode(),
        json.dumps({**TRADE, "s": ""}).encode(),
        json.dumps({**TRADE, "s": "a\0b"}).encode(),
        json.dumps({**TRADE, "p": "1"}).encode(),
        json.dumps({**QUOTE, "ap": None}).encode(),
        json.dumps(TRADE).encode()[:-9],
    ],
)
def test_a_broken_frame_is_rejected_alone(broken: bytes) -> None:
    state = FeedState()
    rows = decoded(json.dumps(QUOTE).encode(), broken, json.dumps(TRADE).encode(), state=state)
    assert [reject.record for reject in rows.rejects] == [1]
    assert rows.rejects[0].reason
    assert rows.ticks.record.tolist() == [2]
    assert rows.quotes.record.tolist() == [0]
    assert state.symbols == ["ETH-USD", "BTC-USD"]


def test_other_events_are_counted() -> None:
    assert decoded(b'{"e":"hello"}', b'{"e":"hello","v":1}').unknown == {"hello": 2}


def test_the_live_markets_answers_are_nothing_unknown() -> None:
    refused = b'{"e":"refused","id":1,"name":"trades X","why":"it is not simulated"}'
    rows = decoded(b'{"e":"done","id":1}', refused)
    assert (rows.unknown, rows.rejects) == ({}, [])


def test_what_the_simulator_encodes_is_what_the_feed_decodes() -> None:
    market = Market(11, ["BTC-USD", "DOGE-USD", "XRP-USD"], start_us=START_US, minutes=30)
    state = FeedState()
    ticks = {instrument.symbol: [] for instrument in market.instruments}  # type: ignore[var-annotated]
    quotes = {instrument.symbol: [] for instrument in market.instruments}  # type: ignore[var-annotated]
    for batch in frames(market):
        rows = FEED.decode(state, run(batch.payloads, batch.recv_ns))
        assert not rows.rejects
        t, q = rows.ticks, rows.quotes
        for row in zip(t.instrument, t.ts_us, t.trade_id, t.price, t.size, t.side, strict=True):
            ticks[state.symbols[row[0]]].append(row[1:])
        for row in zip(
            q.instrument, q.ts_us, q.seq, q.bid_price, q.bid_size, q.ask_price, q.ask_size, strict=True
        ):
            quotes[state.symbols[row[0]]].append(row[1:])
    made = [symbol for block in market.blocks() for symbol in block]
    for instrument in market.instruments:
        price, size = 10.0**instrument.decimals, 10.0**instrument.size_decimals
        mine = [symbol for symbol in made if symbol.instrument is instrument]
        trades = [
            row
            for symbol in mine
            for row in zip(
                symbol.trades.ts_us,
                symbol.trades.number,
                symbol.trades.price / price,
                symbol.trades.size / size,
                symbol.trades.side,
                strict=True,
            )
        ]
        books = [
            row
            for symbol in mine
            for row in zip(
                symbol.quotes.ts_us,
                symbol.quotes.number,
                symbol.quotes.bid / price,
                symbol.quotes.bid_size / size,
                symbol.quotes.ask / price,
                symbol.quotes.ask_size / size,
                strict=True,
            )
        ]
        assert ticks[instrument.symbol] == trades
        assert quotes[instrument.symbol] == books
        assert len(trades) > 500
