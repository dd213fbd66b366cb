"""Luck, made to measure: prices without any pattern, strategies without any idea, and the best of them.

Prices are a random walk without drift; a strategy tosses a coin each day and is long or short until the
next. Both sides, so that no strategy earns what another one does: then the tries are independent, and the
formula for the best of N (``research.honesty.expected_maximum``) holds without a correction. Traded is by the
kernels that trade everything else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import streamlit as st

from barograph.clock import DAY_US
from barograph.rows import Floats, Ints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from barograph.research.outcome import Backtest, Sweep
    from barograph.strategies.prices import Prices
    from barograph.strategies.strategy import Strategy

Kind = Literal["coins", "rules"]
KINDS: tuple[Kind, ...] = ("coins", "rules")
DAYS_A_YEAR = 365
"""Of a market that never closes."""
TRAIN = 0.7
"""Part of the days on which the best is chosen, as in a study."""

_FIRST_DAY = 14_610  # 2010-01-01
_FAMILIES = ("sma_cross", "ema_cross", "rsi", "bollinger", "breakout", "momentum", "mean_reversion")
_LONGEST = 120


class Bet(NamedTuple):
    """What is asked for.

    Attributes:
        strategies: how many are tried.
        years: of daily prices.
        volatility: of the prices, a year; 0.6 is 60 %.
        seed: the same one gives the same luck.
        kind: coins, or the house's own rules on charts.
    """

    strategies: int = 500
    years: int = 4
    volatility: float = 0.6
    seed: int = 1
    kind: Kind = "coins"


@dataclass(frozen=True)
class Luck:
    """What came of it. Sharpe ratios are annual.

    Attributes:
        before, after: (N,) in training and in validation; NaN of those that never traded.
        best: the winner's place, by its ratio in training; name: what it is.
        times_us: (T,) days; winner, market: (T,) growth of 1.
        border_us: the first day of validation.
        deviation: of the training ratios of strategies without skill, by theory: 1 / sqrt(years).
        expected: the best of so many independent ones, by the formula.
        as_lucky: probability that the best of so many is as good as this one or better.
    """

    before: Floats
    after: Floats
    best: int
    name: str
    times_us: Ints
    winner: Floats
    market: Floats
    border_us: int
    deviation: float
    expected: float
    as_lucky: float


@st.cache_data(show_spinner=False, max_entries=100)
def make(bet: Bet) -> Luck:
    """Try so many strategies on noise and take the best."""
    from barograph.research.backtesting import backtest, sweep
    from barograph.research.selecting import best as best_of
    from barograph.strategies.trading import Costs

    prices, strategies = walk(bet), _strategies(bet)
    free = Costs(fee_bps=0.0)
    split = round(len(prices) * TRAIN)
    before = sweep(prices, strategies, free, stop=split, max_periods=2)
    after = sweep(prices, strategies, free, start=split, max_periods=2)
    best = best_of(before.metrics, "sharpe_ratio")
    return _told(bet, (before, after), best, backtest(prices, strategies[best], free), split)


def _told(bet: Bet, sweeps: tuple[Sweep, Sweep], best: int, full: Backtest, split: int) -> Luck:
    from barograph.research.honesty.expected_maximum import exact
    from barograph.research.report.course import course

    before, after = (found.metrics["sharpe_ratio"] for found in sweeps)
    bars = course(full, DAYS_A_YEAR)
    deviation = math.sqrt(DAYS_A_YEAR / split)
    return Luck(
        before=before,
        after=after,
        best=best,
        name=str(full.strategy) if bet.kind == "rules" else f"coin number {best + 1:,}",
        times_us=bars.times_us,
        winner=bars.strategy,
        market=bars.market,
        border_us=int(bars.times_us[split]),
        deviation=deviation,
        expected=exact(float(bet.strategies)) * deviation,
        as_lucky=as_lucky(float(before[best]) / deviation, bet.strategies),
    )


def as_lucky(deviations: float, tries: int) -> float:
    """Probability that the best of so many independent standard normals is at least ``deviations``.

    >>> round(as_lucky(0.0, 1), 3), round(as_lucky(3.04, 500), 2)
    (0.5, 0.45)
    """
    below = NormalDist().cdf(deviations)
    return 1.0 if below == 0.0 else -math.expm1(tries * math.log(below))


def walk(bet: Bet) -> Prices:
    """Daily prices that nothing can be known about: each day's move is drawn for itself."""
    from barograph.strategies.prices import Prices

    days = bet.years * DAYS_A_YEAR
    rng = np.random.default_rng((bet.seed, days))
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, bet.volatility / math.sqrt(DAYS_A_YEAR), days)))
    open_ = np.concatenate([[100.0], close[:-1]])
    return Prices(
        symbol="noise",
        interval_us=DAY_US,
        ts_us=(_FIRST_DAY + np.arange(days, dtype=np.int64)) * DAY_US,
        open=open_,
        high=np.maximum(open_, close),
        low=np.minimum(open_, close),
        close=close,
        volume=np.ones(days),
    )


def _strategies(bet: Bet) -> Sequence[Strategy]:
    from barograph.strategies.generating import generate
    from barograph.strategies.strategy import Strategy

    if bet.kind == "rules":
        return generate(bet.strategies, bet.seed, _FAMILIES, sides=("both",), longest=_LONGEST)
    # Far apart, so that another seed is another drawer of coins.
    first = bet.seed * 1_000_003
    return [
        Strategy(family="coinflip", params={"seed": first + k, "probability": 0.5, "hold": 1}, side="both")
        for k in range(bet.strategies)
    ]
