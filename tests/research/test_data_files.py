"""Bars out of files: every form, the same hash whatever the form, and bad rows named and left out."""

from __future__ import annotations

import gzip
import math
import warnings
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.clock import DAY_US, MINUTE_US, to_us
from barograph.errors import DataError, UsageError
from barograph.research.data import Source, candle_csv, clean_csv, load
from barograph.research.data.source import Rows, Wanted

START_US = to_us(datetime(2024, 8, 8, tzinfo=UTC))


def candles(n: int = 50, step_us: int = 5 * MINUTE_US, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 1e-3, n))), 4)
    open_ = np.append(100.0, close[:-1])
    return pl.DataFrame(
        {
            "timestamp": pl.Series(START_US + step_us * np.arange(n)).cast(pl.Datetime("us", "UTC")),
            "open": open_,
            "high": np.maximum(open_, close) + 0.01,
            "low": np.minimum(open_, close) - 0.01,
            "close": close,
            "volume": np.round(rng.exponential(1, n), 6),
        }
    )


def as_text(frame: pl.DataFrame, form: str) -> pl.DataFrame:
    return frame.with_columns(pl.col("timestamp").dt.strftime(form))


def columns(found: Source) -> dict[str, list[float]]:
    prices = found.prices
    return {n: getattr(prices, n).tolist() for n in ("ts_us", "open", "high", "low", "close", "volume")}


@pytest.fixture
def written(tmp_path: Path) -> Source:
    candles().write_parquet(tmp_path / "x.parquet")
    return load(tmp_path / "x.parquet")


def test_a_parquet_of_candles_is_taken_as_it_is(written: Source) -> None:
    made = candles()
    prices = written.prices
    assert prices.ts_us.tolist() == made["timestamp"].dt.epoch("us").to_list()
    for name in ("open", "high", "low", "close", "volume"):
        assert getattr(prices, name).tolist() == made[name].to_list()
    assert (prices.interval_us, prices.symbol, written.name) == (5 * MINUTE_US, "x", "x.parquet")
    assert prices.idealised
    assert any("idealised" in remark for remark in written.remarks)


@pytest.mark.parametrize(
    "column",
    [
        pl.col("timestamp").dt.convert_time_zone("Asia/Kolkata"),
        pl.col("timestamp").dt.replace_time_zone(None),
        pl.col("timestamp").dt.cast_time_unit("ms"),
        pl.col("timestamp").dt.cast_time_unit("ns"),
        pl.col("timestamp").dt.epoch("s"),
        pl.col("timestamp").dt.epoch("ms"),
        pl.col("timestamp").dt.epoch("us"),
        pl.col("timestamp").dt.epoch("ns"),
        pl.col("timestamp").dt.epoch("s").cast(pl.Float64),
        pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        pl.col("timestamp").dt.strftime("%d.%m.%Y %H:%M:%S"),
    ],
)
def test_times_of_any_unit_and_zone_are_the_same_times(
    tmp_path: Path, written: Source, column: pl.Expr
) -> None:
    candles().with_columns(column).write_parquet(tmp_path / "y.parquet")
    assert load(tmp_path / "y.parquet").data_hash == written.data_hash


@pytest.mark.parametrize(
    "column", [pl.col("timestamp").dt.date(), pl.col("timestamp").dt.strftime("%Y%m%d").cast(pl.Int64)]
)
def test_days_are_their_first_moment(tmp_path: Path, column: pl.Expr) -> None:
    candles(9, DAY_US).with_columns(column).write_parquet(tmp_path / "d.parquet")
    assert load(tmp_path / "d.parquet").prices.ts_us.tolist() == [START_US + k * DAY_US for k in range(9)]


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M:%S", "%s"]
)
@pytest.mark.parametrize(("separator", "packed"), [(",", False), (";", True)])
def test_a_csv_in_any_form_has_the_hash_of_the_parquet(
    tmp_path: Path, written: Source, form, separator, packed
) -> None:
    text = as_text(candles(), form).write_csv(separator=separator).encode()
    path = tmp_path / "x.csv"
    path.write_bytes(gzip.compress(text) if packed else b"\xef\xbb\xbf" + text)
    found = load(path)
    assert columns(found) == columns(written)
    assert found.data_hash == written.data_hash


def test_the_hash_hangs_on_every_bar_and_on_nothing_else(tmp_path: Path, written: Source) -> None:
    candles().rename({"close": "Price", "timestamp": "Open time"}).write_parquet(tmp_path / "named.parquet")
    assert load(tmp_path / "named.parquet", symbol="BTC-USD").data_hash == written.data_hash
    hashes = {written.data_hash}
    for name in ("open", "close", "volume"):
        changed = candles().with_columns(
            pl.when(pl.int_range(pl.len()) == 30).then(pl.col(name) + 0.001).otherwise(name).alias(name)
        )
        changed.write_parquet(tmp_path / "changed.parquet")
        hashes.add(load(tmp_path / "changed.parquet").data_hash)
    candles().with_columns(exec_price=pl.col("open")).write_parquet(tmp_path / "exec.parquet")
    hashes.add(load(tmp_path / "exec.parquet").data_hash)
    candles().with_columns(bid_ask_spread=pl.lit(0.1)).write_parquet(tmp_path / "spread.parquet")
    hashes.add(load(tmp_path / "spread.parquet").data_hash)
    assert len(hashes) == 6


def test_a_column_of_prices_alone_makes_bars(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("timestamp,price\n2024-08-08 00:00,1.5\n2024-08-08 00:01,2.5\n")
    prices = load(path).prices
    assert prices.low.tolist() == prices.open.tolist() == prices.close.tolist() == [1.5, 2.5]
    assert np.isnan(prices.volume).all()


def test_bad_rows_of_a_csv_are_named_by_their_line_and_left_out(tmp_path: Path) -> None:
    good = as_text(candles(), "%Y-%m-%d %H:%M:%S").write_csv().splitlines()
    lines = [
        *good[:3],
        "2024-08-08 00:10,1,2,3,oops,5",
        *good[3:6],
        "2024-08-08 00:22,100,101,99,102,5",
        "",
        *good[6:],
        good[9],
    ]
    path = tmp_path / "bad.csv"
    path.write_text("\n".join(lines) + "\n")
    found = load(path)
    assert (len(found.prices), found.rows_dropped) == (50, 3)
    told = " | ".join(found.remarks)
    assert "line 4 left out: close 'oops' is not a number" in told
    assert "line 55 left out: earlier than line 54" in told
    assert "1 row left out, a price outside low and high: the first at 2024-08-08 00:22" in told


def test_bad_rows_of_a_parquet_are_told_and_left_out(tmp_path: Path) -> None:
    made = candles(8)
    rows = [
        {**made.row(1, named=True), "close": -1.0},
        {**made.row(2, named=True), "high": 1.0},
        {**made.row(3, named=True), "volume": -1.0},
        {**made.row(4, named=True), "timestamp": None},
        {**made.row(5, named=True), "open": None},
    ]
    bad = pl.DataFrame(rows, schema=made.schema)
    pl.concat([bad, made.filter(pl.int_range(pl.len()).is_in([1, 2, 3, 5]).not_()), made[[6]]]).write_parquet(
        tmp_path / "b.parquet"
    )
    found = load(tmp_path / "b.parquet")
    assert found.prices.ts_us.tolist() == made[[0, 4, 6, 7]]["timestamp"].dt.epoch("us").to_list()
    assert found.rows_dropped == 6
    told = " | ".join(found.remarks)
    for reason in (
        "have no time",
        "sorted",
        "not above 0",
        "outside low and high",
        "volume below 0",
        "time of the row before",
    ):
        assert reason in told


def test_unknown_bars_stay_as_unknown_bars(tmp_path: Path) -> None:
    gone = pl.when(pl.int_range(pl.len()) == 3).then(None)
    candles(9).with_columns(
        gone.otherwise(n).alias(n) for n in ("open", "high", "low", "close")
    ).write_parquet(tmp_path / "n.parquet")
    found = load(tmp_path / "n.parquet")
    assert np.flatnonzero(np.isnan(found.prices.close)).tolist() == [3]
    assert found.rows_dropped == 0


def test_a_split_an_exec_price_and_a_spread_are_read_from_both_kinds_of_file(tmp_path: Path) -> None:
    parts = ["train"] * 30 + ["Validation"] * 20
    fills = [math.nan if k % 7 == 0 else 100.0 + k for k in range(50)]
    spreads = [math.nan if k % 5 == 0 else 0.01 * k for k in range(50)]
    made = candles().with_columns(
        split=pl.Series(parts),
        exec_price=pl.Series(fills).fill_nan(None),
        bid_ask_spread=pl.Series(spreads).fill_nan(None),
    )
    made.write_parquet(tmp_path / "s.parquet")
    lines = as_text(made, "%Y-%m-%d %H:%M:%S").write_csv().splitlines()
    (tmp_path / "s.csv").write_text("\n".join([*lines[:5], "nonsense", "", *lines[5:]]))
    stored, read = load(tmp_path / "s.parquet"), load(tmp_path / "s.csv")
    for found in (stored, read):
        assert found.split is not None
        assert found.split.tolist() == [0] * 30 + [1] * 20
        assert np.array_equal(found.prices.fill_price, fills, equal_nan=True)
        assert found.prices.spread is not None
        assert np.array_equal(found.prices.spread, spreads, equal_nan=True)
    assert stored.data_hash == read.data_hash
    assert (read.rows_dropped, read.prices.idealised) == (1, False)


@pytest.mark.parametrize(
    ("split", "told"),
    [
        (["train", "validation", "train"], "validation must come after all of training"),
        (["train", "train", "train"], "says train everywhere"),
        (["train", "else", "validation"], "line 3: column split says 'else'"),
    ],
)
def test_a_split_that_cannot_be_is_refused(tmp_path: Path, split, told) -> None:
    as_text(candles(3).with_columns(split=pl.Series(split)), "%Y-%m-%d %H:%M").write_csv(tmp_path / "s.csv")
    with pytest.raises(DataError, match=told):
        load(tmp_path / "s.csv")


def test_one_symbol_of_several_must_be_named(tmp_path: Path) -> None:
    both = [
        candles(seed=k).with_columns(symbol=pl.lit(s), venue=pl.lit(v))
        for k, (s, v) in enumerate([("BTC-USD", "kraken"), ("BTC-USD", "coinbase"), ("ETH-USD", "kraken")])
    ]
    pl.concat(both).write_parquet(tmp_path / "many.parquet")
    assert load(tmp_path / "many.parquet", "ETH-USD").prices.close.tolist() == both[2]["close"].to_list()
    found = load(tmp_path / "many.parquet", "BTC-USD@coinbase")
    assert (found.prices.symbol, found.prices.close.tolist()) == ("BTC-USD", both[1]["close"].to_list())
    for symbol, told in [
        (None, "such as --symbol"),
        ("BTC-USD", "BTC-USD@kraken"),
        ("BTC-USDT", "did you mean BTC-USD"),
    ]:
        with pytest.raises(UsageError, match=told):
            load(tmp_path / "many.parquet", symbol)


def test_of_several_intervals_the_longest_that_fits_is_read(tmp_path: Path) -> None:
    fine = candles(600, MINUTE_US).with_columns(interval_s=60)
    coarse = candles(120, 5 * MINUTE_US, seed=1).with_columns(interval_s=300)
    pl.concat([fine, coarse]).write_parquet(tmp_path / "i.parquet")
    assert load(tmp_path / "i.parquet", interval="1m").prices.close.tolist() == fine["close"].to_list()
    assert load(tmp_path / "i.parquet", interval="5m").prices.close.tolist() == coarse["close"].to_list()
    with pytest.raises(UsageError, match="bars of 1m, 5m; say which"):
        load(tmp_path / "i.parquet")


def test_a_folder_of_parquet_is_one_source(tmp_path: Path, written: Source) -> None:
    folder = tmp_path / "days"
    folder.mkdir()
    candles()[25:].write_parquet(folder / "a.parquet")
    candles()[:25].write_parquet(folder / "b.parquet")
    assert load(folder).data_hash == written.data_hash


def test_start_and_end_are_half_open(written: Source, tmp_path: Path) -> None:
    found = load(tmp_path / "x.parquet", start="2024-08-08T00:10", end="2024-08-08T00:30")
    assert columns(found) == {name: values[2:6] for name, values in columns(written).items()}
    with pytest.raises(DataError, match="no bars in the time asked for"):
        load(tmp_path / "x.parquet", start="2025-01-01")


def test_gaps_and_crowds_are_told(tmp_path: Path) -> None:
    candles()[[0, 1, 2, 3, 8, 9, 10, 30, 31]].write_parquet(tmp_path / "g.parquet")
    told = " | ".join(load(tmp_path / "g.parquet").remarks)
    assert "2 gaps among 9 bars, the longest from 2024-08-08 00:50 to 2024-08-08 02:30" in told
    extra = candles(4, MINUTE_US)[[1]]
    pl.concat([candles(), extra]).sort("timestamp").write_parquet(tmp_path / "c.parquet")
    assert "2 bars follow in less than 5m" in " | ".join(load(tmp_path / "c.parquet").remarks)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.csv", "", "the header has the columns"),
        ("other.csv", "a,b\n1,2\n", "needed are a time and a close"),
        ("none.csv", "time,close\n", "0 rows are candles"),
        (
            "back.csv",
            "time,close\n2024-01-03,1\n2024-01-02,1\n2024-01-01,1\n",
            "sort it by time, oldest first",
        ),
        ("one.csv", "time,close\n2024-01-03,1\n", "1 bars do not tell their interval"),
        ("junk.csv.gz", "no gzip", "needed are a time"),
        ("exec.csv", "time,close,exec_price\n2024-01-03,1,x\n2024-01-04,1,\n", "line 2: exec_price 'x'"),
    ],
)
def test_files_that_cannot_be_read_say_why(tmp_path: Path, name, content, told) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=told) as raised:
        load(tmp_path / name)
    assert name in str(raised.value)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(candles().write_csv().encode())[:-30])
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and then nothing")
    for name in ("x.csv.gz", "x.parquet"):
        with pytest.raises(DataError, match=name):
            load(tmp_path / name)


@pytest.mark.parametrize("source", ["nowhere.csv", "arch:dax", "lake"])
def test_a_source_that_is_not_there_is_a_wrong_question(source: str) -> None:
    with pytest.raises(UsageError):
        load(source)


def test_the_bundled_series_are_what_arch_loads() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from arch.data import nasdaq, sp500
    for name, module in (("sp500", sp500), ("nasdaq", nasdaq)):
        frame = module.load()
        found = load(f"arch:{name}")
        factor = frame["Adj Close"] / frame["Close"]
        assert found.prices.ts_us.tolist() == [
            to_us(day.tz_localize(UTC).to_pydatetime()) for day in frame.index
        ]
        for column in ("Open", "High", "Low", "Close"):
            assert getattr(found.prices, column.lower()).tolist() == (frame[column] * factor).tolist()
        assert found.prices.interval_us == DAY_US
        assert any("Adj Close" in remark for remark in found.remarks)


def test_the_real_candles_are_read_whole(shared_data: Path) -> None:
    found = load(shared_data / "candles" / "btcusd-5m-2024-08-to-11.csv.gz", symbol="BTC-USD")
    assert (len(found.prices), found.prices.interval_us, found.rows_dropped) == (28_304, 300_000_000, 0)
    assert found.prices.close[0] == 64_640


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%d %H:%M:%S%.6f",
        "%Y-%m-%dT%H:%M:%SZ",
        "%Y-%m-%d %H:%M",
        "%d.%m.%Y %H:%M:%S",
        "%s",
        "%s000",
    ],
)
def test_the_fast_reader_reads_what_the_careful_one_reads(tmp_path: Path, form: str) -> None:
    parts = pl.Series(["train"] * 20 + ["test"] * 30)
    text = as_text(candles().with_columns(split=parts, exec_price=pl.col("open") + 0.1), form).write_csv()
    path = tmp_path / "f.csv"
    path.write_text(text)
    fast = clean_csv.read_clean(path, Wanted("X"), text.splitlines()[0])
    careful = candle_csv.read_carefully(path, Wanted("X"))
    assert fast is not None
    for each in fields(Rows):
        assert np.array_equal(getattr(fast, each.name), getattr(careful, each.name)), each.name


@pytest.mark.parametrize(
    ("line", "with_"),
    [
        (5, "oops"),
        (5, ""),
        (5, "2024-08-08 00:15:00,1,2,3,4"),
        (9, "2024-08-08 00:15:00,1,2,1,2,3"),
        (7, "2024-8-08 00:25:00,1,2,1,2,3"),
    ],
)
def test_the_fast_reader_leaves_what_is_odd_to_the_careful_one(tmp_path: Path, line: int, with_: str) -> None:
    lines = as_text(candles(), "%Y-%m-%d %H:%M:%S").write_csv().splitlines()
    path = tmp_path / "f.csv"
    path.write_text("\n".join([*lines[:line], with_, *lines[line:]]))
    assert clean_csv.read_clean(path, Wanted(), lines[0]) is None
    assert len(load(path).prices) == 50


@given(st.integers(0, 1000), st.sampled_from(["%Y-%m-%d %H:%M:%S", "%s"]))
@settings(max_examples=15, deadline=None)
def test_floats_written_in_full_are_read_back_to_the_bit(tmp_path_factory, seed: int, form: str) -> None:
    rng = np.random.default_rng(seed)
    close = rng.lognormal(0, 20, 30)
    frame = candles(30).select("timestamp", close=pl.Series(close))
    path = tmp_path_factory.mktemp("floats") / "f.csv"
    as_text(frame, form).write_csv(path)
    assert load(path).prices.close.tolist() == close.tolist()
