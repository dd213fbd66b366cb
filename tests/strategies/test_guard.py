"""Each bound of an account by hand, the kill switch, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from barograph.errors import UsageError
from barograph.strategies import tally
from barograph.strategies.guard import Bounds, fraction
from barograph.strategies.orders import Order
from barograph.strategies.strategy import Strategy
from barograph.strategies.trader import Trader
from barograph.strategies.trading import REASONS, Costs

from .guard_cases import (
    DAY_US,
    FREE,
    MINUTE_US,
    filled_at_open,
    flat,
    held,
    market,
    run,
    traded,
    trader_of,
)


def test_an_entry_commits_no_more_than_the_fixed_cash_fees_included() -> None:
    costs = Costs(fee_bps=100.0, cash=1000.0)
    found = traded([flat([10.0] * 4)], [held("1111")], costs, Bounds(cash_per_entry=202.0))
    assert found.entries["quantity"].tolist() == pytest.approx([20.0])
    assert found.entries["fee"].tolist() == pytest.approx([2.0])


def test_of_fixed_cash_and_a_part_of_the_equity_the_lesser_counts() -> None:
    bounds = Bounds(cash_per_entry=400.0)
    bars = [flat([10.0] * 4, "A"), flat([10.0] * 4, "B")]
    found = traded(bars, [held("1111", size=0.1), held("1111")], FREE, bounds)
    assert found.trader.quantities.tolist() == [10.0, 40.0]


def test_the_fraction_is_target_over_realised_volatility_and_at_most_one() -> None:
    rng = np.random.default_rng(1)
    returns = rng.normal(0, 0.01, 60)
    realised = np.sqrt(np.mean(returns**2)) * np.sqrt(365.25)
    assert fraction(0.1, returns.tolist(), 365.25) == pytest.approx(0.1 / realised, rel=1e-12)
    assert fraction(5.0, returns.tolist(), 365.25) == 1.0
    assert fraction(0.1, [0.0, 0.0], 365.25) == 1.0


def test_a_volatility_target_scales_the_size_by_what_is_known_at_the_decision() -> None:
    closes = [10.0, 11.0, 10.0, 11.0, 30.0, 30.0]
    bounds = Bounds(volatility_target=0.05, volatility_bars=3, bars_per_year=4.0)
    found = traded([flat(closes)], [held("000111", size=0.5)], FREE, bounds)
    realised = math.sqrt(4.0 * math.log(1.1) ** 2)  # of three returns that are the same size
    committed = 0.05 / realised * 0.5 * 1000.0
    assert found.entries["decided"].tolist() == [3]
    assert (found.entries["quantity"] * found.entries["price"]).tolist() == pytest.approx([committed])


def test_no_entry_while_the_volatility_is_unknown_and_unknown_bars_are_no_returns() -> None:
    closes = [10.0, math.nan, 11.0, math.nan, math.nan, 10.0, 11.0, 10.0]
    bounds = Bounds(volatility_target=0.05, volatility_bars=3, bars_per_year=4.0)
    found = traded([flat(closes)], [held("11111111")], FREE, bounds)
    assert found.entries["decided"].tolist() == [6]  # the third return is that of bar 6


def test_bars_of_the_warm_up_count_for_the_volatility() -> None:
    bars = [flat([10.0, 11.0, 10.0, 11.0, 10.0, 11.0])]
    bounds = Bounds(volatility_target=0.05, volatility_bars=3, bars_per_year=4.0)
    trader = trader_of(bars, [held("111111")], FREE, bounds, start=3)
    assert run(trader, bars).entries["decided"].tolist() == [3]


def test_an_entry_is_cut_to_the_exposure_that_is_left() -> None:
    bars = [flat([10.0] * 4, "A"), flat([20.0] * 4, "B"), flat([5.0] * 4, "C")]
    chosen = [held("1111", size=0.5), held("----", size=0.5, side="short"), held("1111")]
    found = traded(bars, chosen, FREE, Bounds(max_exposure=0.8))
    assert found.trader.quantities.tolist() == pytest.approx([50.0, -15.0, 0.0])


def test_what_is_left_at_the_same_bar_makes_room() -> None:
    bars = [flat([10.0] * 5, "A"), flat([20.0] * 5, "B")]
    found = traded(bars, [held("11000"), held("00111")], FREE, Bounds(max_exposure=0.4))
    assert found.trader.quantities.tolist() == pytest.approx([0.0, 20.0])


def test_orders_beyond_the_rate_are_dropped_and_the_first_slots_have_theirs() -> None:
    bars = [flat([10.0] * 6, symbol) for symbol in ("A", "B", "C")]
    chosen = [held("111111", size=0.2)] * 3
    found = traded(bars, chosen, FREE, Bounds(max_orders_per_hour=2))
    assert found.trader.quantities.tolist() == [20.0, 20.0, 0.0]
    assert found.entries["decided"].tolist() == [0, 0]


def test_an_hour_later_there_is_room_again() -> None:
    n = 130
    found = traded([flat([10.0] * n)], [held("10" * n)], FREE, Bounds(max_orders_per_hour=2))
    assert found.entries["decided"].tolist() == [0, 2, 60, 62, 120, 122]
    assert found.reasons == ["signal"] * 6


def test_exits_are_neither_counted_nor_refused() -> None:
    found = traded([flat([10.0] * 5)], [held("1-1-1", side="both")], FREE, Bounds(max_orders_per_hour=1))
    assert found.reasons == ["signal"]  # it would have turned round
    assert found.trades["exit_bar"].tolist() == [2]
    assert len(found.entries) == 1


def test_after_the_days_loss_no_entry_until_midnight() -> None:
    quarter = 6 * 60 * MINUTE_US
    levels = [10.0, 10.0, 9.4, 9.4, 9.4, 9.4, 9.4]
    bars = [flat(levels, step_us=quarter)]
    digits = "1011111"
    free = traded(bars, [held(digits)])
    assert free.entries["decided"].tolist() == [0, 2]
    bound = traded(bars, [held(digits)], FREE, Bounds(max_daily_loss=0.05))
    # Bar 0 closes a minute after midnight, the next day's first is bar 4.
    assert bound.entries["decided"].tolist() == [0, 4]
    lower = traded(bars, [held(digits)], FREE, Bounds(max_daily_loss=0.07))
    assert lower.entries["decided"].tolist() == [0, 2]


def test_the_day_begins_with_the_equity_of_the_last_close_at_or_before_midnight() -> None:
    """A loss while the market is shut is one of the day on which it opens."""
    half = DAY_US // 2
    levels = [10.0, 10.0, 9.0, 9.0, 9.0, 9.0]
    bars = [flat(levels, step_us=half)]
    found = run(trader_of(bars, [held("111100")], FREE, Bounds(max_daily_loss=0.1)), bars, range(6))
    assert found.equity[2] == pytest.approx(900.0)
    states = []
    again = trader_of(bars, [held("111100")], FREE, Bounds(max_daily_loss=0.1))
    run(again, bars, range(6), lambda trader, _: states.append(trader.day_lost))
    assert states == [False, False, True, True, False, False]


def test_with_flatten_the_days_loss_ends_what_is_held() -> None:
    quarter = 6 * 60 * MINUTE_US
    bars = [flat([10.0, 10.0, 9.0, 8.0, 8.0, 8.0, 8.0], symbol, step_us=quarter) for symbol in ("A", "B")]
    bounds = Bounds(max_daily_loss=0.05, flatten_on_loss=True)
    found = traded(bars, [held("1111111", size=0.5)] * 2, FREE, bounds)
    assert found.reasons == ["limit", "limit"]
    assert found.trades["exit_bar"].tolist() == [3, 3]
    assert found.entries["bar"].tolist() == [1, 1, 5, 5]
    exits = found.fills[found.fills["reason"] >= 0]
    assert exits["decided"].tolist() == [2, 2]


def test_a_position_is_left_when_it_has_been_held_for_as_long_as_allowed() -> None:
    found = traded([flat([10.0] * 9)], [held("111111111")], FREE, Bounds(max_holding_bars=3))
    assert found.reasons == ["time", "time"]
    assert found.trades[["entry_bar", "exit_bar"]].tolist() == [(1, 4), (5, 8)]


def test_a_bar_is_the_shortest_that_a_position_can_be_held() -> None:
    found = traded([flat([10.0] * 5)], [held("11111")], FREE, Bounds(max_holding_bars=1))
    assert found.trades[["entry_bar", "exit_bar"]].tolist() == [(1, 2), (3, 4)]


def test_an_exit_for_time_waits_for_its_price_whatever_the_strategy_says() -> None:
    prices = market("A", 1, 8)
    assert prices.exec_price is not None
    prices.exec_price[[3, 4]] = np.nan
    found = traded([prices], [held("10111100")], FREE, Bounds(max_holding_bars=1))
    # In at bar 1, ordered out there, out at bar 2; then in at bar 5, for bars 3 and 4 have no price.
    assert found.trades[["entry_bar", "exit_bar"]].tolist() == [(1, 2), (5, 6)]
    prices.exec_price[[2]] = np.nan
    found = traded([prices], [held("11111100")], FREE, Bounds(max_holding_bars=1))
    assert found.trades[["entry_bar", "exit_bar"]].tolist()[0] == (1, 5)
    assert found.reasons[0] == "time"
    assert found.fills["decided"].tolist()[:2] == [0, 1]


def test_a_halted_account_enters_nothing_and_leaves_as_its_strategy_wants() -> None:
    bars = [flat([10.0] * 8, "A"), flat([10.0] * 8, "B")]
    trader = trader_of(bars, [held("11100111", size=0.5), held("00111111", size=0.5)])

    def at(now: Trader, bar: int) -> None:
        if bar == 3:
            assert [order.slot for order in now.waiting] == [1]
            now.halt(flatten=False)
            assert not now.waiting
            assert now.halted
        if bar == 6:
            now.resume()

    found = run(trader, bars, [3, 6], at)
    assert found.reasons == ["signal"]
    assert found.entries[["slot", "bar"]].tolist() == [(0, 1), (0, 7), (1, 7)]


def test_flatten_leaves_everything_at_the_next_fill_price_even_after_resume() -> None:
    prices = market("A", 1, 10)
    assert prices.exec_price is not None
    prices.exec_price[[4, 5]] = np.nan
    trader = trader_of([prices], [held("1111111111")])

    def at(now: Trader, bar: int) -> None:
        if bar == 4:
            now.halt(flatten=True)
            assert now.waiting == (Order(0, -now.quantities[0], 0, "flatten", 3),)
            now.resume()

    found = run(trader, [prices], [4], at)
    assert found.reasons == ["flatten"]
    assert found.trades["exit_bar"].tolist() == [6]
    assert found.entries["bar"].tolist() == [1, 7]
    assert found.fills["decided"].tolist() == [0, 3, 6]


@pytest.mark.parametrize("resumed", [False, True])
def test_flatten_stands_when_the_strategy_takes_its_own_exit_back(resumed: bool) -> None:
    prices = market("A", 1, 8)
    assert prices.exec_price is not None
    prices.exec_price[[4, 5]] = np.nan
    trader = trader_of([prices], [held("11101111")])

    def at(now: Trader, bar: int) -> None:
        if bar == 4:
            assert now.waiting[0].reason == "signal"
            now.halt(flatten=True)
            if resumed:
                now.resume()

    found = run(trader, [prices], [4], at)
    assert found.trades["exit_bar"].tolist() == [6]
    assert found.reasons == ["flatten"]


def test_a_stop_comes_before_the_exit_that_was_ordered() -> None:
    prices = flat([10.0] * 8)
    prices.low[4] = 5.0
    filled = market("A", 1, 8).exec_price
    assert filled is not None
    filled[:] = 10.0
    filled[4] = np.nan
    given = type(prices)(
        "A", MINUTE_US, prices.ts_us, prices.open, prices.high.copy(), prices.low.copy(), prices.close,
        prices.volume, filled,
    )  # fmt: skip
    trader = trader_of([given], [held("11111111", stop_loss=0.1)])
    found = run(trader, [given], [4], lambda now, bar: now.halt(flatten=True) if bar == 4 else None)
    assert found.reasons == ["stop_loss"]
    assert found.trader.targets.tolist() == [0.0]


def test_two_slots_may_trade_the_same_symbol_each_as_it_wants() -> None:
    prices = market("A", 3, 60, holes=0.1)
    cross = Strategy(family="sma_cross", params={"fast": 2, "slow": 4}, size=0.5)
    dip = Strategy(family="momentum", params={"window": 3}, side="both", stop_loss=0.02, size=0.3)
    both = traded([prices, prices], [cross, dip])
    assert set(both.trades["symbol"].tolist()) == {0, 1}
    for slot, strategy in enumerate((cross, dip)):
        alone = traded([prices], [strategy]).trades
        mine = both.trades[both.trades["symbol"] == slot]
        for name in ("side", "reason", "entry_bar", "exit_bar", "entry_price", "exit_price"):
            assert mine[name].tolist() == alone[name].tolist()
    profits = both.trades["profit"].sum() + both.trader.open_trades()["profit"].sum()
    assert both.equity[-1] == pytest.approx(1000.0 + profits)
    assert both.trader.book[tally.TRADES] == len(both.trades)


def test_orders_that_wait_are_told_with_why_they_leave() -> None:
    prices = market("A", 1, 6)
    trader = trader_of([prices] * 3, [held("11-", side="both", size=0.3), held("110"), held("001")])
    trader.advance([prices.take(slice(0, 3))] * 3)
    quantities = trader.quantities
    assert trader.waiting == (
        Order(0, -quantities[0], -1, "reverse", 2),
        Order(1, -quantities[1], 0, "signal", 2),
        Order(2, 0.0, 1, None, 2),
    )
    assert trader.advance([filled_at_open(prices).take(slice(3, 4))] * 3).fills["decided"].tolist() == [2] * 4


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        (Bounds(cash_per_entry=0.0), "cash_per_entry is 0.0, it must be above 0 and finite"),
        (Bounds(cash_per_entry=math.inf), "cash_per_entry is inf"),
        (Bounds(cash_per_entry=math.nan), "cash_per_entry is nan"),
        (Bounds(volatility_target=-0.1, bars_per_year=1.0), "volatility_target is -0.1"),
        (Bounds(volatility_target=0.1), "bars_per_year is None, but volatility_target needs it"),
        (Bounds(bars_per_year=0.0), "bars_per_year is 0.0"),
        (Bounds(volatility_bars=1), "volatility_bars is 1, it must be 2 or more"),
        (Bounds(max_exposure=1.5), "max_exposure is 1.5, it must be above 0, at most 1"),
        (Bounds(max_orders_per_hour=0), "max_orders_per_hour is 0, it must be 1 or more"),
        (Bounds(max_daily_loss=5.0), "max_daily_loss is 5.0, it must be above 0, at most 1"),
        (Bounds(flatten_on_loss=True), "flatten_on_loss is true, but max_daily_loss is None"),
        (Bounds(max_holding_bars=0), "max_holding_bars is 0, it must be 1 or more"),
    ],
)
def test_a_bound_that_cannot_be_is_named_with_its_value(bounds: Bounds, said: str) -> None:
    with pytest.raises(UsageError, match=f"bounds: {said}"):
        trader_of([flat([1.0])], [held("1")], FREE, bounds)


def test_a_days_loss_of_daily_bars_is_refused() -> None:
    with pytest.raises(UsageError, match="a bar lasts 1 days"):
        Trader([held("1")], FREE, DAY_US, ["A"], 0, Bounds(max_daily_loss=0.1))


def test_every_reason_of_the_kernel_is_its_place_among_the_reasons() -> None:
    from barograph.strategies import fills

    for name in REASONS:
        assert getattr(fills, name.upper()) == REASONS.index(name)
