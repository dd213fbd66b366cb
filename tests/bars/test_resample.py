"""Longer bars from minutes, shorter ones from ticks: against pandas, and against the kernel itself."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.bars.batch import batch
from barograph.bars.resample import parse_interval, resample, resample_ticks
from barograph.bars.settings import KERNEL_VERSION, BarSettings
from barograph.clock import DAY_US, MINUTE_US, to_us
from barograph.errors import UsageError
from barograph.rows import Quotes, Ticks, columns
from barograph.tables import MARKET_MICROSTRUCTURE, QUOTES, TICKS, Flag

START_US = to_us(datetime(2024, 8, 8, 22, 0, tzinfo=UTC))
SYMBOLS = [("binance", "BTC-USDT"), ("binance", "ETH-USDT"), ("kraken", "BTC-USDT")]
ADDED = ["volume", "notional", "vwap", "buy_volume", "sell_volume", "volatility_1min"]
HANGS_ON_ADDED = ["order_imbalance", "volume_spike_score"]
TOLD = ["as_of", "tape_pos", "kernel_version"]


def numbers(series) -> list[float]:
    return series.fill_null(math.nan).to_list()


def about(values):
    return pytest.approx(values, rel=1e-9, abs=1e-12, nan_ok=True)


def random_rows(seed: int, minutes: int, trades: int = 400, quotes: int = 250) -> tuple[Ticks, Quotes]:
    """Rows of three instruments; whole minutes without trades, some without anything."""
    rng = np.random.default_rng(seed)
    busy = rng.random(minutes) < 0.6
    quoted = rng.random(minutes) < 0.7
    busy[0] = quoted[0] = True

    def times(which, n):
        minute = rng.choice(np.flatnonzero(which), n)
        return np.sort(START_US + minute * MINUTE_US + rng.integers(0, MINUTE_US, n))

    record = rng.permutation(trades + quotes)
    price = np.exp(np.cumsum(rng.normal(0, 1e-3, trades))) * 100
    ticks = columns(
        Ticks,
        record=np.sort(record[:trades]),
        ts_us=times(busy, trades),
        instrument=rng.integers(0, 3, trades),
        price=price,
        size=rng.exponential(1, trades),
        side=rng.integers(-1, 2, trades),
        flags=np.where(rng.random(trades) < 0.05, Flag.NONPOSITIVE, 0),
    )
    middle = 100 + rng.normal(0, 0.1, quotes)
    bids = columns(
        Quotes,
        record=np.sort(record[trades:]),
        ts_us=times(quoted, quotes),
        instrument=rng.integers(0, 3, quotes),
        bid_price=middle - 0.05,
        ask_price=middle + 0.05,
    )
    return ticks, bids


def as_frame(rows, table) -> pl.DataFrame:
    """Rows of a kernel as the store gives them back: null for NaN and for ids not given."""
    names = [SYMBOLS[code] for code in rows.instrument.tolist()]
    made = {"venue": [venue for venue, _ in names], "symbol": [symbol for _, symbol in names]}
    for name in table.names:
        if hasattr(rows, name):
            made[name] = getattr(rows, name)
    frame = pl.DataFrame(made)
    floats = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    return frame.with_columns(pl.col(floats).fill_nan(None))


def utc(us) -> pl.Series:
    return pl.Series(us).cast(pl.Datetime("us", "UTC"))


def bars_frame(rows, as_of=0) -> pl.DataFrame:
    return as_frame(rows, MARKET_MICROSTRUCTURE).with_columns(
        timestamp=utc(rows.timestamp_us),
        kernel_version=pl.lit(1, dtype=pl.Int32),
        as_of=utc(rows.timestamp_us + as_of),
        tape_pos=pl.Series(rows.timestamp_us),
    )


def rows_frame(rows, table) -> pl.DataFrame:
    return as_frame(rows, table).with_columns(
        ts=utc(rows.ts_us), recv_ts=utc(rows.ts_us + 7), tape_pos=pl.Series(rows.record)
    )


def assert_equal_bars(got: pl.DataFrame, want: pl.DataFrame) -> None:
    """Exactly equal, but for what is added up in another order."""
    want = want.sort("venue", "symbol", "timestamp")
    other = {*ADDED, *HANGS_ON_ADDED, *TOLD}
    exact = [name for name in want.columns if name not in other]
    assert got.select(exact).equals(want.select(exact))
    for name in ADDED + HANGS_ON_ADDED:
        assert numbers(got[name]) == about(numbers(want[name])), name


@pytest.mark.parametrize(
    ("every", "us"),
    [
        ("1s", 1_000_000),
        ("30s", 30_000_000),
        ("5m", 300_000_000),
        (" 4 h ", 4 * 3_600_000_000),
        ("1d", DAY_US),
        ("86400s", DAY_US),
        (timedelta(minutes=15), 900_000_000),
    ],
)
def test_intervals(every, us):
    assert parse_interval(every) == us


@pytest.mark.parametrize(
    "every",
    ["", "m", "5", "5 minutes", "-5m", "0s", "1.5h", "7m", "7s", "2d", "25h", "1w", "5M", timedelta(days=2),
     timedelta(milliseconds=500), timedelta(seconds=1, microseconds=1), timedelta(0)],
)  # fmt: skip
def test_intervals_that_cannot_be_are_refused(every):
    with pytest.raises(UsageError, match="interval"):
        parse_interval(every)


def test_minutes_cannot_give_less_than_a_minute():
    with pytest.raises(UsageError, match="from ticks"):
        resample(bars_frame(batch(*random_rows(1, 3))), "90s")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), every=st.sampled_from(["1m", "2m", "5m", "15m", "1h", "1d"]))
def test_from_minutes_equals_the_batch_pass_over_the_ticks(seed, every):
    ticks, quotes = random_rows(seed, minutes=90)
    few = BarSettings(spike_window=8, spike_min_bars=3)
    minutes = bars_frame(batch(ticks, quotes, few)).sample(fraction=1.0, shuffle=True, seed=seed)
    want = bars_frame(batch(ticks, quotes, few, parse_interval(every)))
    assert_equal_bars(resample(minutes, every, few), want)


@pytest.mark.parametrize("every", ["1s", "15s", "1m", "5m"])
def test_from_ticks_equals_the_batch_pass(every):
    ticks, quotes = random_rows(3, minutes=20)
    got = resample_ticks(rows_frame(ticks, TICKS), rows_frame(quotes, QUOTES), every)
    want = bars_frame(batch(ticks, quotes, interval_us=parse_interval(every)))
    want = want.sort("venue", "symbol", "timestamp")
    same = [name for name in want.columns if name not in TOLD]
    assert got.select(same).equals(want.select(same))
    assert got["kernel_version"].unique().to_list() == [KERNEL_VERSION]
    assert got.schema == resample(want, "1d").schema


def test_from_ticks_alone_tells_how_far_it_looked():
    ticks, _ = random_rows(4, minutes=5)
    got = resample_ticks(rows_frame(ticks, TICKS), None, "1d")
    for code, (venue, symbol) in enumerate(SYMBOLS):
        row = got.row(by_predicate=(pl.col("venue") == venue) & (pl.col("symbol") == symbol), named=True)
        mine = ticks.instrument == code
        assert row["tape_pos"] == ticks.record[mine].max()
        assert to_us(row["as_of"]) == ticks.ts_us[mine].max() + 7
        assert row["bid_price"] is None


@pytest.mark.parametrize("every", ["5m", "30m", "4h"])
def test_against_pandas(every):
    ticks, quotes = random_rows(5, minutes=300, trades=3_000, quotes=2_000)
    minutes = bars_frame(batch(ticks, quotes), as_of=99).with_columns(
        revision=pl.Series(np.arange(batch(ticks, quotes).record.size) % 7, dtype=pl.Int32)
    )
    got = resample(minutes, every)
    frame = minutes.to_pandas().set_index("timestamp")
    for (venue, symbol), part in frame.groupby(["venue", "symbol"]):
        mine = got.filter(venue=venue, symbol=symbol).to_pandas().set_index("timestamp")
        buckets = part.resample(pd.Timedelta(every))
        count = buckets["price"].count()
        buckets = part[part.trade_count > 0].resample(pd.Timedelta(every))
        traded = buckets["price"].count().reindex(count.index, fill_value=0) > 0
        kept = count[count > 0].index
        assert mine.index.tolist() == kept.tolist()
        for name, how in {"open": "first", "high": "max", "low": "min", "price": "last"}.items():
            want = getattr(buckets[name], how)().reindex(kept)
            assert mine[name][traded[kept]].tolist() == want[traded[kept]].tolist()
        every_row = part.resample(pd.Timedelta(every))
        for name in ("volume", "notional", "buy_volume", "sell_volume"):
            assert mine[name].tolist() == pytest.approx(every_row[name].sum()[kept].tolist(), rel=1e-12)
        assert mine["trade_count"].tolist() == every_row["trade_count"].sum()[kept].tolist()
        for name in ("bid_price", "ask_price"):
            assert mine[name].dropna().tolist() == every_row[name].last()[kept].dropna().tolist()
        for name in ("revision", "kernel_version", "as_of", "tape_pos"):
            assert mine[name].tolist() == every_row[name].max()[kept].tolist()
        change = 100 * (mine["price"] / mine["price"].shift(1) - 1)
        assert mine["price_change_pct"].tolist() == about(change.tolist())
        assert mine["vwap"].tolist() == about((mine["notional"] / mine["volume"]).tolist())


def minute(at, **values):
    quiet = dict.fromkeys(MARKET_MICROSTRUCTURE.names) | {
        "timestamp": datetime(2024, 8, 8, 0, at, tzinfo=UTC),
        "symbol": "A",
        "venue": "v",
        "volume": 0.0,
        "notional": 0.0,
        "trade_count": 0,
        "buy_volume": 0.0,
        "sell_volume": 0.0,
        "revision": 0,
        "kernel_version": 1,
        "as_of": datetime(2024, 8, 9, tzinfo=UTC),
        "tape_pos": at,
    }
    return quiet | values


def frame_of(*rows) -> pl.DataFrame:
    types = {"double": pl.Float64, "int64": pl.Int64, "int32": pl.Int32, "string": pl.String}
    types["time"] = pl.Datetime("us", "UTC")
    return pl.DataFrame(list(rows), schema={c.name: types[c.type] for c in MARKET_MICROSTRUCTURE.columns})


def traded(at, price, **values):
    same = dict.fromkeys(("open", "high", "low", "price"), price)
    return minute(at, **same, volume=1.0, notional=price, trade_count=1, volatility_1min=0.0, **values)


def quoted(at, close, **values):
    return minute(at, **dict.fromkeys(("open", "high", "low", "price"), close), **values)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([traded(0, 5.0, exec_price=4.0), traded(1, 6.0)], 4.0),
        ([traded(0, 5.0), traded(1, 6.0, exec_price=9.0)], 6.0),
        ([traded(0, 5.0), quoted(1, 5.0), traded(3, 7.0)], 7.0),
        ([quoted(0, 3.0), traded(2, 7.0, exec_price=8.0)], 7.0),
        ([traded(2, 7.0, exec_price=8.0)], 7.0),
        ([traded(0, 5.0), quoted(1, 5.0)], None),
        ([quoted(0, 5.0)], None),
    ],
    ids=[
        "its own",
        "next open",
        "over a quiet one",
        "first is quiet",
        "first is missing",
        "none",
        "no trades",
    ],
)
def test_exec_price_is_the_first_that_could_have_been_had(rows, expected):
    assert resample(frame_of(*rows), "5m")["exec_price"].to_list() == [expected]


def test_quiet_minutes_do_not_count_as_trades():
    rows = [
        quoted(0, 50.0, bid_price=49.0, ask_price=51.0),
        traded(1, 10.0),
        traded(2, 11.0),
        quoted(3, 11.0),
    ]
    bar = resample(frame_of(*rows), "5m").row(0, named=True)
    assert [bar[name] for name in ("open", "high", "low", "price")] == [10.0, 11.0, 10.0, 11.0]
    assert (bar["vwap"], bar["trade_count"], bar["bid_ask_spread"]) == (10.5, 2, None)


def test_an_interval_without_trades_keeps_the_close():
    rows = [traded(0, 10.0), quoted(5, 10.0, bid_price=9.0, ask_price=10.5), quoted(6, 10.0)]
    bar = resample(frame_of(*rows), "5m").row(1, named=True)
    assert [bar[name] for name in ("open", "high", "low", "price", "price_change_pct")] == [10.0] * 4 + [0.0]
    assert [bar[name] for name in ("vwap", "order_imbalance", "volatility_1min", "exec_price")] == [None] * 4
    assert bar["volume"] == 0.0


def test_volatility_is_the_root_of_the_sum_of_squares():
    rows = [traded(0, 10.0) | {"volatility_1min": 0.3}, traded(1, 10.0) | {"volatility_1min": 0.4}]
    bar = resample(frame_of(*rows), "1h")
    assert bar["volatility_1min"].to_list() == [pytest.approx(math.hypot(0.3, 0.4))]


def test_nothing_gives_nothing():
    nothing = resample(frame_of(), "1h")
    assert nothing.is_empty()
    assert nothing.schema == resample(frame_of(traded(0, 1.0)), "1h").schema == frame_of().schema
