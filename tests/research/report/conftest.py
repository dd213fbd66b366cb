"""A study made of small real computations: moving-average strategies on a random walk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from barograph.clock import DAY_US
from barograph.research import metrics
from barograph.research.honesty import overfitting, sharpe
from barograph.research.outcome import (
    Backtest,
    Honesty,
    LuckTests,
    NoiseTest,
    Plateau,
    Study,
    Sweep,
    Verdict,
    WalkForward,
)
from barograph.rows import Floats
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import REASONS, TRADE, Costs

BARS, TRAIN, YEAR = 1_100, 770, 252.0
COSTS = Costs(fee_bps=5.0)
PAIRS = [(fast, slow) for fast in (3, 5, 8, 12, 18, 25) for slow in (20, 30, 45, 60, 80, 100, 120)]
PAIRS = [pair for pair in PAIRS if pair[0] < pair[1]]


@pytest.fixture(scope="session")
def study() -> Study:
    """All of it there."""
    return made_study()


@pytest.fixture(scope="session")
def large_study() -> Study:
    """As large as a usual one: 5,000 bars, 500 strategies, 12,870 splits."""
    found = made_study(bars=5_000)
    rng = np.random.default_rng(3)
    splits = rng.normal(0.05, 0.02, (3, 12_870))
    assert found.honesty.overfitting
    overfit = replace(
        found.honesty.overfitting, logits=splits[0], in_sample=splits[1], out_of_sample=splits[2]
    )
    return replace(
        found,
        train=_repeated(found.train, 500),
        validation=_repeated(found.validation, 500),
        honesty=replace(found.honesty, overfitting=overfit),
    )


def _repeated(sweep: Sweep, count: int) -> Sweep:
    """The sweep's strategies again and again, a little different."""
    rows = np.arange(count) % len(sweep.strategies)
    noise = np.random.default_rng(count).normal(1.0, 0.1, count)
    return replace(
        sweep,
        strategies=tuple(sweep.strategies[i] for i in rows),
        metrics={name: values[rows] * noise for name, values in sweep.metrics.items()},
        returns=sweep.returns[:, rows],
        exposure=sweep.exposure[rows],
    )


def made_study(bars: int = BARS, seed: int = 11, interval_us: int = DAY_US) -> Study:
    """A whole study; luck tests, walk-forward and noise are drawn, the rest is computed."""
    prices = made_prices(bars, seed, interval_us)
    split = int(bars * TRAIN / BARS)
    strategies = tuple(Strategy(family="sma_cross", params={"fast": a, "slow": b}) for a, b in PAIRS)
    positions = [_position(prices.close, fast, slow) for fast, slow in PAIRS]
    train, validation, whole = (
        _sweep(prices, strategies, positions, *part) for part in ((0, split), (split, bars), (0, bars))
    )
    best = int(np.nanargmax(train.metrics["sharpe_ratio"]))
    tests = [
        _backtest(prices, strategies[best], positions[best], *part)
        for part in ((0, split), (split, bars), (0, bars))
    ]
    return Study(
        version="0.0",
        seed=seed,
        data_hash="ab" * 32,
        source="a random walk",
        symbol="WALK & <CO>",
        interval_us=interval_us,
        idealised=True,
        periods_per_year=YEAR,
        select_by="sharpe_ratio",
        overfit_drop=0.15,
        accounting="compounded",
        costs=COSTS,
        train=train,
        validation=validation,
        best=best,
        best_train=tests[0],
        best_validation=tests[1],
        best_whole=tests[2],
        gap={"win_rate_drop": 0.1, "return_drop": 0.2, "sharpe_drop": 0.5},
        overfit=True,
        honesty=_honesty(whole, best, seed, prices),
        verdict=Verdict(
            skill=False,
            headline="Skill not shown: luck explains it.",
            reasons=("The deflated Sharpe ratio is low.", "Few trades & little data."),
        ),
    )


def made_prices(bars: int, seed: int, interval_us: int) -> Prices:
    """A random walk with sound bars."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0004, 0.011, bars)))
    opened = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0.0, 0.001, bars))
    high = np.maximum(opened, close) * 1.004
    low = np.minimum(opened, close) * 0.996
    start = 1_262_304_000_000_000  # 2010-01-01
    ts_us = start + np.arange(bars) * interval_us
    return Prices("WALK & <CO>", interval_us, ts_us, opened, high, low, close, np.full(bars, 5.0))


def _position(close: Floats, fast: int, slow: int) -> Floats:
    """Held after each close: 1 while the fast average is above the slow one."""
    total = np.concatenate([[0.0], np.cumsum(close)])
    averages = [np.full(len(close), np.nan) for _ in range(2)]
    for average, n in zip(averages, (fast, slow), strict=True):
        average[n - 1 :] = (total[n:] - total[:-n]) / n
    return (np.nan_to_num(averages[0] - averages[1]) > 0).astype(np.float64)


def _returns(close: Floats, position: Floats) -> Floats:
    moves = np.diff(close, prepend=close[0]) / np.concatenate([close[:1], close[:-1]])
    held = np.concatenate([[0.0], position[:-1]])
    paid = np.abs(np.diff(held, prepend=0.0)) * COSTS.fee_bps / 1e4
    return held * moves - paid


def _backtest(prices: Prices, strategy: Strategy, position: Floats, start: int, stop: int) -> Backtest:
    held = position[start:stop].copy()
    equity = COSTS.cash * np.cumprod(1.0 + _returns(prices.close[start:stop], held))
    trades = _trades(prices, held, start)
    found = metrics.of(equity, held, trades, prices.close[start:stop], YEAR)
    return Backtest(strategy, prices.take(slice(0, stop)), COSTS, start, equity, held, trades, found)


def _trades(prices: Prices, held: Floats, start: int) -> npt.NDArray[np.void]:
    edges = np.flatnonzero(np.diff(held, prepend=0.0, append=0.0))
    trades = np.zeros(len(edges) // 2, TRADE)
    for trade, entry, leave in zip(trades, edges[::2], edges[1::2], strict=True):
        first, last = start + int(entry), start + min(int(leave), len(held) - 1)
        prices_held = prices.take(slice(first, last + 1))
        trade["side"], trade["entry_bar"], trade["exit_bar"] = 1, first, last
        trade["reason"] = REASONS.index("signal" if leave < len(held) else "open")
        trade["entry_price"], trade["exit_price"] = prices.close[first], prices.close[last]
        trade["quantity"] = COSTS.cash / prices.close[first]
        trade["profit"] = trade["quantity"] * (prices.close[last] - prices.close[first])
        trade["lowest"], trade["highest"] = prices_held.low.min(), prices_held.high.max()
    return trades


def _sweep(
    prices: Prices, strategies: tuple[Strategy, ...], positions: list[Floats], start: int, stop: int
) -> Sweep:
    tests = [_backtest(prices, s, p, start, stop) for s, p in zip(strategies, positions, strict=True)]
    close = prices.close[start:stop]
    return Sweep(
        strategies=strategies,
        metrics={name: np.array([t.metrics[name] for t in tests]) for name in metrics.TALLIED},
        returns=np.column_stack([_returns(close, t.position) for t in tests]),
        exposure=np.array([t.position.mean() for t in tests]),
        period_ends_us=prices.ts_us[start:stop] + prices.interval_us,
        period_bars=1,
        market=_returns(close, np.ones(len(close))),
    )


def _honesty(whole: Sweep, best: int, seed: int, prices: Prices) -> Honesty:
    rng = np.random.default_rng(seed)
    ratios = whole.returns.mean(axis=0) / whole.returns.std(axis=0, ddof=1)
    tried = sharpe.Tried(tries=180, sharpe=ratios, effective=21.0)
    edges = np.linspace(0.4 * len(prices), len(prices) - 1, 9).astype(np.int64)
    inside = rng.normal(1.2, 0.3, 8)
    windows = WalkForward(
        anchored=True,
        starts_us=prices.ts_us[edges[:-1]],
        ends_us=prices.ts_us[edges[1:]],
        chosen=tuple(whole.strategies[i].id for i in rng.integers(0, 6, 8)),
        in_sample=inside,
        out_of_sample=rng.normal(0.2, 1.0, 8),
        returns=whole.returns[edges[0] :, best],
        efficiency=0.17,
    )
    fasts, slows = (np.array(sorted({pair[i] for pair in PAIRS}), dtype=np.float64) for i in (0, 1))
    grid = np.full((len(fasts), len(slows)), np.nan)
    for (fast, slow), value in zip(PAIRS, whole.metrics["sharpe_ratio"], strict=True):
        grid[fasts.tolist().index(fast), slows.tolist().index(slow)] = value
    return Honesty(
        sharpe=sharpe.evidence(whole.returns[:, best], tried, YEAR),
        overfitting=overfitting.overfitting(whole.returns, 10),
        luck=LuckTests(0.41, 0.32, 0.38, 0.44, (), 12.5, 1_000),
        intervals={"cagr": (-0.03, 0.16), "sharpe_ratio": (-0.2, 1.3), "max_drawdown": (-0.5, -0.12)},
        walk_forward=(windows, replace(windows, anchored=False)),
        noise=NoiseTest("sharpe_ratio", 1.1, rng.normal(1.0, 0.25, 50), 0.41),
        plateau=Plateau(("fast", "slow"), fasts, slows, grid, 0.84),
    )
