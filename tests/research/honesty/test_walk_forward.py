"""Walk-forward: windows, selection, and that nothing of the future is seen."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import TimeSeriesSplit

from barograph.errors import DataError, UsageError
from barograph.research.honesty.walk_forward import walk_forward, windows
from barograph.research.outcome import Sweep
from barograph.rows import Floats
from barograph.strategies.strategy import Strategy

DAY_US = 86_400_000_000


def swept(returns: Floats) -> Sweep:
    periods, strategies = returns.shape
    return Sweep(
        strategies=tuple(Strategy(family="coinflip", params={"seed": i}) for i in range(strategies)),
        metrics={},
        returns=returns,
        exposure=np.ones(strategies),
        period_ends_us=np.arange(1, periods + 1) * DAY_US,
        period_bars=1,
        market=returns[:, 0],
    )


def noise(periods: int = 120, strategies: int = 7, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, 0.01, (periods, strategies))


@given(st.integers(20, 500), st.integers(1, 5), st.floats(0.2, 0.8), st.booleans())
@settings(max_examples=80, deadline=None)
def test_windows_follow_each_other_to_the_end(periods: int, count: int, train: float, anchored: bool) -> None:
    try:
        found = windows(periods, count, train, anchored=anchored)
    except DataError:
        assert (periods - round(periods * train)) // count < 3
        return
    assert len(found) == count
    assert found[-1].stop == periods
    assert all(one.stop == other.test for one, other in pairwise(found))
    lengths = [w.stop - w.test for w in found]
    assert max(lengths) - min(lengths) <= 1
    assert all(w.train == 0 if anchored else w.test - w.train == found[0].test for w in found)


def test_anchored_windows_are_those_of_scikit_learn() -> None:
    found = windows(120, 5, 1 / 6, anchored=True)
    theirs = list(TimeSeriesSplit(n_splits=5).split(np.zeros(120)))
    assert [(w.train, w.test, w.stop) for w in found] == [(a[0], b[0], b[-1] + 1) for a, b in theirs]


@pytest.mark.parametrize("anchored", [True, False])
def test_each_window_trades_what_was_best_before_it(anchored: bool) -> None:
    returns = noise()
    found = walk_forward(swept(returns), anchored=anchored, count=4, train=0.5)
    for i, window in enumerate(windows(120, 4, 0.5, anchored=anchored)):
        past, next_ = returns[window.train : window.test], returns[window.test : window.stop]
        sharpes = past.mean(axis=0) / past.std(axis=0, ddof=1)
        winner = int(np.argmax(sharpes))
        assert found.chosen[i] == swept(returns).strategies[winner].id
        assert found.in_sample[i] == pytest.approx(sharpes[winner])
        traded = next_[:, winner]
        assert found.out_of_sample[i] == pytest.approx(traded.mean() / traded.std(ddof=1))
        np.testing.assert_array_equal(found.returns[window.test - 60 : window.stop - 60], traded)
        assert found.starts_us[i] == window.test * DAY_US
        assert found.ends_us[i] == window.stop * DAY_US
    assert found.efficiency == pytest.approx(found.out_of_sample.mean() / found.in_sample.mean())


@pytest.mark.parametrize("anchored", [True, False])
@pytest.mark.parametrize("select_by", ["sharpe_ratio", "total_return", "max_drawdown", "win_rate_periods"])
def test_another_future_changes_nothing_that_was_chosen_before(anchored: bool, select_by: str) -> None:
    returns = noise(200, 20)
    found = walk_forward(swept(returns), anchored=anchored, select_by=select_by)
    for i, window in enumerate(windows(200, 8, 1 / 3, anchored=anchored)):
        changed = returns.copy()
        changed[window.test :] = noise(200, 20, seed=9)[window.test :] * 5
        again = walk_forward(swept(changed), anchored=anchored, select_by=select_by)
        assert again.chosen[: i + 1] == found.chosen[: i + 1]
        np.testing.assert_array_equal(again.in_sample[: i + 1], found.in_sample[: i + 1])


def test_a_lasting_edge_is_found_and_kept() -> None:
    returns = noise(400)
    returns[:, 3] += 0.005
    found = walk_forward(swept(returns), anchored=True, periods_per_year=252)
    assert set(found.chosen) == {swept(returns).strategies[3].id}
    assert found.efficiency == pytest.approx(1, abs=0.2)
    assert found.returns.mean() > 0.003


def test_ratios_are_annualised() -> None:
    sweep = swept(noise())
    daily, yearly = (walk_forward(sweep, anchored=False, periods_per_year=q) for q in (1.0, 252.0))
    np.testing.assert_allclose(yearly.out_of_sample, daily.out_of_sample * math.sqrt(252))
    assert yearly.efficiency == pytest.approx(daily.efficiency)


def test_efficiency_is_undefined_where_nothing_was_gained_in_sample() -> None:
    returns = noise() - 0.1
    assert math.isnan(walk_forward(swept(returns), anchored=True).efficiency)


def test_windows_without_a_trade_do_not_count_in_the_efficiency() -> None:
    returns = noise()
    returns[:, 3] += 0.05
    returns[110:, :] = 0.0
    found = walk_forward(swept(returns), anchored=True, count=6, train=0.5)
    assert math.isnan(found.out_of_sample[-1])
    assert found.efficiency == pytest.approx(found.out_of_sample[:-1].mean() / found.in_sample[:-1].mean())


def test_impossible_windows_are_refused() -> None:
    sweep = swept(noise(20))
    with pytest.raises(DataError, match="20 periods are too few for 8 test windows"):
        walk_forward(sweep, anchored=True)
    with pytest.raises(UsageError, match="0 < train < 1"):
        walk_forward(sweep, anchored=True, train=1.0)
    with pytest.raises(UsageError, match="cannot be computed from returns"):
        walk_forward(replace(sweep), anchored=True, count=1, select_by="expectancy")
