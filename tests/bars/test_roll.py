"""The look-back columns."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.bars.roll import RollState, roll
from barograph.snapshot import pack, unpack

# Wilder's own worked example as it is usually printed: closes and the RSI from the 15th on.
CLOSES = [44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826]
CLOSES += [45.8931, 46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439]
CLOSES += [46.2122, 46.2521, 45.7137, 46.4515, 45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672]
CLOSES += [43.4205, 42.6628, 43.1314]
RSI = [
    70.53,
    66.32,
    66.55,
    69.41,
    66.36,
    57.97,
    62.93,
    63.26,
    56.06,
    62.38,
    54.71,
    50.42,
    39.99,
    41.46,
    41.87,
]
RSI += [45.46, 37.30, 33.08, 37.77]


def series(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    price = np.round(100 + np.cumsum(rng.choice([-0.5, 0, 0.5], n)), 2)
    return price, rng.choice([0.0, 0.1, 1.0, 2.5], n)


def test_rsi_is_wilders():
    rsi = roll(np.array(CLOSES), np.ones(len(CLOSES)))[0].rsi_14
    assert np.isnan(rsi[:14]).all()
    np.testing.assert_allclose(rsi[14:], RSI, atol=0.006)


@pytest.mark.parametrize("seed", range(5))
def test_rsi_is_as_ta_lib_computes_it(seed):
    talib = pytest.importorskip("talib", reason="TA-Lib is not installed: pip install TA-Lib")
    price = np.random.default_rng(seed).lognormal(size=2000).cumsum()
    np.testing.assert_array_equal(roll(price, price)[0].rsi_14, talib.RSI(price, 14))


def test_rsi_is_50_when_nothing_moved_and_100_when_all_rose():
    still = roll(np.full(16, 7.0), np.ones(16))[0].rsi_14
    assert np.isnan(still[:14]).all()
    assert still[14:].tolist() == [50.0, 50.0]
    assert roll(np.arange(1.0, 17.0), np.ones(16))[0].rsi_14[-1] == 100.0


def test_bars_before_the_first_price_have_no_change_and_do_not_count_for_rsi():
    price = np.array([math.nan, math.nan, *CLOSES])
    rolled = roll(price, np.ones(len(price)))[0]
    bare = roll(np.array(CLOSES), np.ones(len(CLOSES)))[0]
    np.testing.assert_array_equal(rolled.rsi_14[2:], bare.rsi_14)
    np.testing.assert_array_equal(rolled.price_change_pct[2:], bare.price_change_pct)
    assert np.isnan(rolled.price_change_pct[:3]).all()


def test_score_compares_with_the_bars_before_only():
    volume = np.array([1.0, 3.0, 1.0, 3.0, 10.0])
    score = roll(volume, volume, spike_window=4, spike_min_bars=2)[0].volume_spike_score
    assert np.isnan(score[:2]).all()
    assert score[2] == pytest.approx((1 - 2) / math.sqrt(2))
    assert score[4] == pytest.approx((10 - 2) / math.sqrt(4 / 3))


def test_score_is_null_until_there_are_enough_bars_before():
    _, volume = series(70)
    score = roll(volume + 1, volume)[0].volume_spike_score
    assert np.isnan(score[:20]).all()
    assert not np.isnan(score[20:]).any()


def test_score_is_null_after_equal_volumes_even_where_their_mean_is_rounded():
    volume = np.full(61, 0.1)
    assert sum(volume[:60]) / 60 != 0.1
    volume[60] = 5.0
    assert math.isnan(roll(volume, volume)[0].volume_spike_score[60])


def test_score_is_as_pandas_has_it():
    pd = pytest.importorskip("pandas")
    price, volume = series(500)
    before = pd.Series(volume).shift(1).rolling(60, min_periods=20)
    expected = (pd.Series(volume) - before.mean()) / before.std()
    np.testing.assert_allclose(roll(price, volume)[0].volume_spike_score, expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=6), unpriced=st.integers(0, 5))
def test_any_cutting_gives_the_same_bits(cuts, unpriced):
    price, volume = series(200)
    price[:unpriced] = math.nan
    whole, after = roll(price, volume, spike_window=30, spike_min_bars=5)
    at, state, parts = [0, *sorted(cuts), 200], RollState(), []
    for start, stop in pairwise(at):
        state = unpack(pack(state), RollState)
        part, state = roll(
            price[start:stop], volume[start:stop], spike_window=30, spike_min_bars=5, state=state
        )
        parts.append(part)
    for column in range(3):
        assert np.concatenate([part[column] for part in parts]).tobytes() == whole[column].tobytes()
    assert pack(state) == pack(after)


def test_a_state_is_not_changed_by_rolling_on():
    price, volume = series(50)
    _, state = roll(price, volume)
    before = pack(state)
    roll(price, volume, state=state)
    assert pack(state) == before
