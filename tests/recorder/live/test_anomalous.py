"""Rows of anomalies as alerts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from barograph.clock import NS_PER_US, to_us
from barograph.recorder.live.anomalous import FRESH_S, alerts_of
from barograph.tables import ANOMALIES

MOMENT = datetime(2026, 11, 18, 12, tzinfo=UTC)
NOW_NS = to_us(MOMENT) * NS_PER_US
ROW: dict[str, Any] = {
    "ts": MOMENT,
    "venue": "binance",
    "symbol": "BTC-USDT",
    "kind": "volume_spike",
    "score": 5.25,
    "threshold": 3.0,
    "model_version": "rules-1",
    "detail": "volume 12 times the usual",
    "revision": 0,
    "tape_pos": 7,
}


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([ROW | row for row in rows], schema=ANOMALIES.schema())


def test_a_row_becomes_an_alert_with_its_facts() -> None:
    (alert,) = alerts_of(table({}), NOW_NS)
    assert alert.message == "volume spike of BTC-USDT on binance: score 5.25, threshold 3"
    assert (alert.kind, alert.venue, alert.symbol, alert.ts_us) == (
        "anomaly",
        "binance",
        "BTC-USDT",
        to_us(MOMENT),
    )
    assert alert.detail["facts"] == "volume 12 times the usual"


def test_two_minutes_of_one_oddity_have_one_key_and_others_have_others() -> None:
    later = MOMENT.replace(minute=1)
    others = [{"kind": "price_jump"}, {"symbol": "ETH-USDT"}, {"venue": "kraken"}]
    keys = [alert.key for alert in alerts_of(table({}, {"ts": later}, *others), NOW_NS)]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


def test_what_was_taken_back_and_what_is_history_calls_nobody() -> None:
    old = datetime.fromtimestamp(MOMENT.timestamp() - FRESH_S - 1, UTC)
    assert list(alerts_of(table({"score": None}, {"ts": old}), NOW_NS)) == []
    assert len(list(alerts_of(table({"ts": old}), NOW_NS, fresh_s=FRESH_S + 2))) == 1
