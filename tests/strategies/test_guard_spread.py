"""Half of the last known spread as a cost of fills, in traders and in sweeps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.errors import UsageError
from barograph.research.backtesting import backtest
from barograph.research.sweeping import sweep
from barograph.strategies import tally
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy
from barograph.strategies.stretches import one_timeline
from barograph.strategies.trading import REASONS, Costs

from .guard_cases import Case, accounts, flat, held, market, run, strategies, traded, trader_of

SPREAD = Costs(fee_bps=0.0, spread=True, cash=1000.0)


def with_spread(levels: list[float], spread: list[float]) -> Prices:
    return replace(flat(levels), spread=np.array(spread))


def test_a_fill_pays_half_of_the_spread_of_the_bar_that_it_was_decided_on() -> None:
    bars = [with_spread([10.0] * 4, [0.1, 0.4, 0.8, 0.2])]
    found = traded(bars, [held("1100")], SPREAD)
    assert found.fills["price"].tolist() == pytest.approx([10.05, 9.6])


def test_it_comes_on_top_of_slippage() -> None:
    bars = [with_spread([10.0] * 4, [0.1, 0.4, 0.8, 0.2])]
    found = traded(bars, [held("1100")], replace_costs(slippage_bps=100.0))
    assert found.fills["price"].tolist() == pytest.approx([10.0 * 1.01 + 0.05, 10.0 * 0.99 - 0.4])


def replace_costs(slippage_bps: float) -> Costs:
    return Costs(fee_bps=0.0, spread=True, slippage_bps=slippage_bps, cash=1000.0)


@pytest.mark.parametrize("unknown", [math.nan, -0.3, math.inf])
def test_an_unknown_or_crossed_spread_leaves_the_one_before(unknown: float) -> None:
    bars = [with_spread([10.0] * 5, [0.2, unknown, unknown, 0.8, 0.2])]
    found = run(trader_of(bars, [held("01100")], SPREAD), bars, range(5))
    assert found.fills["price"].tolist() == pytest.approx([10.1, 9.6])


def test_before_any_spread_is_known_nothing_is_paid() -> None:
    found = traded([with_spread([10.0] * 3, [math.nan] * 3)], [held("111")], SPREAD)
    assert found.fills["price"].tolist() == [10.0]


def test_a_stop_pays_the_spread_that_was_known_before_its_bar() -> None:
    bars = with_spread([10.0, 10.0, 10.0, 8.0, 8.0], [0.2, 0.2, 0.6, 5.0, 5.0])
    found = traded([bars], [held("10000", side="short", stop_loss=0.5)], SPREAD)
    assert len(found.fills) == 0  # a digit 1 is no short
    found = traded([bars], [held("11111", stop_loss=0.1)], SPREAD)
    stop = found.trades[0]
    assert REASONS[stop["reason"]] == "stop_loss"
    assert stop["exit_price"] == pytest.approx(8.0 - 0.3)


def test_a_spread_that_is_nonsense_does_not_sell_for_nothing() -> None:
    found = traded([with_spread([10.0] * 4, [50.0] * 4)], [held("1100", size=0.5)], SPREAD)
    assert found.fills["price"].tolist() == pytest.approx([15.0, 5.0])


@given(accounts(), st.sampled_from([0.0, 25.0]))
@settings(deadline=None, max_examples=100)
def test_every_fill_is_its_price_with_spread_and_slippage(case: Case, slippage: float) -> None:
    """Each fill's price from the bars alone, by a loop that knows nothing of the kernel."""
    bars, chosen = case.bars, case.chosen
    found = traded(bars, chosen, Costs(fee_bps=10.0, slippage_bps=slippage, spread=True, cash=1000.0))
    for fill in found.fills:
        if fill["decided"] < 0:
            continue
        prices, bar = bars[fill["slot"]], fill["bar"]
        assert prices.spread is not None
        half = 0.0
        for t in range(bar):
            if not math.isnan(prices.spread[t]):
                half = prices.spread[t] / 2
        side = 1 if fill["quantity"] > 0 else -1
        expected = prices.fill_price[bar] * (1 + side * slippage / 1e4) + side * half
        assert fill["price"] == pytest.approx(expected, rel=1e-14)


@given(st.integers(0, 300), st.lists(strategies(), min_size=1, max_size=4), st.integers(0, 20))
@settings(deadline=None, max_examples=60)
def test_a_sweep_pays_what_a_trader_pays_to_the_bit(seed: int, many: list[Strategy], start: int) -> None:
    prices = market("A", seed, 120, holes=0.1)
    costs = Costs(slippage_bps=5.0, spread=True)
    swept = sweep(prices, many, costs, start=start, workers=1)
    for j, strategy in enumerate(many):
        found = run(trader_of([prices], [strategy], costs, start=start), [prices])
        assert swept.metrics["final_equity"][j] == found.trader.book[tally.EQUITY]
        assert backtest(prices, strategy, costs, start=start).equity[-1] == found.equity[-1]


def test_tiles_of_a_sweep_carry_the_spread_on(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = market("A", 1, 1000, holes=0.3)
    dip = Strategy(family="dip", params={"window": 5, "drop": 0.01}, take_profit=0.02)
    whole = sweep(prices, [dip], SPREAD, workers=1).returns
    monkeypatch.setattr("barograph.research.sweeping.LONGEST_TILE", 256)
    monkeypatch.setattr("barograph.research.sweeping.TABLE_BYTES", 1)
    assert sweep(prices, [dip], SPREAD, workers=1).returns.tobytes() == whole.tobytes()
    assert (
        sweep(prices, [dip], Costs(fee_bps=0.0, cash=1000.0), workers=1).returns.tobytes() != whole.tobytes()
    )


def test_costs_that_ask_for_a_spread_that_the_bars_lack_are_refused() -> None:
    for refused in (
        lambda: traded([flat([10.0] * 3)], [held("111")], SPREAD),
        lambda: sweep(flat([10.0] * 3), [held("111")], SPREAD),
    ):
        with pytest.raises(UsageError, match="A has no bid-ask spread, which the costs ask fills to pay"):
            refused()


def test_on_one_timeline_a_bar_that_is_not_there_has_no_spread() -> None:
    a, b = market("A", 1, 20), market("B", 2, 20)
    laid = one_timeline([a, b.take(slice(5, 10))])[1]
    assert laid.spread is not None
    assert b.spread is not None
    assert laid.spread[5:10].tolist() == b.spread[5:10].tolist()
    assert np.isnan(laid.spread[:5]).all()
    assert np.isnan(laid.spread[10:]).all()
