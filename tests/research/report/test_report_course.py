"""A backtest over time, against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.clock import DAY_US
from barograph.research.outcome import Study
from barograph.research.report.course import (
    Course,
    by_calendar,
    course,
    daily,
    returns,
    rolling,
    rolling_window,
    underwater,
    worst_drawdowns,
)

START = 1_262_304_000_000_000


def walk(n: int, seed: int = 0, step_us: int = DAY_US) -> tuple[np.ndarray, np.ndarray, pd.Series]:
    growth = np.exp(np.random.default_rng(seed).normal(0.0003, 0.01, n).cumsum())
    times = START + np.arange(n) * step_us
    return times, growth, pd.Series(growth, index=pd.to_datetime(times, unit="us"))


@pytest.mark.parametrize(("unit", "rule"), [("M", "ME"), ("Y", "YE")])
def test_calendar_returns_equal_those_of_pandas(unit: str, rule: str) -> None:
    times, growth, series = walk(900)
    last = series.resample(rule).last()
    expected = last / last.shift(fill_value=1.0) - 1.0
    periods, found = by_calendar(times, growth, unit)
    assert found == pytest.approx(expected.to_numpy())
    years = periods if unit == "Y" else 1970 + periods // 12
    assert years.tolist() == expected.index.year.tolist()


def test_rolling_figures_equal_those_of_pandas() -> None:
    _, growth, series = walk(700)
    moves = series.pct_change().fillna(growth[0] - 1.0)
    window = moves.rolling(60)
    found = rolling(growth, 60, 252.0)
    assert found.volatility == pytest.approx((window.std() * 252**0.5).to_numpy(), nan_ok=True)
    assert found.sharpe == pytest.approx((window.mean() / window.std() * 252**0.5).to_numpy(), nan_ok=True)


def test_given_nothing_moves_then_the_rolling_ratio_is_unknown_and_volatility_none() -> None:
    found = rolling(np.ones(50), 10, 252.0)
    assert np.isnan(found.sharpe).all()
    assert found.volatility[9:].tolist() == [0.0] * 41


def test_given_little_data_then_the_window_is_a_part_of_it() -> None:
    assert rolling_window(5_000, 252.0) == 126
    assert rolling_window(300, 252.0) == 50
    assert rolling_window(20, 252.0) == 10


@given(st.lists(st.floats(0.05, 20.0), min_size=1, max_size=60))
def test_worst_drawdowns_are_those_of_the_underwater_line(levels: list[float]) -> None:
    growth = np.array(levels)
    found = worst_drawdowns(growth, 99)
    line = underwater(growth)
    assert [fall.depth for fall in found] == sorted(fall.depth for fall in found)
    if found:
        assert found[0].depth == pytest.approx(line.min())
    covered = np.zeros(len(growth), dtype=int)
    for fall in found:
        end = len(growth) if fall.recovery is None else fall.recovery
        covered[fall.peak + 1 : end] += 1
        assert growth[fall.peak] == growth[: fall.peak + 1].max()
        assert growth[fall.trough] == growth[fall.peak + 1 : end].min()
    assert covered.tolist() == (line < 0).astype(int).tolist()


def test_given_minutes_over_many_days_then_days_are_shown_and_their_year_is_as_long() -> None:
    times, growth, series = walk(30 * 1_440, step_us=60_000_000)
    bars = Course(times, growth, growth, 60_000_000, 525_960.0)
    days = daily(bars)
    assert days.strategy == pytest.approx(series.resample("D").last().to_numpy())
    assert days.per_year == pytest.approx(365.25)
    assert days.unit == "day"


def test_given_minutes_over_few_days_then_bars_are_shown() -> None:
    times, growth, _ = walk(3 * 1_440, step_us=60_000_000)
    bars = Course(times, growth, growth, 60_000_000, 525_960.0)
    assert daily(bars) is bars


def test_given_unknown_closes_then_the_market_stands_at_the_last_known(study: Study) -> None:
    found = study.best_whole
    found.prices.close[5:8], kept = np.nan, found.prices.close[5:8].copy()
    try:
        market = course(found, 252.0).market
    finally:
        found.prices.close[5:8] = kept
    assert market[4] == market[5] == market[7] != market[8]


def test_given_all_is_lost_then_returns_stay_finite() -> None:
    assert returns(np.array([1.0, 0.0, 0.0])).tolist() == [0.0, -1.0, 0.0]
    assert np.isfinite(underwater(np.array([1.0, 0.0, -0.5]))).all()
