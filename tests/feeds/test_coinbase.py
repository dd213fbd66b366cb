"""Coinbase: every row of a real capture against plain ``json``, and the traps."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from barograph.feeds.coinbase import FEED
from barograph.records import Frames, Kind
from barograph.rows import ABSENT, Decoded
from barograph.tables import Flag

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")


def decode(frames: Frames) -> Decoded:
    return FEED.decode(FEED.state(), frames)


def us(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def match(**changes: Any) -> bytes:
    event = {
        "type": "match",
        "trade_id": 5,
        "side": "sell",
        "size": "1",
        "price": "2",
        "product_id": "BTC-USD",
    }
    event |= {"sequence": 9, "time": "2021-04-17T16:43:37.089723Z"}
    return json.dumps(event | changes, separators=(",", ":")).encode()


def test_a_real_capture_row_by_row(recorded: Callable[[str], Any]) -> None:
    recording = recorded("coinbase-28")
    state = FEED.state()
    decoded = FEED.decode(state, recording.frames())
    ticks, quotes = decoded.ticks, decoded.quotes
    expected_ticks, expected_quotes = [], []
    for record, payload in enumerate(recording.payloads):
        event = json.loads(payload)
        if event["type"] == "match":
            side = {"sell": 1, "buy": -1}[event["side"]]
            row = (
                record,
                event["product_id"],
                us(event["time"]),
                float(event["price"]),
                float(event["size"]),
            )
            expected_ticks.append((*row, side, event["trade_id"], event["sequence"]))
        if event["type"] == "ticker":
            row = (record, event["product_id"], us(event["time"]))
            expected_quotes.append(
                (*row, float(event["best_bid"]), float(event["best_ask"]), event["sequence"])
            )
    names = ("ts_us", "price", "size", "side", "trade_id", "seq")
    symbols = [state.symbols[code] for code in ticks.instrument.tolist()]
    columns = [getattr(ticks, name).tolist() for name in names]
    assert list(zip(ticks.record.tolist(), symbols, *columns, strict=True)) == expected_ticks
    names = ("ts_us", "bid_price", "ask_price", "seq")
    symbols = [state.symbols[code] for code in quotes.instrument.tolist()]
    columns = [getattr(quotes, name).tolist() for name in names]
    assert list(zip(quotes.record.tolist(), symbols, *columns, strict=True)) == expected_quotes
    assert np.isnan(quotes.bid_size).all()
    assert np.isnan(quotes.ask_size).all()
    assert (len(ticks), len(quotes)) == (97, 107)
    assert decoded.unknown == {"subscriptions": 3, "snapshot": 10, "last_match": 10, "l2update": 9_719}
    assert decoded.rejects == []
    assert not quotes.estimated.any()


def test_our_side_is_the_takers_as_the_ticker_tells_it(recorded: Callable[[str], Any]) -> None:
    recording = recorded("coinbase-28")
    events = [json.loads(payload) for payload in recording.payloads]
    takers = {(e["product_id"], e["trade_id"]): e["side"] for e in events if e["type"] == "ticker"}
    state = FEED.state()
    ticks = FEED.decode(state, recording.frames()).ticks
    rows = zip(ticks.instrument.tolist(), ticks.trade_id.tolist(), ticks.side.tolist(), strict=True)
    agreed = [
        {1: "buy", -1: "sell"}[side] == takers[state.symbols[code], number] for code, number, side in rows
    ]
    assert len(agreed) == 97
    assert all(agreed)


def test_a_ticker_with_sizes_and_one_without(tools: Any) -> None:
    new = (
        b'{"type":"ticker","sequence":4,"product_id":"ETH-USD","best_bid":"1285.04","best_bid_size":"0.46",'
        b'"best_ask":"1285.27","best_ask_size":"1.56","time":"2022-10-19T23:28:22.061769Z"}'
    )
    old = (
        b'{"type":"ticker","sequence":3,"product_id":"ETH-USD","best_bid":"1285.04","best_ask":"1285.27",'
        b'"time":"2021-10-19T23:28:22.061769Z"}'
    )
    quotes = decode(tools.frames_of([old, new])).quotes
    np.testing.assert_array_equal(quotes.bid_size, [np.nan, 0.46])
    np.testing.assert_array_equal(quotes.ask_size, [np.nan, 1.56])


def test_a_heartbeat_moves_time_on_without_a_row(tools: Any) -> None:
    beat = b'{"type":"heartbeat","sequence":90,"last_trade_id":20,"time":"2021-04-17T16:43:38.000001Z"}'
    decoded = decode(tools.frames_of([match(), beat]))
    assert decoded.marks.record.tolist() == [1]
    assert decoded.marks.ts_us.tolist() == [us("2021-04-17T16:43:38.000001Z")]
    assert decoded.unknown == {}


@pytest.mark.parametrize(
    ("time", "ts_us"),
    [
        ("2021-04-17T16:43:37Z", 1618677817000000),
        ("2021-04-17T16:43:37.1Z", 1618677817100000),
        ("2021-04-17T16:43:37.089723Z", 1618677817089723),
        ("2021-04-17T16:43:37.089723999Z", 1618677817089723),
        ("2021-04-17T18:43:37.089723+02:00", 1618677817089723),
    ],
)
def test_times_are_cut_off_exactly(tools: Any, time: str, ts_us: int) -> None:
    assert decode(tools.frames_of([match(time=time)])).ticks.ts_us.tolist() == [ts_us]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"time": "2021-04-17T16:43:37"}, "time zone"),
        ({"time": "yesterday"}, "Invalid isoformat"),
        ({"time": 1618677817}, "expected a time as text"),
        ({"time": "3000-01-01T00:00:00Z"}, "not between 1970 and 2200"),
        ({"time": "1969-12-31T23:59:59Z"}, "not between 1970 and 2200"),
        ({"side": "BUY"}, "Invalid enum value 'BUY'"),
        ({"price": ""}, "Expected `float`"),
        ({"sequence": None}, "got `null`"),
    ],
)
def test_a_bad_value_is_rejected_with_its_reason(tools: Any, changes: dict[str, Any], reason: str) -> None:
    decoded = decode(tools.frames_of([match(), match(**changes), match()]))
    assert decoded.ticks.record.tolist() == [0, 2]
    (reject,) = decoded.rejects
    assert reject.record == 1
    assert reason in reject.reason


def test_a_bad_heartbeat_is_rejected(tools: Any) -> None:
    decoded = decode(tools.frames_of([b'{"type":"heartbeat","time":"2500-01-01T00:00:00Z"}']))
    assert len(decoded.marks) == 0
    assert "not between 1970 and 2200" in decoded.rejects[0].reason


def test_refilled_trades_are_turned_round_and_flagged(tools: Any) -> None:
    body = [
        {"trade_id": 11, "side": "sell", "size": "1", "price": "3", "time": "2024-08-08T23:54:15.1Z"},
        {"trade_id": 10, "side": "buy", "size": "2", "price": "4", "time": "2024-08-08T23:54:14Z"},
    ]
    payload = tools.rest(
        "https://api.exchange.coinbase.com/products/BTC-USD/trades?after=12&limit=1000", body
    )
    state = FEED.state()
    ticks = FEED.decode(state, tools.frames_of([payload], kinds=[Kind.REST])).ticks
    assert state.symbols == ["BTC-USD"]
    assert ticks.trade_id.tolist() == [10, 11]
    assert ticks.side.tolist() == [-1, 1]
    assert ticks.seq.tolist() == [ABSENT, ABSENT]
    assert ticks.flags.tolist() == [Flag.REPAIRED, Flag.REPAIRED]
