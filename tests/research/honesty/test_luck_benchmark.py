"""The benchmark that counts how often luck is called skill: what it simulates is what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from barograph.research.backtesting import sweep
from barograph.research.honesty.superior import excess
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import Costs

luck = pytest.importorskip("benchmarks.luck", reason="run as `python -m pytest` from the checkout")

DAY_US = 86_400_000_000


def test_simulated_returns_are_those_of_the_trading_kernel() -> None:
    rng = np.random.default_rng(0)
    moves = luck.market(300, rng)
    held = rng.random((300, 20)) < 0.5
    close = 100 * np.cumprod(np.concatenate([[1.0], 1 + moves]))
    open_ = np.concatenate([[100.0], close[:-1]])
    bars = np.arange(301) * DAY_US
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    prices = Prices("X", DAY_US, bars, open_, high, low, close, np.ones(301))
    arrays = ["".join(str(int(day)) for day in column) + "0" for column in held.T]
    strategies = [Strategy(family="signals", params={"signals": array}) for array in arrays]
    swept = sweep(prices, strategies, Costs(fee_bps=10_000 * luck.FEE), workers=1)
    returns = luck.after_fees(held, moves, luck.FEE)
    np.testing.assert_allclose(swept.returns, returns, atol=1e-12)
    above = returns - moves[:, None] * held.mean(axis=0)
    np.testing.assert_allclose(excess(swept), above, atol=1e-12)


@pytest.mark.parametrize(("kind", "hedged"), [("planted", False), ("hard", True)])
def test_the_planted_edge_is_a_sharpe_ratio_of_3(kind: str, hedged: bool) -> None:
    odds = {kind: luck.planted_odds(luck.EDGE, luck.FEE, hedged=hedged)}
    made = luck.make(kind, 1, 2, 200_000, odds)
    own = made.returns[:, made.planted]
    if hedged:
        own = own - made.market * made.exposure[made.planted]
    assert own.mean() / own.std() * math.sqrt(luck.DAYS_A_YEAR) == pytest.approx(luck.EDGE, abs=0.2)


def test_a_few_studies_tell_luck_from_skill() -> None:
    odds = {"planted": luck.planted_odds(luck.EDGE, luck.FEE, hedged=False)}
    rules = ("sharpe, first 70 %", "any in StepM's set")
    found = {
        kind: [luck.one(kind, 100, luck.DAYS_A_YEAR * 2, odds, seed) for seed in range(6)]
        for kind in ("coin flips", "planted")
    }
    for rule in rules:
        assert sum(verdicts[rule] for verdicts in found["coin flips"]) <= 1
        assert sum(verdicts[rule] for verdicts in found["planted"]) >= 5
