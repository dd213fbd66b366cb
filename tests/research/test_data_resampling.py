"""Longer bars out of candles: against Polars' own, with unfinished ends left out."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.clock import DAY_US, MINUTE_US
from barograph.errors import UsageError
from barograph.research.data import load
from barograph.research.data.resampling import finished, longer
from barograph.research.data.source import Rows

START_US = 1_722_816_000_000_000
"""Monday 2024-08-05 00:00 UTC."""


def rows(minutes, seed: int = 0, **more) -> Rows:
    minutes = np.asarray(minutes, np.int64)
    rng = np.random.default_rng(seed)
    close = 100 + rng.normal(0, 1, len(minutes))
    open_ = 100 + rng.normal(0, 1, len(minutes))
    return Rows(
        name="x",
        symbol="X",
        ts_us=START_US + minutes * MINUTE_US,
        open=open_,
        high=np.maximum(open_, close) + 1,
        low=np.minimum(open_, close) - 1,
        close=close,
        volume=rng.integers(0, 9, len(minutes)).astype(float),
        **more,
    )


def made_of(base: Rows, minutes: int) -> Rows:
    interval_us = minutes * MINUTE_US
    return finished(longer(base, MINUTE_US, interval_us), base.ts_us, MINUTE_US, interval_us)


@given(st.sets(st.integers(0, 600), min_size=1), st.sampled_from([5, 15, 60]), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_each_bar_is_what_polars_makes_of_its_rows(minutes, every, seed) -> None:
    base = rows(sorted(minutes), seed)
    made = longer(base, MINUTE_US, every * MINUTE_US)
    frame = pl.DataFrame({n: getattr(base, n) for n in ("ts_us", "open", "high", "low", "close", "volume")})
    step = every * MINUTE_US
    col = pl.col
    theirs = frame.group_by(col("ts_us") // step * step, maintain_order=True).agg(
        col("open").first(), col("high").max(), col("low").min(), col("close").last(), col("volume").sum()
    )
    for name in theirs.columns:
        assert getattr(made, name).tolist() == theirs[name].to_list()


def test_the_fill_is_the_first_that_there_was() -> None:
    fills = np.array([np.nan, 7.0, 8.0, np.nan, np.nan, np.nan, 9.0, np.nan])
    made = longer(rows([0, 1, 2, 5, 6, 10, 15, 16], exec_price=fills), MINUTE_US, 5 * MINUTE_US)
    assert made.exec_price is not None
    assert np.array_equal(made.exec_price, [7.0, np.nan, np.nan, 9.0], equal_nan=True)


def test_the_spread_is_the_last_that_was_known() -> None:
    spreads = np.array([0.1, 0.2, np.nan, np.nan, np.nan, 0.3, 0.4, 0.5])
    made = longer(rows([0, 1, 2, 5, 6, 10, 15, 16], spread=spreads), MINUTE_US, 5 * MINUTE_US)
    assert made.spread is not None
    assert np.array_equal(made.spread, [0.2, np.nan, 0.3, 0.5], equal_nan=True)


def test_unknown_rows_do_not_count_and_make_no_bar() -> None:
    base = rows([0, 1, 5, 6, 10])
    for column in (base.open, base.high, base.low, base.close):
        column[[0, 2, 3]] = np.nan
    made = longer(base, MINUTE_US, 5 * MINUTE_US)
    assert made.ts_us.tolist() == [START_US, START_US + 10 * MINUTE_US]
    assert made.open.tolist() == base.open[[1, 4]].tolist()


def test_a_bar_across_the_split_is_kept_from_training() -> None:
    made = longer(rows(range(20), split=np.arange(20) // 13), MINUTE_US, 5 * MINUTE_US)
    assert made.split is not None
    assert made.split.tolist() == [0, 0, 1, 1]


def test_unfinished_bars_at_either_end_are_left_out_and_told() -> None:
    made = made_of(rows(range(7, 174)), 60)
    assert made.ts_us.tolist() == [START_US + 60 * MINUTE_US]
    assert "the last 1h, from 2024-08-05 02:00, is unfinished" in made.remarks[1]
    assert "the first 1h, from 2024-08-05, begins late" in made.remarks[2]


def test_bars_that_are_whole_stay() -> None:
    assert len(made_of(rows(range(180)), 60)) == 3


def test_an_exchange_day_is_whole_when_its_session_is_over() -> None:
    session = np.arange(13 * 60 + 30, 20 * 60)
    week = np.concatenate([day * 1_440 + session for day in range(5)])
    assert len(made_of(rows(week), 1_440)) == 5
    cut = made_of(rows(week[:-30]), 1_440)
    assert len(cut) == 4
    assert "unfinished" in cut.remarks[-1]


def test_bars_of_a_file_are_made_whole_within_start_and_end(tmp_path) -> None:
    base = rows(range(600))
    names = ("open", "high", "low", "close", "volume")
    frame = pl.DataFrame({"timestamp": base.ts_us, **{n: getattr(base, n) for n in names}})
    frame.write_parquet(tmp_path / "m.parquet")
    whole = load(tmp_path / "m.parquet", interval="1h").prices
    cut = load(tmp_path / "m.parquet", interval="1h", start="2024-08-05T00:30", end="2024-08-05T03:30").prices
    assert cut.ts_us.tolist() == whole.ts_us[1:4].tolist()
    assert cut.high.tolist() == whole.high[1:4].tolist()
    assert whole.interval_us == 60 * MINUTE_US


def test_days_of_the_real_candles(shared_data) -> None:
    path = shared_data / "candles" / "btcusd-5m-2024-08-to-11.csv.gz"
    found = load(path, interval="1d")
    assert found.prices.interval_us == DAY_US
    assert "the last 1d, from 2024-11-10, is unfinished and left out" in found.remarks


def test_shorter_bars_or_parts_of_bars_cannot_be_made(tmp_path) -> None:
    pl.DataFrame({"ts": rows(range(0, 90, 3)).ts_us, "price": np.ones(30)}).write_parquet(
        tmp_path / "t.parquet"
    )
    for interval in ("1m", "5m"):
        with pytest.raises(UsageError, match=r"bars of 3m; .m is not a whole number"):
            load(tmp_path / "t.parquet", interval=interval)
