from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.errors import UsageError
from barograph.paper.positions import Position, completed
from barograph.paper.purse import Purse, Terms, entry_size, forbidden
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy
from barograph.strategies.tally import CASH
from barograph.strategies.trader import Trader
from barograph.strategies.trading import Costs

DAY_US = 86_400_000_000
FREE = Terms(fee_bps=0.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fee_bps": -1.0}, "fee_bps is -1.0; it must be at least 0 and below 10000"),
        ({"slippage_bps": 10_000}, "slippage_bps is 10000"),
        ({"cash": 0.0}, "cash is 0.0; it must be above 0"),
        ({"cash": math.inf}, "cash is inf"),
        ({"sizing": "kelly"}, "sizing is 'kelly'; it must be one of fraction, cash, volatility"),
        ({"size": 1.5}, "size is 1.5; it must be above 0 and at most 1"),
        ({"sizing": "cash", "size": 0.0}, "size is 0.0; it must be above 0"),
        ({"min_size": -1.0}, "min_size"),
        ({"min_size": 10.0, "max_size": 5.0}, "max_size is 5.0; it must be above 0 and at least 10"),
        ({"lot": math.nan}, "lot is nan"),
        ({"year_s": 0}, "year_s"),
        ({"max_exposure": 0.0}, "max_exposure"),
        ({"orders_per_minute": 0}, "orders_per_minute is 0; it must be at least 1"),
        ({"daily_loss_pct": 101.0}, "daily_loss_pct is 101.0; it must be above 0 and at most 100"),
    ],
)
def test_a_term_out_of_its_bounds_is_refused_by_name(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Terms(**fields)
    with pytest.raises(UsageError):
        Terms()._replace(**fields)


@pytest.mark.parametrize(
    ("terms", "purse", "volatility", "size"),
    [
        (FREE, Purse(1000.0), 0.0, 10.0),
        (FREE._replace(size=0.25), Purse(1000.0), 0.0, 2.5),
        (FREE._replace(size=0.25), Purse(500.0, paid=500.0, positions=1), 0.0, 2.5),  # of the equity
        (FREE._replace(size=0.8), Purse(500.0, paid=500.0, positions=1), 0.0, 5.0),  # no more than cash
        (FREE._replace(sizing="cash", size=300.0), Purse(1000.0), 0.0, 3.0),
        (FREE._replace(sizing="cash", size=3000.0), Purse(1000.0), 0.0, 10.0),
        (FREE._replace(sizing="volatility", size=0.2), Purse(1000.0), 0.8, 2.5),
        (FREE._replace(sizing="volatility", size=0.2), Purse(1000.0), 0.1, 10.0),  # never borrowed
        (FREE._replace(sizing="volatility", size=0.2), Purse(1000.0), math.nan, "volatility"),
        (FREE._replace(sizing="volatility", size=0.2), Purse(1000.0), 0.0, "volatility"),
        (FREE._replace(max_size=200.0), Purse(1000.0), 0.0, 2.0),
        (FREE._replace(min_size=2000.0), Purse(1000.0), 0.0, "cash"),
        (FREE._replace(min_size=1000.0), Purse(1000.0), 0.0, 10.0),
        (FREE._replace(lot=0.3), Purse(100.0), 0.0, pytest.approx(0.9)),
        (FREE._replace(lot=3.0), Purse(200.0), 0.0, "cash"),
        (FREE, Purse(0.0, paid=1000.0, positions=1), 0.0, "cash"),
        (FREE._replace(max_exposure=0.75), Purse(500.0, paid=500.0, positions=1), 0.0, 2.5),
        (FREE._replace(max_exposure=0.5), Purse(500.0, paid=500.0, positions=1), 0.0, "exposure"),
        (FREE._replace(max_exposure=0.4), Purse(500.0, paid=500.0, positions=1), 0.0, "exposure"),
        (Terms(fee_bps=100.0), Purse(101.0), 0.0, pytest.approx(1.0)),  # the fee is paid out of it
    ],
)
def test_an_entrys_size(terms: Terms, purse: Purse, volatility: float, size: object) -> None:
    assert entry_size(purse, terms, 100.0, volatility) == size


def test_limits_say_why() -> None:
    purse = Purse(1000.0).at(DAY_US)
    assert forbidden(purse, Terms(), DAY_US) is None
    assert forbidden(purse._replace(halted=True), Terms(), DAY_US) == "halted"
    lossy = Terms(daily_loss_pct=5.0)
    assert forbidden(purse._replace(day_profit=-49.99), lossy, DAY_US) is None
    assert forbidden(purse._replace(day_profit=-50.0), lossy, DAY_US) == "daily_loss"
    rated = Terms(orders_per_minute=2)
    minute = purse._replace(orders=(DAY_US, DAY_US + 1))
    assert forbidden(minute, rated, DAY_US + 59_999_999) == "order_rate"
    assert forbidden(minute, rated, DAY_US + 60_000_000) is None, "the first is a minute old"


def test_a_day_begins_with_its_first_order_and_never_again() -> None:
    purse = Purse(900.0, paid=100.0, positions=1).at(3 * DAY_US + 5)
    assert (purse.day, purse.day_equity, purse.day_profit) == (3, 1000.0, 0.0)
    lost = purse._replace(day_profit=-7.0, cash=893.0)
    assert lost.at(4 * DAY_US - 1) == lost
    assert lost.at(2 * DAY_US) == lost, "an order of another symbol, late"
    assert lost.at(4 * DAY_US)[3:6] == (4, 993.0, 0.0)


amounts = st.floats(0.01, 1e6)


@given(amounts, amounts, st.floats(0.001, 1.0), st.floats(0, 100), st.booleans())
def test_a_round_trip_leaves_cash_and_the_trades_profit(
    entry: float, exit_: float, part: float, fee_bps: float, other_open: bool
) -> None:
    terms = Terms(fee_bps=fee_bps, size=part, orders_per_minute=5)
    before = Purse(10_000.0, paid=100.0 if other_open else 0.0, positions=int(other_open)).at(1)
    quantity = entry_size(before, terms, entry, 0.0)
    assert isinstance(quantity, float)
    position = Position("dip", "", "X", quantity, entry, 1, quantity * entry * terms.fee, "t1")
    exit_fee = quantity * exit_ * terms.fee
    trade = completed(
        position, exit_price=exit_, exit_ts_us=2, exit_fee=exit_fee, exit_id="t2", reason="time"
    )
    bought = before.bought(position, terms)
    after = bought.sold(trade, exit_fee, terms)
    assert bought.cash >= 0.0
    assert bought.equity == pytest.approx(before.equity - position.entry_fee)
    # In rational numbers: what was received less what was paid and both fees.
    exact = Fraction(quantity) * (Fraction(exit_) - Fraction(entry)) - Fraction(position.entry_fee)
    exact -= Fraction(exit_fee)
    assert after.cash - before.cash == pytest.approx(float(exact), rel=1e-6, abs=1e-6)
    assert after.day_profit == trade.profit == pytest.approx(float(exact), rel=1e-6, abs=1e-6)
    assert after.positions == before.positions
    assert after.paid == pytest.approx(before.paid)
    assert after.orders == (1, 2)


def test_fills_cost_what_they_cost_in_a_backtest() -> None:
    """The same entry and exit through the kernel that backtests run: quantity, fee, cash to the last bit."""
    close = np.array([100.0, 100.0, 97.0, 97.0, 103.0, 103.0])
    bars = Prices("X", 60, np.arange(6) * 60, close, close, close, close, close)
    hold = Strategy(family="signals", params={"signals": "011000"}, size=0.7)
    trader = Trader([hold], Costs(fee_bps=7.0, slippage_bps=3.0, cash=777.0), 60, ["X"])
    (row,) = trader.advance([bars]).trades
    terms = Terms(fee_bps=7.0, slippage_bps=3.0, cash=777.0, size=0.7)
    price = terms.buys_at(close[row["entry_bar"]], 0.0)
    quantity = entry_size(Purse(777.0), terms, price, 0.0)
    assert (price, quantity) == (row["entry_price"], row["quantity"])
    assert isinstance(quantity, float)
    position = Position("dip", "", "X", quantity, price, 1, quantity * price * terms.fee, "t1")
    sold = terms.sells_at(close[row["exit_bar"]], 0.0)
    fee = quantity * sold * terms.fee
    trade = completed(position, exit_price=sold, exit_ts_us=2, exit_fee=fee, exit_id="t2", reason="signal")
    assert (sold, trade.fees, trade.profit) == (row["exit_price"], row["fees"], row["profit"])
    purse = Purse(777.0).bought(position, terms).sold(trade, fee, terms)
    assert purse.cash == trader.book[CASH]


def test_with_nothing_open_nothing_is_paid_for_to_the_bit() -> None:
    purse, trades = Purse(1.0), []
    for quantity in (0.1, 0.2):
        position = Position("dip", "", "X", quantity, 1.0, 1, 0.0, f"t{quantity}")
        purse = purse.bought(position, FREE)
        trades.append(
            completed(position, exit_price=1.0, exit_ts_us=2, exit_fee=0.0, exit_id="x", reason="time")
        )
    assert purse.paid == 0.1 + 0.2
    for trade in trades:
        purse = purse.sold(trade, 0.0, FREE)
    assert (purse.paid, purse.positions) == (0.0, 0)


def test_half_the_spread_is_paid_where_asked_for() -> None:
    terms = Terms(slippage_bps=10.0)
    assert terms.buys_at(100.0, 0.5) == pytest.approx(100.1)
    assert terms._replace(spread=True).buys_at(100.0, 0.5) == pytest.approx(100.6)
    assert terms._replace(spread=True).sells_at(100.0, 0.5) == pytest.approx(99.4)
    assert terms._replace(spread=True).sells_at(1.0, 0.9999) == 0.0
