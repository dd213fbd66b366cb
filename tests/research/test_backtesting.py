"""Sweeps, backtests and portfolios on small and on real data."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from barograph.errors import UsageError
from barograph.research import metrics, sweeping
from barograph.research.backtesting import backtest, portfolio, sweep
from barograph.research.data import load
from barograph.strategies.generating import generate
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import REASONS, Costs

MINUTE_US = 60_000_000


def prices(n: int, seed: int = 1, symbol: str = "X") -> Prices:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, n)))
    opened = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(opened, close) * 1.0005, np.minimum(opened, close) * 0.9995
    ts_us = np.arange(n, dtype=np.int64) * MINUTE_US
    return Prices(symbol, MINUTE_US, ts_us, opened, high, low, close, np.ones(n))


@pytest.fixture(scope="module")
def sp500() -> Prices:
    return load("arch:sp500").prices


def mixed(n: int) -> tuple[Strategy, ...]:
    drawn = generate(n, seed=3, sides=("long", "short", "both"), stops=True)
    return drawn + generate(10, seed=3, families=["coinflip"])


def test_any_number_of_workers_and_any_tile_gives_the_same_bytes(
    sp500: Prices, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategies = mixed(60)
    one = sweep(sp500, strategies, Costs(), start=100, workers=1)
    two = sweep(sp500, strategies, Costs(), start=100, workers=2)
    monkeypatch.setattr(sweeping, "LONGEST_TILE", 333)
    monkeypatch.setattr(sweeping, "SHORTEST_TILE", 7)
    monkeypatch.setattr(sweeping, "MAX_COLUMNS", 9)
    other = sweep(sp500, strategies, Costs(), start=100, workers=3)
    for same in (two, other):
        assert same.returns.tobytes() == one.returns.tobytes()
        assert {k: v.tobytes() for k, v in same.metrics.items()} == {
            k: v.tobytes() for k, v in one.metrics.items()
        }


def test_a_sweep_says_of_a_strategy_what_its_backtest_says(sp500: Prices) -> None:
    strategies = mixed(40)
    swept = sweep(sp500, strategies, Costs(slippage_bps=2.0), start=250, stop=3000)
    assert swept.period_bars == 1
    assert len(swept.returns) == len(swept.period_ends_us) == 3000 - 251
    for j, strategy in enumerate(strategies):
        full = backtest(sp500, strategy, Costs(slippage_bps=2.0), start=250, stop=3000)
        assert full.equity[0] == 10_000.0
        for name in metrics.TALLIED:
            np.testing.assert_allclose(
                swept.metrics[name][j], full.metrics[name], rtol=1e-7, atol=1e-9, err_msg=f"{strategy} {name}"
            )
        np.testing.assert_allclose(swept.returns[:, j], full.equity[1:] / full.equity[:-1] - 1, atol=1e-12)
        assert swept.exposure[j] == pytest.approx(np.sum(full.position) / (len(full.position) - 1))


def test_the_market_is_held_over_the_same_periods(sp500: Prices) -> None:
    swept = sweep(sp500, mixed(5), Costs(), start=10, max_periods=100)
    assert len(swept.market) == len(swept.period_ends_us) == len(swept.returns) <= 100
    ends = np.searchsorted(sp500.ts_us + sp500.interval_us, swept.period_ends_us)
    assert set(np.diff(ends)) == {swept.period_bars}
    levels = sp500.close[np.concatenate([[10], ends])]
    np.testing.assert_allclose(swept.market, levels[1:] / levels[:-1] - 1, atol=1e-12)


def test_bars_before_the_start_only_warm_the_indicators_up(sp500: Prices) -> None:
    strategy = Strategy(family="sma_cross", params={"fast": 5, "slow": 50})
    late = backtest(sp500, strategy, Costs(), start=1000)
    assert late.trades["entry_bar"].min() > 1000
    assert late.equity[0] == 10_000.0
    whole = backtest(sp500, strategy, Costs())
    later = whole.trades[whole.trades["entry_bar"] > late.trades["entry_bar"][0]]
    assert late.trades["entry_bar"][1:].tolist() == later["entry_bar"].tolist()


def test_nothing_after_a_bar_changes_what_was_done_before_it() -> None:
    bars, strategies = prices(2000), mixed(30)
    other = prices(2000)
    for column in (other.open, other.high, other.low, other.close):
        column[1000:] *= 3.0
    for strategy in strategies:
        before, after = (backtest(p, strategy, Costs(cash=1e6)) for p in (bars, other))
        assert before.equity[:1000].tobytes() == after.equity[:1000].tobytes()


def test_memory_does_not_grow_with_the_length_of_the_data() -> None:
    strategies = generate(100, seed=1)
    sweep(prices(2000), strategies, Costs(), workers=1)
    peaks = []
    for n in (20_000, 80_000):
        bars = prices(n)
        tracemalloc.start()
        sweep(bars, strategies, Costs(), workers=1, max_periods=500)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    own = 60_000 * 8 * 12  # a dozen columns of the bars themselves, whole
    assert peaks[1] - peaks[0] < own


def test_returns_are_kept_within_bounds_whatever_the_number_of_strategies() -> None:
    assert sweeping.periods_of(0, 5001, 500, 5000) == sweeping.Periods(0, 1, 5000)
    many = sweeping.periods_of(0, 5001, 100_000, 5000)
    assert many.count * 100_000 <= sweeping.MAX_RETURNS
    assert many.bars == 15


def test_progress_ends_with_everything() -> None:
    told: list[tuple[int, int]] = []
    sweep(prices(9000), mixed(5), Costs(), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (9000 * 15, 9000 * 15)
    assert told == sorted(told)
    assert len(told) > 1


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (9, 10), (-1, None), (0, 11), (10, None)])
def test_a_range_without_two_bars_is_refused(start: int, stop: int | None) -> None:
    with pytest.raises(UsageError, match="at least two bars"):
        sweep(prices(10), mixed(2), Costs(), start=start, stop=stop)


def test_no_strategies_make_an_empty_sweep() -> None:
    swept = sweep(prices(10), (), Costs())
    assert swept.returns.shape == (9, 0)


def test_a_strategy_whose_money_gets_tiny_goes_on_trading() -> None:
    digits = "10" * 4000
    strategy = Strategy(family="signals", params={"signals": digits})
    full = backtest(prices(8000), strategy, Costs(fee_bps=100.0, cash=1.0))
    assert full.equity[-1] < 1e-12
    assert full.metrics["num_trades"] == 3999


def test_a_portfolio_brings_symbols_on_one_timeline_and_shares_the_cash() -> None:
    a, b = prices(500, 1, "A"), prices(500, 2, "B").take(slice(100, 400))
    cross = Strategy(family="sma_cross", params={"fast": 5, "slow": 20}, size=0.5)
    found = portfolio([a, b], cross, Costs())
    assert [len(p) for p in found.prices] == [500, 500]
    assert set(found.trades["symbol"]) == {0, 1}
    assert found.trades["entry_bar"].tolist() == sorted(found.trades["entry_bar"])
    assert np.all(found.position <= 1.0 + 1e-12)
    closed = found.trades[found.trades["reason"] != REASONS.index("open")]
    assert found.metrics["num_trades"] == len(closed)
    other = Strategy(family="momentum", params={"window": 10}, size=0.5)
    assert portfolio([a, b], {"A": cross, "B": other}, Costs()).strategies == (cross, other)
    with pytest.raises(UsageError, match="B has no strategy"):
        portfolio([a, b], {"A": cross}, Costs())
