"""Bars out of a data directory: recorded minutes with their fills, longer and shorter ones, and candles."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from barograph.bars.resample import resample_ticks
from barograph.clock import MINUTE_US, from_us, to_us
from barograph.errors import DataError, UsageError
from barograph.market import connect
from barograph.research.backtesting import backtest
from barograph.research.data import lake, load
from barograph.store import Commit, Lake
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import Costs
from barograph.tables import TABLES

START_US = to_us(datetime(2024, 8, 8, tzinfo=UTC))
MINUTES = 2 * 1_440
SERIES = (("BTC-USD", "kraken"), ("BTC-USD", "coinbase"), ("ETH-USD", "kraken"))


def table(name: str, **columns: Any) -> pa.Table:
    """Rows of a table; what is left out is null, or zero or empty."""
    schema = TABLES[name].schema()
    count = max(len(value) for value in columns.values() if isinstance(value, np.ndarray))
    made = []
    for field in schema:
        value = columns.get(field.name, 0)
        if field.name not in columns and field.nullable:
            made.append(pa.nulls(count, field.type))
        elif isinstance(value, np.ndarray):
            made.append(pa.array(value).cast(field.type))
        else:
            made.append(pa.array([str(value) if field.type == pa.string() else value] * count, field.type))
    return pa.table(made, schema=schema)


def ticks(symbol: str, venue: str, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    n = 4_000
    times = START_US + np.sort(rng.integers(0, (MINUTES - 30) * 60_000, n)) * 1_000
    price = np.round(100 * np.exp(np.cumsum(rng.normal(0, 1e-3, n))), 2)
    columns = {"price": price, "size": rng.exponential(1, n), "trade_id": np.arange(n)}
    return table(
        "ticks",
        ts=times,
        recv_ts=times,
        symbol=symbol,
        venue=venue,
        tape_pos=seed * n + np.arange(n),
        **columns,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed day and a hot one of three series, a fourth of candles; one minute is known to lack trades."""
    folder = tmp_path_factory.mktemp("recorded")
    trades = pa.concat_tables([ticks(*series, seed) for seed, series in enumerate(SERIES)])
    frame = pl.from_arrow(trades)
    assert isinstance(frame, pl.DataFrame)
    minutes = resample_ticks(frame, None, "1m").to_arrow().cast(TABLES["market_microstructure"].schema())
    first_us = frame.filter(pl.col("symbol") == "ETH-USD")["ts"].dt.epoch("us")[600]
    lacking = table(
        "coverage",
        minute=np.array([first_us - first_us % MINUTE_US]),
        venue="kraken",
        symbol="ETH-USD",
        channel="trades",
        state="missing",
        updated_at=START_US,
    )
    n = np.arange(500)
    candles = [
        table(
            "candles",
            timestamp=START_US + n * s * 1_000_000,
            venue="file",
            symbol="SPY",
            interval_s=s,
            open=100.0 + n,
            high=110.0 + n,
            low=90.0 + n,
            price=105.0 + n,
            recv_ts=START_US,
        )
        for s in (60, 300)
    ]
    tables = {
        "ticks": trades,
        "market_microstructure": minutes,
        "coverage": lacking,
        "candles": pa.concat_tables(candles),
    }
    with_lake = Lake(folder / "lake")
    with_lake.commit(Commit(0, trades.num_rows, tables))
    with_lake.seal(day=date(2024, 8, 8), grace_s=-1e9)
    with_lake.close()
    return folder


def recorded(data: Path, every: str) -> pl.DataFrame:
    with connect(data) as market:
        return market.bars("ETH-USD", every, venue="kraken")


def test_minutes_are_as_they_were_recorded_with_the_fills_that_could_have_happened(data: Path) -> None:
    found = load(data, "ETH-USD").prices
    theirs = recorded(data, "1m")
    assert found.ts_us.tolist() == theirs["timestamp"].dt.epoch("us").to_list()
    for ours, name in (
        ("close", "price"),
        ("low", "low"),
        ("volume", "volume"),
        ("exec_price", "exec_price"),
    ):
        assert np.array_equal(getattr(found, ours), theirs[name].fill_null(np.nan), equal_nan=True)
    assert (found.interval_us, found.idealised) == (MINUTE_US, False)


@pytest.mark.parametrize("every", ["30m", "4h", "1d"])
@pytest.mark.parametrize("at_once", [100, 100_000])
def test_longer_bars_are_those_of_the_market_however_they_are_read(
    data: Path, monkeypatch, every: str, at_once: int
) -> None:
    monkeypatch.setattr(lake, "_AT_ONCE", at_once)
    found = load(data, "ETH-USD", every)
    theirs = recorded(data, every)[: len(found.prices)]
    assert found.prices.ts_us.tolist() == theirs["timestamp"].dt.epoch("us").to_list()
    for ours, name in (("open", "open"), ("high", "high"), ("close", "price"), ("exec_price", "exec_price")):
        assert np.array_equal(getattr(found.prices, ours), theirs[name].fill_null(np.nan), equal_nan=True)
    assert any("unfinished" in remark for remark in found.remarks) == (every != "30m")


def test_bars_below_a_minute_are_made_from_ticks(data: Path) -> None:
    found = load(data, "ETH-USD", "10s", start="2024-08-08", end="2024-08-08T06:00").prices
    theirs = recorded(data, "10s").filter(pl.col("timestamp") < from_us(START_US + 360 * MINUTE_US))
    assert found.close.tolist() == theirs["price"].to_list()
    assert found.interval_us == 10_000_000


def test_part_of_the_time_is_part_of_the_bars(data: Path) -> None:
    whole = load(data, "ETH-USD", "1h").prices
    part = load(data, "ETH-USD", "1h", "2024-08-08T02:10", "2024-08-08T05:10").prices
    assert part.ts_us.tolist() == whole.ts_us[3:6].tolist()
    assert part.volume.tolist() == pytest.approx(whole.volume[3:6].tolist())


def test_minutes_that_lack_trades_are_told(data: Path) -> None:
    assert any(remark.startswith("1 of the minutes lack") for remark in load(data, "ETH-USD").remarks)
    before = load(data, "ETH-USD", end="2024-08-08T01:00")
    assert not any("lack trades" in remark for remark in before.remarks)


def test_the_hash_is_of_the_bars_not_of_where_they_lie(data: Path, tmp_path: Path) -> None:
    recorded(data, "1m").write_parquet(tmp_path / "exported.parquet")
    exported = load(tmp_path / "exported.parquet")
    assert exported.data_hash == load(data, "ETH-USD").data_hash
    assert (exported.prices.symbol, exported.prices.idealised) == ("ETH-USD", False)


def test_candles_stand_in_where_nothing_was_recorded(data: Path) -> None:
    found = load(data, "SPY", "15m")
    assert found.prices.idealised
    assert found.prices.interval_us == 15 * MINUTE_US
    assert found.prices.open[:2].tolist() == [100.0, 103.0]
    with pytest.raises(UsageError, match="1m, 5m; say which"):
        load(data, "SPY")


def test_the_data_directory_of_the_settings_is_called_lake(data: Path) -> None:
    named = load("lake", "ETH-USD", data_dir=data)
    assert (named.name, named.data_hash) == ("lake:kraken", load(data, "ETH-USD").data_hash)


@pytest.mark.parametrize(
    ("symbol", "told"),
    [("BTC-USD", "BTC-USD@coinbase, BTC-USD@kraken"), (None, "say which"), ("XRP", "has no 'XRP'")],
)
def test_a_symbol_must_be_told_from_others(data: Path, symbol, told) -> None:
    with pytest.raises(UsageError, match=told):
        load(data, symbol)
    assert load(data, "BTC-USD@kraken").name == "lake:kraken"


def test_a_time_without_bars_is_told(data: Path) -> None:
    with pytest.raises(DataError, match="no bars in the time asked for: 2025-01-01 to the end"):
        load(data, "ETH-USD", start="2025-01-01")


def test_recorded_minutes_have_the_spread_between_the_last_quotes(tmp_path: Path) -> None:
    n = np.arange(30)
    spread = np.where(n % 7 == 3, np.nan, 0.1 + 0.01 * n)
    made = table(
        "market_microstructure",
        timestamp=START_US + n * MINUTE_US,
        venue="kraken",
        symbol="ETH-USD",
        trade_count=np.ones(30, dtype=np.int64),
        **dict.fromkeys(("open", "high", "low", "price", "exec_price"), 100.0 + n),
        bid_price=100.0 + n,
        ask_price=100.0 + n + spread,
        bid_ask_spread=spread,
    )
    with_lake = Lake(tmp_path / "lake")
    with_lake.commit(Commit(0, 30, {"market_microstructure": made}))
    with_lake.close()
    found = load(tmp_path, "ETH-USD").prices
    assert found.spread is not None
    np.testing.assert_array_equal(found.spread, spread)
    longer = load(tmp_path, "ETH-USD", "5m").prices
    assert longer.spread is not None
    np.testing.assert_allclose(longer.spread, spread[4::5])
    in_and_out = Strategy(family="signals", params={"signals": "0110" * 7})
    paid, free = (backtest(found, in_and_out, Costs(spread=spread)).trades for spread in (True, False))
    assert len(paid) == 7
    assert (paid["entry_price"] > free["entry_price"]).all()
    assert (paid["exit_price"] < free["exit_price"]).all()
