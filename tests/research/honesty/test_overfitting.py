"""CSCV: the vectors, a naive implementation, ties, constant columns, dropped rows."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from barograph.errors import DataError, UsageError
from barograph.research.honesty import overfitting as module
from barograph.research.honesty.overfitting import dominates, overfitting
from barograph.research.outcome import Overfitting
from barograph.rows import Floats


def chance(seed: int, periods: int, strategies: int) -> Floats:
    return np.random.default_rng(seed).normal(0.0005, 0.01, (periods, strategies))


def sharpe(rows: Floats) -> Floats:
    deviation = rows.std(axis=0, ddof=1)
    still = np.ptp(rows, axis=0) == 0
    return np.where(still, 0.0, rows.mean(axis=0) / np.where(still, 1.0, deviation))


def naive(returns: Floats, blocks: int) -> tuple[list[float], list[float], list[float], Floats]:
    """Logits, the winner in and out of sample, and all out of sample, split by split."""
    length = len(returns) // blocks
    kept = returns[len(returns) - length * blocks :]
    parts = np.split(kept, blocks)
    logits, inside, outside, everything = [], [], [], []
    for chosen in combinations(range(blocks), blocks // 2):
        rest = [k for k in range(blocks) if k not in chosen]
        ours = sharpe(np.concatenate([parts[k] for k in chosen]))
        theirs = sharpe(np.concatenate([parts[k] for k in rest]))
        winner = int(np.argmax(ours))
        w = stats.rankdata(theirs)[winner] / (len(theirs) + 1)
        logits.append(math.log(w / (1 - w)))
        inside.append(ours[winner])
        outside.append(theirs[winner])
        everything.append(theirs)
    return logits, inside, outside, np.concatenate(everything)


@pytest.mark.parametrize(
    ("seed", "periods", "strategies", "blocks", "published"),
    [(1, 1000, 20, 8, 0.5), (2, 1600, 50, 10, 0.2579365), (7, 2400, 100, 16, 0.6470862)],
)
def test_the_vectors(seed: int, periods: int, strategies: int, blocks: int, published: float) -> None:
    found = overfitting(chance(seed, periods, strategies), blocks)
    assert found.probability == pytest.approx(published, abs=5e-8)
    assert len(found.logits) == math.comb(blocks, blocks // 2)


def agrees(found: Overfitting, returns: Floats) -> None:
    logits, inside, outside, everything = naive(returns, found.blocks)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.in_sample, inside, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.out_of_sample, outside, rtol=1e-9, atol=1e-12)
    assert found.probability == np.mean(np.array(logits) <= 1e-12)
    assert found.loss_probability == np.mean(np.array(outside) < 0)
    middle = (found.grid[1:] + found.grid[:-1]) / 2  # between points a rounding cannot move anybody far
    for cdf, values in ((found.chosen_cdf, np.array(outside)), (found.all_cdf, everything)):
        assert cdf[-1] == 1.0
        below = np.searchsorted(np.sort(values), middle, side="right") / len(values)
        assert np.all(below >= cdf[:-1] - 1e-12)
        assert np.all(below <= cdf[1:] + 1e-12)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    blocks=st.sampled_from([2, 4, 6, 8]),
    length=st.integers(2, 7),
    extra=st.integers(0, 5),
    strategies=st.integers(2, 9),
    twins=st.booleans(),
    idle=st.booleans(),
    dead_block=st.booleans(),
)
def test_it_equals_the_naive_implementation(
    seed: int,
    blocks: int,
    length: int,
    extra: int,
    strategies: int,
    twins: bool,
    idle: bool,
    dead_block: bool,
) -> None:
    returns = chance(seed, blocks * length + extra % blocks, strategies)
    if twins:
        returns[:, -1] = returns[:, 0]
    if dead_block:
        returns[-length * blocks // 2 :, 0] = 0.0
    if idle:
        returns[:, 1] = 0.0
    found = overfitting(returns, blocks)
    assert found.dropped == extra % blocks
    agrees(found, returns)


def test_the_regression_is_that_of_scipy() -> None:
    found = overfitting(chance(3, 400, 12), 8)
    expected = stats.linregress(found.in_sample, found.out_of_sample)
    assert found.slope == pytest.approx(expected.slope)
    assert found.intercept == pytest.approx(expected.intercept)
    assert found.r_squared == pytest.approx(expected.rvalue**2)


def test_given_rows_that_do_not_divide_the_oldest_are_dropped() -> None:
    returns = chance(4, 103, 5)
    found, without = overfitting(returns, 8), overfitting(returns[7:], 8)
    assert (found.dropped, without.dropped) == (7, 0)
    np.testing.assert_array_equal(found.logits, without.logits)
    returns[:7] = 1e6
    np.testing.assert_array_equal(overfitting(returns, 8).logits, found.logits)


def test_splits_come_in_the_order_of_the_blocks_in_sample() -> None:
    returns = chance(5, 40, 3)
    returns[:20, 0] += 1.0  # blocks 0 and 1 make strategy 0 shine
    found = overfitting(returns, 4)
    assert np.argmax(found.in_sample) == 0  # (0, 1), before (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)


def test_given_identical_strategies_everybody_is_in_the_middle() -> None:
    found = overfitting(np.repeat(chance(6, 64, 1), 5, axis=1), 8)
    np.testing.assert_array_equal(found.logits, 0.0)
    assert found.probability == 1.0


@pytest.mark.parametrize("level", [0.0, 0.001, -0.3, 1e9])
def test_given_a_constant_return_it_has_the_ratio_0(level: float) -> None:
    returns = chance(8, 80, 3) - 0.02  # everybody loses
    returns[:, 2] = level
    found = overfitting(returns, 8)
    np.testing.assert_array_equal(found.in_sample, 0.0)
    np.testing.assert_array_equal(found.out_of_sample, 0.0)
    assert found.probability == 0.0
    assert math.isnan(found.slope)


def test_given_nothing_but_constant_returns_nothing_is_shown() -> None:
    found = overfitting(np.zeros((32, 4)), 4)
    np.testing.assert_array_equal(found.logits, 0.0)
    np.testing.assert_array_equal(found.grid, 0.0)
    assert found.chosen_cdf[-1] == found.all_cdf[-1] == 1.0


def test_the_scale_of_a_strategy_does_not_matter() -> None:
    returns = chance(9, 160, 10)
    scaled = returns * 2.0 ** np.arange(-20, 20, 4)
    np.testing.assert_array_equal(overfitting(scaled, 8).logits, overfitting(returns, 8).logits)


def test_slices_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = chance(10, 300, 23)
    returns[:, 20] = returns[:, 4]
    whole = overfitting(returns, 8)
    monkeypatch.setattr(module, "_TABLE_BYTES", 4 * 8 * 16 * 5)
    monkeypatch.setattr(module, "_SLICE_BYTES", 8 * 5 * 3)
    sliced = overfitting(np.asfortranarray(returns), 8)
    for name in ("logits", "in_sample", "out_of_sample", "grid", "chosen_cdf", "all_cdf"):
        np.testing.assert_array_equal(getattr(sliced, name), getattr(whole, name))


def test_given_a_real_edge_it_is_not_overfit_and_choosing_dominates() -> None:
    returns = chance(11, 1000, 30)
    returns[:, 17] += 0.004
    found = overfitting(returns, 10)
    assert found.probability == 0.0
    assert found.loss_probability == 0.0
    assert dominates(found) == (True, True)


def test_given_winners_that_fall_behind_choosing_does_not_dominate() -> None:
    returns = chance(12, 800, 10)
    for k in range(8):  # each has one good block and is bad in all others
        returns[:, k] -= 0.002
        returns[k * 100 : (k + 1) * 100, k] += 0.02
    found = overfitting(returns, 8)
    assert found.probability > 0.9
    assert found.slope < 0
    assert dominates(found) == (False, False)


def test_second_order_dominance_is_weaker_than_first() -> None:
    found = overfitting(chance(13, 64, 4), 4)
    grid = np.array([0.0, 1.0, 2.0, 3.0])
    safer = module.Overfitting(
        **{
            **{name: getattr(found, name) for name in found.__dataclass_fields__},
            "grid": grid,
            "chosen_cdf": np.array([0.0, 0.6, 1.0, 1.0]),  # never the worst, nor the best
            "all_cdf": np.array([0.3, 0.5, 0.8, 1.0]),
        }
    )
    assert dominates(safer) == (False, True)


def test_given_what_cannot_be_split_it_is_refused() -> None:
    with pytest.raises(UsageError, match="7 blocks"):
        overfitting(chance(1, 100, 3), 7)
    with pytest.raises(UsageError, match="26 blocks"):
        overfitting(chance(1, 100, 3), 26)
    with pytest.raises(DataError, match="15 periods are too few for 16 blocks"):
        overfitting(chance(1, 15, 3))
    with pytest.raises(DataError, match="at least 2"):
        overfitting(chance(1, 100, 1))
    broken = chance(1, 100, 3)
    broken[5, 2] = math.nan
    with pytest.raises(DataError, match="strategy 2 in period 5 is nan"):
        overfitting(broken)
