"""Sharpe ratios and their worth: published vectors, scipy's moments, simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from barograph.errors import DataError, UsageError
from barograph.research.honesty.expected_maximum import approximate, exact
from barograph.research.honesty.sharpe import (
    Moments,
    Tried,
    annual_factor,
    autocorrelations,
    deflated_sharpe,
    evidence,
    expected_maximum_sharpe,
    min_backtest_years,
    min_track_record,
    moments,
    psr_2012,
    psr_2025,
    standard_error,
)
from barograph.rows import Floats

HEDGE_FUND = Moments(1.585 / math.sqrt(12), 24, -2.448, 10.164)
OF_2025 = Moments(0.036 / 0.079, 24, -2.448, 10.164)
CHOSEN = Moments(2.5 / math.sqrt(250), 1250, -3, 10)


def ar1(rho: float, n: int, seed: int = 3) -> Floats:
    series = np.random.default_rng(seed).standard_normal(n)
    for t in range(1, n):
        series[t] += rho * series[t - 1]
    return series


def some_returns(n: int = 500, seed: int = 2) -> Floats:
    return np.random.default_rng(seed).standard_t(5, n) * 0.01 + 0.0007


class TestMoments:
    def test_given_returns_they_are_those_of_scipy(self) -> None:
        returns = some_returns()
        found = moments(returns)
        assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-12)
        assert found.skewness == pytest.approx(stats.skew(returns), rel=1e-10)
        assert found.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-12)
        assert found.periods == 500

    def test_given_few_unknown_or_constant_returns_they_are_refused(self) -> None:
        with pytest.raises(DataError, match="3 returns are too few"):
            moments(np.array([0.1, 0.2, 0.3]))
        with pytest.raises(DataError, match="return 2 is not a number"):
            moments(np.array([0.1, 0.2, math.nan, 0.3]))
        with pytest.raises(DataError, match="never vary"):
            moments(np.zeros(10))


class TestProbabilistic:
    def test_2012_gives_the_vectors(self) -> None:
        assert psr_2012(HEDGE_FUND) == pytest.approx(0.913234307, abs=5e-10)
        assert psr_2012(HEDGE_FUND._replace(skewness=0, kurtosis=3)) == pytest.approx(0.98159, abs=5e-6)

    @pytest.mark.parametrize(("benchmark", "published"), [(0.0, 0.987), (0.1, 0.939)])
    def test_2025_gives_the_published_figures(self, benchmark: float, published: float) -> None:
        assert psr_2025(OF_2025, benchmark) == pytest.approx(published, abs=5e-4)

    def test_they_disagree_where_returns_are_skewed(self) -> None:
        assert psr_2012(OF_2025) < 0.92
        assert psr_2025(OF_2025) > 0.98

    def test_2025_takes_autocorrelation_as_lo_does(self) -> None:
        # Over a long horizon, Lo's variance ratio of an AR(1) is (1 + rho) / (1 - rho).
        rho, q = 0.3, 1e6
        eta = annual_factor(q, rho ** np.arange(1.0, 200))
        seen = Moments(0.1, 300)
        expected = stats.norm.cdf(0.1 * math.sqrt(300) * eta / math.sqrt(q))
        assert psr_2025(seen, autocorrelation=rho) == pytest.approx(expected, abs=1e-6)

    def test_given_normal_returns_the_error_is_that_of_simulation(self) -> None:
        draws = np.random.default_rng(8).normal(0.5, 1, (20_000, 50))
        seen = draws.mean(axis=1) / draws.std(axis=1, ddof=1)
        # psr at one standard error above the benchmark is Phi(1)
        error = 0.5 / stats.norm.ppf(psr_2012(Moments(0.5, 50)))
        assert error == pytest.approx(seen.std(), rel=0.03)

    @given(st.floats(-0.3, 0.3), st.floats(-2, 2), st.floats(5.1, 30), st.integers(10, 5000))
    def test_they_are_probabilities_that_fall_with_the_benchmark(
        self, sharpe: float, skewness: float, kurtosis: float, periods: int
    ) -> None:
        seen = Moments(sharpe, periods, skewness, kurtosis)
        for psr in (psr_2012, psr_2025):
            levels = [psr(seen, benchmark) for benchmark in (-0.2, 0.0, 0.2)]
            assert all(0 <= level <= 1 for level in levels)
        assert psr_2012(seen, -0.2) >= psr_2012(seen) >= psr_2012(seen, 0.2)
        assert psr_2012(seen, sharpe) == psr_2025(seen, sharpe) == 0.5

    def test_given_a_ratio_without_error_it_is_certain(self) -> None:
        # Two outcomes only (kurtosis = 1 + skewness^2), and the ratio at which mean and deviation err alike.
        assert psr_2012(Moments(1.0, 10, 2.0, 5.0)) == 1.0

    def test_given_moments_that_cannot_be_they_are_refused(self) -> None:
        with pytest.raises(UsageError, match=r"kurtosis \(raw, normal = 3\)"):
            psr_2012(Moments(0.5, 10, 5.0, 3.0))
        with pytest.raises(UsageError, match="within"):
            psr_2025(OF_2025, autocorrelation=1.0)


class TestDeflated:
    def test_it_gives_the_published_vectors(self) -> None:
        variance = 0.5 / 250
        assert expected_maximum_sharpe(variance, 100, approximate(100)) == pytest.approx(0.113172, abs=5e-7)
        assert deflated_sharpe(CHOSEN, variance, 100, approximate(100)) == pytest.approx(0.900397, abs=5e-7)
        assert deflated_sharpe(CHOSEN, variance, 46, approximate(46)) == pytest.approx(0.950502, abs=5e-7)
        normal = CHOSEN._replace(skewness=0, kurtosis=3)
        assert deflated_sharpe(normal, variance, 88, approximate(88)) == pytest.approx(0.950491, abs=5e-7)

    def test_by_default_the_maximum_is_the_exact_one(self) -> None:
        assert expected_maximum_sharpe(0.04, 100) == pytest.approx(0.2 * exact(100))

    def test_given_one_try_it_is_the_probabilistic_one(self) -> None:
        assert deflated_sharpe(CHOSEN, 0.002, 1) == psr_2012(CHOSEN)

    def test_given_a_negative_variance_it_is_refused(self) -> None:
        with pytest.raises(UsageError, match="variance -1"):
            deflated_sharpe(CHOSEN, -1, 10)


class TestLengths:
    def test_the_minimum_track_record_gives_the_published_years(self) -> None:
        for q, years in ((250, 2.731188), (52, 2.828834)):
            seen = Moments(2 / math.sqrt(q), 0)
            assert min_track_record(seen, 1 / math.sqrt(q)) / q == pytest.approx(years, abs=5e-7)
        monthly = Moments(3 / math.sqrt(12), 0, -0.72, 5.78)
        assert min_track_record(monthly, 2.5 / math.sqrt(12)) / 12 == pytest.approx(27.352920, abs=5e-7)

    @given(st.floats(0.01, 1), st.floats(-2, 2), st.floats(5.1, 20))
    def test_after_the_minimum_track_record_the_confidence_is_reached(
        self, sharpe: float, skewness: float, kurtosis: float
    ) -> None:
        seen = Moments(sharpe, 0, skewness, kurtosis)
        enough = min_track_record(seen, 0.001, 0.9)
        assert psr_2012(seen._replace(periods=enough), 0.001) == pytest.approx(0.9)  # type: ignore[arg-type]

    def test_given_a_ratio_not_above_the_benchmark_no_record_is_long_enough(self) -> None:
        assert min_track_record(Moments(0.1, 0), 0.1) == math.inf
        assert min_track_record(Moments(-0.1, 0)) == math.inf

    def test_given_a_confidence_that_cannot_be_it_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"confidence is 1\.0"):
            min_track_record(CHOSEN, confidence=1.0)

    def test_the_minimum_backtest_gives_the_published_years(self) -> None:
        assert min_backtest_years(1.0, 45, approximate(45)) == pytest.approx(4.998087, abs=5e-7)
        assert min_backtest_years(1.0, 45) == pytest.approx(exact(45) ** 2)
        assert min_backtest_years(-0.5, 45) == math.inf


class TestAnnual:
    @pytest.mark.parametrize(("rho", "published"), [(0.2, 2.8788), (-0.2, 4.1708), (0.0, 3.4641)])
    def test_lo_s_factor_gives_the_published_figures(self, rho: float, published: float) -> None:
        assert annual_factor(12, rho ** np.arange(1.0, 12)) == pytest.approx(published, abs=5e-5)

    def test_it_is_the_variance_ratio_of_sums(self) -> None:
        series = ar1(0.4, 200_000)
        yearly = series.reshape(-1, 20).sum(axis=1)
        assert annual_factor(20, 0.4 ** np.arange(1.0, 20)) == pytest.approx(
            20 * series.std() / yearly.std(), rel=0.02
        )

    def test_lags_beyond_the_year_are_not_looked_at(self) -> None:
        assert annual_factor(2.5, np.array([0.1, 0.1, 0.9])) == annual_factor(2.5, np.array([0.1, 0.1]))
        assert annual_factor(0.5, np.array([0.9])) == pytest.approx(math.sqrt(0.5))

    def test_given_no_variance_left_it_is_unknown(self) -> None:
        assert math.isnan(annual_factor(100, np.array([-0.9])))

    @pytest.mark.parametrize("rho", [0.5, 0.2, -0.2])
    def test_the_autocorrelations_found_are_those_of_the_process(self, rho: float) -> None:
        found = annual_factor(252, autocorrelations(ar1(rho, 20_000)))
        assert found == pytest.approx(annual_factor(252, rho ** np.arange(1.0, 252)), rel=0.03)

    def test_given_independent_returns_next_to_nothing_is_corrected(self) -> None:
        found = annual_factor(252, autocorrelations(np.random.default_rng(1).standard_normal(20_000)))
        assert found == pytest.approx(math.sqrt(252), rel=0.02)

    def test_given_returns_that_undo_each_other_a_variance_is_left(self) -> None:
        noise = np.random.default_rng(3).standard_normal(3001)
        found = annual_factor(252, autocorrelations(noise[1:] - 0.999 * noise[:-1]))
        assert math.sqrt(252) < found < 4 * math.sqrt(252)

    def test_lo_s_standard_error_gives_the_published_figure(self) -> None:
        assert standard_error(0.5, 12) == pytest.approx(0.3062, abs=5e-5)


class TestEvidence:
    def test_every_field_is_what_its_function_says(self) -> None:
        returns = some_returns()
        ratios = np.random.default_rng(4).normal(0, 0.05, 60)
        found = evidence(returns, Tried(ratios, 80, 20.0, 0.003), 252)
        seen = moments(returns)
        luck = math.sqrt(float(ratios.var(ddof=1))) * exact(80)
        assert (found.sharpe, found.skewness, found.kurtosis, found.periods) == (
            seen.sharpe,
            seen.skewness,
            seen.kurtosis,
            500,
        )
        assert found.annual == seen.sharpe * math.sqrt(252)
        assert found.annual_lo == seen.sharpe * annual_factor(252, autocorrelations(returns))
        assert found.standard_error == standard_error(seen.sharpe, 500)
        assert found.psr == psr_2012(seen)
        assert found.expected_max == pytest.approx(luck)
        assert found.dsr == pytest.approx(psr_2012(seen, luck))
        assert found.dsr_effective == deflated_sharpe(seen, 0.003, 20.0)
        assert (found.tries, found.effective_tries) == (80, 20.0)
        assert found.min_track_record == min_track_record(seen)
        assert found.min_backtest_years == min_backtest_years(found.annual, 80)

    def test_given_strategies_that_never_traded_they_count_as_tries_but_have_no_ratio(self) -> None:
        ratios = np.array([0.1, math.nan, -0.1, math.nan])
        found = evidence(some_returns(), Tried(ratios, 4, 2.0), 252)
        assert found.expected_max == pytest.approx(math.sqrt(0.02) * exact(4))

    def test_given_no_other_ratios_their_variance_is_that_of_unskilled_ones(self) -> None:
        found = evidence(some_returns(), Tried(np.array([]), 10, 10.0), 252)
        assert found.expected_max == pytest.approx(exact(10) / math.sqrt(500))
        assert found.dsr == found.dsr_effective

    def test_given_the_best_of_many_coin_flips_luck_explains_it(self) -> None:
        chance = np.random.default_rng(7).normal(0, 0.01, (500, 300))
        ratios = chance.mean(axis=0) / chance.std(axis=0, ddof=1)
        found = evidence(chance[:, ratios.argmax()], Tried(ratios, 300, 300.0), 252)
        assert found.psr > 0.99
        assert found.dsr < 0.9

    def test_given_wrong_counts_it_is_refused(self) -> None:
        with pytest.raises(UsageError, match="2 tries, but 3 Sharpe ratios"):
            evidence(some_returns(), Tried(np.zeros(3), 2, 1.0), 252)
        with pytest.raises(UsageError, match="effective tries"):
            evidence(some_returns(), Tried(np.zeros(3), 3, 4.0), 252)
        with pytest.raises(UsageError, match="periods a year"):
            evidence(some_returns(), Tried(np.zeros(3), 3, 3.0), 0)
