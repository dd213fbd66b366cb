"""The classic demonstration's accounting, against a loop that anybody would write."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.errors import UsageError
from barograph.research import per_trade
from barograph.research.metrics import NAMES
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy

DAY_US = 86_400_000_000


def bars(closes: list[float]) -> Prices:
    close = np.array(closes, dtype=float)
    ts = np.arange(len(close)) * DAY_US
    return Prices("X", DAY_US, ts, close, close * 1.01, close * 0.99, close, np.ones(len(close)))


def array(digits: str) -> Strategy:
    return Strategy(family="signals", params={"signals": digits}, side="both")


def by_hand(closes: list[float], digits: str) -> list[float]:
    """The trades' returns."""
    sign = {"0": 0, "1": 1, "-": -1}
    n = min(len(closes), len(digits))
    return [sign[digits[i]] * (closes[i + 1] / closes[i] - 1) for i in range(n - 1) if sign[digits[i]] != 0]


@given(
    st.lists(st.floats(1, 100), min_size=2, max_size=30),
    st.text("01-", min_size=1, max_size=35),
    st.integers(1, 9),
)
def test_trades_are_those_of_a_loop(closes: list[float], digits: str, periods: int) -> None:
    found = per_trade.sweep(bars(closes), [array(digits)], NAMES, periods)
    trades = by_hand(closes, digits)
    metrics = {name: float(values[0]) for name, values in found.metrics.items()}
    assert tuple(metrics) == NAMES
    assert metrics["num_trades"] == len(trades)
    assert metrics["total_return"] == pytest.approx(sum(trades), abs=1e-12)
    if trades:
        assert metrics["win_rate"] == pytest.approx(sum(r > 0 for r in trades) / len(trades))
    if len(trades) > 1 and statistics.stdev(trades) > 1e-9:
        expected = statistics.mean(trades) / statistics.stdev(trades) * math.sqrt(252)
        assert metrics["sharpe_ratio"] == pytest.approx(expected)
    running = np.cumsum([0.0, *trades])
    assert metrics["max_drawdown"] == pytest.approx(
        (running - np.maximum.accumulate(running)).min(), abs=1e-12
    )
    assert len(found.returns) <= periods
    assert found.returns.sum() == pytest.approx(sum(trades), abs=1e-12)


def test_each_1_buys_at_this_price_and_sells_at_the_next() -> None:
    trade, *others = per_trade.backtest(bars([100, 110, 99]), array("110"), 1_000, NAMES).trades
    assert (trade["entry_bar"], trade["exit_bar"]) == (0, 1)
    assert (trade["entry_price"], trade["exit_price"], trade["quantity"]) == (100, 110, 10)
    assert trade["profit"] == pytest.approx(100)
    assert len(others) == 1
    assert others[0]["profit"] == pytest.approx(-100)


def test_a_backtest_says_what_the_sweep_says() -> None:
    closes = [100, 101, 99, 102, 104, 103]
    swept = per_trade.sweep(bars(closes), [array("101101")], NAMES)
    full = per_trade.backtest(bars(closes), array("101101"), 1_000, NAMES)
    assert {name: float(values[0]) for name, values in swept.metrics.items()} == pytest.approx(
        dict(full.metrics), nan_ok=True
    )
    assert full.equity[-1] == pytest.approx(1_000 * (1 + full.metrics["total_return"]))
    assert full.trades["profit"].sum() == pytest.approx(full.equity[-1] - 1_000)


def test_on_the_whole_the_array_is_laid_on_both_parts_and_no_trade_crosses_the_border() -> None:
    closes = [100, 110, 121, 50, 55, 60.5]
    full = per_trade.backtest(bars(closes), array("111"), 1_000, NAMES, split=3)
    assert full.trades["entry_bar"].tolist() == [0, 1, 3, 4]
    assert full.metrics["total_return"] == pytest.approx(0.4)
    parts = [per_trade.sweep(bars(part), [array("111")], NAMES) for part in (closes[:3], closes[3:])]
    joined = per_trade.joined(*parts)
    assert joined.returns.sum() == pytest.approx(0.4)
    assert len(joined.returns) == len(joined.market) == len(joined.period_ends_us) == 6


def test_an_unknown_close_is_no_trade_result() -> None:
    prices = bars([100, 110, 120, 130])
    prices = replace(prices, close=np.array([100, np.nan, 120, 130.0]))
    found = per_trade.sweep(prices, [array("1111")], NAMES)
    assert found.metrics["total_return"][0] == pytest.approx(130 / 120 - 1)


def test_other_families_have_no_array() -> None:
    with pytest.raises(UsageError, match="compounded"):
        per_trade.sweep(bars([1, 2, 3]), [Strategy(family="sma_cross")], NAMES)
