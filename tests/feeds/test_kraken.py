"""Kraken v1 and v2: every row of real captures against plain ``json``, and the traps."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from barograph.feeds.kraken import FEED
from barograph.records import Frames, Kind
from barograph.rows import ABSENT, Decoded
from barograph.tables import Flag

URL = "https://api.kraken.com/0/public/Trades"


def decode(frames: Frames) -> Decoded:
    return FEED.decode(FEED.state(), frames)


def v2_trade(kind: str = "update", **changes: Any) -> bytes:
    row = {
        "symbol": "BTC/USD",
        "side": "buy",
        "price": 105944.2,
        "qty": 0.5,
        "ord_type": "limit",
        "trade_id": 7,
    }
    row |= {"timestamp": "2024-08-08T23:54:15.708706Z"}
    return json.dumps(
        {"channel": "trade", "type": kind, "data": [row | changes]}, separators=(",", ":")
    ).encode()


def test_real_trades_of_v1_row_by_row(recorded: Callable[[str], Any]) -> None:
    recording = recorded("kraken-48")
    state = FEED.state()
    decoded = FEED.decode(state, recording.frames())
    expected = []
    for record, payload in enumerate(recording.payloads):
        message = json.loads(payload)
        if isinstance(message, list):
            for price, volume, time, side, *_ in message[1]:
                row = (
                    record,
                    message[3].replace("XBT", "BTC").replace("/", "-"),
                    int(Decimal(time) * 1_000_000),
                )
                expected.append((*row, float(price), float(volume), 1 if side == "b" else -1, ABSENT, ABSENT))
    ticks = decoded.ticks
    names = ("ts_us", "price", "size", "side", "trade_id", "seq")
    columns = [getattr(ticks, name).tolist() for name in names]
    symbols = [state.symbols[code] for code in ticks.instrument.tolist()]
    assert list(zip(ticks.record.tolist(), symbols, *columns, strict=True)) == expected
    assert len(ticks) == 10
    assert decoded.unknown == {"systemStatus": 1, "subscriptionStatus": 10, "heartbeat": 30}
    assert decoded.rejects == []


def test_real_tickers_of_v1_row_by_row(recorded: Callable[[str], Any]) -> None:
    recording = recorded("kraken-49")
    state = FEED.state()
    decoded = FEED.decode(state, recording.frames())
    expected = []
    for record, payload in enumerate(recording.payloads):
        message = json.loads(payload)
        if isinstance(message, list):
            (bid, _, bid_size), (ask, _, ask_size) = message[1]["b"], message[1]["a"]
            row = (
                record,
                message[3].replace("XBT", "BTC").replace("/", "-"),
                recording.recv_ns[record] // 1000,
            )
            expected.append((*row, True, *map(float, (bid, bid_size, ask, ask_size))))
    quotes = decoded.quotes
    names = ("ts_us", "estimated", "bid_price", "bid_size", "ask_price", "ask_size")
    columns = [getattr(quotes, name).tolist() for name in names]
    symbols = [state.symbols[code] for code in quotes.instrument.tolist()]
    assert list(zip(quotes.record.tolist(), symbols, *columns, strict=True)) == expected
    assert len(quotes) == 18
    assert decoded.rejects == []


def test_v1_and_v2_name_one_instrument(tools: Any) -> None:
    state = FEED.state()
    v1 = b'[1,[["1.5","2","1618678150.826417","s","m",""]],"trade","XBT/USD"]'
    spread = b'[1,["1.0","2.0","1618678151.1","3.0","4.0"],"spread","XDG/USD"]'
    decoded = FEED.decode(state, tools.frames_of([v1, v2_trade(), spread]))
    assert state.symbols == ["BTC-USD", "DOGE-USD"]
    assert decoded.ticks.instrument.tolist() == [0, 0]
    assert decoded.ticks.side.tolist() == [-1, 1]
    assert decoded.ticks.trade_id.tolist() == [ABSENT, 7]
    assert decoded.quotes.ts_us.tolist() == [1618678151100000]
    assert decoded.quotes.bid_size.tolist() == [3.0]
    assert decoded.quotes.estimated.tolist() == [False]


def test_v1_tickers_are_timed_by_the_trades_of_their_connection(tools: Any) -> None:
    trade = b'[1,[["1.5","2","1618678150.5","s","m",""]],"trade","XBT/USD"]'
    ticker = b'[1,{"a":["2",1,"1.5"],"b":["1",1,"2.5"]},"ticker","XBT/USD"]'
    recv_ns = 1618678150_000_000_000
    frames = tools.frames_of([trade, ticker, ticker], [recv_ns] * 3, streams=[1, 1, 2])
    quotes = decode(frames).quotes
    assert (quotes.ts_us - recv_ns // 1000).tolist() == [500_000, 0]
    assert quotes.estimated.all()


def test_a_snapshot_is_a_refill(tools: Any) -> None:
    ticks = decode(tools.frames_of([v2_trade("snapshot"), v2_trade(trade_id=8)])).ticks
    assert ticks.flags.tolist() == [Flag.REPAIRED, 0]
    assert ticks.trade_id.tolist() == ticks.seq.tolist() == [7, 8]


def test_v2_tickers_with_and_without_a_time(tools: Any) -> None:
    row = {"symbol": "BTC/USD", "bid": 1.0, "bid_qty": 2, "ask": 3, "ask_qty": 4.5, "last": 2}
    frames = [
        {
            "channel": "ticker",
            "type": "update",
            "data": [row | {"timestamp": "2024-08-08T23:54:15.708706999Z"}],
        },
        {"channel": "ticker", "type": "snapshot", "data": [row]},
    ]
    payloads = [json.dumps(frame, separators=(",", ":")).encode() for frame in frames]
    recv_ns = 1723161255_000_000_000
    quotes = decode(tools.frames_of(payloads, [recv_ns, recv_ns])).quotes
    assert quotes.ts_us.tolist() == [1723161255708706, 1723161255708706]
    assert quotes.estimated.tolist() == [False, True]  # the second by the first one's clock


@pytest.mark.parametrize(
    "payload",
    [
        v2_trade(timestamp="2024-08-08T23:54:15"),
        v2_trade(side="b"),
        v2_trade(trade_id=-1),
        v2_trade("other"),
        b'[1,[["1.5","2","1618678150.8x","s","m",""]],"trade","XBT/USD"]',
        b'[1,[["1.5","2","-5.0","s","m",""]],"trade","XBT/USD"]',
        b'[1,[["1.5","2","32503680000","s","m",""]],"trade","XBT/USD"]',
        b'[1,[["1.5","2","1618678150.8","x","m",""]],"trade","XBT/USD"]',
        b'[1,[["1.5","2"]],"trade","XBT/USD"]',
        b'[1,{"a":["2",1],"b":["1",1,"2.5"]},"ticker","XBT/USD"]',
        b'[1,["1.0","2.0"],"spread","XBT/USD"]',
        b'[1,[["1.5","2","1618678150.8","s","m",""]],"trade","XBT/USD"',
    ],
)
def test_a_bad_frame_is_rejected_alone(tools: Any, payload: bytes) -> None:
    decoded = decode(tools.frames_of([v2_trade(), payload, v2_trade()]))
    assert decoded.ticks.record.tolist() == [0, 2]
    assert [reject.record for reject in decoded.rejects] == [1]


def test_frames_without_rows_are_counted(tools: Any) -> None:
    payloads = [
        b'{"channel":"trade","type":"update","data":[]}',
        b'{"channel":"ticker","type":"update","data":[]}',
        b'[1,[],"trade","XBT/USD"]',
        b'{"channel":"heartbeat"}',
        b'{"method":"pong","req_id":1}',
        b'[1,{"a":[]},{"b":[]},"book-1000","XBT/USD"]',
        b'[1,["1.0"],"ohlc-5","XBT/USD"]',
    ]
    decoded = decode(tools.frames_of(payloads))
    assert decoded.unknown == {"empty": 3, "heartbeat": 1, "pong": 1, "book": 1, "ohlc": 1}
    assert decoded.rejects == []


def test_refilled_trades_keep_their_ids_and_exact_times(tools: Any) -> None:
    body = (
        b'{"error":[],"result":{"XXBTZUSD":[["3.5","0.25",1688669598.2804119,"s","l","",12],'
        b'["3.4","0.5",1688669597.0000009,"b","m","",11],["3.4","x",1688669597.1,"b","m","",10]],"last":"1"}}'
    )
    state = FEED.state()
    frames = tools.frames_of([tools.rest(f"{URL}?pair=XBTUSD&since=1", body)], kinds=[Kind.REST])
    decoded = FEED.decode(state, frames)
    ticks = decoded.ticks
    assert state.symbols == ["BTC-USD"]
    assert ticks.trade_id.tolist() == [11, 12]
    assert ticks.ts_us.tolist() == [1688669597000000, 1688669598280411]
    assert ticks.side.tolist() == [1, -1]
    assert ticks.flags.tolist() == [Flag.REPAIRED, Flag.REPAIRED]
    assert len(decoded.rejects) == 1


def test_an_answer_that_says_no_is_rejected(tools: Any) -> None:
    payload = tools.rest(f"{URL}?pair=NONO", {"error": ["EQuery:Unknown asset pair"]})
    (reject,) = decode(tools.frames_of([payload], kinds=[Kind.REST])).rejects
    assert "`result`" in reject.reason
