from __future__ import annotations

import json
import math
from typing import Any

import pytest

from barograph.errors import DataError
from barograph.paper.events import TradeEvent
from barograph.paper.parsing import parse

RECORD = {
    "symbol": "BTC-USD",
    "price": 61837.63,
    "volume": 0.02,
    "timestamp": 1_723_161_255_342,
    "trade_id": 7,
}
AT_US = 1_723_161_255_342_000


def without(*names: str, **others: Any) -> dict[str, Any]:
    return {name: value for name, value in {**RECORD, **others}.items() if name not in names}


@pytest.mark.parametrize("form", [lambda one: one, json.dumps, lambda one: json.dumps(one).encode()])
def test_a_record_is_read_as_a_mapping_a_text_or_bytes(form: Any) -> None:
    assert parse(form(RECORD)) == TradeEvent("BTC-USD", 61837.63, 0.02, AT_US, "t7")


@pytest.mark.parametrize(
    ("timestamp", "ts_us"),
    [
        (1_723_161_255, AT_US - 342_000),
        (1_723_161_255.342, AT_US),
        (1_723_161_255_342, AT_US),
        (1_723_161_255_342.5, AT_US + 500),
        (AT_US + 7, AT_US + 7),
        (AT_US * 1000 + 999, AT_US),
        ("1723161255.342", AT_US),
        ("1723161255342000999", AT_US),
        (" 1.723161255342e9 ", AT_US),
        ("20240808T235415.342Z", AT_US),
        ("2024-08-08T23:54:15.342Z", AT_US),
        ("2024-08-08T23:54:15.342000123+00:00", AT_US),
        ("2024-08-09T05:24:15.342+05:30", AT_US),
        ("2024-08-08 23:54:15.342", AT_US),
        (0, 0),
    ],
)
def test_a_time_in_any_usual_form_is_microseconds_utc(timestamp: Any, ts_us: int) -> None:
    assert parse(without(timestamp=timestamp)).ts_us == ts_us


def test_other_names_and_numbers_in_texts_are_understood() -> None:
    record = {"ticker": "X", "price": "1.5", "qty": "2", "ts": 1, "exchange": "sim", "tradeId": "a-1"}
    assert parse(record) == TradeEvent("X", 1.5, 2.0, 1_000_000, "ta-1", "sim")


@pytest.mark.parametrize("trade_id", [None, ""])
def test_without_a_trade_id_shard_and_sequence_are_the_identity(trade_id: Any) -> None:
    assert (
        parse(without(trade_id=trade_id), venue="v", shard="shard-0", sequence="49").identity == "sshard-0:49"
    )
    assert parse(RECORD, shard="shard-0", sequence="49").identity == "t7", "the trade's own is stronger"
    assert parse(without(trade_id=0)).identity == "t0"


def test_a_time_later_than_can_be_is_refused() -> None:
    assert parse(RECORD, latest_us=AT_US).ts_us == AT_US
    with pytest.raises(DataError, match=f"timestamp is {AT_US} us since 1970, later than {AT_US - 1} can be"):
        parse(RECORD, latest_us=AT_US - 1)


def test_a_price_that_cannot_be_is_the_consumers_to_count() -> None:
    assert math.isnan(parse(without(price="nan")).price)
    assert parse(without(price=-1)).price == -1.0


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (without("symbol"), "symbol is missing; the record has price, volume, timestamp, trade_id"),
        (without(symbol=""), "symbol is ''"),
        (without(symbol=5), "symbol is 5"),
        (without("price"), "price is missing"),
        (without(price="cheap"), "price is 'cheap'; it must be a number"),
        (without(price=True), "price is True"),
        (without(price=[1]), r"price is \[1\]"),
        (without(price=10**400), "price is 1000"),
        (without("volume"), "volume is missing"),
        (without(volume={}), "volume is {}"),
        (without("timestamp"), "timestamp is missing"),
        (without(timestamp="yesterday"), "timestamp is 'yesterday'; it must be ISO 8601 or a number"),
        (without(timestamp=-1), "timestamp is -1"),
        (without(timestamp=math.nan), "timestamp is nan"),
        (without(timestamp="inf"), "timestamp is inf"),
        (without(timestamp="-5"), "timestamp is '-5'"),
        (without(timestamp=True), "timestamp is True"),
        (without(timestamp=1e21), "timestamp is 1e"),
        (without(venue=3), "venue is 3; it must be a text"),
        (without("trade_id"), "trade_id is missing, and there is no sequence number"),
        (without(trade_id=1.5), "trade_id is 1.5"),
        ("{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        ("[1]", "is no JSON object"),
        ("[" * 100_000, "is not JSON"),
        (b'{"symbol":"\\ud800","price":1,"volume":1,"timestamp":1,"trade_id":1}', "half of a character"),
        (without(symbol="a\0b"), "symbol is .*zero characters"),
        (without(venue="a\0b"), "venue is .*zero characters"),
        (without(venue="\ud800"), "venue is .*half of a character"),
        (without(trade_id="\udfff"), "trade_id is .*half of a character"),
        (without(trade_id="\0"), "trade_id is .*zero characters"),
        (without(timestamp="9999-12-31T23:59:59-14:00"), "which the calendar does not have"),
        ({}, "symbol is missing; the record has nothing"),
    ],
)
def test_a_record_that_is_none_is_refused_naming_the_field(record: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse(record)
