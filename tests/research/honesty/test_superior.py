"""Reality Check, SPA and StepM: published vectors, arch as the reference, size and power."""

from __future__ import annotations

import doctest
import math
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from arch.bootstrap import SPA, StationaryBootstrap
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.errors import DataError, UsageError
from barograph.research.honesty import cross_validation, superior, walk_forward
from barograph.research.honesty.stationary import counts
from barograph.research.honesty.superior import (
    LEVEL,
    Resampled,
    adjusted_p_values,
    excess,
    luck_tests,
    reality_check,
    resampled,
    spa,
)
from barograph.research.outcome import Sweep
from barograph.rows import Floats

REPETITIONS = 1_000
BLOCK = 10


def one_skilled() -> Floats:
    """The vector of the literature's implementations: 20 strategies, the fourth with an edge."""
    returns = np.random.default_rng(20240101).standard_normal((250, 20)) * 0.01
    returns[:, 3] += 0.0015
    return returns


def archs_counts(returns: Floats) -> Floats:
    """The very draws that arch makes with seed 42."""
    bootstrap = StationaryBootstrap(BLOCK, returns, seed=42)
    found = np.empty((REPETITIONS, len(returns)))
    for row, _ in zip(found, bootstrap.bootstrap(REPETITIONS), strict=True):
        row[:] = np.bincount(bootstrap.index, minlength=len(returns))
    return found


def sampled(
    returns: Floats, block: float = BLOCK, repetitions: int = REPETITIONS, seed: int = 0
) -> Resampled:
    drawn = counts(len(returns), block, repetitions, np.random.default_rng(seed))
    return resampled(returns, block, drawn, repetitions)


def names(returns: Floats) -> list[str]:
    return [str(i) for i in range(returns.shape[1])]


def test_p_values_of_the_vector_are_those_of_the_literature() -> None:
    """Published for 1,000 draws; their Monte Carlo error is sqrt(p (1 - p) / 1000) = 0.016."""
    returns = one_skilled()
    on_the_same_draws = resampled(returns, BLOCK, [archs_counts(returns)], REPETITIONS)
    assert spa(on_the_same_draws) == pytest.approx((0.357, 0.415, 0.415), abs=1e-12)
    found = luck_tests(returns, names(returns), seed=1, block=BLOCK, repetitions=20_000)
    assert (found.spa_lower, found.spa_consistent, found.spa_upper) == pytest.approx(
        (0.357, 0.415, 0.415), abs=0.03
    )
    assert found.reality_check == pytest.approx(0.683, abs=0.03)
    assert found.superior == ()


def test_unstudentised_p_values_equal_archs_on_the_same_draws() -> None:
    returns = one_skilled()
    returns[:, 7] -= 0.004
    theirs = SPA(
        np.zeros(len(returns)), -returns, block_size=BLOCK, reps=REPETITIONS, studentize=False, seed=42
    )
    theirs.compute()
    sample = resampled(returns, BLOCK, [archs_counts(returns)], REPETITIONS)
    unstudentised = replace(sample, studentised=False)
    assert spa(unstudentised) == pytest.approx(tuple(theirs.pvalues), abs=1e-9)
    assert reality_check(sample) == pytest.approx(theirs.pvalues["upper"], abs=1e-9)
    assert theirs._simulated_vals is not None
    np.testing.assert_allclose(sample.draws, theirs._simulated_vals[:, :, 2].T, atol=1e-9 * 0.01)


def test_errors_equal_archs_variances() -> None:
    """It computes them, and then does not use them."""
    returns = one_skilled()
    theirs = SPA(np.zeros(len(returns)), -returns, block_size=BLOCK, reps=2, seed=1)
    theirs.compute()
    np.testing.assert_allclose(sampled(returns).errors ** 2, theirs._loss_diff_var, rtol=1e-9)


def stepwise(sample: Resampled, level: float) -> set[int]:
    """StepM as in the paper, round after round; slow and plain."""
    z, t = sample.draws * sample.units, sample.means * sample.units
    left, found = set(range(len(t))), set()
    while left:
        columns = sorted(left)
        bound = np.sort(z[:, columns].max(axis=1))[math.ceil(len(z) * (1 - level)) - 1]
        new = {k for k in columns if t[k] > bound}
        if not new:
            break
        found |= new
        left -= new
    return found


@given(st.integers(0, 10_000), st.integers(1, 12), st.sampled_from([0.05, 0.1, 0.5]))
@settings(max_examples=40, deadline=None)
def test_step_down_p_values_give_the_set_of_stepm_in_rounds(seed: int, skilled: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, rng.uniform(0.005, 0.05, 12), (80, 12))
    returns[:, :skilled] += rng.uniform(0, 0.02, skilled)
    sample = sampled(returns, 2.0, 200, seed)
    assert set(np.flatnonzero(adjusted_p_values(sample) <= level)) == stepwise(sample, level)


def test_stepm_ends_when_all_are_superior() -> None:
    """arch's loop fails there."""
    returns = np.random.default_rng(0).normal(0.02, 0.01, (200, 6))
    assert luck_tests(returns, names(returns), seed=0).superior == tuple(names(returns))


def test_a_second_look_finds_what_the_best_had_hidden() -> None:
    """StepM takes what it has found out of the comparison: the rest is judged as if it had been alone."""
    returns = np.random.default_rng(3).normal(0, 0.01, (300, 8))
    returns[:, 0] += 0.01
    p_values = adjusted_p_values(sampled(returns))
    alone = adjusted_p_values(sampled(np.ascontiguousarray(returns[:, 1:])))
    assert p_values[0] == 0
    np.testing.assert_array_equal(p_values[1:], alone)


def test_studentised_finds_a_quiet_skill_among_noisy_strategies() -> None:
    """The power study: one skilled strategy of 1 % among 39 unskilled ones and 20 noisy ones of 8 %."""
    found = np.zeros(2)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        returns = rng.standard_normal((1_000, 60)) * np.repeat([0.01, 0.08], [40, 20])
        returns[:, 0] += 0.0012
        sample = sampled(returns, 2.0, 200, seed)
        raw = replace(sample, studentised=False)
        found += [spa(sample).consistent <= LEVEL, spa(raw).consistent <= LEVEL]
    studentised, unstudentised = found / 40
    assert studentised >= 0.6
    assert unstudentised <= 0.2


def test_coin_flips_are_seldom_called_skill() -> None:
    """200 studies of 60 coin flips: at most 5 %, and 3 standard errors of so few studies."""
    called = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        market = rng.standard_t(4, 250) * 0.02
        held = rng.random((250, 60)) < 0.5
        returns = held * market[:, None] - market[:, None] * held.mean(axis=0)
        called += bool(luck_tests(returns, names(returns), seed=seed, repetitions=200).superior)
    assert called <= 200 * LEVEL + 3 * math.sqrt(200 * LEVEL * (1 - LEVEL))
    assert called >= 1  # a test that never says skill would be no test


def test_a_strategy_that_is_flat_takes_no_part() -> None:
    returns = one_skilled()
    with_flat = np.concatenate([returns, np.zeros((250, 2)), np.full((250, 1), 1e-3)], axis=1)
    before, after = (luck_tests(x, names(x), seed=3, block=BLOCK) for x in (returns, with_flat))
    assert (before.spa_consistent, before.reality_check) == (after.spa_consistent, after.reality_check)
    assert after.p_values[-3:].tolist() == [1.0, 1.0, 1.0]


def test_where_nobody_traded_nothing_is_shown() -> None:
    found = luck_tests(np.zeros((100, 3)), ["a", "b", "c"], seed=0)
    assert (found.reality_check, found.spa_lower, found.spa_consistent, found.spa_upper) == (1, 1, 1, 1)
    assert found.superior == ()


def test_where_all_lose_nothing_is_shown() -> None:
    returns = np.random.default_rng(0).normal(-0.01, 0.01, (100, 5))
    found = luck_tests(returns, names(returns), seed=0)
    assert (found.spa_consistent, found.reality_check) == (1, 1)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_three_p_values_are_in_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = spa(sampled(rng.normal(rng.normal(0, 0.003, 10), 0.01, (60, 10)), 2.0, 100, seed))
    assert 0 <= found.lower <= found.consistent <= found.upper <= 1


def test_the_same_seed_gives_the_same_bits() -> None:
    returns = one_skilled()
    first, again = (luck_tests(returns, names(returns), seed=5) for _ in range(2))
    assert first.p_values.tobytes() == again.p_values.tobytes()
    assert first.spa_consistent == again.spa_consistent
    assert luck_tests(returns, names(returns), seed=6).spa_consistent != first.spa_consistent


def test_scale_does_not_matter() -> None:
    """No tolerance on money: returns of a billionth are as good as any."""
    returns = one_skilled()
    large, small = (luck_tests(returns * scale, names(returns), seed=5) for scale in (1.0, 2.0**-30))
    np.testing.assert_array_equal(large.p_values, small.p_values)


def test_excess_takes_the_markets_share_off() -> None:
    market = np.array([0.01, -0.02, 0.03])
    sweep = Sweep(
        strategies=(),
        metrics={},
        returns=np.stack([market, market / 2, np.zeros(3), -market], axis=1),
        exposure=np.array([1.0, 0.5, 0.0, -1.0]),
        period_ends_us=np.arange(3),
        period_bars=1,
        market=market,
    )
    np.testing.assert_allclose(excess(sweep), 0, atol=1e-18)


def test_wrong_input_is_refused() -> None:
    returns = one_skilled()
    with pytest.raises(UsageError, match="19 ids for 20 strategies"):
        luck_tests(returns, names(returns)[:-1], seed=0)
    with pytest.raises(DataError, match="at least 30"):
        luck_tests(returns[:29], names(returns), seed=0)
    returns[5, 3] = math.nan
    with pytest.raises(DataError, match="strategy 3 has returns that are no numbers"):
        luck_tests(returns, names(returns), seed=0)


@pytest.mark.parametrize("module", [superior, walk_forward, cross_validation])
def test_examples_in_docstrings_are_true(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
