"""The mean of the best of N standard normals: published figures, scipy's quadrature, simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from barograph.errors import UsageError
from barograph.research.honesty.expected_maximum import approximate, exact


@pytest.mark.parametrize(
    ("tries", "published"), [(10, 1.574598), (45, 2.235640), (100, 2.530603), (1000, 3.255122)]
)
def test_the_approximation_gives_the_published_figures(tries: int, published: float) -> None:
    assert approximate(tries) == pytest.approx(published, abs=5e-7)


@pytest.mark.parametrize(("tries", "published"), [(10, 1.538753), (100, 2.507594), (1000, 3.241436)])
def test_the_exact_one_gives_the_published_figures(tries: int, published: float) -> None:
    assert exact(tries) == pytest.approx(published, abs=5e-7)


def test_the_exact_one_has_the_closed_forms_of_two_and_three_tries() -> None:
    assert exact(2) == pytest.approx(1 / math.sqrt(math.pi), abs=1e-13)
    assert exact(3) == pytest.approx(1.5 / math.sqrt(math.pi), abs=1e-13)


@pytest.mark.parametrize("tries", [1.5, 7.25, 500, 1e5, 1e9])
def test_the_exact_one_is_what_adaptive_quadrature_finds(tries: float) -> None:
    def integrand(x: float) -> float:
        return float(x * tries * math.exp(stats.norm.logpdf(x) + (tries - 1) * stats.norm.logcdf(x)))

    found, _ = integrate.quad(integrand, -12, 20, points=[0, 2, 4, 6], epsabs=1e-12, limit=500)
    assert exact(tries) == pytest.approx(found, abs=1e-9)


def test_the_exact_one_is_the_mean_of_simulated_maxima() -> None:
    best = np.random.default_rng(5).standard_normal((20_000, 30)).max(axis=1)
    assert exact(30) == pytest.approx(best.mean(), abs=4 * best.std() / math.sqrt(len(best)))


def test_one_try_is_its_own_maximum() -> None:
    assert exact(1) == approximate(1) == 0.0


@given(st.floats(1, 1e8), st.floats(1.001, 100))
def test_more_tries_are_expected_to_show_more(tries: float, times: float) -> None:
    assert exact(tries * times) > exact(tries)


@given(st.floats(5, 1e8))
def test_the_approximation_is_a_little_too_high(tries: float) -> None:
    assert exact(tries) < approximate(tries) < 1.03 * exact(tries)


@pytest.mark.parametrize("tries", [0.5, 0, -1, math.inf, math.nan])
def test_without_a_try_both_are_refused(tries: float) -> None:
    for function in (exact, approximate):
        with pytest.raises(UsageError, match="at least 1"):
            function(tries)
