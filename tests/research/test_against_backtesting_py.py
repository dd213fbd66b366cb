"""The same trades as backtesting.py on the real daily S&P 500, wherever it can say the same.

What it does otherwise, or cannot say:

- It buys whole units only: our ``lot`` is 1 here, and its cash is large enough for many units.
- ``size=1`` means a relative size just below 1 there, and its quantity is what cash buys at the *open with
  commission*: floor(cash * 0.9999.. / (price * (1 + commission))). Ours is floor(cash / (price * (1 + fee))):
  the same unless the quotient is whole.
- It has no slippage apart from ``spread``, which it adds to buys and sells by halves; it is 0 here.
- A reversal closes and opens by two orders of one bar, as ours.
- Stops are given as absolute prices at the time of the order, which cannot know the fill: not compared (see
  vectorbt).
- Trades still open at the end are left out unless ``finalize_trades`` is on, which closes them at the last
  close.
- Its short positions need margin: all in, equity pays for the notional, as ours.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from barograph.research.backtesting import backtest
from barograph.research.data import load
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Side, Strategy
from barograph.strategies.trading import REASONS, Costs

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    peer = pytest.importorskip("backtesting")

CASH = 1e9


@pytest.fixture(scope="module")
def prices() -> Prices:
    return load("arch:sp500").prices


def peers(prices: Prices, fast: int, slow: int, side: Side) -> Any:
    class Cross(peer.Strategy):  # type: ignore[misc, name-defined]
        def init(self) -> None:
            close = pd.Series(prices.close)
            apart = (close.rolling(fast).mean() - close.rolling(slow).mean()).to_numpy()
            self.apart = self.I(lambda: apart, plot=False)

        def next(self) -> None:
            if len(self.apart) < 2:
                return
            before, now = self.apart[-2], self.apart[-1]
            up, down = now > 0 > before, now < 0 < before
            if (down and self.position.is_long) or (up and self.position.is_short):
                self.position.close()
            if up and side != "short":
                self.buy()
            if down and side != "long":
                self.sell()

    frame = pd.DataFrame(
        {
            "Open": prices.open,
            "High": prices.high,
            "Low": prices.low,
            "Close": prices.close,
            "Volume": prices.volume,
        },
        index=pd.to_datetime(prices.ts_us, unit="us"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = peer.Backtest(frame, Cross, cash=CASH, commission=1e-3).run()
    return run["_trades"]


@pytest.mark.parametrize("pair", [(5, 20), (20, 100)])
@pytest.mark.parametrize("side", ["long", "short", "both"])
def test_crosses(prices: Prices, pair: tuple[int, int], side: Side) -> None:
    params = dict(zip(("fast", "slow"), pair, strict=True))
    strategy = Strategy(family="sma_cross", params=params, side=side)
    ours = backtest(prices, strategy, Costs(cash=CASH, lot=1.0)).trades
    ours = ours[ours["reason"] != REASONS.index("open")]
    theirs = peers(prices, *pair, side)
    assert len(ours) > 10
    assert ours["entry_bar"].tolist() == theirs["EntryBar"].tolist()
    assert ours["exit_bar"].tolist() == theirs["ExitBar"].tolist()
    np.testing.assert_allclose(ours["side"] * ours["quantity"], theirs["Size"], rtol=1e-9)
    np.testing.assert_allclose(ours["entry_price"], theirs["EntryPrice"], rtol=1e-9)
    np.testing.assert_allclose(ours["exit_price"], theirs["ExitPrice"], rtol=1e-9)
    np.testing.assert_allclose(ours["profit"], theirs["PnL"], rtol=1e-9, atol=1e-9 * CASH)
