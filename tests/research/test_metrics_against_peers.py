"""Metrics against two libraries that others trust: vectorbt and skfolio.

What they do otherwise is told in docs/metrics.md and taken account of here: vectorbt compounds alpha, takes
the risk-free rate per period and does not count the cash at the beginning as a peak; losses are positive in
skfolio, its semi-deviation has ddof 1, and its VaR is one return further where the tail is a whole number.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from barograph.research import metrics
from barograph.research.recounting import simple_returns
from barograph.strategies.trading import TRADE

YEAR = 365.25


@pytest.fixture(scope="module")
def curves() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    market = 100 * np.cumprod(1 + rng.standard_t(4, 802) * 0.01)
    equity = 1e4 * np.cumprod(
        1 + 0.4 * np.diff(market, prepend=market[0]) / market + rng.normal(2e-4, 5e-3, 802)
    )
    return equity, market


@pytest.fixture(scope="module")
def ours(curves) -> dict[str, float]:
    equity, market = curves
    return metrics.of(equity, np.ones(802), np.zeros(0, TRADE), market, YEAR, risk_free=0.02)


def test_vectorbt_says_the_same(curves, ours) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from vectorbt.returns import nb
    equity, market = curves
    returns, moved = simple_returns(equity), simple_returns(market)
    rate = 1.02 ** (1 / YEAR) - 1
    from_cash = np.append(0.0, returns)
    theirs = {
        "total_return": nb.cum_returns_final_1d_nb.py_func(returns),
        "cagr": nb.annualized_return_1d_nb(returns, YEAR),
        "volatility": nb.annualized_volatility_1d_nb(returns, YEAR, 2.0, 1),
        "sharpe_ratio": nb.sharpe_ratio_1d_nb(returns, YEAR, rate, 1),
        "sortino_ratio": nb.sortino_ratio_1d_nb(returns, YEAR, 0.0),
        "calmar_ratio": nb.annualized_return_1d_nb(returns, YEAR) / -nb.max_drawdown_1d_nb(from_cash),
        "max_drawdown": nb.max_drawdown_1d_nb(from_cash),
        "beta": nb.beta_1d_nb(returns, moved),
        "alpha": ((1 + nb.alpha_1d_nb(returns, moved, YEAR, rate)) ** (1 / YEAR) - 1) * YEAR,
    }
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-9)


def test_skfolio_says_the_same(curves, ours) -> None:
    from skfolio import measures

    returns = simple_returns(curves[0])
    semi = measures.semi_deviation(returns, min_acceptable_return=0.0, biased=True)
    theirs = {
        "volatility": measures.standard_deviation(returns) * YEAR**0.5,
        "sortino_ratio": returns.mean() / semi * YEAR**0.5,
        "max_drawdown": -measures.max_drawdown(measures.get_drawdowns(returns, compounded=True)),
        "skewness": measures.skew(returns),
        "kurtosis": measures.kurtosis(returns),
        "value_at_risk": -measures.value_at_risk(returns, beta=0.95),
        "conditional_value_at_risk": -measures.cvar(returns, beta=0.95),
    }
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("n", [30, 101, 777])
def test_skfolio_has_the_same_tail_for_any_number_of_returns(n: int) -> None:
    from skfolio import measures

    returns = np.random.default_rng(n).standard_t(3, n)
    value_at_risk, conditional = metrics.tail_losses(returns, 0.05)
    assert value_at_risk == pytest.approx(-measures.value_at_risk(returns, beta=0.95))
    assert conditional == pytest.approx(-measures.cvar(returns, beta=0.95))
