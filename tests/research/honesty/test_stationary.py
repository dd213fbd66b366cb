"""The stationary bootstrap: its draws, its exact variance, its block length."""

from __future__ import annotations

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap, optimal_block_length
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.errors import UsageError
from barograph.research.honesty.stationary import block_lengths, bootstrap_variance, counts, shared_block
from barograph.rows import Floats


def autoregressive(periods: int, memory: Floats, seed: int) -> Floats:
    values = np.random.default_rng(seed).normal(size=(periods, len(memory)))
    for t in range(1, periods):
        values[t] += memory * values[t - 1]
    return values


def drawn(periods: int, block: float, repetitions: int, seed: int = 0) -> Floats:
    return np.concatenate(list(counts(periods, block, repetitions, np.random.default_rng(seed))))


@given(st.integers(1, 60), st.floats(1, 90), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_every_draw_has_as_many_rows_as_the_data(periods: int, block: float, seed: int) -> None:
    found = drawn(periods, block, 7, seed)
    assert found.shape == (7, periods)
    assert np.all(found.sum(axis=1) == periods)
    assert found.min() >= 0
    assert np.all(found == np.round(found))


def test_draws_are_distributed_as_archs() -> None:
    periods, block, repetitions = 40, 5.0, 4_000
    values = autoregressive(periods, np.array([0.6]), 3)[:, 0]
    theirs = StationaryBootstrap(5, values, seed=1)
    means = theirs.apply(np.mean, reps=repetitions)[:, 0]
    ours = drawn(periods, block, repetitions) @ values / periods
    levels = [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98]
    np.testing.assert_allclose(
        np.quantile(ours, levels), np.quantile(means, levels), atol=0.12 * float(means.std())
    )


def test_draws_go_round_the_end_of_the_data() -> None:
    """Else the last rows would be drawn more often than the first ones, or less."""
    often = drawn(12, 6.0, 30_000).mean(axis=0)
    np.testing.assert_allclose(often, 1.0, atol=0.03)


def test_a_block_of_one_row_draws_rows_independently() -> None:
    found = drawn(50, 1.0, 20_000)
    assert found.var() == pytest.approx(1 - 1 / 50, rel=0.02)
    assert np.corrcoef(found[:, 10], found[:, 11])[0, 1] == pytest.approx(-1 / 49, abs=0.03)


@pytest.mark.parametrize(("periods", "block"), [(5, 0.5), (5, float("nan")), (0, 2.0)])
def test_a_block_that_cannot_be_drawn_is_refused(periods: int, block: float) -> None:
    with pytest.raises(UsageError, match="must be 1 or more"):
        drawn(periods, block, 1)


@given(st.integers(2, 40), st.floats(1, 60), st.integers(0, 1_000))
@settings(max_examples=60, deadline=None)
def test_variance_equals_hansens_sum_of_weighted_autocovariances(
    periods: int, block: float, seed: int
) -> None:
    values = autoregressive(periods, np.array([0.0, 0.7, -0.4]), seed)
    centred = values - values.mean(axis=0)
    stay = 1 - 1 / block
    expected = (centred**2).sum(axis=0) / periods
    for i in range(1, periods):
        weight = (1 - i / periods) * stay**i + i / periods * stay ** (periods - i)
        expected = expected + 2 * weight * (centred[i:] * centred[:-i]).sum(axis=0) / periods
    np.testing.assert_allclose(bootstrap_variance(values, block), expected, rtol=1e-9, atol=1e-12)


def test_variance_is_that_of_the_draws() -> None:
    values = autoregressive(60, np.array([0.0, 0.8]), 5)
    means = drawn(60, 6.0, 20_000) @ values / 60
    np.testing.assert_allclose(60 * means.var(axis=0), bootstrap_variance(values, 6.0), rtol=0.04)


@pytest.mark.parametrize("periods", [30, 101, 875])
def test_block_lengths_equal_archs(periods: int) -> None:
    values = autoregressive(periods, np.linspace(-0.5, 0.95, 9), periods)
    theirs = optimal_block_length(values)["stationary"].to_numpy()
    np.testing.assert_allclose(block_lengths(values), np.maximum(theirs, 1), rtol=1e-9)


def test_series_that_never_change_remember_nothing() -> None:
    assert block_lengths(np.full((50, 2), 0.1)).tolist() == [1.0, 1.0]


def test_the_shared_block_is_the_median_of_all() -> None:
    values = autoregressive(400, np.array([0.0, 0.5, 0.9]), 1)
    assert shared_block(values) == np.median(block_lengths(values)) > 1


def test_too_few_rows_have_no_block_length() -> None:
    with pytest.raises(UsageError, match="at least 8"):
        block_lengths(np.zeros((7, 1)))
