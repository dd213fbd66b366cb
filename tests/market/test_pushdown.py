"""What a lazy query's filter lets a store leave out, and that no row is lost by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from barograph.clock import from_us
from barograph.market import Market
from barograph.market.pushdown import lazy_scan, scan_of
from barograph.store import Scan
from barograph.tables import CANDLES, TICKS

from .conftest import START_US

T0, T1 = from_us(START_US), from_us(START_US) + timedelta(hours=1)
HOUR_US = 3_600_000_000
SYMBOL, TS = pl.col("symbol"), pl.col("ts")


@pytest.mark.parametrize(
    ("predicate", "known"),
    [
        (pl.lit("A") == SYMBOL, {"symbols": ["A"]}),
        (SYMBOL.is_in(["A", "B"]) & (SYMBOL == "B"), {"symbols": ["B"]}),
        (SYMBOL.is_in([]), {"symbols": []}),
        ((pl.col("venue") == "v") & (pl.col("price") > 3), {"venues": ["v"]}),
        ((TS >= T0) & (TS < T1), {"start_us": START_US, "end_us": START_US + HOUR_US + 1}),
        (TS.is_between(T0, T1, closed="left"), {"start_us": START_US, "end_us": START_US + HOUR_US + 1}),
        (pl.lit(T0) <= TS, {"start_us": START_US}),
        (TS == T0, {"start_us": START_US, "end_us": START_US + 1}),
        ((SYMBOL == "A") | (SYMBOL == "B"), {}),
        (SYMBOL != "A", {}),
        (~TS.is_between(T0, T1), {}),
        (SYMBOL.str.starts_with("A"), {}),
        (pl.col("price") == 1.0, {}),
        (pl.col("recv_ts") >= T0, {}),
        (datetime(2024, 8, 8) <= TS, {}),  # noqa: DTZ001 - a time without a zone is not understood
        (None, {}),
    ],
    ids=str,
)
def test_what_is_understood_narrows_the_scan(predicate: pl.Expr | None, known: dict[str, Any]) -> None:
    assert scan_of(predicate, TICKS) == Scan("ticks", **known)


moments = st.integers(-90, 49 * 60).map(lambda minutes: T0 + timedelta(minutes=minutes))
leaves = st.one_of(
    st.sampled_from(["BTC-USD", "ETH-USD", "nobody"]).map(lambda name: name == SYMBOL),
    st.lists(st.sampled_from(["BTC-USD", "ETH-USD"])).map(SYMBOL.is_in),
    st.sampled_from(["kraken", "coinbase"]).map(lambda name: pl.lit(name) == pl.col("venue")),
    moments.map(lambda moment: moment < TS),
    moments.map(lambda moment: moment >= TS),
    st.tuples(moments, moments, st.sampled_from(["both", "left", "right", "none"])).map(
        lambda it: TS.is_between(it[0], it[1], closed=it[2])
    ),
    st.just(pl.col("side") == 1),
)
predicates = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
        inner.map(lambda each: ~each),
    ),
    max_leaves=5,
)


def test_any_filter_gives_the_rows_that_it_is_true_for(market: Market) -> None:
    whole = market.ticks()

    @given(predicates)
    def holds(predicate: pl.Expr) -> None:
        found = lazy_scan(market.store, TICKS).filter(predicate).select("ts", "price", "tape_pos").collect()
        assert_frame_equal(found, whole.filter(predicate).select("ts", "price", "tape_pos"))

    holds()


def test_a_head_stops_the_scan(market: Market) -> None:
    assert lazy_scan(market.store, TICKS).head(3).collect().height == 3
    assert lazy_scan(market.store, CANDLES).select(pl.len()).collect().item() == 72


def test_a_moment_outside_of_utc_is_the_same_moment() -> None:
    elsewhere = pl.lit(T0).dt.convert_time_zone("Asia/Kolkata")
    assert scan_of(T0.astimezone(UTC) <= TS, TICKS).start_us == START_US
    assert scan_of(elsewhere <= TS, TICKS).start_us in (None, START_US)
