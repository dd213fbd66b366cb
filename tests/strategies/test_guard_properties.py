"""What holds for every account, whatever it trades and however its bars are cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from barograph.rows import Floats
from barograph.strategies.families import check
from barograph.strategies.guard import Bounds
from barograph.strategies.prices import Prices
from barograph.strategies.rulebook import Signals, rulebook
from barograph.strategies.strategy import Strategy
from barograph.strategies.trader import Trader
from barograph.strategies.trading import ENTRY, FILL, REASONS, Costs

from .guard_cases import (
    DAY_US,
    FAMILIES,
    FREE,
    MINUTE_US,
    Case,
    Run,
    accounts,
    filled_at_open,
    market,
    run,
    strategies,
    traded,
    trader_of,
)

COSTS = st.builds(
    Costs,
    fee_bps=st.sampled_from([0.0, 30.0]),
    slippage_bps=st.sampled_from([0.0, 25.0]),
    spread=st.booleans(),
    cash=st.just(1000.0),
    lot=st.sampled_from([0.0, 0.01]),
)
BOUNDS = st.builds(
    Bounds,
    cash_per_entry=st.sampled_from([None, 150.0]),
    volatility_target=st.sampled_from([None, 1.0]),
    volatility_bars=st.integers(2, 5),
    bars_per_year=st.just(525_960.0),
    max_exposure=st.sampled_from([None, 0.3, 1.0]),
    max_orders_per_hour=st.sampled_from([None, 1, 3]),
    max_daily_loss=st.sampled_from([0.01, 0.1]),
    flatten_on_loss=st.booleans(),
    max_holding_bars=st.sampled_from([None, 1, 4]),
)
CUTS = st.lists(st.integers(0, 200), max_size=6)


def same_bits(a: Run, b: Run) -> None:
    for name in ("trades", "fills", "equity", "position"):
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name
    assert a.trader.book.tobytes() == b.trader.book.tobytes()
    assert a.trader.open_trades().tobytes() == b.trader.open_trades().tobytes()


@given(st.integers(0, 500), strategies(), COSTS, st.booleans(), st.integers(0, 20))
@settings(deadline=None, max_examples=150)
def test_bounds_that_do_not_bind_change_no_bit(
    seed: int, strategy: Strategy, costs: Costs, idealised: bool, start: int
) -> None:
    bars = [market("A", seed, 100, holes=0.1)]
    if idealised and not costs.spread:
        bars = [filled_at_open(bars[0])]
    wide = Bounds(
        cash_per_entry=1e300,
        max_exposure=1.0,
        max_orders_per_hour=10_000,
        max_daily_loss=1.0,
        flatten_on_loss=True,
        max_holding_bars=10_000,
    )
    free = run(trader_of(bars, [strategy], costs, start=start), bars)
    same_bits(run(trader_of(bars, [strategy], costs, wide, start), bars), free)


@given(accounts(), COSTS)
@settings(deadline=None, max_examples=60)
def test_of_several_slots_neither(case: Case, costs: Costs) -> None:
    bars, chosen = case.bars, case.chosen
    wide = Bounds(cash_per_entry=1e300, max_orders_per_hour=10_000, max_daily_loss=1.0)
    same_bits(traded(bars, chosen, costs, wide), traded(bars, chosen, costs))


@given(accounts(), COSTS, BOUNDS, CUTS, st.integers(1, 100), st.booleans())
@settings(deadline=None, max_examples=150)
def test_any_chunking_of_a_guarded_account_gives_the_same_bits(
    case: Case, costs: Costs, bounds: Bounds, cuts: list[int], halt: int, flatten: bool
) -> None:
    bars, chosen = case.bars, case.chosen
    stop, go = halt % len(bars[0]), (halt + 20) % len(bars[0])

    def at(now: Trader, bar: int) -> None:
        if bar == stop:
            now.halt(flatten=flatten)
        if bar == go:
            now.resume()

    whole = run(trader_of(bars, chosen, costs, bounds), bars, [stop, go], at)
    pieces = run(trader_of(bars, chosen, costs, bounds), bars, [stop, go, *cuts], at)
    same_bits(whole, pieces)
    assert whole.trader.state().guard == pieces.trader.state().guard


@given(accounts(), COSTS, st.sampled_from([0.2, 0.5, 1.0]), BOUNDS)
@settings(deadline=None, max_examples=150)
def test_no_entry_leaves_more_exposure_than_allowed(
    case: Case, costs: Costs, most: float, other: Bounds
) -> None:
    """Counted again from the fills alone; the other positions at the last known closes."""
    bars, chosen = case.bars, case.chosen
    bounds = Bounds(max_exposure=most, max_holding_bars=other.max_holding_bars)
    found = traded(bars, chosen, costs, bounds)
    assume("ruin" not in found.reasons)
    cash, held, marks = costs.cash, np.zeros(len(bars)), np.zeros(len(bars))
    checked = 0
    for t in range(len(bars[0])):
        for fill in found.fills[found.fills["bar"] == t]:
            s, at = int(fill["slot"]), marks.copy()
            cash -= fill["quantity"] * fill["price"] + fill["fee"]
            held[s] += fill["quantity"]
            if fill["reason"] == ENTRY:
                at[s] = fill["price"]
                assert np.abs(held) @ at <= most * (cash + held @ at) * (1 + 1e-9)
                checked += 1
            else:
                held[s] = 0.0
        for s, prices in enumerate(bars):
            if not math.isnan(prices.close[t]):
                marks[s] = prices.close[t]
    assert checked == len(found.entries)


@given(accounts(), st.sampled_from([1, 2, 5]))
@settings(deadline=None, max_examples=100)
def test_never_more_orders_than_allowed_in_any_hour(case: Case, most: int) -> None:
    """Orders that are never filled count too, so they are looked at as they wait."""
    bars, chosen = case.bars, case.chosen
    trader = trader_of(bars, chosen, FREE, Bounds(max_orders_per_hour=most))
    ordered: list[int] = []
    for i, ts_us in enumerate(bars[0].ts_us.tolist()):
        trader.advance([p.take(slice(i, i + 1)) for p in bars])
        ordered += [ts_us for order in trader.waiting if order.enters and order.decided == i]
    for start in ordered:
        assert sum(start <= ts_us < start + 60 * MINUTE_US for ts_us in ordered) <= most
    free = traded(bars, chosen)
    assert bool(ordered) or not len(free.entries)


def lost_days(bars: Prices, equity: Floats, cash: float, loss: float) -> list[bool]:
    """At each close, whether the day (UTC) had lost too much by then."""
    lost, before, base, day = [], cash, math.nan, -1
    for start_us, now in zip(bars.ts_us.tolist(), equity.tolist(), strict=True):
        end_us = start_us + MINUTE_US
        if end_us // DAY_US != day:
            day, gone = end_us // DAY_US, False
            base = now if end_us % DAY_US == 0 else before
        gone = gone or now <= base * (1 - loss)
        lost.append(gone)
        before = now
    return lost


@given(accounts(), st.sampled_from([0.005, 0.05]), st.booleans())
@settings(deadline=None, max_examples=100)
def test_no_entry_after_the_days_loss_until_midnight(case: Case, loss: float, flatten: bool) -> None:
    bars, chosen = case.bars, case.chosen
    found = traded(bars, chosen, FREE, Bounds(max_daily_loss=loss, flatten_on_loss=flatten))
    lost = lost_days(bars[0], found.equity, FREE.cash, loss)
    assert not any(lost[bar - 1] for bar in found.entries["bar"])
    limits = found.fills[found.fills["reason"] == REASONS.index("limit")]
    assert flatten or not len(limits)
    assert all(any(lost[fill["decided"] : fill["bar"]]) for fill in limits)
    if flatten:
        assert_flat_once_filled(bars, found, [bar for bar, gone in enumerate(lost) if gone])


@given(accounts(), st.integers(1, 100), st.booleans())
@settings(deadline=None, max_examples=100)
def test_after_halt_with_flatten_it_is_flat_within_one_fill_and_stays_so(
    case: Case, halt: int, bound: bool
) -> None:
    bars, chosen = case.bars, case.chosen
    stop = 1 + halt % (len(bars[0]) - 1)
    bounds = Bounds(max_orders_per_hour=3) if bound else Bounds()

    def at(now: Trader, bar: int) -> None:
        if bar == stop:
            now.halt(flatten=True)

    found = run(trader_of(bars, chosen, FREE, bounds), bars, [stop, stop + 7], at)
    assert not np.count_nonzero(found.entries["bar"] >= stop)
    assert_flat_once_filled(bars, found, [stop - 1])
    told = found.fills[found.fills["reason"] == REASONS.index("flatten")]
    assert (told["decided"] < stop).all()  # earlier where an exit of the strategy's own waited


def assert_flat_once_filled(bars: Sequence[Prices], found: Run, ordered: list[int]) -> None:
    """What a slot holds at one of the bars ``ordered`` is gone after the next fill price."""
    for s, prices in enumerate(bars):
        mine = found.fills[found.fills["slot"] == s]
        known = np.flatnonzero(~np.isnan(prices.fill_price))
        for bar in ordered:
            after = known[known > bar]
            if len(after):
                until = mine[mine["bar"] <= after[0]]
                assert len(until) == 0 or until["reason"][-1] != ENTRY or until["decided"][-1] > bar


@given(accounts(), st.sampled_from([1, 3, 10]))
@settings(deadline=None, max_examples=100)
def test_nothing_is_held_for_longer_than_allowed_while_there_are_prices(case: Case, most: int) -> None:
    bars, chosen = case.bars, case.chosen
    found = traded(bars, chosen, FREE, Bounds(max_holding_bars=most))
    for trade in found.trades:
        held = np.arange(trade["entry_bar"] + most, trade["exit_bar"])
        assert np.isnan(bars[trade["symbol"]].fill_price[held]).all()


@given(accounts(most=2), st.lists(st.booleans(), min_size=4, max_size=4))
@settings(deadline=None, max_examples=60)
def test_a_sized_entry_never_commits_more_than_its_budget(case: Case, which: list[bool]) -> None:
    bars, chosen = case.bars, case.chosen
    cash = 77.0 if which[0] else None
    target = 0.8 if which[1] else None
    bounds = Bounds(cash_per_entry=cash, volatility_target=target, volatility_bars=3, bars_per_year=100.0)
    costs = Costs(fee_bps=30.0 * which[2], cash=1000.0, spread=which[3])
    found = traded(bars, chosen, costs, bounds)
    for fill in found.entries:
        s, t = fill["slot"], fill["decided"]
        committed = abs(fill["quantity"]) * fill["price"] + fill["fee"]
        if cash is not None:
            assert committed <= cash * (1 + 1e-12)
        if target is not None:
            closes = bars[s].close[: t + 1]
            returns = np.diff(np.log(closes[~np.isnan(closes)]))[-3:]
            part = target / np.sqrt(100.0 * np.mean(returns**2))
            if part < 1:
                assert committed <= part * chosen[s].size * found.equity[t] * (1 + 1e-9)


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("bounds", [Bounds(), Bounds(max_holding_bars=5, max_orders_per_hour=9)])
def test_warm_up_and_single_bars_give_what_one_stretch_gives(family: str, bounds: Bounds) -> None:
    prices = market("A", 5, 120, holes=0.05)
    strategy = Strategy(family=family, params=FAMILIES[family], side="both", stop_loss=0.05)
    whole = run(trader_of([prices], [strategy], FREE, bounds, start=40), [prices])
    single = run(trader_of([prices], [strategy], FREE, bounds, start=40), [prices], range(120))
    same_bits(whole, single)
    assert len(whole.fills) > 0
    assert whole.fills["decided"][whole.fills["decided"] >= 0].min() >= 40
    assert np.isnan(whole.equity[:40]).all()
    assert whole.fills.dtype == FILL


def test_a_python_function_goes_bar_by_bar_with_its_array_handed_in(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def held(bars):\n    return (bars['close'] > bars['close'].shift(1).fill_null(0)).cast(float)\n"
    )
    prices = market("A", 5, 60)
    strategy = check(Strategy(family="python", params={"path": f"{file}:held"}))
    array = Signals(rulebook([strategy]), prices).of(prices, 0)
    whole, single = (trader_of([prices], [strategy], FREE, Bounds(max_holding_bars=3), 10) for _ in range(2))
    expected = whole.advance([prices], [array]).fills
    rows = [slice(i, i + 1) for i in range(60)]
    made = [single.advance([prices.take(row)], [array[:, row]]).fills for row in rows]
    assert np.concatenate(made).tobytes() == expected.tobytes()
    assert len(expected) > 5
