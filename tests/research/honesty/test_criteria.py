"""What is computed from returns alone equals what a full backtest says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from barograph.errors import UsageError
from barograph.research import metrics
from barograph.research.honesty.criteria import CRITERIA, best, criterion
from barograph.strategies.trading import TRADE

YEAR = 365.25


@pytest.mark.parametrize("name", CRITERIA)
def test_a_criterion_equals_the_metric_of_the_same_name(name: str) -> None:
    returns = np.random.default_rng(1).standard_t(4, (300, 4)) * 0.02
    returns[::3, 1] = 0.0
    found = CRITERIA[name](returns, YEAR)
    for column, value in zip(returns.T, found, strict=True):
        equity = 10_000 * np.cumprod(np.concatenate([[1.0], 1 + column]))
        reference = metrics.of(equity, np.ones(301), np.zeros(0, TRADE), equity, YEAR)
        assert value == pytest.approx(reference[name], rel=1e-9)


def test_ratios_of_what_never_changes_are_undefined() -> None:
    flat = np.full((50, 1), 0.1)
    for name in ("sharpe_ratio", "sortino_ratio", "calmar_ratio"):
        assert math.isnan(criterion(name)(flat, 1.0)[0])
    assert math.isnan(criterion("win_rate_periods")(np.zeros((50, 1)), 1.0)[0])


def test_the_win_rate_of_trades_is_stood_in_for_by_that_of_periods() -> None:
    assert criterion("win_rate") is CRITERIA["win_rate_periods"]


def test_a_metric_that_needs_trades_is_refused() -> None:
    with pytest.raises(UsageError, match="profit_factor cannot be computed from returns alone"):
        criterion("profit_factor")


def test_the_best_is_the_first_of_equals_and_never_undefined() -> None:
    assert best(np.array([math.nan, 1.0, 2.0, 2.0])) == 2
    assert best(np.array([math.nan, -3.0])) == 1
    assert best(np.array([math.nan, math.nan])) == 0
