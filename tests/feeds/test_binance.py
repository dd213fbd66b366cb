"""Binance: every row of the real recordings against plain ``json``, and the traps."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from barograph.feeds.binance import FEED
from barograph.records import Frames, Kind
from barograph.rows import ABSENT, Decoded
from barograph.tables import Flag

RECORDINGS = {
    "binance-spot-btcusdt": (9_757, 28_040, 3_451, "BTC-USDT"),
    "binance-spot-ethusdt": (6_106, 24_077, 3_434, "ETH-USDT"),
    "binance-usdm-btcusdt": (21_313, 66_089, 6_551, "BTC-USDT-PERP"),
}


def decode(frames: Frames) -> Decoded:
    return FEED.decode(FEED.state(), frames)


def trade(**changes: Any) -> bytes:
    event = {"e": "trade", "E": 1723161255343, "s": "BTCUSDT", "t": 7, "p": "61837.63", "q": "0.5"}
    event |= {"T": 1723161255342, "m": True, "M": True}
    return json.dumps({"stream": "btcusdt@trade", "data": event | changes}, separators=(",", ":")).encode()


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_real_recording_row_by_row(name: str, recorded: Callable[[str], Any]) -> None:
    trades, books, depths, symbol = RECORDINGS[name]
    recording = recorded(name)
    state = FEED.state()
    decoded = FEED.decode(state, recording.frames())
    assert (len(decoded.ticks), len(decoded.quotes)) == (trades, books)
    assert decoded.unknown == {"depthUpdate": depths, "lastUpdateId": 1}
    assert decoded.rejects == []
    assert state.symbols == [symbol]

    ticks, quotes = decoded.ticks, decoded.quotes
    tick_rows = zip(
        *(
            getattr(ticks, c).tolist()
            for c in ("record", "ts_us", "price", "size", "side", "trade_id", "seq")
        ),
        strict=True,
    )
    names = ("record", "ts_us", "estimated", "bid_price", "bid_size", "ask_price", "ask_size", "seq")
    quote_rows = zip(*(getattr(quotes, c).tolist() for c in names), strict=True)
    level = None
    for record, (recv_ns, payload) in enumerate(zip(*recording, strict=True)):
        event = json.loads(payload).get("data", {})
        if event.get("e") == "trade":
            side = -1 if event["m"] else 1
            numbers = (float(event["p"]), float(event["q"]), side, event["t"], event["t"])
            assert next(tick_rows) == (record, event["T"] * 1000, *numbers)
            sample = event["E"] * 1_000_000 - recv_ns
            level = max(filter(None, (level, sample * 10_000 + recv_ns)))
        elif "B" in event:
            offset_ns = 0 if level is None else (level - recv_ns) // 10_000
            ts_us = event["T"] * 1000 if "T" in event else (recv_ns + offset_ns) // 1000
            numbers = tuple(float(event[key]) for key in "bBaA")
            assert next(quote_rows) == (record, ts_us, "T" not in event, *numbers, event["u"])
    assert next(tick_rows, None) is None
    assert next(quote_rows, None) is None
    assert not ticks.instrument.any()
    assert not ticks.flags.any()
    assert not quotes.flags.any()


def test_estimated_times_come_near_the_true_ones(recorded: Callable[[str], Any], tools: Any) -> None:
    """USD-M quotes say when they were sent; without saying it, they are estimated to a few ms."""
    recording = recorded("binance-usdm-btcusdt")
    stripped, sent_us = [], []
    for payload in recording.payloads:
        frame = json.loads(payload)
        if frame.get("stream") == "btcusdt@bookTicker":
            sent_us.append(frame["data"]["E"] * 1000)
            for key in ("e", "E", "T"):
                del frame["data"][key]
        stripped.append(json.dumps(frame, separators=(",", ":")).encode())
    quotes = decode(tools.frames_of(stripped, recv_ns=recording.recv_ns)).quotes
    assert quotes.estimated.all()
    error_us = (quotes.ts_us - np.array(sent_us))[len(quotes) // 100 :]
    assert np.median(np.abs(error_us)) < 2_000
    assert np.quantile(error_us, 0.01) > -1_000
    assert np.quantile(error_us, 0.99) < 30_000
    raw_us = np.array(recording.recv_ns)[quotes.record] // 1000 - np.array(sent_us)
    assert np.median(np.abs(raw_us)) > 1_000_000  # the receipt clock was 1.27 s behind


def test_the_maker_decides_the_side(tools: Any) -> None:
    decoded = decode(tools.frames_of([trade(m=True), trade(m=False)]))
    assert decoded.ticks.side.tolist() == [-1, 1]


def test_spot_and_futures_of_one_name_are_two_instruments(tools: Any) -> None:
    state = FEED.state()
    payloads = [trade(), trade(X="MARKET"), trade(s="BTCUSDT_240927", X="MARKET"), trade()]
    decoded = FEED.decode(state, tools.frames_of(payloads))
    assert state.symbols == ["BTC-USDT", "BTC-USDT-PERP", "BTC-USDT-240927"]
    assert decoded.ticks.instrument.tolist() == [0, 1, 2, 0]


def test_quotes_of_spot_and_futures_in_one_run(tools: Any) -> None:
    spot = b'{"stream":"a@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}}'
    usdm = spot.replace(b'"u"', b'"e":"bookTicker","E":1723161256000,"T":1723161255900,"u"')
    frames = tools.frames_of([spot, usdm, spot], [1723161255_000_000_000] * 3)
    state = FEED.state()
    quotes = FEED.decode(state, frames).quotes
    assert state.symbols == ["BTC-USDT", "BTC-USDT-PERP"]
    assert quotes.instrument.tolist() == [0, 1, 0]
    assert quotes.estimated.tolist() == [True, False, True]
    assert quotes.ts_us.tolist() == [1723161255000000, 1723161255900000, 1723161256000000]


def test_instruments_are_numbered_by_the_tape_not_by_the_kind_of_frame(tools: Any) -> None:
    state = FEED.state()
    book = b'{"stream":"a@bookTicker","data":{"u":1,"s":"ETHUSDT","b":"1","B":"1","a":"2","A":"1"}}'
    FEED.decode(state, tools.frames_of([book, trade()]))
    assert state.symbols == ["ETH-USDT", "BTC-USDT"]


@pytest.mark.parametrize(
    ("changes", "ts_us"),
    [
        ({"T": 1723161255342}, 1723161255342000),
        ({"T": 1723161255342987}, 1723161255342987),
        ({"T": "1723161255342"}, 1723161255342000),
    ],
)
def test_milliseconds_and_microseconds(tools: Any, changes: dict[str, Any], ts_us: int) -> None:
    assert decode(tools.frames_of([trade(**changes)])).ticks.ts_us.tolist() == [ts_us]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"T": -1}, r"`int` >= 1 - at `\$\.data\.T`"),
        ({"T": 0}, r"`int` >= 1"),
        ({"T": 32503680000000}, "32503680000000000 us is not between 1970 and 2200"),
        ({"T": 10**40}, "int"),
        ({"p": "NaN"}, "price is nan, not a finite number"),
        ({"q": "inf"}, "size is inf, not a finite number"),
        ({"p": "1e999"}, "out of range"),
        ({"p": "abc"}, "Expected `float`, got `str`"),
        ({"p": None}, "got `null`"),
        ({"t": -5}, ">= 0"),
        ({"t": 2**63}, "<= 9223372036854775807"),
        ({"e": "aggTrade"}, "Invalid value 'aggTrade'"),
        ({"s": ""}, "'' cannot be the name of an instrument"),
        ({"s": "A" * 65}, "cannot be the name"),
        ({"s": "A\u0000B"}, "cannot be the name"),
    ],
)
def test_a_bad_value_is_rejected_with_its_reason(tools: Any, changes: dict[str, Any], reason: str) -> None:
    state = FEED.state()
    decoded = FEED.decode(state, tools.frames_of([trade(), trade(**changes), trade(t=8)]))
    assert decoded.ticks.record.tolist() == [0, 2]
    clean = decode(tools.frames_of([trade(), b"[]", trade(t=8)]))
    assert tools.outcome([(0, decoded)]) | {"rejects": [], "unknown": {"list": 1}} == tools.outcome(
        [(0, clean)]
    )
    (reject,) = decoded.rejects
    assert reject.record == 1
    assert re.search(reason, reject.reason), reject.reason
    assert reject.excerpt.startswith('{"stream":"btcusdt@trade"')
    assert state.symbols == ["BTC-USDT"]


@pytest.mark.parametrize("changes", [{"p": "0"}, {"q": "-1"}, {"p": "-0.5", "q": "0"}])
def test_zero_and_negative_numbers_are_left_to_cleaning(tools: Any, changes: dict[str, Any]) -> None:
    decoded = decode(tools.frames_of([trade(**changes)]))
    assert (len(decoded.ticks), decoded.rejects) == (1, [])


def test_two_broken_frames_cannot_complete_each_other(tools: Any) -> None:
    whole = trade()
    first = whole[:-1] + b',"x":[1'
    second = b'{"stream":"btcusdt@trade","y":1}]},' + whole
    together = decode(tools.frames_of([first, second]))
    assert len(together.ticks) == 0
    assert [r.record for r in together.rejects] == [0, 1]


def test_a_rejected_frame_gives_out_no_instrument(tools: Any) -> None:
    state = FEED.state()
    FEED.decode(state, tools.frames_of([trade(s="NEWUSDT", p="NaN")]))
    assert state.symbols == []


def test_a_new_connection_forgets_the_old_offset(tools: Any) -> None:
    book = b'{"stream":"a@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}}'
    recv_ns = 1723161255000_000_000
    payloads = [trade(E=1723161256000), book, b"{}", book, book]
    kinds = [Kind.FRAME, Kind.FRAME, Kind.CLOSE, Kind.FRAME, Kind.FRAME]
    for control in (Kind.OPEN, Kind.CLOSE):
        kinds[2] = control
        frames = tools.frames_of(payloads, [recv_ns] * 5, kinds, streams=[3, 3, 3, 3, 4])
        ahead = decode(frames).quotes.ts_us - recv_ns // 1000
        assert ahead.tolist() == [1_000_000, 0, 0]


def test_refilled_trades_are_flagged_and_in_order(tools: Any) -> None:
    body = [
        {"id": 9, "price": "2.5", "qty": "1", "time": 1723161250000, "isBuyerMaker": True},
        {"id": 8, "price": "2.4", "qty": "3", "time": 1723161249000, "isBuyerMaker": False},
        {"id": 10, "price": "x", "qty": "3", "time": 1723161249000, "isBuyerMaker": False},
    ]
    payloads = [
        tools.rest("https://api.binance.com/api/v3/historicalTrades?symbol=BTCUSDT&fromId=8", body),
        tools.rest("https://fapi.binance.com/fapi/v1/historicalTrades?symbol=BTCUSDT", body[:1]),
    ]
    state = FEED.state()
    decoded = FEED.decode(state, tools.frames_of(payloads, kinds=[Kind.REST] * 2))
    assert decoded.ticks.trade_id.tolist() == [8, 9, 9]
    assert decoded.ticks.price.tolist() == [2.4, 2.5, 2.5]
    assert decoded.ticks.side.tolist() == [1, -1, -1]
    assert decoded.ticks.ts_us.tolist() == [1723161249000000, 1723161250000000, 1723161250000000]
    assert decoded.ticks.flags.tolist() == [Flag.REPAIRED] * 3
    assert state.symbols == ["BTC-USDT", "BTC-USDT-PERP"]
    assert state.offsets == {}  # old trades say nothing about the clock
    assert [(r.record, r.excerpt[:9]) for r in decoded.rejects] == [(0, '{"id":10,')]


def test_a_refill_without_its_symbol_is_rejected(tools: Any) -> None:
    payload = tools.rest("https://api.binance.com/api/v3/historicalTrades", [])
    (reject,) = decode(tools.frames_of([payload], kinds=[Kind.REST])).rejects
    assert "'symbol'" in reject.reason


def test_what_is_not_used_is_counted_by_its_event(tools: Any) -> None:
    payloads = [
        b'{"result":null,"id":1}',
        b'{"e":"serverShutdown","E":1770123456789}',
        b'{"stream":"btcusdt@kline_1m","data":{"e":"kline"}}',
        b'{"stream":"!ticker@arr","data":[]}',
        b'{"stream":"nonsense","data":{}}',
        b"[]",
        b"7",
    ]
    expected = {"result", "serverShutdown", "kline", "24hrTicker", "other", "list", "int"}
    decoded = decode(tools.frames_of(payloads))
    assert set(decoded.unknown) == expected
    assert decoded.rejects == []


def test_quotes_number_and_flag_nothing_by_default(tools: Any) -> None:
    book = b'{"u":12,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}'
    quotes = decode(tools.frames_of([book])).quotes
    assert quotes.seq.tolist() == [12]
    assert quotes.estimated.tolist() == [True]
    assert quotes.ts_us.tolist() == [tools.frames_of([book]).recv_ns[0] // 1000]
    assert ABSENT not in quotes.ts_us
