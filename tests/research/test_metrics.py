"""Every metric against pandas, scipy or a number worked out by hand, and what is said when nothing can be."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.errors import UsageError
from barograph.research import metrics
from barograph.research.recounting import recount, simple_returns
from barograph.strategies import tally
from barograph.strategies.trading import REASONS, TRADE

YEAR = 252.0
NO_TRADES = np.zeros(0, TRADE)


def random_walk(seed: int, n: int = 600, drift: float = 3e-4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 10_000 * np.concatenate([[1.0], np.cumprod(1 + rng.normal(drift, 0.01, n))])


def trades_of(*profits: float, reason: str = "signal") -> np.ndarray:
    """Trades of 10 pieces bought at 100, a bar apart; fees of 1 each."""
    made = np.zeros(len(profits), TRADE)
    made["profit"], made["quantity"], made["entry_price"] = profits, 10.0, 100.0
    made["exit_price"] = 100 + made["profit"] / 10
    made["reason"], made["fees"], made["side"] = REASONS.index(reason), 1.0, 1
    made["entry_bar"] = 3 * np.arange(len(profits))
    made["exit_bar"] = made["entry_bar"] + 1 + np.arange(len(profits))
    return made


def measured(
    equity: np.ndarray, market: np.ndarray | None = None, trades=NO_TRADES, **options
) -> dict[str, float]:
    market = equity if market is None else market
    return metrics.of(equity, np.ones(len(equity)), trades, market, YEAR, **options)


@pytest.fixture(scope="module")
def walk() -> tuple[np.ndarray, pd.Series]:
    equity = random_walk(1)
    return equity, pd.Series(equity).pct_change().dropna()


def test_returns_and_risk_are_what_pandas_and_scipy_say(walk) -> None:
    equity, returns = walk
    found = measured(equity)
    assert found["total_return"] == pytest.approx((1 + returns).prod() - 1)
    assert found["cagr"] == pytest.approx((1 + returns).prod() ** (YEAR / len(returns)) - 1)
    assert found["volatility"] == pytest.approx(returns.std(ddof=1) * math.sqrt(YEAR))
    assert found["sharpe_ratio"] == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(YEAR))
    downside = math.sqrt((returns.clip(upper=0) ** 2).mean() * YEAR)
    assert found["sortino_ratio"] == pytest.approx(returns.mean() * YEAR / downside)
    assert found["skewness"] == pytest.approx(scipy.stats.skew(returns))
    assert found["kurtosis"] == pytest.approx(scipy.stats.kurtosis(returns, fisher=False))
    assert found["win_rate_periods"] == pytest.approx((returns > 0).mean())


def test_the_risk_free_rate_is_compounded_per_period_and_taken_off(walk) -> None:
    equity, returns = walk
    excess = returns - (1.03 ** (1 / YEAR) - 1)
    found = measured(equity, risk_free=0.03)
    assert found["sharpe_ratio"] == pytest.approx(excess.mean() / excess.std(ddof=1) * math.sqrt(YEAR))
    assert found["sharpe_ratio"] < measured(equity)["sharpe_ratio"]
    assert found["sortino_ratio"] == measured(equity)["sortino_ratio"]


def test_drawdowns_are_what_pandas_says(walk) -> None:
    equity, _ = walk
    under = pd.Series(equity) / pd.Series(equity).cummax() - 1
    runs = (under == 0).cumsum()[under < 0]
    found = measured(equity)
    assert found["max_drawdown"] == pytest.approx(under.min())
    assert found["max_drawdown_duration"] == runs.value_counts().max()
    assert found["calmar_ratio"] == pytest.approx(found["cagr"] / -under.min())


def test_a_drawdown_that_goes_on_counts_to_the_end() -> None:
    found = measured(np.array([100.0, 120.0, 110.0, 119.0, 90.0]))
    assert (found["max_drawdown"], found["max_drawdown_duration"]) == (pytest.approx(-0.25), 3)


def test_alpha_and_beta_are_of_the_regression_on_the_market() -> None:
    market = random_walk(2)
    returns = 0.5 * simple_returns(market) + simple_returns(random_walk(3)) + 1e-4
    equity = 500 * np.concatenate([[1.0], np.cumprod(1 + returns)])
    line = scipy.stats.linregress(simple_returns(market), returns)
    found = measured(equity, market)
    assert found["beta"] == pytest.approx(line.slope)
    assert found["alpha"] == pytest.approx(line.intercept * YEAR)
    assert found["market_return"] == pytest.approx(market[-1] / market[0] - 1)
    rate = 1.05 ** (1 / YEAR) - 1
    excess = scipy.stats.linregress(simple_returns(market) - rate, returns - rate)
    assert measured(equity, market, risk_free=0.05)["alpha"] == pytest.approx(excess.intercept * YEAR)


def test_holding_the_market_has_beta_1_and_no_alpha(walk) -> None:
    found = measured(walk[0])
    assert (found["beta"], found["alpha"]) == (pytest.approx(1), pytest.approx(0, abs=1e-12))


def test_trades_are_counted_after_fees_and_only_when_closed() -> None:
    trades = np.concatenate([trades_of(50.0, -20.0, 30.0, 0.0), trades_of(999.0, reason="open")])
    found = measured(random_walk(4), trades=trades)
    expected = {
        "num_trades": 4,
        "win_rate": 0.5,
        "profit_factor": 4.0,
        "payoff_ratio": 40 / 10,
        "expectancy": 15.0,
        "average_trade": 0.015,
        "best_trade": 0.05,
        "worst_trade": -0.02,
        "average_holding": 2.5,
        "fees": 5.0,
        "system_quality": 2 * 0.015 / np.std([0.05, -0.02, 0.03, 0.0], ddof=1),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_exposure_is_the_part_of_the_bars_held_and_net_exposure_is_signed() -> None:
    equity = random_walk(5, 4)
    found = metrics.of(equity, np.array([0.0, 1.0, -0.5, 0.0, -1.0]), NO_TRADES, equity, YEAR)
    assert (found["exposure"], found["net_exposure"]) == (0.75, -0.125)


def test_turnover_is_of_a_year_from_the_kernel_or_the_trades() -> None:
    equity = np.full(253, 1_000.0)
    assert measured(equity, turnover=8.0)["turnover"] == 8.0
    assert measured(equity, trades=trades_of(0.0, 0.0))["turnover"] == pytest.approx(4.0)


@pytest.mark.parametrize("n", [1, 7, 19, 20, 21, 100])
def test_the_tail_is_the_mean_of_the_worst_twentieth(n: int) -> None:
    returns = np.random.default_rng(n).standard_t(3, n)
    # The definition: the integral of the quantile function over the tail.
    quantiles = np.sort(returns)[np.minimum((np.arange(1_000 * n) / 1_000).astype(int), n - 1)]
    value_at_risk, conditional = metrics.tail_losses(returns)
    assert conditional == pytest.approx(quantiles[: 50 * n].mean())
    assert value_at_risk == np.quantile(returns, 0.05, method="inverted_cdf")


def test_no_trades_say_nothing_about_trades() -> None:
    found = measured(np.full(50, 100.0), random_walk(6, 49))
    nothing = ["win_rate", "profit_factor", "expectancy", "best_trade", "worst_trade", "average_holding"]
    still = ["sharpe_ratio", "sortino_ratio", "calmar_ratio", "win_rate_periods", "skewness", "kurtosis"]
    assert all(math.isnan(found[name]) for name in nothing + still)
    assert (found["num_trades"], found["total_return"], found["volatility"], found["max_drawdown"]) == (
        0,
        0,
        0,
        0,
    )


def test_no_losses_leave_ratios_to_losses_unsaid() -> None:
    equity = 100 * 1.01 ** np.arange(30.0)
    found = measured(equity, random_walk(7, 29), trades_of(5.0, 7.0))
    unsaid = ["profit_factor", "payoff_ratio", "sortino_ratio", "calmar_ratio"]
    assert all(math.isnan(found[name]) for name in unsaid)
    assert found["win_rate"] == 1.0


def test_returns_all_the_same_have_no_sharpe_ratio_however_they_are_rounded() -> None:
    for rate in (1.01, 1.0003, 0.999, 1.1):
        found = measured(1e4 * rate ** np.arange(400.0), random_walk(8, 399))
        assert math.isnan(found["sharpe_ratio"])
        assert math.isnan(found["skewness"])


def test_who_lost_everything_lost_it_every_year() -> None:
    found = measured(np.array([100.0, 50.0, -10.0]), np.array([1.0, 2.0, 3.0]))
    assert (found["total_return"], found["cagr"]) == (pytest.approx(-1.1), -1.0)


def test_a_growth_beyond_numbers_is_not_called_infinite() -> None:
    found = metrics.of(np.array([1.0, 3.0]), np.ones(2), NO_TRADES, np.ones(2), 525_960.0)
    assert math.isnan(found["cagr"])
    assert math.isnan(found["calmar_ratio"])


def test_one_bar_has_no_returns() -> None:
    found = measured(np.array([100.0]))
    assert found["final_equity"] == 100
    assert all(math.isnan(found[name]) for name in ("cagr", "volatility", "sharpe_ratio", "value_at_risk"))


def test_a_market_with_holes_stands_still_in_them() -> None:
    nan = math.nan
    assert simple_returns(np.array([nan, 10.0, nan, 11.0, nan])).tolist() == pytest.approx([0, 0, 0.1, 0])
    both = simple_returns(np.array([[10.0, 11.0], [10.0, 13.0]]))
    assert both.tolist() == pytest.approx([0.2])


def books_of(equities: list[np.ndarray], market: np.ndarray, trades=NO_TRADES) -> np.ndarray:
    moved = simple_returns(market)
    return np.array([recount(equity, np.sign(equity - 1e4), trades, moved) for equity in equities])


def test_a_sweep_says_of_each_strategy_what_its_backtest_says() -> None:
    market, trades = random_walk(9), trades_of(3.0, -4.0)
    equities = [random_walk(seed) for seed in range(10, 15)]
    swept = metrics.from_tallies(books_of(equities, market, trades), market, YEAR, cash=1e4, risk_free=0.02)
    assert tuple(swept) == metrics.TALLIED
    for k, equity in enumerate(equities):
        single = metrics.of(equity, np.sign(equity - 1e4), trades, market, YEAR, risk_free=0.02)
        assert tuple(single) == metrics.NAMES
        assert {name: float(values[k]) for name, values in swept.items()} == pytest.approx(
            {name: single[name] for name in swept}, rel=1e-15, nan_ok=True
        )


def test_a_book_that_has_not_begun_and_no_book_at_all_are_no_errors() -> None:
    fresh = metrics.from_tallies(tally.new_books(2, 50.0), np.ones(1), YEAR, cash=50.0)
    assert fresh["total_return"].tolist() == [0, 0]
    assert np.isnan(fresh["best_trade"]).all()
    assert all(
        len(values) == 0
        for values in metrics.from_tallies(np.zeros((0, 28)), np.ones(5), YEAR, cash=1.0).values()
    )


@given(
    st.lists(st.floats(-0.999, 5), min_size=1, max_size=30),
    st.lists(st.floats(-1e3, 1e3), max_size=5),
    st.floats(1, 1e6),
)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_no_metric_is_infinite(returns, profits, per_year) -> None:
    equity = 1e4 * np.concatenate([[1.0], np.cumprod(1 + np.array(returns))])
    found = metrics.of(equity, np.sign(equity - 1e4), trades_of(*profits), equity[::-1].copy(), per_year)
    assert not any(math.isinf(value) for value in found.values())
    assert found["max_drawdown"] <= 0
    assert found["conditional_value_at_risk"] <= found["value_at_risk"] + 1e-12


@given(st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=40), st.floats(1.0, 1e6))
@settings(max_examples=50, deadline=None)
def test_metrics_do_not_hang_on_the_size_of_the_account(returns, scale) -> None:
    equity = 100 * np.concatenate([[1.0], np.cumprod(1 + np.array(returns))])
    small, large = measured(equity), measured(equity * scale)
    for name in ("total_return", "volatility", "max_drawdown", "value_at_risk"):
        assert large[name] == pytest.approx(small[name], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"periods_per_year": 0.0}, "periods_per_year is 0.0"),
        ({"periods_per_year": math.nan}, "periods_per_year is nan"),
        ({"risk_free": -1.0}, "risk_free is -1.0"),
        ({"tail": 5.0}, "tail is 5.0"),
        ({"market_close": np.ones(3)}, "same bars"),
    ],
)
def test_numbers_out_of_their_bounds_are_named(options, told) -> None:
    given = {"equity": np.ones(4), "position": np.ones(4), "trades": NO_TRADES, "market_close": np.ones(4)}
    with pytest.raises(UsageError, match=told):
        metrics.of(**({**given, "periods_per_year": YEAR} | options))


def test_tallies_of_other_bars_than_the_market_are_refused() -> None:
    with pytest.raises(UsageError, match="600 to 600 returns, the market has 599"):
        metrics.from_tallies(books_of([random_walk(1)], random_walk(2)), random_walk(2, 599), YEAR, cash=1.0)
