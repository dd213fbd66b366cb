"""Other backtesters over the same bars: one run in one process, seconds and memory as JSON.

    python benchmarks/research_peers.py vectorbt PRICES.npz --strategies 500

``PRICES.npz`` has open, high, low, close and the pairs of windows. Each peer is used as one of its experts
would: indicators are computed once for each window, signals and fills are arrays where the peer takes
arrays. The first run, on a few strategies, warms caches and compilers and is not measured.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

FEE = 0.001
CASH = 1e12
"""vectorbt gives up where a portfolio gets small against an absolute tolerance: with so much, none does."""

Prices = dict[str, Any]


def vectorbt(prices: Prices, n: int) -> dict[str, Any]:
    """Arrays of all strategies side by side; its Rust engine where that is installed."""
    import pandas as pd
    import vectorbt as vbt

    fast, slow = prices["fast"][:n], prices["slow"][:n]
    close = pd.Series(prices["close"])
    windows = np.unique(np.concatenate((fast, slow)))
    table = vbt.MA.run(close, window=windows, short_name="ma").ma.to_numpy()
    column = {int(window): index for index, window in enumerate(windows)}
    quick = table[:, [column[int(w)] for w in fast]]
    late = table[:, [column[int(w)] for w in slow]]
    with np.errstate(invalid="ignore"):
        above, below = quick > late, quick < late
    entries, exits = _crossed(above, below), _crossed(below, above)
    portfolio = vbt.Portfolio.from_signals(
        close,
        _later(entries),
        _later(exits),
        price=pd.Series(prices["open"]),
        fees=FEE,
        init_cash=CASH,
        freq="1D",
    )
    trades = portfolio.trades.closed
    metrics = {
        "total_return": portfolio.total_return(),
        "sharpe_ratio": portfolio.sharpe_ratio(),
        "sortino_ratio": portfolio.sortino_ratio(),
        "calmar_ratio": portfolio.calmar_ratio(),
        "volatility": portfolio.annualized_volatility(),
        "max_drawdown": portfolio.max_drawdown(),
        "win_rate": trades.win_rate(),
        "profit_factor": trades.profit_factor(),
        "expectancy": trades.expectancy(),
        "num_trades": trades.count(),
    }
    return {name: np.asarray(values).tolist() for name, values in metrics.items()}


def _crossed(now: Any, before: Any) -> Any:
    """Where ``now`` is true and ``before`` was true one row earlier, or later still with ties in between."""
    crossed = np.zeros_like(now)
    crossed[1:] = now[1:] & before[:-1]
    return crossed


def _later(signals: Any) -> Any:
    """One row later: what is known at a close is traded at the next open."""
    moved = np.zeros_like(signals)
    moved[1:] = signals[:-1]
    return moved


def _frame(prices: Prices) -> Any:
    import pandas as pd

    index = pd.date_range("2000-01-01", periods=len(prices["close"]), freq="min")
    names = {"Open": "open", "High": "high", "Low": "low", "Close": "close"}
    return pd.DataFrame(
        {name: prices[column] for name, column in names.items()} | {"Volume": 1.0}, index=index
    )


def backtesting(prices: Prices, n: int) -> dict[str, Any]:
    """One strategy after the other."""
    from backtesting import Backtest, Strategy

    frame = _frame(prices)
    means = _means(prices, n)

    class Cross(Strategy):  # type: ignore[misc]
        fast = 0
        slow = 0

        def init(self) -> None:
            self.quick = self.I(lambda: means[self.fast], plot=False)
            self.late = self.I(lambda: means[self.slow], plot=False)

        def next(self) -> None:
            if self.quick[-1] > self.late[-1] and self.quick[-2] < self.late[-2]:
                self.buy()
            elif self.quick[-1] < self.late[-1] and self.position:
                self.position.close()

    test = Backtest(frame, Cross, cash=CASH, commission=FEE, finalize_trades=False)
    pairs = zip(prices["fast"][:n], prices["slow"][:n], strict=True)
    found = [test.run(fast=int(fast), slow=int(slow)) for fast, slow in pairs]
    return {"total_return": [float(each["Return [%]"]) / 100 for each in found]}


def _means(prices: Prices, n: int) -> dict[int, Any]:
    import pandas as pd

    close = pd.Series(prices["close"])
    windows = np.unique(np.concatenate((prices["fast"][:n], prices["slow"][:n])))
    return {int(window): close.rolling(int(window)).mean().to_numpy() for window in windows}


def backtrader(prices: Prices, n: int) -> dict[str, Any]:
    """One strategy after the other, its own indicators computed at once (``runonce``)."""
    import backtrader as bt

    frame = _frame(prices)

    class Cross(bt.Strategy):  # type: ignore[misc]
        params = (("fast", 10), ("slow", 50))

        def __init__(self) -> None:
            quick = bt.ind.SMA(self.data.close, period=self.p.fast)
            self.cross = bt.ind.CrossOver(quick, bt.ind.SMA(self.data.close, period=self.p.slow))

        def next(self) -> None:
            if self.cross[0] > 0:
                self.order_target_percent(target=0.99)
            elif self.cross[0] < 0 and self.position:
                self.close()

    ends = []
    for fast, slow in zip(prices["fast"][:n], prices["slow"][:n], strict=True):
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.adddata(bt.feeds.PandasData(dataname=frame))
        cerebro.addstrategy(Cross, fast=int(fast), slow=int(slow))
        cerebro.broker.setcash(CASH)
        cerebro.broker.setcommission(commission=FEE)
        cerebro.addanalyzer(bt.analyzers.SharpeRatio)
        cerebro.addanalyzer(bt.analyzers.DrawDown)
        cerebro.addanalyzer(bt.analyzers.TradeAnalyzer)
        cerebro.run()
        ends.append(cerebro.broker.getvalue() / CASH - 1)
    return {"total_return": ends}


def spa_arch(prices: Prices, n: int) -> dict[str, Any]:
    """Hansen's test by arch; its losses are our returns with the other sign."""
    from arch.bootstrap import SPA

    returns = prices["returns"][:, :n]
    test = SPA(np.zeros(len(returns)), -returns, block_size=10, reps=1_000, seed=42)
    test.compute()
    return {name: float(value) for name, value in test.pvalues.items()}


def pbo_holdout(prices: Prices, n: int) -> dict[str, Any]:
    """Probability of backtest overfitting by holdout-backtest."""
    import holdout

    found = holdout.probability_of_backtest_overfitting(prices["returns"][:, :n], n_blocks=16)
    return {"pbo": float(found.pbo)}


def spa_holdout(prices: Prices, n: int) -> dict[str, Any]:
    """Hansen's test by holdout-backtest, studentised by the bootstrap's own spread."""
    import holdout

    found = holdout.superior_predictive_ability(
        prices["returns"][:, :n], n_bootstrap=1_000, block_length=10, seed=42
    )
    return {"consistent": float(found.consistent)}


PEERS: dict[str, Callable[[Prices, int], dict[str, Any]]] = {
    "vectorbt": vectorbt,
    "backtesting": backtesting,
    "backtrader": backtrader,
    "spa_arch": spa_arch,
    "spa_holdout": spa_holdout,
    "pbo_holdout": pbo_holdout,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="One peer, measured.")
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("prices")
    parser.add_argument("--strategies", type=int, default=500)
    parser.add_argument("--warm", type=int, default=2, help="strategies of the run that is not measured")
    given = parser.parse_args()
    with np.load(given.prices) as file:
        prices = {name: file[name] for name in file.files}
    if given.warm:
        PEERS[given.peer](prices, given.warm)
    begun, cpu = time.perf_counter(), time.process_time()
    answer = PEERS[given.peer](prices, given.strategies)
    seconds, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "peak_mb": peak, "answer": answer}))


if __name__ == "__main__":
    sys.exit(main())
