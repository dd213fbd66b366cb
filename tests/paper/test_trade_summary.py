"""What trades came to, against NumPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.paper.figures import figures
from barograph.paper.positions import Trade, completed
from barograph.paper.purse import Purse
from barograph.paper.summary import curve, summarise, valued

from .ledger_contract import position, trade

profits = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 2)), min_size=1, max_size=30)


def made(values: list[float], strategy: str = "dip") -> list[Trade]:
    return [
        trade(position(f"t{n}", strategy=strategy, entry_ts_us=0), f"x{n}", (n + 1) * 1_000_000)._replace(
            profit=p
        )
        for n, p in enumerate(values)
    ]


@given(profits)
def test_figures_are_those_of_an_independent_count(values: list[float]) -> None:
    (found,) = summarise(reversed(made(values)))
    x = np.array(values)
    sums = np.concatenate([[0.0], np.cumsum(x)])
    assert found.trades == len(x)
    assert found.win_rate == pytest.approx(np.mean(x > 0))
    assert found.profit == pytest.approx(x.sum(), abs=1e-6)
    assert found.max_drawdown == pytest.approx((np.maximum.accumulate(sums) - sums).max(), abs=1e-6)
    lost = -x[x < 0].sum()
    if lost > 0:
        assert found.profit_factor == pytest.approx(x[x > 0].sum() / lost)
    else:
        assert found.profit_factor is None
    assert (found.best, found.worst) == (x.max(), x.min())
    assert found.average_hold_s == pytest.approx((len(x) + 1) / 2)
    assert curve(made(values)) == pytest.approx(sums[1:].tolist(), abs=1e-6)


def test_strategies_are_told_apart_and_nothing_is_nothing() -> None:
    assert summarise([]) == []
    found = summarise(made([1.0, 2.0], "b") + made([-1.0], "a"))
    assert [(one.strategy, one.trades, one.profit) for one in found] == [("a", 1, -1.0), ("b", 2, 3.0)]


@pytest.mark.parametrize(("quantity", "price", "expected"), [(2.0, 110.0, 19.9), (-2.0, 110.0, -20.1)])
def test_what_is_open_is_worth_its_price_less_the_fee_that_was_paid(
    quantity: float, price: float, expected: float
) -> None:
    one = valued(position(quantity=quantity, entry_fee=0.1), price, 3_001_000)
    assert one.unrealised == pytest.approx(expected)
    assert one.unrealised_pct == pytest.approx(expected / 2)
    assert one.held_s == 3.0


def test_a_short_trade_gains_when_the_price_falls() -> None:
    short = position("t1")._replace(quantity=-2.0, entry_price=100.0, entry_fee=1.0)
    ended = {"exit_ts_us": 1, "exit_fee": 3.0, "exit_id": "x1", "reason": "signal"}
    gained, lost = (completed(short, exit_price=price, **ended) for price in (90.0, 110.0))
    assert (gained.fees, gained.profit, gained.profit_pct) == (4.0, 16.0, 8.0)
    assert (lost.profit, lost.profit_pct) == (-24.0, -12.0)


def test_figures_tell_of_a_halt_where_one_purse_has_it() -> None:
    assert figures([], [Purse(1.0), Purse(1.0, halted=True)]).halted
    assert not figures([], [Purse(1.0), Purse(1.0)]).halted
