"""The look-ahead check: what leaks is caught and named, what is honest passes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.errors import DataError, UsageError
from barograph.research.lookahead import COUNT, LEAST_BARS, Report, check

BARS = 400


def bars(count: int = BARS, seed: int = 5, step: timedelta = timedelta(hours=6)) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.02, count)))
    open_ = np.concatenate([[100.0], close[:-1]])
    wick = 1 + np.abs(random.normal(0, 0.005, count))
    start = datetime(2019, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "ts": pl.Series([start + k * step for k in range(count)]).cast(pl.Datetime("us", "UTC")),
            "open": open_,
            "high": np.maximum(open_, close) * wick,
            "low": np.minimum(open_, close) / wick,
            "close": close,
            "volume": random.lognormal(3, 1, count),
        }
    )


FRAME = bars()

c = pl.col("close")


def held(frame: pl.DataFrame, when: pl.Expr) -> pl.Series:
    return frame.select(when.fill_null(False).cast(pl.Float64).alias("held"))["held"]


def slope(frame: pl.DataFrame) -> pl.Series:
    fit = np.polyfit(np.arange(frame.height), frame["close"].to_numpy(), 1)
    return frame["close"] > np.polyval(fit, np.arange(frame.height))


def daily_close(frame: pl.DataFrame) -> pl.Series:
    days = frame.group_by(pl.col("ts").dt.truncate("1d").alias("day"), maintain_order=True).agg(
        c.last().alias("of_day")
    )
    joined = frame.with_columns(pl.col("ts").dt.truncate("1d").alias("day")).join(
        days, on="day", maintain_order="left"
    )
    return joined["of_day"] > joined["close"]


LEAKS: dict[str, tuple[Callable[[pl.DataFrame], Any], str]] = {
    "normalised over the whole frame": (lambda f: held(f, (c - c.mean()) / c.std() > 0.5), "close"),
    "tomorrow's close": (lambda f: held(f, c.shift(-1) > c), "close"),
    "a centred window": (lambda f: held(f, c > c.rolling_mean(7, center=True)), "close"),
    "sorted by price": (lambda f: held(f.sort("close"), c > c.shift(1) * 1.0005), "close"),
    "the number of bars": (lambda f: (np.arange(len(f)) > len(f) / 2).astype(float), COUNT),
    "the last time": (lambda f: held(f, pl.col("ts") > pl.col("ts").max() - timedelta(days=9)), "ts"),
    "filled backwards": (
        lambda f: held(f, pl.when(pl.col("volume") > 20).then(c).fill_null(strategy="backward") > c),
        "close",
    ),
    "the highest of all": (lambda f: held(f, pl.col("high") > pl.col("high").max() * 0.9), "high"),
    "the lowest of all": (lambda f: held(f, pl.col("low") < pl.col("low").min() * 1.2), "low"),
    "a quantile of all volumes": (
        lambda f: held(f, pl.col("volume") > pl.col("volume").quantile(0.8)),
        "volume",
    ),
    "rank": (lambda f: held(f, c.rank() / pl.len() > 0.7), "close"),
    "a line fitted to all": (slope, "close"),
    "the day's close, during the day": (daily_close, "close"),
    "tomorrow's open": (lambda f: held(f, pl.col("open").shift(-1) > pl.col("open")), "open"),
    "whether the day has an evening": (
        lambda f: held(f, c.filter(pl.col("ts").dt.hour() == 18).last().over(pl.col("ts").dt.date()) > 0),
        "ts",
    ),
    "an average run backwards": (lambda f: held(f, c > c.reverse().ewm_mean(span=10).reverse()), "close"),
    "the future only on rare days": (
        lambda f: held(f, (pl.col("volume") > 200) & (c.shift(-3) > c)),
        "close",
    ),
}


def loop(frame: pl.DataFrame) -> list[float]:
    position, made = 0.0, []
    for before, now in itertools.pairwise([None, *frame["close"].to_list()]):
        if before is not None and now is not None:
            position = 1.0 if now > before * 1.01 else 0.0 if now < before * 0.99 else position
        made.append(position)
    return made


HONEST: dict[str, Callable[[pl.DataFrame], Any]] = {
    "sma cross": lambda f: held(f, c.rolling_mean(5) > c.rolling_mean(20)),
    "ema": lambda f: held(f, c > c.ewm_mean(span=12, adjust=False)),
    "expanding mean": lambda f: held(f, c > c.cum_sum() / pl.int_range(1, pl.len() + 1)),
    "breakout": lambda f: held(f, c > pl.col("high").rolling_max(20).shift(1)),
    "as before": lambda f: f.select(
        pl.when(c.pct_change() > 0.02).then(1.0).when(c.pct_change() < -0.02).then(-1.0)
    ).to_series(),
    "a loop in Python": loop,
    "numpy": lambda f: np.sign(np.diff(f["close"].to_numpy(), prepend=f["close"][0])),
    "weekday": lambda f: held(f, pl.col("ts").dt.weekday() == 1),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_given_a_leak_it_is_caught_and_its_column_named(kind: str) -> None:
    function, column = LEAKS[kind]
    report = check(function, FRAME)
    assert report.leak is not None
    assert column in report.leak.columns
    assert not report.honest
    assert report.deterministic
    assert f"bar {report.leak.bar} ({FRAME['ts'][report.leak.bar]:%Y-%m-%d}" in report.lines[1]


@pytest.mark.parametrize("kind", HONEST)
def test_given_an_honest_function_nothing_is_found(kind: str) -> None:
    report = check(HONEST[kind], FRAME)
    assert report.honest, report.lines


def test_given_one_leaking_column_no_other_is_named() -> None:
    report = check(lambda f: held(f, pl.col("volume").shift(-1) > pl.col("volume")), FRAME)
    assert report.leak is not None
    assert report.leak.columns == ("volume",)
    assert "the signal changes when volume of later bars changes" in str(report.leak)


def test_given_a_leak_at_one_bar_only_that_bar_is_named() -> None:
    def function(frame: pl.DataFrame) -> pl.Series:
        late = pl.int_range(pl.len()) >= 200
        return held(frame, pl.when(late).then(c.shift(-2) > c).otherwise(c > c.shift(1)))

    report = check(function, FRAME)
    assert report.leak is not None
    assert 200 <= report.leak.bar < 260


def test_given_randomness_it_is_told_apart_from_a_leak() -> None:
    random = np.random.default_rng(1)
    report = check(lambda f: random.integers(0, 2, len(f)).astype(float), FRAME)
    assert not report.deterministic
    assert report.leak is None
    assert not report.honest
    assert "not deterministic" in report.lines[0]


def test_given_a_seeded_random_choice_per_bar_it_is_honest() -> None:
    report = check(lambda f: np.random.default_rng(1).integers(0, 2, len(f)).astype(float), FRAME)
    assert report.honest


def test_given_an_error_on_short_data_it_is_shown_and_not_counted_as_honest() -> None:
    def function(frame: pl.DataFrame) -> pl.Series:
        if frame.height < 20:
            raise ValueError("I need 20 bars")
        return held(frame, c > c.rolling_mean(20))

    report = check(function, FRAME)
    assert report.leak is None
    assert not report.honest
    assert [failure.bars for failure in report.failures][:2] == [1, 2]
    assert max(failure.bars for failure in report.failures) < 20
    assert "failed on 1 bars" in "\n".join(report.lines)
    assert "I need 20 bars" in "\n".join(report.lines)


def test_given_a_function_that_fails_always_the_check_says_so() -> None:
    with pytest.raises(DataError, match=r"nothing\.py:f failed on 400 bars: KeyError"):
        check(lambda f: {}["x"], FRAME, name="nothing.py:f")


def test_given_positions_of_the_wrong_length_the_check_says_so() -> None:
    with pytest.raises(DataError, match="one position a bar"):
        check(lambda f: [1.0], FRAME)


def test_given_no_position_at_all_nothing_is_shown() -> None:
    report = check(lambda f: np.zeros(len(f)), FRAME)
    assert not report.honest
    assert "never takes a position" in report.lines[0]


def test_given_a_window_the_warm_up_is_no_longer_than_it() -> None:
    warm_up = check(HONEST["sma cross"], FRAME).warm_up
    assert warm_up is not None
    assert warm_up.bars is not None
    assert 0 < warm_up.bars < 20


def test_given_a_moving_average_that_never_forgets_the_warm_up_is_longer() -> None:
    def slow(frame: pl.DataFrame) -> pl.Series:
        return held(frame, c > c.ewm_mean(span=60, adjust=False))

    warm_up = check(slow, FRAME).warm_up
    assert warm_up is not None
    assert warm_up.bars is None or warm_up.bars > 20


def test_given_the_first_bar_matters_the_signal_never_agrees() -> None:
    report = check(lambda f: held(f, (pl.int_range(pl.len()) % 7) < 3), FRAME)
    assert report.honest
    assert report.warm_up is not None
    assert report.warm_up.bars is None
    assert "never" in str(report.warm_up)


def test_given_no_memory_the_signal_does_not_depend_on_the_beginning() -> None:
    warm_up = check(HONEST["weekday"], FRAME).warm_up
    assert warm_up is not None
    assert warm_up.bars == 0


def test_given_arguments_they_reach_the_function() -> None:
    def function(frame: pl.DataFrame, ahead: int) -> pl.Series:
        return held(frame, c.shift(-ahead) > c)

    assert check(function, FRAME, {"ahead": 1}).leak is not None
    assert check(function, FRAME, {"ahead": -1}).leak is None


def test_given_too_few_bars_the_check_refuses() -> None:
    with pytest.raises(UsageError, match=f"at least {LEAST_BARS}"):
        check(loop, bars(LEAST_BARS - 1))


def test_given_the_same_seed_the_report_is_the_same() -> None:
    def twice() -> Report:
        return check(LEAKS["rank"][0], FRAME, seed=3)

    assert twice() == twice()


def test_given_a_function_the_frame_is_not_changed() -> None:
    before = FRAME.clone()
    check(loop, FRAME)
    assert FRAME.equals(before)


@settings(max_examples=15, deadline=None)
@given(ahead=st.integers(1, 20), seed=st.integers(0, 50), column=st.sampled_from(["close", "high", "volume"]))
def test_any_shift_into_the_future_is_caught(ahead: int, seed: int, column: str) -> None:
    report = check(
        lambda f: held(f, pl.col(column).shift(-ahead) > pl.col(column)), bars(200, seed), points=16
    )
    assert report.leak is not None
    assert column in report.leak.columns


@settings(max_examples=15, deadline=None)
@given(back=st.integers(0, 30), window=st.integers(1, 30), seed=st.integers(0, 50))
def test_any_look_back_is_honest(back: int, window: int, seed: int) -> None:
    def function(frame: pl.DataFrame) -> pl.Series:
        return held(frame, c.shift(back) >= c.rolling_mean(window))

    assert check(function, bars(200, seed), points=16).leak is None


def test_given_real_candles_a_leak_is_found_and_an_average_is_not(shared_data: Path) -> None:
    file = shared_data / "candles" / "btcusd-5m-2024-08-to-11.csv.gz"
    given_bars = pl.read_csv(file, n_rows=5_000).select(
        pl.col("dt").str.to_datetime("%d.%m.%Y %H:%M:%S", time_unit="us", time_zone="UTC").alias("ts"),
        *(pl.col(name).cast(pl.Float64).alias(name.lower()) for name in ("Open", "High", "Low", "Close")),
        pl.col("Volume").cast(pl.Float64).alias("volume"),
    )
    assert check(HONEST["sma cross"], given_bars).honest
    leak = check(LEAKS["normalised over the whole frame"][0], given_bars).leak
    assert leak is not None
    assert "close" in leak.columns
