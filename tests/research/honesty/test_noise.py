"""Noise prices: what they keep, what they lose, and the test made of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.errors import DataError, UsageError
from barograph.research.honesty.noise import noise_prices, noise_test, phase_randomised
from barograph.rows import Floats
from barograph.strategies.prices import Prices

MINUTE_US = 60_000_000


def recorded(bars: int = 300, seed: int = 0, *, holes: bool = False) -> Prices:
    """Bars with gaps, wicks, storms, and prices of execution of which some are unknown."""
    rng = np.random.default_rng(seed)
    # Calm and storm take turns.
    moves = rng.standard_normal(bars) * 0.004 * np.exp(1.5 * np.sin(np.arange(bars) / 20))
    close = 100 * np.exp(np.cumsum(moves))
    open_ = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0, 0.0005, bars))
    high = np.maximum(open_, close) * np.exp(rng.exponential(0.001, bars))
    low = np.minimum(open_, close) * np.exp(-rng.exponential(0.001, bars))
    executed = open_ + rng.random(bars) * (np.minimum(high, open_ * 1.0005) - open_)
    executed = np.where(rng.random(bars) < 0.1, math.nan, np.clip(executed, low, high))
    columns = [open_, high, low, close, rng.exponential(5, bars), executed]
    if holes:
        gone = rng.random(bars) < 0.1
        gone[0] = True
        for column in columns:
            column[gone] = math.nan
    return Prices("BTCUSDT", MINUTE_US, np.arange(bars) * MINUTE_US, *columns)


def spectrum(values: Floats) -> Floats:
    return np.abs(np.fft.rfft(values))


@given(st.integers(2, 200), st.integers(0, 1_000))
@settings(max_examples=60, deadline=None)
def test_randomised_phases_keep_the_spectrum(n: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_t(3, n)
    made = phase_randomised(values, np.random.default_rng(seed + 1))
    np.testing.assert_allclose(spectrum(made), spectrum(values), rtol=1e-9, atol=1e-9)
    assert made.mean() == pytest.approx(values.mean(), abs=1e-9)
    assert made.std() == pytest.approx(values.std(), rel=1e-9)


def test_a_pattern_in_the_order_of_moves_is_gone() -> None:
    """Squares remember each other in real prices; in noise they do not."""
    values = np.diff(np.log(recorded(4_000).close))
    made = phase_randomised(values, np.random.default_rng(1))

    def memory(x: Floats) -> float:
        squares = x**2
        return float(np.corrcoef(squares[:-1], squares[1:])[0, 1])

    assert memory(values) > 0.1
    assert abs(memory(made)) < 0.05


@given(st.integers(40, 120), st.integers(0, 300), st.booleans())
@settings(max_examples=60, deadline=None)
def test_noise_bars_are_sound(bars: int, seed: int, holes: bool) -> None:
    prices = recorded(bars, seed, holes=holes)
    made = noise_prices(prices, np.random.default_rng(seed)).checked()
    known = np.isfinite(prices.close)
    np.testing.assert_array_equal(np.isfinite(made.close), known)
    np.testing.assert_array_equal(made.ts_us, prices.ts_us)
    before, after = prices.close[known], made.close[known]
    assert after[0] == before[0]
    assert after[-1] == pytest.approx(before[-1], rel=1e-9)
    moves = np.diff(np.log(before)), np.diff(np.log(after))
    np.testing.assert_allclose(spectrum(moves[1]), spectrum(moves[0]), rtol=1e-6, atol=1e-9)
    assert prices.exec_price is not None
    assert made.exec_price is not None
    executed = np.isfinite(made.exec_price)
    assert executed.sum() == np.isfinite(prices.exec_price).sum()
    assert np.all(
        (made.exec_price[executed] >= made.low[executed]) & (made.exec_price[executed] <= made.high[executed])
    )


def test_every_shape_is_used_once_and_goes_with_moves_of_its_size() -> None:
    prices = recorded()
    made = noise_prices(prices, np.random.default_rng(3))
    np.testing.assert_allclose(np.sort(made.volume), np.sort(prices.volume))

    def gaps(x: Prices) -> Floats:
        return np.log(x.open[1:] / x.close[:-1])

    np.testing.assert_allclose(np.sort(gaps(made)), np.sort(gaps(prices)), atol=1e-12)
    sizes = np.argsort(np.diff(np.log(made.close))), np.argsort(np.diff(np.log(prices.close)))
    np.testing.assert_allclose(gaps(made)[sizes[0]], gaps(prices)[sizes[1]], atol=1e-12)


def test_the_real_prices_are_left_alone() -> None:
    prices = recorded()
    before = prices.close.copy()
    noise_prices(prices, np.random.default_rng(0))
    np.testing.assert_array_equal(prices.close, before)


def test_spreads_stay_as_wide_as_they_were_beside_the_price() -> None:
    prices = recorded()
    spread = prices.close * np.random.default_rng(1).uniform(0, 0.01, len(prices))
    made = noise_prices(replace(prices, spread=spread), np.random.default_rng(3))
    assert made.spread is not None
    parts = [(s[1:] / p.close[:-1]) for s, p in ((spread, prices), (made.spread, made))]
    np.testing.assert_allclose(np.sort(parts[1]), np.sort(parts[0]))


def test_candles_without_prices_of_execution_stay_without() -> None:
    made = noise_prices(replace(recorded(), exec_price=None), np.random.default_rng(0))
    assert made.exec_price is None


def repetition(prices: Prices) -> float:
    """A study of one strategy that lives on calm and storm taking turns."""
    squares = np.diff(np.log(prices.close)) ** 2
    return float(np.corrcoef(squares[:-1], squares[1:])[0, 1])


def test_what_noise_does_not_show_is_significant() -> None:
    seen: list[int] = []
    found = noise_test(
        recorded(2_000), repetition, metric="repetition", repetitions=39, seed=1, progress=seen.append
    )
    assert found.p_value == 1 / 40
    assert found.noise.max() < found.real == repetition(recorded(2_000))
    assert seen == list(range(1, 40))


def test_what_noise_shows_too_is_not() -> None:
    """The last close is kept, but for rounding: all noise is as good."""
    found = noise_test(recorded(), lambda p: round(p.close[-1], 6), metric="close", repetitions=9, seed=1)
    assert found.p_value == 1.0


def test_the_p_value_counts_what_is_as_good() -> None:
    values = iter([2.0, 1.0, 2.0, 3.0, math.nan])
    found = noise_test(recorded(), lambda _: next(values), metric="x", repetitions=4, seed=1)
    assert found.p_value == (1 + 2) / 5


def test_where_the_real_study_has_no_value_nothing_is_shown() -> None:
    found = noise_test(recorded(), lambda _: math.nan, metric="x", repetitions=4, seed=1)
    assert found.p_value == 1.0


def test_the_same_seed_gives_the_same_noise() -> None:
    first, again, other = (
        noise_test(recorded(), lambda p: float(p.close[150]), metric="x", repetitions=3, seed=seed).noise
        for seed in (1, 1, 2)
    )
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_too_little_is_refused() -> None:
    with pytest.raises(DataError, match="15 known bars are too few"):
        noise_prices(recorded().take(slice(15)), np.random.default_rng(0))
    with pytest.raises(UsageError, match="at least 1"):
        noise_test(recorded(), repetition, metric="x", repetitions=0, seed=1)
