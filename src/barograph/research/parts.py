"""How a study trades: all strategies over a part of the bars, or one of them in full, by its accounting."""

from __future__ import annotations

from collections.abc import Sequence

from barograph.research import per_trade
from barograph.research.outcome import Backtest, Sweep
from barograph.research.preparing import Generated, Surroundings
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy

MAX_PERIODS = 10_000
"""Of the returns that the evidence is computed from; with more bars, some are taken together."""


def swept(
    generated: Generated,
    around: Surroundings,
    title: str,
    *,
    start: int = 0,
    stop: int | None = None,
    prices: Prices | None = None,
    strategies: Sequence[Strategy] | None = None,
) -> Sweep:
    """The study's strategies, or others, over bars ``start`` to ``stop``, by the study's accounting."""
    plan = generated.plan
    bars = generated.prices if prices is None else prices
    tried = generated.unnamed if strategies is None else strategies
    if plan.accounting == "per_trade":
        from barograph.research.metrics import NAMES

        return per_trade.sweep(bars.take(slice(start, stop)), tried, NAMES, MAX_PERIODS)
    from barograph.research.backtesting import sweep

    return sweep(
        # What comes later is not even there, so that a year's length is not counted over it either.
        bars.take(slice(0, stop)),
        tried,
        plan.costs,
        start=start,
        workers=around.workers,
        max_periods=MAX_PERIODS,
        progress=lambda done, total: around.progress(title, done, total),
    )


def traded(generated: Generated, best: int, start: int, stop: int | None) -> Backtest:
    """The selected strategy in full."""
    plan, strategy = generated.plan, generated.strategies[best].strategy
    if plan.accounting == "per_trade":
        from barograph.research.metrics import NAMES

        bars = generated.prices.take(slice(start, stop))
        both = generated.split if start == 0 and stop is None else 0
        return per_trade.backtest(bars, strategy, plan.costs.cash, NAMES, both)
    from barograph.research.backtesting import backtest as trade

    return trade(generated.prices, strategy, plan.costs, start=start, stop=stop)


def whole(generated: Generated, around: Surroundings, train: Sweep, validation: Sweep) -> Sweep:
    """All strategies over all bars; in per_trade accounting, over one part and again over the other."""
    if generated.plan.accounting == "per_trade":
        return per_trade.joined(train, validation)
    return swept(generated, around, "the whole sample")
