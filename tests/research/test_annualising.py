"""Bars per year, against calendars of real exchanges; gaps do not lower it, nothing is assumed silently."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.clock import DAY_US, MINUTE_US
from barograph.research.annualising import YEAR_US, annualisation, periods_per_year
from barograph.strategies.prices import Prices

MONDAY_US = 1_722_816_000_000_000
"""2024-08-05 00:00 UTC."""


def bars(ts_us, interval_us: int, close=None) -> Prices:
    ts_us = np.asarray(ts_us, np.int64)
    close = np.ones(len(ts_us)) if close is None else close
    return Prices("X", interval_us, ts_us, close, close, close, close, close)


def run(start_us: int, days: float, interval_us: int) -> np.ndarray:
    return np.arange(start_us, start_us + int(days * DAY_US), interval_us)


@cache
def sessions(exchange: str, start: str, end: str, interval_us: int = MINUTE_US) -> np.ndarray:
    """Starts of all bars of an exchange's sessions, lunch breaks left out."""
    with warnings.catch_warnings():
        # The library uses what pandas will change; that is not ours to judge.
        warnings.simplefilter("ignore")
        import exchange_calendars
        import pandas as pd

        calendar = exchange_calendars.get_calendar(exchange, start=start, end=end)
        if interval_us == DAY_US:
            return calendar.sessions.as_unit("us").asi8
        period = pd.Timedelta(interval_us, "us")
        index = calendar.trading_index(
            *calendar.sessions[[0, -1]], period=period, intervals=False, closed="left"
        )
        return index.as_unit("us").asi8


@pytest.mark.parametrize("minutes", [1, 5, 60, 240, 1440])
@pytest.mark.parametrize("start_us", [MONDAY_US, MONDAY_US + 5 * DAY_US + 7 * 60 * MINUTE_US])
def test_around_the_clock_it_is_a_julian_year(minutes: int, start_us: int) -> None:
    found = annualisation(bars(run(start_us, 40, minutes * MINUTE_US), minutes * MINUTE_US))
    assert found.periods_per_year == YEAR_US / (minutes * MINUTE_US)
    assert "all seven days" in found.reason


@pytest.mark.parametrize("exchange", ["XNYS", "XBOM", "XTKS"])
def test_daily_sessions_are_counted_from_their_own_dates(exchange: str) -> None:
    ts_us = sessions(exchange, "2014-01-01", "2023-12-31", DAY_US)
    found = annualisation(bars(ts_us, DAY_US))
    assert found.periods_per_year == pytest.approx(len(ts_us) / 10, rel=2e-3)
    assert "counted over 10.0 years" in found.reason


@pytest.mark.parametrize("exchange", ["XNYS", "XBOM", "XTKS", "CMES"])
def test_intraday_sessions_with_their_breaks_and_clock_changes(exchange: str) -> None:
    ts_us = sessions(exchange, "2021-01-01", "2023-12-31", 5 * MINUTE_US)
    assert periods_per_year(bars(ts_us, 5 * MINUTE_US)) == pytest.approx(len(ts_us) / 3, rel=0.02)


def test_a_currency_market_that_closes_at_weekends_has_five_days() -> None:
    week = MONDAY_US - 2 * 60 * MINUTE_US + np.arange(0, 5 * DAY_US, 5 * MINUTE_US)
    ts_us = np.concatenate([week + 7 * DAY_US * k for k in range(60)])
    assert periods_per_year(bars(ts_us, 5 * MINUTE_US)) == pytest.approx(288 * 5 * 365.25 / 7, rel=0.01)


def test_daily_bars_that_are_stamped_the_evening_before_are_sessions_too() -> None:
    evening = sessions("XBOM", "2014-01-01", "2023-12-31", DAY_US) - 330 * MINUTE_US
    assert periods_per_year(bars(evening, DAY_US)) == pytest.approx(len(evening) / 10, rel=2e-3)


def test_now_and_then_a_special_saturday_makes_no_seven_day_week() -> None:
    ts_us = sessions("XNYS", "2014-01-01", "2023-12-31", DAY_US)
    special = MONDAY_US + 5 * DAY_US - 364 * DAY_US * np.arange(5)
    mixed = np.unique(np.concatenate([ts_us, special, special + DAY_US]))
    assert periods_per_year(bars(mixed, DAY_US)) == pytest.approx(251.7 + 1, rel=5e-3)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.001, 0.15)), min_size=1, max_size=3))
@settings(max_examples=25, deadline=None)
def test_gaps_in_a_recording_do_not_lower_it(gaps) -> None:
    whole = run(MONDAY_US, 60, 5 * MINUTE_US)
    kept = np.ones(len(whole), bool)
    for at, width in gaps:
        kept[int(at * len(whole)) : int((at + width) * len(whole))] = False
    assert periods_per_year(bars(whole[kept], 5 * MINUTE_US)) == YEAR_US / (5 * MINUTE_US)


def test_months_missing_from_an_exchange_do_not_lower_it() -> None:
    for interval_us, rel in ((DAY_US, 5e-3), (5 * MINUTE_US, 0.01)):
        ts_us = sessions("XNYS", "2019-01-01", "2023-12-31", interval_us)
        kept = ts_us[(ts_us < ts_us[0] + 300 * DAY_US) | (ts_us > ts_us[0] + 480 * DAY_US)]
        whole = periods_per_year(bars(ts_us, interval_us))
        assert periods_per_year(bars(kept, interval_us)) == pytest.approx(whole, rel=rel)


def test_days_missing_from_a_short_intraday_recording_do_not_lower_it() -> None:
    day = MONDAY_US + 870 * MINUTE_US + np.arange(390) * MINUTE_US
    recorded = [d for d in range(45) if d % 7 < 5 and d not in (2, 9, 10, 23)]
    found = annualisation(bars(np.concatenate([day + d * DAY_US for d in recorded]), MINUTE_US))
    assert found.periods_per_year == pytest.approx(390 * 252)
    assert "252 sessions a year assumed" in found.reason


@pytest.mark.parametrize(
    ("ts_us", "interval_us", "expected", "told"),
    [
        (run(MONDAY_US, 0.5, MINUTE_US), MINUTE_US, 525_960, "less than two days"),
        (run(MONDAY_US, 3, MINUTE_US), MINUTE_US, 525_960, "no weekend among them"),
        ([MONDAY_US], MINUTE_US, 525_960, "less than two days"),
        (run(MONDAY_US, 5, DAY_US), DAY_US, 252, "252 sessions a year assumed"),
        (run(MONDAY_US, 10, DAY_US), DAY_US, 365.25, "all seven days"),
        ([MONDAY_US], DAY_US, 252, "252 sessions a year assumed"),
    ],
)
def test_short_data_says_what_is_assumed(ts_us, interval_us, expected, told) -> None:
    found = annualisation(bars(ts_us, interval_us))
    assert found.periods_per_year == pytest.approx(expected)
    assert told in found.reason


def test_weeks_and_months_are_counted_by_their_length() -> None:
    weeks = bars(run(MONDAY_US, 700, 7 * DAY_US), 7 * DAY_US)
    assert periods_per_year(weeks) == pytest.approx(365.25 / 7)
    months = np.arange("2010-01", "2020-01", dtype="datetime64[M]").astype("datetime64[us]").astype(np.int64)
    assert periods_per_year(bars(months, 31 * DAY_US)) == pytest.approx(12, rel=2e-3)


@given(st.integers(0, 10_000), st.sampled_from([5, 15, 60, 240]))
@settings(max_examples=20, deadline=None)
def test_longer_bars_of_a_random_walk_have_the_same_yearly_volatility(seed: int, minutes: int) -> None:
    ts_us = run(MONDAY_US, 60, MINUTE_US)
    log_price = np.cumsum(np.random.default_rng(seed).normal(0, 1e-3, len(ts_us)))

    def yearly(step: int) -> float:
        close = np.exp(log_price[step - 1 :: step])
        per_year = periods_per_year(bars(ts_us[::step], step * MINUTE_US, close))
        return float(np.std(np.diff(np.log(close)), ddof=1) * np.sqrt(per_year))

    error = np.sqrt(1 / (2 * (len(ts_us) // minutes)))
    assert yearly(minutes) == pytest.approx(yearly(1), rel=5 * error)


def test_real_data(shared_data) -> None:
    from barograph.research.data import load

    assert 251 < periods_per_year(load("arch:sp500").prices) < 252.5
    candles = load(shared_data / "candles" / "btcusd-5m-2024-08-to-11.csv.gz")
    assert periods_per_year(candles.prices) == 105_192
