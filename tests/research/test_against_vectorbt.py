"""The same trades as vectorbt's ``from_signals`` on the real daily S&P 500, wherever it can say the same.

What it does otherwise, or cannot say, and how it is brought to agree here:

- It takes amounts below 1e-12 for nothing, and then stops trading without a word: hence ``init_cash=1e12``.
- Its signals are those of the bar on which it fills: they are shifted by one bar, and ``price`` is the open.
- It knows no freshness: entries are handed in as crossings. A position that was stopped may then only be
  taken anew at the next crossing, which is our rule.
- Its stops are relative to the close of the entry's bar unless told otherwise
  (``stop_entry_price="fillprice"``), and are not watched on that bar. Ours are where fills are at the open,
  for the whole bar comes after the fill; so here the open is handed in as ``exec_price``, after which ours
  are not watched on that bar either.
- Where an order to leave waits for the open of a bar that later touches the stop or the target, it leaves at
  the level; we at the open, which comes first. These are the only trades that may differ, and the test knows
  each of them. After the first of them the two have different amounts of money, so that gains are compared as
  fractions.
- Where a bar opens beyond the target and then touches the stop, it leaves at the stop; we at the open.
- A short entry that is all in sells as much as cash pays for, fee included, as ours.
- ``upon_opposite_entry="Reverse"`` closes and opens by one order; two trades are told of it, as of our fills.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from barograph.research.backtesting import backtest
from barograph.research.data import load
from barograph.rows import Floats, Mask
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import REASONS, Costs

pytestmark = pytest.mark.slow

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    vbt = pytest.importorskip("vectorbt")

CASH = 1e12
PAIRS = [(5, 20), (10, 50), (20, 100), (50, 200), (3, 7)]


@pytest.fixture(scope="module")
def prices() -> Prices:
    return load("arch:sp500").prices


def means(close: Floats, window: int) -> Floats:
    found = np.full(len(close), np.nan)
    found[window - 1 :] = np.lib.stride_tricks.sliding_window_view(close, window).mean(axis=1)
    return found


def crossings(prices: Prices, fast: int, slow: int) -> tuple[Mask, Mask]:
    """On the bar after the one at whose close the averages have crossed up, and down."""
    apart = means(prices.close, fast) - means(prices.close, slow)
    above, below = apart > 0, apart < 0
    up, down = np.zeros(len(apart), dtype=np.bool_), np.zeros(len(apart), dtype=np.bool_)
    up[2:] = above[1:-1] & below[:-2]
    down[2:] = below[1:-1] & above[:-2]
    return up, down


def peers(prices: Prices, **how: Any) -> Any:
    """Their trades. Always the same types of arguments: any others are compiled anew, for seconds."""
    never = np.zeros(len(prices), dtype=np.bool_)
    signals = {name: how.pop(name, never) for name in ("entries", "exits", "short_entries", "short_exits")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        portfolio = vbt.Portfolio.from_signals(
            prices.close,
            **signals,
            open=prices.open,
            high=prices.high,
            low=prices.low,
            price=prices.open,
            init_cash=CASH,
            freq="1D",
            stop_entry_price="fillprice",
            stop_exit_price="stoplimit",
            use_stops=True,
            **({"sl_stop": np.nan, "tp_stop": np.nan, "fees": 0.0, "slippage": 0.0} | how),
        )
        return portfolio.trades.records


def same_trades(ours: Any, theirs: Any) -> None:
    """Every closed trade, and the one that is open at the end."""
    assert len(ours) > 3
    assert ours["entry_bar"].tolist() == theirs["entry_idx"].tolist()
    assert ours["exit_bar"].tolist() == theirs["exit_idx"].tolist()
    np.testing.assert_allclose(ours["entry_price"], theirs["entry_price"], rtol=1e-9)
    np.testing.assert_allclose(ours["exit_price"], theirs["exit_price"], rtol=1e-9)
    np.testing.assert_allclose(ours["quantity"], theirs["size"], rtol=1e-9)
    np.testing.assert_allclose(ours["profit"], theirs["pnl"], rtol=1e-9, atol=1e-9 * CASH)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(("fee_bps", "slippage_bps"), [(10.0, 0.0), (25.0, 5.0)])
def test_long_only_crosses(
    prices: Prices, pair: tuple[int, int], fee_bps: float, slippage_bps: float
) -> None:
    costs = Costs(fee_bps=fee_bps, slippage_bps=slippage_bps, cash=CASH)
    ours = backtest(
        prices, Strategy(family="sma_cross", params=dict(zip(("fast", "slow"), pair, strict=True))), costs
    )
    up, down = crossings(prices, *pair)
    theirs = peers(prices, entries=up, exits=down, fees=fee_bps * 1e-4, slippage=slippage_bps * 1e-4)
    same_trades(ours.trades, theirs)


@pytest.mark.parametrize("pair", PAIRS)
def test_short_only_crosses(prices: Prices, pair: tuple[int, int]) -> None:
    params = dict(zip(("fast", "slow"), pair, strict=True))
    ours = backtest(prices, Strategy(family="sma_cross", params=params, side="short"), Costs(cash=CASH))
    up, down = crossings(prices, *pair)
    theirs = peers(prices, short_entries=down, short_exits=up, fees=1e-3)
    same_trades(ours.trades, theirs)


@pytest.mark.parametrize("pair", PAIRS)
def test_reversals(prices: Prices, pair: tuple[int, int]) -> None:
    params = dict(zip(("fast", "slow"), pair, strict=True))
    strategy = Strategy(family="sma_cross", params=params, side="both")
    ours = backtest(prices, strategy, Costs(cash=CASH))
    up, down = crossings(prices, *pair)
    theirs = peers(prices, entries=up, short_entries=down, upon_opposite_entry="Reverse", fees=1e-3)
    same_trades(ours.trades, theirs)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(("stop", "take"), [(0.03, None), (None, 0.05), (0.02, 0.04)])
def test_stops_and_targets(
    prices: Prices, pair: tuple[int, int], stop: float | None, take: float | None
) -> None:
    params = dict(zip(("fast", "slow"), pair, strict=True))
    strategy = Strategy(family="sma_cross", params=params, stop_loss=stop, take_profit=take)
    # An exec_price at the open: the bar of the entry is then not watched by us either.
    within = Prices(
        prices.symbol, prices.interval_us, prices.ts_us, prices.open, prices.high, prices.low, prices.close,
        prices.volume, prices.open,
    )  # fmt: skip
    ours = backtest(within, strategy, Costs(cash=CASH)).trades
    up, down = crossings(prices, *pair)
    theirs = peers(
        prices,
        entries=up,
        exits=down,
        fees=1e-3,
        sl_stop=np.nan if stop is None else stop,
        tp_stop=np.nan if take is None else take,
    )
    level_first = ours["reason"] == REASONS.index("signal")
    low, high = prices.low[ours["exit_bar"]], prices.high[ours["exit_bar"]]
    touched = low <= ours["entry_price"] * (1 - (stop or np.inf))
    touched |= high >= ours["entry_price"] * (1 + (take or np.inf))
    level_first &= touched
    alike = ~level_first
    assert {REASONS[r] for r in ours["reason"]} & {"stop_loss", "take_profit"}
    assert ours["entry_bar"].tolist() == theirs["entry_idx"].tolist()
    assert ours["exit_bar"].tolist() == theirs["exit_idx"].tolist()
    np.testing.assert_allclose(ours["exit_price"][alike], theirs["exit_price"][alike], rtol=1e-9)
    gain = ours["profit"] / (ours["quantity"] * ours["entry_price"])
    np.testing.assert_allclose(gain[alike], theirs["return"][alike], atol=1e-9)
    opened, entry = prices.open[ours["exit_bar"]], ours["entry_price"]
    at_stop = np.minimum(opened, entry * (1 - (stop or np.inf)))
    at_take = np.maximum(opened, entry * (1 + (take or np.inf)))
    level = np.where(low <= entry * (1 - (stop or np.inf)), at_stop, at_take)
    np.testing.assert_allclose(theirs["exit_price"][level_first], level[level_first], rtol=1e-9)
