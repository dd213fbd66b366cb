"""Backtests: one strategy in full, a portfolio of symbols, and (``sweeping``) many strategies at once.

All of them run the kernel of ``strategies``; so does paper trading. How orders are filled is told in
``strategies.kernel``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from barograph.errors import UsageError
from barograph.research import metrics
from barograph.research.annualising import periods_per_year
from barograph.research.outcome import Backtest, Metrics
from barograph.research.sweeping import Progress, checked_range, sweep
from barograph.rows import Floats
from barograph.strategies.fills import MARKS
from barograph.strategies.guard import NO_BOUNDS, Bounds
from barograph.strategies.prices import Prices
from barograph.strategies.rulebook import Signals, rulebook
from barograph.strategies.strategy import Strategy
from barograph.strategies.stretches import one_timeline, stretch
from barograph.strategies.tally import TURNOVER
from barograph.strategies.trader import Trader, Trades
from barograph.strategies.trading import Costs

__all__ = ["Portfolio", "Progress", "backtest", "portfolio", "sweep"]


@dataclass(frozen=True)
class Portfolio:
    """Several symbols that share the cash of one account.

    Attributes:
        strategies: one a symbol.
        prices: of each symbol, on one timeline (NaN where it has no bar).
        costs, start: as in ``Backtest``.
        equity: (T,) at the close of each bar from ``start`` on.
        position: (T,) signed notional of all positions over equity.
        trades: rows of ``trading.TRADE``, by entry, then symbol.
        metrics: all of them; the market is the mean of the symbols' returns.
    """

    strategies: tuple[Strategy, ...]
    prices: tuple[Prices, ...]
    costs: Costs
    start: int
    equity: Floats
    position: Floats
    trades: Trades
    metrics: Metrics


def backtest(
    prices: Prices,
    strategy: Strategy,
    costs: Costs,
    *,
    start: int = 0,
    stop: int | None = None,
    bounds: Bounds = NO_BOUNDS,
) -> Backtest:
    """One strategy in full: equity, positions and every trade.

    Args:
        prices: one symbol's bars.
        strategy: what is traded.
        costs: fees, slippage, lots, and the cash it begins with.
        start: the first bar at whose close something may be decided; those before warm the indicators up.
        stop: the bar after the last one.
        bounds: what the account allows itself.

    Raises:
        UsageError: fewer than two bars to trade on, a cost or a strategy out of its bounds.
    """
    found = portfolio([prices], strategy, costs, start=start, stop=stop, bounds=bounds)
    return Backtest(
        strategy=strategy,
        prices=prices if stop is None else prices.take(slice(0, stop)),
        costs=costs,
        start=start,
        equity=found.equity,
        position=found.position,
        trades=found.trades,
        metrics=found.metrics,
    )


def portfolio(
    prices: Sequence[Prices],
    strategies: Strategy | Mapping[str, Strategy],
    costs: Costs,
    *,
    start: int = 0,
    stop: int | None = None,
    bounds: Bounds = NO_BOUNDS,
) -> Portfolio:
    """Several symbols with shared cash; entries are made in the order of the symbols, while there is cash.

    Args:
        prices: of each symbol, with bars of one length; they are brought on one timeline.
        strategies: one for all, or one a symbol. ``size`` is a part of the whole equity: with all in (1.0)
            the first to enter takes everything.
        costs, start, stop, bounds: as in :func:`backtest`, counted on the common timeline.

    Raises:
        UsageError: a symbol twice or without a strategy, bars of different lengths, or as :func:`backtest`.
    """
    symbols = [p.symbol for p in prices]
    if len(set(symbols)) != len(symbols) or not symbols:
        raise UsageError(f"symbols {symbols}: give at least one, and each once")
    chosen = [_strategy_of(symbol, strategies) for symbol in symbols]
    laid = one_timeline(prices) if len(prices) > 1 else tuple(prices)
    end = checked_range(laid[0], start, stop)
    laid = tuple(p.take(slice(0, end)) for p in laid)
    signals = [Signals(rulebook([one]), p).of(p, 0) for one, p in zip(chosen, laid, strict=True)]
    trader = Trader(chosen, costs, laid[0].interval_us, symbols, start, bounds)
    advanced = trader.advance(laid, signals)
    trades = np.concatenate([advanced.trades, trader.open_trades()])
    trades = trades[np.lexsort((trades["symbol"], trades["entry_bar"]))]
    equity, position = advanced.equity[start:], advanced.position[start:]
    found = metrics.of(
        equity,
        position,
        trades,
        _closes(laid, start),
        periods_per_year(laid[0]),
        turnover=float(trader.book[TURNOVER]),
    )
    return Portfolio(tuple(chosen), laid, costs, start, equity, position, trades, found)


def _strategy_of(symbol: str, strategies: Strategy | Mapping[str, Strategy]) -> Strategy:
    if isinstance(strategies, Strategy):
        return strategies
    if symbol not in strategies:
        raise UsageError(f"{symbol} has no strategy; there are some for {', '.join(strategies)}")
    return strategies[symbol]


def _closes(laid: Sequence[Prices], start: int) -> Floats:
    """(T,) or (S, T) last known closes from ``start`` on."""
    marks = stretch(laid, np.zeros(len(laid)))[MARKS]
    known = np.where(marks > 0.0, marks, np.nan)[:, start:]
    return known[0] if len(laid) == 1 else known
