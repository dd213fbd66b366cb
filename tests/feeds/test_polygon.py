from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.feeds.feed import Feed
from barograph.feeds.polygon import CRYPTO, STOCKS, pair_of_ticker
from barograph.feeds.polygon_events import crypto_trade_id, stock_trade_id
from barograph.records import Frames, Kind
from barograph.rows import ABSENT, Decoded
from barograph.tables import Flag

XT = {
    "ev": "XT",
    "pair": "BTC-USD",
    "p": 33021.9,
    "t": 1610462007425,
    "s": 0.016,
    "c": [2],
    "i": 14272084,
    "x": 3,
}
XQ = {"ev": "XQ", "pair": "BTC-USD", "bp": 1.5, "bs": 0.48, "ap": 2.5, "as": 0.6, "t": 1610462411115, "x": 1}
T = {
    "ev": "T",
    "sym": "MSFT",
    "x": 4,
    "i": "12345",
    "p": 114.125,
    "s": 100,
    "c": [0],
    "t": 1536036818784,
    "q": 7,
}
Q = {"ev": "Q", "sym": "MSFT", "bp": 114.125, "bs": 3, "ap": 114.128, "as": 160, "t": 1536036818784, "q": 50}


def frames(payloads: Sequence[bytes], kind: Kind = Kind.FRAME, first: int = 0) -> Frames:
    n = len(payloads)
    return Frames(
        first,
        np.arange(n),
        np.full(n, 1_700_000_000_000_000_000, dtype=np.int64),
        np.full(n, kind, dtype=np.uint8),
        np.zeros(n, dtype=np.uint32),
        list(payloads),
    )


def decoded(feed: Feed, *events: object) -> Decoded:
    return feed.decode(feed.state(), frames([json.dumps(list(events)).encode()]))


def refill(path: str, *trades: object) -> bytes:
    body = json.dumps({"status": "OK", "results": list(trades)})
    return json.dumps({"url": f"https://api.massive.com{path}?limit=9"}).encode() + b"\n" + body.encode()


def test_one_frame_gives_many_rows_in_order() -> None:
    rows = decoded(CRYPTO, XT, XQ, {**XT, "pair": "ETH-USD", "i": 1}, {**XT, "i": 2})
    assert rows.ticks.ts_us.tolist() == [1610462007425000] * 3
    assert rows.ticks.instrument.tolist() == [0, 1, 0]
    assert rows.ticks.record.tolist() == [0, 0, 0]
    assert rows.quotes.ts_us.tolist() == [1610462411115000]
    assert (rows.quotes.bid_size[0], rows.quotes.ask_size[0]) == (0.48, 0.6)
    assert rows.quotes.seq.tolist() == [ABSENT]


@pytest.mark.parametrize(
    ("conditions", "side"), [([2], 1), ([1], -1), ([0], 0), ([], 0), ([1, 2], 0), (2, 1), (None, 0)]
)
def test_the_side_of_a_crypto_trade_is_its_condition(conditions: object, side: int) -> None:
    assert decoded(CRYPTO, {**XT, "c": conditions}).ticks.side.tolist() == [side]


def test_a_stock_trade_has_no_side_and_its_quote_sizes_are_round_lots() -> None:
    rows = decoded(STOCKS, {**T, "c": [1]}, Q)
    assert rows.ticks.side.tolist() == [0]
    assert rows.ticks.seq.tolist() == [7]
    assert (rows.quotes.bid_size[0], rows.quotes.ask_size[0]) == (300.0, 16_000.0)
    assert rows.quotes.seq.tolist() == [50]


@pytest.mark.parametrize("conditions", [[2], [12], [37], [41, 14], [52], [33]])
def test_every_stock_trade_is_a_tick_whatever_its_conditions(conditions: list[int]) -> None:
    assert len(decoded(STOCKS, {**T, "c": conditions}).ticks) == 1


@pytest.mark.parametrize("conditions", [[15], [16], [38], [8, 15], 15])
def test_a_report_on_a_trade_is_counted_and_no_tick(conditions: object) -> None:
    rows = decoded(STOCKS, {**T, "c": conditions})
    assert len(rows.ticks) == 0
    assert rows.unknown == {"T report": 1}


def test_fractional_shares_come_from_the_decimal_size() -> None:
    assert decoded(STOCKS, {**T, "s": 0, "ds": "0.25"}).ticks.size.tolist() == [0.25]


def test_one_bad_event_is_rejected_alone() -> None:
    bad = {**XT, "p": "nine"}
    rows = decoded(CRYPTO, XT, bad, {"ev": "NEW"}, 7, {**XT, "i": 5})
    assert len(rows.ticks) == 2
    assert rows.unknown == {"NEW": 1}
    assert [reject.record for reject in rows.rejects] == [0, 0]
    assert json.loads(rows.rejects[0].excerpt) == bad
    assert "$.p" in rows.rejects[0].reason


@pytest.mark.parametrize(
    ("feed", "event"),
    [
        (CRYPTO, {**XT, "t": 0}),
        (CRYPTO, {**XT, "t": 10**13}),
        (CRYPTO, {**XT, "pair": ""}),
        (CRYPTO, {**XT, "pair": "A\0B"}),
        (CRYPTO, {k: v for k, v in XT.items() if k != "p"}),
        (STOCKS, {k: v for k, v in T.items() if k != "s"}),
        (STOCKS, {**T, "ds": "much"}),
        (STOCKS, {**T, "ds": "nan"}),
        (STOCKS, {**T, "q": 2**63}),
        (STOCKS, {**Q, "bp": None}),
    ],
)
def test_an_event_that_cannot_be_a_row_is_rejected(feed: Feed, event: dict[str, object]) -> None:
    state = feed.state()
    rows = feed.decode(state, frames([json.dumps([event]).encode()]))
    assert len(rows.ticks) + len(rows.quotes) == 0
    assert len(rows.rejects) == 1
    assert rows.rejects[0].reason
    assert state.symbols == []


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"[", b"\xff\xfe", b"[" * 100_000, b'{"ev":"XT"}', b'["\xff"]']
)
def test_a_frame_that_is_no_array_is_rejected_whole(payload: bytes) -> None:
    rows = CRYPTO.decode(CRYPTO.state(), frames([payload]))
    assert len(rows.rejects) == 1


def test_status_and_bars_are_counted() -> None:
    rows = decoded(CRYPTO, {"ev": "status", "status": "connected"}, {"ev": "XA"}, {"ev": "XAS"}, {"ev": "XA"})
    assert rows.unknown == {"status": 1, "XA": 2, "XAS": 1}


def test_a_refilled_crypto_trade_has_the_identity_of_the_wire() -> None:
    state = CRYPTO.state()
    wire = CRYPTO.decode(state, frames([json.dumps([XT]).encode()]))
    trade = {"conditions": [2], "exchange": 3, "id": "14272084", "participant_timestamp": 1610462007425999999}
    payload = refill("/v3/trades/X:BTCUSD", {**trade, "price": 33021.9, "size": 0.016})
    rest = CRYPTO.decode(state, frames([payload], Kind.REST))
    assert rest.ticks.trade_id.tolist() == wire.ticks.trade_id.tolist()
    assert rest.ticks.instrument.tolist() == wire.ticks.instrument.tolist()
    assert rest.ticks.flags.tolist() == [Flag.REPAIRED]
    assert wire.ticks.flags.tolist() == [0]
    assert rest.ticks.ts_us.tolist() == [1610462007425999]
    assert rest.ticks.side.tolist() == [1]


def test_a_refilled_stock_trade_has_the_identity_of_the_wire() -> None:
    state = STOCKS.state()
    wire = STOCKS.decode(state, frames([json.dumps([{**T, "trfi": 202}]).encode()]))
    trade = {"exchange": 4, "id": "12345", "sip_timestamp": 1536036818784123456, "trf_id": 202, "price": 1}
    trade |= {"participant_timestamp": 1, "sequence_number": 7, "size": 1}
    good = {**trade, "participant_timestamp": 1536036818700000000}
    rest = STOCKS.decode(state, frames([refill("/v3/trades/MSFT", good, trade)], Kind.REST))
    assert rest.ticks.trade_id.tolist() == wire.ticks.trade_id.tolist()
    assert rest.ticks.seq.tolist() == [7]
    assert len(rest.rejects) == 1, "a time in the first microsecond of 1970 is none"


def test_a_refilled_fraction_of_a_share_has_its_decimal_size() -> None:
    trade = {"id": "1", "sip_timestamp": 1536036818784123456, "price": 1, "size": 0, "decimal_size": "0.25"}
    rows = STOCKS.decode(STOCKS.state(), frames([refill("/v3/trades/MSFT", trade)], Kind.REST))
    assert rows.ticks.size.tolist() == [0.25]


def test_stock_trade_ids_begin_anew_every_day_and_differ_by_exchange_and_facility() -> None:
    day = 86_400_000_000
    ids = {
        stock_trade_id(5 * day, 4, 0, "1"),
        stock_trade_id(6 * day, 4, 0, "1"),
        stock_trade_id(5 * day, 5, 0, "1"),
        stock_trade_id(5 * day, 4, 9, "1"),
        stock_trade_id(5 * day, 4, 0, "2"),
    }
    assert len(ids) == 5
    assert all(0 <= number < 2**63 for number in ids)
    assert stock_trade_id(5 * day + 7, 4, 0, "1") in ids
    assert crypto_trade_id(1, "7") == crypto_trade_id(1, 7) != crypto_trade_id(2, 7)


def test_trade_ids_never_change() -> None:
    # What is in the tables was named by these hashes: a change would store every refill twice.
    assert crypto_trade_id(3, 14272084) == 6336954090487869291
    assert stock_trade_id(1536036818784000, 4, 202, "12345") == 8075096851061833805


@pytest.mark.parametrize(
    ("ticker", "pair"),
    [
        ("X:BTCUSD", "BTC-USD"),
        ("X:ETHBTC", "ETH-BTC"),
        ("X:SOLUSDT", "SOL-USDT"),
        ("X:FOO", "FOO"),
        ("X:USD", "USD"),
    ],
)
def test_a_rest_ticker_names_a_pair(ticker: str, pair: str) -> None:
    assert pair_of_ticker(ticker, {}) == pair


def test_a_pair_seen_on_the_wire_wins_over_guessing() -> None:
    state = CRYPTO.state()
    CRYPTO.decode(state, frames([json.dumps([{**XT, "pair": "LUSD-T"}]).encode()]))
    trade = {"exchange": 3, "id": "1", "participant_timestamp": 1610462007425999999, "price": 1, "size": 1}
    CRYPTO.decode(state, frames([refill("/v3/trades/X:LUSDT", trade)], Kind.REST))
    assert state.symbols == ["LUSD-T"]


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]\n[]", b'{"url":"/v3/trades/X:BTCUSD"}\n<html>', b'{"url":"/v3/trades/AAPL"}\n{"error":"no"}'],
)
def test_an_answer_that_is_no_list_of_trades_is_rejected(payload: bytes) -> None:
    assert len(CRYPTO.decode(CRYPTO.state(), frames([payload], Kind.REST)).rejects) == 1


def test_other_answers_are_counted() -> None:
    rows = CRYPTO.decode(CRYPTO.state(), frames([refill("/v2/aggs/ticker/X:BTCUSD/range")], Kind.REST))
    assert rows.unknown == {"rest /v2/aggs": 1}


EVENT = st.sampled_from(
    [XT, XQ, T, Q, {"ev": "status"}, {"ev": "XT"}, 3, {**T, "i": "77"}, {**XT, "pair": "ETH-USD"}]
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(EVENT, max_size=4), max_size=8), st.integers(0, 8), st.sampled_from([CRYPTO, STOCKS])
)
def test_any_cut_gives_the_same_rows(tape: list[list[object]], cut: int, feed: Feed) -> None:
    payloads = [json.dumps(events).encode() for events in tape]
    whole, parts = feed.state(), feed.state()
    expected = feed.decode(whole, frames(payloads))
    both = [feed.decode(parts, frames(part)) for part in (payloads[:cut], payloads[cut:])]
    for name in ("ts_us", "instrument", "price", "size", "side", "trade_id", "seq", "flags"):
        joined = np.concatenate([getattr(rows.ticks, name) for rows in both])
        assert joined.tolist() == getattr(expected.ticks, name).tolist()
    assert parts == whole
