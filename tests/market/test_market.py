"""The Market as its users have it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

import barograph
from barograph.bars.resample import resample
from barograph.errors import UsageError
from barograph.market import Market, connect
from barograph.store import Commit, Lake
from barograph.tables import TABLES

from .conftest import PER_SYMBOL, START_US, candles_of, ticks_of

NOON = datetime(2024, 8, 8, 12, tzinfo=UTC)
EMPTY_CALLS = ("bars", "ticks", "quotes", "anomalies", "candles")


def test_connect_given_no_directory_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no data directory at .*nowhere.*barograph demo.*tape import"):
        barograph.connect(tmp_path / "nowhere")


@pytest.mark.parametrize("call", EMPTY_CALLS)
def test_given_nothing_recorded_frames_are_empty_with_their_columns(tmp_path: Path, call: str) -> None:
    with connect(tmp_path) as market:
        names = TABLES["market_microstructure" if call == "bars" else call].names
        found = getattr(market, call)("BTC-USD")
        assert found.is_empty()
        assert tuple(found.columns) == names
        assert_frame_equal(getattr(market, call)(), found)
        for every in ("10s", "5m"):
            assert tuple(market.bars("X", every=every).columns) == TABLES["market_microstructure"].names
        assert market.symbols().is_empty()
        assert market.sql("SELECT * FROM last_prices").is_empty()
        assert market.lazy("ticks").collect().is_empty()


def test_ticks_are_those_recorded(market: Market, recorded: pa.Table) -> None:
    found = market.ticks()
    assert found["tape_pos"].to_list() == recorded["tape_pos"].to_pylist()
    assert market.ticks("ETH-USD").equals(found.filter(symbol="ETH-USD"))
    assert market.ticks(["BTC-USD"], venue="kraken").equals(found.filter(symbol="BTC-USD", venue="kraken"))
    assert market.ticks([]).is_empty()


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-08-08T12:00", "2024-08-09"),
        ("2024-08-08 12:00:00+00:00", date(2024, 8, 9)),
        (NOON, datetime(2024, 8, 9)),  # noqa: DTZ001 - what has no zone is UTC
        (NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), "2024-08-09T05:30:00+05:30"),
        ("2024-08-08T12:00:00Z", "20240809"),
    ],
)
def test_times_may_be_written_in_many_ways(market: Market, start: Any, end: Any) -> None:
    found = market.ticks(start=start, end=end)
    inside = pl.col("ts").is_between(NOON, datetime(2024, 8, 9, tzinfo=UTC), closed="left")
    assert found.height > 0
    assert found.equals(market.ticks().filter(inside))


def test_a_time_that_is_none_is_refused(market: Market) -> None:
    with pytest.raises(UsageError, match="'noon' is not a time"):
        market.ticks(start="noon")


def test_minutes_are_as_they_were_recorded(market: Market) -> None:
    found = market.bars("ETH-USD")
    assert found.equals(market.sql("SELECT * FROM market_microstructure WHERE symbol = 'ETH-USD' ORDER BY 1"))
    assert found["trade_count"].sum() == PER_SYMBOL


@pytest.mark.parametrize("every", ["5m", "1h", "1d"])
def test_longer_bars_are_made_from_minutes(market: Market, every: str) -> None:
    found = market.bars(every=every)
    expected = resample(market.bars(["BTC-USD", "ETH-USD"]), every).sort("symbol", "venue", "timestamp")
    assert_frame_equal(found.filter(pl.col("symbol") != "SPY"), expected)


@pytest.mark.parametrize("every", ["10s", "5m"])
def test_a_bar_is_the_same_wherever_the_question_begins(market: Market, every: str) -> None:
    whole = market.bars("BTC-USD", every=every)
    start, end = datetime(2024, 8, 9, 18, tzinfo=UTC), datetime(2024, 8, 9, 19, tzinfo=UTC)
    part = market.bars("BTC-USD", every=every, start=start, end=end)
    assert part.height > 10
    expected = whole.filter(pl.col("timestamp").is_between(start, end, closed="left"))
    # Of what looks back without end (RSI) or over bars (spikes), seconds may know less.
    rolled = ["rsi_14", "volume_spike_score"] if every == "10s" else []
    assert_frame_equal(part.drop(rolled), expected.drop(rolled), rel_tol=1e-9)


def test_the_last_bar_of_a_range_is_whole(market: Market) -> None:
    part = market.bars("ETH-USD", every="1h", start=NOON, end=NOON + timedelta(minutes=10))
    assert part["timestamp"].to_list() == [NOON]
    whole = market.bars("ETH-USD", every="1h").filter(timestamp=NOON)
    assert part["trade_count"].to_list() == whole["trade_count"].to_list()


def test_seconds_are_made_from_ticks(market: Market) -> None:
    found = market.bars("ETH-USD", every="30s")
    ticks = market.ticks("ETH-USD")
    by_hand = ticks.group_by_dynamic("ts", every="30s").agg(
        pl.col("price").first().alias("open"),
        pl.col("price").max().alias("high"),
        pl.col("price").min().alias("low"),
        pl.col("price").last(),
        pl.len().cast(pl.Int64).alias("trade_count"),
    )
    names = ["open", "high", "low", "price", "trade_count"]
    assert_frame_equal(found.select(names), by_hand.select(names))
    assert found["timestamp"].to_list() == by_hand["ts"].to_list()


def test_an_interval_that_does_not_divide_the_day_is_refused(market: Market) -> None:
    with pytest.raises(UsageError, match="7m"):
        market.bars("ETH-USD", every="7m")


@pytest.mark.parametrize(
    ("every", "count", "first"),
    [
        ("1m", 60, (100.0, 110.0, 90.0, 105.0, 2.0)),
        ("5m", 12, (100.0, 110.0, 90.0, 105.0, 2.0)),
        ("2m", 30, (100.0, 111.0, 90.0, 106.0, 4.0)),
        ("15m", 4, (100.0, 112.0, 90.0, 107.0, 6.0)),
    ],
)
def test_imported_candles_stand_in_for_bars(
    market: Market, every: str, count: int, first: tuple[float, ...]
) -> None:
    found = market.bars("SPY", every=every)
    assert found.height == count
    assert found.select("open", "high", "low", "price", "volume").row(0) == first
    assert found.select("trade_count", "vwap", "exec_price", "buy_volume", "bid_price").row(0) == (None,) * 5
    assert market.bars(["SPY", "ETH-USD"], every=every)["symbol"].unique().sort().to_list() == [
        "ETH-USD",
        "SPY",
    ]


def test_recorded_bars_go_before_imported_candles(tmp_path: Path, recorded: pa.Table) -> None:
    lake = Lake(tmp_path / "lake")
    candles = candles_of("SPY", 60, 10, 0)
    bar = dict.fromkeys(TABLES["market_microstructure"].names)
    lake.commit(Commit(0, 10, {"candles": candles}))
    with connect(tmp_path) as market:
        imported = market.bars("SPY")
        assert imported.height == 10
        count_is_given = imported.head(1).with_columns(
            *(pl.lit(1.0).alias(name) for name in ("volume", "notional", "buy_volume", "sell_volume")),
            pl.lit(1, pl.Int64).alias("trade_count"),
            pl.lit(777.0).alias("price"),
        )
        rows = count_is_given.select(list(bar)).to_arrow().cast(TABLES["market_microstructure"].schema())
        lake.commit(Commit(10, 20, {"market_microstructure": rows}))
        assert market.bars("SPY")["price"].to_list() == [777.0]
    lake.close()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("eth", "did you mean ETH-USD"),
        ("BTCUSD", "BTC-USD"),
        ("ZZZZZZ", "there are 3 symbols: BTC-USD, ETH-USD"),
    ],
)
@pytest.mark.parametrize("call", ["bars", "ticks", "candles"])
def test_an_unknown_symbol_names_the_nearest(market: Market, call: str, name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"nothing was recorded of '{name}'; .*{hint}"):
        getattr(market, call)(name)


def test_a_known_symbol_without_rows_in_the_time_is_empty(market: Market) -> None:
    assert market.ticks("SPY").is_empty()
    assert market.ticks("ETH-USD", end="1999-01-01").is_empty()


def test_symbols_tell_venue_and_span(market: Market) -> None:
    found = market.symbols()
    assert found.select("symbol", "venue").rows() == [
        ("BTC-USD", "coinbase"),
        ("BTC-USD", "kraken"),
        ("ETH-USD", "kraken"),
        ("SPY", "file"),
    ]
    assert found.row(-1, named=True)["last"] == datetime(2024, 8, 8, 0, 59, tzinfo=UTC)


def test_tables_tell_days_and_sizes(market: Market) -> None:
    found = {row["table"]: row for row in market.tables().to_dicts()}
    assert list(found) == list(TABLES)
    assert (found["ticks"]["days"], found["ticks"]["files"]) == (2, 2)
    assert found["ticks"]["last_day"] == date(2024, 8, 9)
    assert found["ticks"]["bytes"] > PER_SYMBOL
    assert found["quotes"]["first_day"] is None


@pytest.mark.parametrize("table", ["ticks", "market_microstructure", "candles"])
def test_lazy_sql_and_plain_calls_agree(market: Market, table: str) -> None:
    order = TABLES[table].sort
    queried = market.sql(f"SELECT * FROM {table} ORDER BY {', '.join(order)}")
    assert_frame_equal(market.lazy(table).sort(order, nulls_last=True).collect(), queried)
    call = {"ticks": market.ticks, "candles": market.candles}.get(table)
    if call:
        assert_frame_equal(call(), queried)


def test_lazy_given_no_such_table_names_those_there_are(market: Market) -> None:
    with pytest.raises(UsageError, match="there are: ticks"):
        market.lazy("tick")


def test_stream_gives_batches(market: Market) -> None:
    batches = list(market.stream("SELECT * FROM ticks WHERE symbol = ?", ["ETH-USD"], batch_rows=2_048))
    assert sum(batch.num_rows for batch in batches) == PER_SYMBOL
    assert max(batch.num_rows for batch in batches) <= 2_048


def test_an_open_market_sees_what_is_recorded_meanwhile(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    with connect(tmp_path) as market:
        assert market.ticks().is_empty()
        assert market.sql("SELECT * FROM ticks").is_empty()
        lake.commit(Commit(0, PER_SYMBOL, {"ticks": ticks_of("A", "sim", 1, 0)}))
        assert market.ticks("A").height == PER_SYMBOL
        assert market.sql("SELECT * FROM ticks").height == PER_SYMBOL
    lake.close()


def test_to_pandas_keeps_times_and_numbers(market: Market) -> None:
    pandas = pytest.importorskip("pandas")
    found = market.ticks("ETH-USD").to_pandas()
    assert len(found) == PER_SYMBOL
    assert found["ts"].min() >= pandas.Timestamp(START_US, unit="us", tz="UTC")
    assert found["price"].dtype == float


def test_importing_barograph_loads_nothing_heavy() -> None:
    program = """
import sys, barograph, barograph.market
print(sorted({"pyarrow", "polars", "duckdb", "numba", "numpy", "pandas"} & set(sys.modules)))
print(barograph.connect.__name__, barograph.Market.__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\nconnect Market\n"
