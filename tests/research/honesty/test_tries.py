"""How many tries it really were: planted clusters, theory, scikit-learn's silhouettes."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, silhouette_samples

from barograph.errors import DataError, UsageError
from barograph.research.honesty import tries as module
from barograph.research.honesty.expected_maximum import exact
from barograph.research.honesty.tries import EffectiveTries, effective_tries, reaching, silhouettes
from barograph.rows import Floats, Ints


def planted(
    clusters: int, strategies: int, noise: float, periods: int = 600, seed: int = 1
) -> tuple[Floats, Ints]:
    """Strategies that each follow one of some factors, and which."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((periods, clusters))
    of = np.concatenate([np.arange(clusters), rng.integers(0, clusters, strategies - clusters)])
    return factors[:, of] + noise * rng.standard_normal((periods, strategies)), of


def independent(periods: int, strategies: int, seed: int = 2) -> Floats:
    return np.random.default_rng(seed).standard_normal((periods, strategies))


@pytest.mark.parametrize(("clusters", "noise"), [(3, 0.1), (5, 0.5), (8, 0.8), (25, 0.3)])
def test_given_strategies_that_follow_factors_the_factors_are_counted(clusters: int, noise: float) -> None:
    returns, of = planted(clusters, 100, noise)
    found = effective_tries(returns)
    # Clusters of one have no silhouette, so a few of them may be put to a neighbour.
    assert clusters * 0.85 <= found.clusters <= clusters * 1.15
    assert adjusted_rand_score(of, found.labels) > 0.9
    assert clusters <= found.maximum <= 100


def test_given_copies_they_are_one_try() -> None:
    once = independent(400, 6)
    found = effective_tries(np.repeat(once, 15, axis=1) * np.linspace(0.5, 2, 90))
    assert (found.tried, found.clusters) == (90, 6)
    assert found.maximum == pytest.approx(6, rel=0.15)
    assert found.participation == pytest.approx(6, rel=0.1)
    single = effective_tries(np.repeat(once[:, :1], 15, axis=1))
    assert (single.clusters, single.maximum, single.effective) == (1, pytest.approx(1), pytest.approx(1))
    assert math.isnan(single.variance)


def test_given_independent_strategies_nearly_all_count() -> None:
    found = effective_tries(independent(2000, 200))
    assert found.maximum == pytest.approx(200, rel=0.15)
    assert found.participation == pytest.approx(200, rel=0.02)
    assert found.effective == found.maximum > found.clusters > 50


@pytest.mark.parametrize("rho", [0.3, 0.7])
def test_given_one_shared_factor_the_maximum_is_that_of_theory(rho: float) -> None:
    # sqrt(rho) X + sqrt(1 - rho) Y_i: the best is expected at sqrt(1 - rho) of the best of independent ones.
    rng = np.random.default_rng(3)
    shared = rng.standard_normal((2000, 1))
    found = effective_tries(math.sqrt(rho) * shared + math.sqrt(1 - rho) * rng.standard_normal((2000, 150)))
    assert exact(found.maximum) == pytest.approx(math.sqrt(1 - rho) * exact(150), rel=0.03)
    assert found.participation == pytest.approx(150 / (1 + 149 * rho**2), rel=0.1)


def test_given_strategies_and_their_mirror_images_both_count() -> None:
    once = independent(500, 10)
    found = effective_tries(np.concatenate([once, -once], axis=1))
    # The best of both is the largest in size: between 10 and 20 tries.
    assert 15 < found.maximum <= 20


def test_the_participation_ratio_is_that_of_the_eigenvalues_without_noise() -> None:
    returns, _ = planted(4, 30, 0.4, periods=100_000)
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(returns.T))
    found = effective_tries(returns)
    assert found.participation == pytest.approx(
        eigenvalues.sum() ** 2 / np.square(eigenvalues).sum(), rel=1e-3
    )


def test_the_variance_is_that_of_the_clusters_mean_returns() -> None:
    returns, _ = planted(5, 40, 0.3)
    returns = returns * 0.01 + 0.0003
    found = effective_tries(returns)
    units = returns / returns.std(axis=0, ddof=1)
    means = np.stack([units[:, found.labels == k].mean(axis=1) for k in range(found.clusters)])
    ratios = means.mean(axis=1) / means.std(axis=1, ddof=1)
    assert found.variance == pytest.approx(ratios.var(ddof=1), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 20), st.integers(2, 6))
def test_silhouettes_are_those_of_scikit_learn(seed: int, members: int, clusters: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((members, 3))
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    labels = np.sort(rng.integers(0, clusters, members))
    if not 2 <= len(set(labels.tolist())) <= members - 1:
        return
    expected = silhouette_samples(distance, labels, metric="precomputed")
    np.testing.assert_allclose(silhouettes(reaching(distance), labels), expected, atol=1e-12)


def test_strategies_that_never_vary_are_left_out() -> None:
    returns, _ = planted(3, 20, 0.2)
    idle = np.insert(returns, [0, 7], 0.0, axis=1)
    found, without = effective_tries(idle), effective_tries(returns)
    assert (found.tried, found.clusters, found.maximum) == (20, without.clusters, without.maximum)
    assert 0 not in found.sampled
    nothing = effective_tries(np.zeros((50, 4)))
    assert (nothing.tried, nothing.effective, len(nothing.sampled)) == (1, 1.0, 0)


def test_given_more_than_the_sample_all_still_count_for_the_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = independent(500, 300)
    whole = effective_tries(returns)
    monkeypatch.setattr(module, "SAMPLE", 60)
    monkeypatch.setattr(module, "_SLICE_BYTES", 100_000)
    found = effective_tries(returns)
    assert len(found.sampled) == len(found.labels) == 60
    assert found.clusters <= 60
    assert found.maximum == pytest.approx(whole.maximum, rel=0.15)
    assert found.participation == pytest.approx(300, rel=0.1)


def test_periods_put_together_change_little(monkeypatch: pytest.MonkeyPatch) -> None:
    returns, _ = planted(10, 80, 0.5, periods=2000)
    whole = effective_tries(returns)
    monkeypatch.setattr(module, "_ROWS", 300)
    assert effective_tries(returns).maximum == pytest.approx(whole.maximum, rel=0.2)


def test_the_same_seed_gives_the_same_answer() -> None:
    returns, _ = planted(10, 80, 0.5)
    first, second = effective_tries(returns, seed=5), effective_tries(returns, seed=5)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert (first.maximum, first.quality, first.variance) == (second.maximum, second.quality, second.variance)
    assert effective_tries(returns, seed=6).maximum != first.maximum


def test_more_tries_than_are_at_hand_count_in_proportion() -> None:
    found = EffectiveTries(100, 8, 20.0, 5.0, np.arange(100), np.zeros(100, dtype=np.int64), 1.0, 0.1)
    assert found.effective == 20.0
    assert found.among(1000) == 200.0
    assert found.among(1) == 1.0


def test_given_two_strategies_they_are_two_unless_they_are_the_same() -> None:
    returns = independent(300, 2)
    assert effective_tries(returns).clusters == 2
    assert effective_tries(returns[:, [0, 0]]).clusters == 1


def test_given_what_cannot_be_clustered_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="2 periods of 3 strategies"):
        effective_tries(np.zeros((2, 3)))
    broken = independent(20, 3)
    broken[4, 1] = math.inf
    with pytest.raises(DataError, match="strategy 1 in period 4 is inf"):
        effective_tries(broken)
    monkeypatch.setitem(sys.modules, "scipy.cluster.hierarchy", None)
    with pytest.raises(UsageError, match=r"barograph\[research\]"):
        effective_tries(independent(20, 3))
