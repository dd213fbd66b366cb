"""Evidence about the selected strategy is of what its metrics are of."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from barograph.research import evidence
from barograph.research.annualising import periods_per_year
from barograph.research.backtesting import backtest, sweep
from barograph.research.evidence import Subject
from barograph.research.plan import Plan
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import Costs

PER_BAR = ("value_at_risk", "conditional_value_at_risk", "volatility", "win_rate_periods")


@pytest.fixture
def subject() -> Subject:
    """A strategy that is nearly always long, swept in periods of 40 bars."""
    rng = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 2_000)))
    ts_us = np.arange(2_000) * 3_600_000_000
    prices = Prices("X", 3_600_000_000, ts_us, close, close, close, close, np.ones(2_000))
    strategy = Strategy(family="coinflip", params={"seed": 1, "probability": 0.98})
    costs = Costs(fee_bps=0.0)
    whole = sweep(prices, [strategy], costs, max_periods=50)
    assert whole.period_bars == 40
    full = backtest(prices, strategy, costs)
    year = periods_per_year(prices)
    return Subject(
        Plan(source="x"), prices, whole, 0, full, 1, year, lambda _: np.array([math.nan]), lambda _: math.nan
    )


def test_intervals_are_per_bar_as_the_metrics_are(subject: Subject) -> None:
    found = evidence.intervals(subject)
    for name in PER_BAR:
        low, high = found[name]
        assert low <= subject.best_whole.metrics[name] <= high, name
    assert found["value_at_risk"][0] > -0.03, "a loss in 40 bars would be six times as deep"


def test_intervals_of_very_many_bars_are_those_of_the_sweeps_periods(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MOST_RESAMPLED", 1_000)
    low, high = evidence.intervals(replace(subject, tries=2))["value_at_risk"]
    assert low < high < -0.03
