"""The classic demonstration's accounting: each 1 buys at this bar's price and sells at the next one's.

Trade returns are *summed*, not compounded, nothing is paid, and a fill is at the close that the decision saw:
numbers to compare with that demonstration, not to expect from a market. The true accounting is the default.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barograph.errors import UsageError
from barograph.research.outcome import Backtest, Sweep
from barograph.rows import Floats
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import REASONS, TRADE, Costs

TRADES_A_YEAR = 252.0
"""The demonstration takes each trade for a day, whatever the bars' length."""

FAMILIES = ("signals", "coinflip")
"""The families that are arrays of one value a bar."""


class _Part(NamedTuple):
    """One strategy over one part of the bars: (n,) held after each bar, (n,) returns earned by each."""

    held: Floats
    returns: Floats

    @property
    def trades(self) -> Floats:
        """The returns of the trades, in order."""
        entered = np.flatnonzero(self.held[:-1]) if len(self.held) else np.empty(0, np.int64)
        return self.returns[entered + 1]


def sweep(
    prices: Prices,
    strategies: Sequence[Strategy],
    names: Sequence[str],
    max_periods: int = 5_000,
) -> Sweep:
    """Every strategy's array, laid on ``prices`` from the first bar; both are cut to the shorter.

    Args:
        names: metrics of the result, in order; those that this accounting does not know are NaN.
        max_periods: bars are joined so that there are at most so many periods.

    Raises:
        UsageError: a strategy's family is no array.
    """
    width = max(-(-len(prices) // max_periods), 1)
    starts = np.arange(0, len(prices), width)
    metrics = {name: np.full(len(strategies), np.nan) for name in names}
    returns = np.zeros((len(starts), len(strategies)))
    exposure = np.zeros(len(strategies))
    for index, strategy in enumerate(strategies):
        part = _laid(prices, strategy)
        for name, value in _metrics(part).items():
            if name in metrics:
                metrics[name][index] = value
        returns[:, index] = np.add.reduceat(part.returns, starts)
        exposure[index] = part.held.mean()
    ends = np.minimum(starts + width, len(prices)) - 1
    return Sweep(
        strategies=tuple(strategies),
        metrics=metrics,
        returns=returns,
        exposure=exposure,
        period_ends_us=prices.ts_us[ends] + prices.interval_us,
        period_bars=width,
        market=np.add.reduceat(_moves(prices.close), starts),
    )


def joined(first: Sweep, second: Sweep) -> Sweep:
    """Two parts, one after the other; the metrics are the first one's."""
    weights = len(first.returns), len(second.returns)
    return Sweep(
        strategies=first.strategies,
        metrics=first.metrics,
        returns=np.concatenate([first.returns, second.returns]),
        exposure=np.average([first.exposure, second.exposure], axis=0, weights=weights),
        period_ends_us=np.concatenate([first.period_ends_us, second.period_ends_us]),
        period_bars=first.period_bars,
        market=np.concatenate([first.market, second.market]),
    )


def backtest(
    prices: Prices, strategy: Strategy, cash: float, names: Sequence[str], split: int = 0
) -> Backtest:
    """One strategy in full; equity is the cash plus the running sum of returns on it.

    Args:
        split: where above 0, the array is laid on the bars before it, and again on those from it on.
    """
    parts = [prices.take(slice(0, split)), prices.take(slice(split, None))] if split else [prices]
    laid = [_laid(part, strategy) for part in parts]
    whole = _Part(
        np.concatenate([part.held for part in laid]), np.concatenate([part.returns for part in laid])
    )
    return Backtest(
        strategy=strategy,
        prices=prices,
        costs=Costs(fee_bps=0.0, slippage_bps=0.0, cash=cash),
        start=0,
        equity=cash * (1.0 + np.cumsum(whole.returns)),
        position=whole.held,
        trades=_trades(prices, whole.held, cash),
        metrics=dict.fromkeys(names, math.nan) | _metrics(whole),
    )


def _laid(prices: Prices, strategy: Strategy) -> _Part:
    signals = _array(prices, strategy)
    bars = min(len(signals), len(prices))
    held = np.zeros(len(prices))
    # The last bar has no next one to sell at.
    held[: max(bars - 1, 0)] = signals[: max(bars - 1, 0)]
    returns = np.zeros(len(prices))
    moves = _moves(prices.close)
    returns[1:] = np.where(held[:-1] != 0, held[:-1] * moves[1:], 0.0)
    return _Part(held, returns)


def _array(prices: Prices, strategy: Strategy) -> Floats:
    if strategy.family not in FAMILIES:
        raise UsageError(
            f"per_trade accounting is for arrays of signals, but {strategy} is of family {strategy.family}; "
            f"use --families coinflip, a file of signals, or --accounting compounded"
        )
    if strategy.family == "signals":
        digits = np.frombuffer(str(strategy.params["signals"]).encode(), np.uint8)
        return np.where(digits == ord("1"), 1.0, np.where(digits == ord("-"), -1.0, 0.0))
    from barograph.strategies.families import external

    signals = external(strategy, prices)
    assert signals is not None
    return np.nan_to_num(signals)


def _moves(close: Floats) -> Floats:
    """Returns from close to close; 0 at the first bar and where a close is unknown."""
    moves = np.zeros(len(close))
    moves[1:] = close[1:] / close[:-1] - 1.0
    return np.nan_to_num(moves)


def _metrics(part: _Part) -> dict[str, float]:
    trades = part.trades
    count = len(trades)
    total = np.cumsum(part.returns)
    deviation = float(trades.std(ddof=1)) if count > 1 else 0.0
    gains, losses = float(trades[trades > 0].sum()), float(-trades[trades < 0].sum())
    return {
        "win_rate": float((trades > 0).mean()) if count else math.nan,
        "total_return": float(trades.sum()),
        "sharpe_ratio": float(trades.mean()) / deviation * math.sqrt(TRADES_A_YEAR)
        if deviation > 0
        else math.nan,
        "max_drawdown": float((total - np.maximum.accumulate(np.maximum(total, 0.0))).min())
        if len(total)
        else 0.0,
        "num_trades": float(count),
        "profit_factor": gains / losses if losses > 0 else math.nan,
        "expectancy": float(trades.mean()) if count else math.nan,
        "exposure": float(part.held.mean()) if len(part.held) else 0.0,
        "best_trade": float(trades.max()) if count else math.nan,
        "worst_trade": float(trades.min()) if count else math.nan,
    }


def _trades(prices: Prices, held: Floats, cash: float) -> npt.NDArray[np.void]:
    entered = np.flatnonzero(held[:-1])
    trades = np.zeros(len(entered), TRADE)
    entry, exit_ = prices.close[entered], prices.close[entered + 1]
    trades["side"] = held[entered]
    trades["reason"] = REASONS.index("signal")
    trades["entry_bar"], trades["exit_bar"] = entered, entered + 1
    trades["entry_price"], trades["exit_price"] = entry, exit_
    trades["quantity"] = cash / entry
    trades["profit"] = held[entered] * trades["quantity"] * (exit_ - entry)
    trades["lowest"] = np.minimum(entry, prices.low[entered + 1])
    trades["highest"] = np.maximum(entry, prices.high[entered + 1])
    return trades
