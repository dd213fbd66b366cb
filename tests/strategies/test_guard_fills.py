"""Fills as they are told: with their trades, with the cash, and with what was decided bar by bar."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from barograph.strategies import tally
from barograph.strategies.guard import Bounds
from barograph.strategies.prices import Prices
from barograph.strategies.trading import ENTRY, REASONS, Costs

from .guard_cases import (
    FREE,
    Case,
    Run,
    accounts,
    filled_at_open,
    flat,
    held,
    run,
    traded,
    trader_of,
)

COSTS = Costs(fee_bps=30.0, slippage_bps=5.0, spread=True, cash=1000.0)
BOUNDS = st.sampled_from([Bounds(), Bounds(max_holding_bars=4, max_orders_per_hour=3)])
LEVELS = {REASONS.index("stop_loss"), REASONS.index("take_profit"), REASONS.index("ruin")}


def test_an_entry_and_its_exit_at_one_bar_are_both_told() -> None:
    prices = flat([10.0, 10.0, 10.0, 10.0])
    low = prices.low.copy()
    low[1] = 5.0
    bars = Prices(
        "A", prices.interval_us, prices.ts_us, prices.open, prices.high, low, prices.close, prices.volume
    )
    found = run(
        trader_of([bars], [held("1111", stop_loss=0.1)], Costs(fee_bps=100.0, cash=101.0)), [bars], [1, 2]
    )
    told = [(REASONS[r] if r >= 0 else "entry", b, d, q) for r, b, d, q in zip(
        *(found.fills[name].tolist() for name in ("reason", "bar", "decided", "quantity")), strict=True
    )]  # fmt: skip
    assert told[:3] == [
        ("entry", 1, 0, pytest.approx(10.0)),
        ("stop_loss", 1, -1, pytest.approx(-10.0)),
        ("entry", 2, 1, pytest.approx(found.fills["quantity"][2])),
    ]
    assert found.fills["fee"].tolist()[:2] == pytest.approx([1.0, 0.9])


def test_turning_round_is_told_as_leaving_then_entering() -> None:
    found = traded([flat([10.0] * 4)], [held("1--1", side="both")])
    assert found.fills["bar"].tolist() == [1, 2, 2]
    assert found.fills["decided"].tolist() == [0, 1, 1]
    assert found.fills["reason"].tolist() == [ENTRY, REASONS.index("reverse"), ENTRY]
    assert found.fills["quantity"].tolist() == [100.0, -100.0, -100.0]


def test_exits_of_all_slots_come_before_the_entries() -> None:
    bars = [flat([10.0] * 4, symbol) for symbol in ("A", "B")]
    found = traded(bars, [held("0011"), held("1100")])
    at_three = found.fills[found.fills["bar"] == 3]
    assert at_three[["slot", "reason"]].tolist() == [(1, REASONS.index("signal")), (0, ENTRY)]


@given(accounts(), BOUNDS, st.booleans())
@settings(deadline=None, max_examples=100)
def test_fills_pair_up_to_the_trades_and_their_fees_add_up_to_the_bit(
    case: Case, bounds: Bounds, idealised: bool
) -> None:
    bars, chosen = case.bars, case.chosen
    costs = COSTS
    if idealised:
        bars, costs = tuple(filled_at_open(p) for p in bars), Costs(fee_bps=30.0, cash=1000.0)
    found = traded(bars, chosen, costs, bounds)
    trades = np.concatenate([found.trades, found.trader.open_trades()])
    paired = pairs(found)
    assert len(paired) == len(trades)
    for (entry, leave), trade in zip(paired, trades, strict=True):
        assert (entry["slot"], entry["bar"], entry["price"]) == (
            trade["symbol"],
            trade["entry_bar"],
            trade["entry_price"],
        )
        assert entry["quantity"] == trade["side"] * trade["quantity"]
        if leave is None:
            assert entry["fee"] == trade["fees"]
            continue
        assert leave["quantity"] == -entry["quantity"]
        assert (leave["bar"], leave["price"]) == (trade["exit_bar"], trade["exit_price"])
        assert leave["reason"] == trade["reason"]
        assert entry["fee"] + leave["fee"] == trade["fees"]


def pairs(found: Run) -> list[tuple[np.void, np.void | None]]:
    """Entries with their exits in the order of the exits, then those without, by slot."""
    open_: dict[int, np.void] = {}
    done: list[tuple[np.void, np.void | None]] = []
    for fill in found.fills:
        slot = int(fill["slot"])
        if fill["reason"] == ENTRY:
            assert slot not in open_
            open_[slot] = fill
        else:
            done.append((open_.pop(slot), fill))
    return done + [(open_[slot], None) for slot in sorted(open_)]


@given(accounts(), BOUNDS)
@settings(deadline=None, max_examples=60)
def test_fills_add_up_to_the_cash(case: Case, bounds: Bounds) -> None:
    found = traded(case.bars, case.chosen, COSTS, bounds)
    assume("ruin" not in found.reasons)
    fills = found.fills
    cash = COSTS.cash - (fills["quantity"] * fills["price"]).sum() - fills["fee"].sum()
    assert found.trader.book[tally.CASH] == pytest.approx(cash, rel=1e-9, abs=1e-9)
    assert found.trader.book[tally.FEES] == pytest.approx(fills["fee"].sum())


@given(accounts(), BOUNDS)
@settings(deadline=None, max_examples=60)
def test_what_waits_is_what_was_decided_last_and_is_filled_next(case: Case, bounds: Bounds) -> None:
    bars, chosen = case.bars, case.chosen
    trader = trader_of(bars, chosen, FREE, bounds)
    for i in range(len(bars[0])):
        waiting = trader.waiting
        made = trader.advance([p.take(slice(i, i + 1)) for p in bars])
        ordered = made.fills[~np.isin(made.fills["reason"], list(LEVELS))]
        left = {int(f["slot"]): f for f in ordered if f["reason"] != ENTRY}
        entered = {int(f["slot"]): f for f in ordered if f["reason"] == ENTRY}
        known = {s for s, p in enumerate(bars) if not np.isnan(p.fill_price[i])}
        expected = {order.slot: order for order in waiting if order.leaves and order.slot in known}
        assert left.keys() == expected.keys()
        for slot, fill in left.items():
            order = expected[slot]
            assert (fill["quantity"], fill["decided"]) == (order.leaves, order.decided)
            assert REASONS[fill["reason"]] == order.reason
        wanted = {order.slot: order for order in waiting if order.enters and order.slot in known}
        assert entered.keys() <= wanted.keys()  # money may be lacking
        for slot, fill in entered.items():
            assert np.sign(fill["quantity"]) == wanted[slot].enters
            assert fill["decided"] == wanted[slot].decided
        assert {order.decided for order in trader.waiting} <= {i, *(order.decided for order in waiting)}
        for order in trader.waiting:
            assert order.decided == i or order.slot not in known
