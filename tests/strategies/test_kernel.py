"""The kernel against the rules of trading, written down once more in the plainest way.

Bar by bar, without arrays, with no state but names.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.research.recounting import recount, simple_returns
from barograph.research.sweeping import sweep
from barograph.rows import Floats
from barograph.snapshot import pack, unpack
from barograph.strategies import tally
from barograph.strategies.families import check, external, rules
from barograph.strategies.indicators import Indicators
from barograph.strategies.prices import Prices
from barograph.strategies.rules import Condition
from barograph.strategies.strategy import Side, Strategy, VolatilityFilter
from barograph.strategies.trader import Trader, TraderState
from barograph.strategies.trading import REASONS, TRADE, Costs

MINUTE_US = 60_000_000

FAMILIES: dict[str, dict[str, int | float | str]] = {
    "sma_cross": {"fast": 2, "slow": 4},
    "ema_cross": {"fast": 2, "slow": 5},
    "rsi": {"window": 3},
    "bollinger": {"window": 4},
    "breakout": {},
    "momentum": {"window": 3},
    "macd": {"fast": 2, "slow": 4, "signal": 2},
    "mean_reversion": {"window": 4},
    "dip": {"window": 4, "drop": 0.01},
    "signals": {"signals": "0110--0011-01-" * 30},
    "coinflip": {"seed": 3},
}


@st.composite
def bars(draw: st.DrawFn, symbol: str = "X") -> Prices:
    """Up to 150 bars that jump about, some of them unknown, with or without a price to fill at."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(3, 150))
    volatility = draw(st.sampled_from([0.001, 0.02, 0.3]))
    close = 100 * np.exp(np.cumsum(rng.normal(0, volatility, n)))
    opened = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0, volatility / 4, n))
    if draw(st.booleans()):  # whole numbers: ties, and levels that are met exactly
        close, opened = np.maximum(np.round(close), 1.0), np.maximum(np.round(opened), 1.0)
    high = np.maximum(opened, close) * (1 + rng.uniform(0, volatility, n))
    low = np.minimum(opened, close) * (1 - rng.uniform(0, min(volatility, 0.5), n))
    unknown = rng.random(n) < draw(st.sampled_from([0.0, 0.1, 0.5]))
    for column in (opened, high, low, close):
        column[unknown] = np.nan
    exec_price = None
    if draw(st.booleans()):
        exec_price = low + (high - low) * rng.random(n)
        exec_price[rng.random(n) < 0.2] = np.nan
    ts_us = np.cumsum(rng.integers(1, 3, n)) * MINUTE_US
    return Prices(symbol, MINUTE_US, ts_us, opened, high, low, close, np.ones(n), exec_price)


@st.composite
def strategies(draw: st.DrawFn) -> Strategy:
    family = draw(st.sampled_from(sorted(FAMILIES)))
    filters = [None, VolatilityFilter(window=3, below=0.02), VolatilityFilter(window=3, above=0.01)]
    side: Side = draw(st.sampled_from(["long", "short", "both"]))
    return check(
        Strategy(
            family=family,
            params=FAMILIES[family],
            side=side,
            stop_loss=draw(st.sampled_from([None, 0.01, 0.05])),
            take_profit=draw(st.sampled_from([None, 0.02, 0.1])),
            size=draw(st.sampled_from([1.0, 0.3])),
            volatility_filter=draw(st.sampled_from(filters)),
        )
    )


COSTS = st.builds(
    Costs,
    fee_bps=st.sampled_from([0.0, 10.0, 300.0]),
    slippage_bps=st.sampled_from([0.0, 25.0]),
    cash=st.sampled_from([1e-6, 1000.0]),
    lot=st.sampled_from([0.0, 1.0, 0.37]),
)


@dataclass
class Position:
    quantity: float
    entry: float
    fee: float
    bar: int
    lowest: float = math.inf
    highest: float = -math.inf

    @property
    def side(self) -> int:
        return 1 if self.quantity > 0 else -1


@dataclass
class Plain:
    """One symbol, one account, as the rules say."""

    prices: Prices
    strategy: Strategy
    costs: Costs
    start: int
    cash: float = 0.0
    position: Position | None = None
    trades: list[tuple[float, ...]] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)

    def run(self) -> Plain:  # noqa: C901 (all the rules of a bar in one place)
        said = rules(self.strategy)
        array = external(self.strategy, self.prices)
        columns = {c for part in said[:4] for c in part}
        wanted = list({x for c in columns for x in (c.x, c.y) if x is not None})
        signals = None if array is None else array[None]
        table = Indicators(wanted, self.prices.interval_us).advance(self.prices, signals)
        values = {indicator: table[k + 1] for k, indicator in enumerate(wanted)}

        def holds(conditions: Sequence[Condition], t: int) -> bool | None:
            """None: not all is known."""
            apart = [values[c.x][t] - (values[c.y][t] if c.y else 0.0) for c in conditions]
            if not conditions:
                return None
            if any(math.isnan(d) for d in apart):
                return None
            return all(
                d > c.level if c.is_ == "above" else d < c.level
                for d, c in zip(apart, conditions, strict=True)
            )

        self.cash, fresh, target, mark = self.costs.cash, {1: False, -1: False}, 0, math.nan
        for t in range(len(self.prices)):
            mark = mark if math.isnan(self.prices.close[t]) else float(self.prices.close[t])
            enter = {1: holds(said.enter_long, t), -1: holds(said.enter_short, t)}
            leave = {1: holds(said.exit_long, t), -1: holds(said.exit_short, t)}
            if t < self.start:
                fresh = {s: fresh[s] if enter[s] is None else not enter[s] for s in (1, -1)}
                continue
            target = self.fill(t, target)
            target = self.levels(t, target)
            held = 0.0 if self.position is None else self.position.quantity * mark
            if self.cash + held <= 0:
                if self.position:
                    self.out(t, mark, "ruin", free=True)
                self.cash, target, held = 0.0, 0, 0.0
            self.equity.append(self.cash + held)
            if target and leave[target]:
                target = 0
            wish = [s for s in (1, -1) if enter[s]]
            if len(wish) == 1:
                side = wish[0]
                if target != side and not leave[side] and (fresh[side] or said.level):
                    target, fresh[side] = side, False
            for s in (1, -1):
                fresh[s] = fresh[s] or enter[s] is False
        return self

    def fill(self, t: int, target: int) -> int:
        price = float(self.prices.fill_price[t])
        if math.isnan(price):
            return target
        if self.position and target != self.position.side:
            self.out(t, price, "reverse" if target else "signal")
        if target and not self.position:
            return self.into(t, price, target)
        return target

    def into(self, t: int, price: float, side: int) -> int:
        price *= 1 + side * self.costs.slippage_bps / 1e4
        fee = self.costs.fee_bps / 1e4
        quantity = max(self.strategy.size * self.cash / (price * (1 + fee)), 0.0)
        if self.costs.lot:
            quantity = math.floor(quantity / self.costs.lot) * self.costs.lot
        if not quantity:
            return 0
        self.cash -= side * quantity * price + fee * quantity * price
        self.cash = max(self.cash, 0.0)
        self.position = Position(side * quantity, price, fee * quantity * price, t)
        return side

    def levels(self, t: int, target: int) -> int:
        p, low, high, opened = self.position, self.prices.low[t], self.prices.high[t], self.prices.open[t]
        if p is None or (p.bar == t and not self.prices.idealised):
            return target
        stop = p.entry * (1 - p.side * (self.strategy.stop_loss or math.inf))
        take = p.entry * (1 + p.side * (self.strategy.take_profit or math.inf))
        beyond_stop = (lambda x: x <= stop) if p.side > 0 else (lambda x: x >= stop)
        beyond_take = (lambda x: x >= take) if p.side > 0 else (lambda x: x <= take)
        worst, best = (low, high) if p.side > 0 else (high, low)
        if beyond_stop(opened):
            self.out(t, float(opened), "stop_loss")
        elif beyond_take(opened):
            self.out(t, float(opened), "take_profit")
        elif beyond_stop(worst):
            self.out(t, stop, "stop_loss")
        elif beyond_take(best):
            self.out(t, take, "take_profit")
        else:
            return target
        return 0 if target == p.side else target

    def out(self, t: int, price: float, reason: str, *, free: bool = False) -> None:
        p = self.position
        assert p is not None
        price *= 1 if free else 1 - p.side * self.costs.slippage_bps / 1e4
        fee = 0.0 if free else self.costs.fee_bps / 1e4 * abs(p.quantity) * price
        self.cash += p.quantity * price - fee
        profit = p.quantity * (price - p.entry) - p.fee - fee
        seen = slice(p.bar, t + 1)
        with np.errstate(all="ignore"):
            lowest = np.fmin.reduce(self.prices.low[seen], initial=math.inf)
            highest = np.fmax.reduce(self.prices.high[seen], initial=-math.inf)
        reasons = REASONS.index(reason)  # type: ignore[arg-type]
        self.trades.append(
            (
                0,
                p.side,
                reasons,
                p.bar,
                t,
                p.entry,
                price,
                abs(p.quantity),
                p.fee + fee,
                profit,
                lowest,
                highest,
            )
        )
        self.position = None


def traded(
    prices: Prices, strategy: Strategy, costs: Costs, start: int, cuts: Sequence[int] = ()
) -> tuple[Trader, np.ndarray, Floats, Floats]:
    """With the bars cut in chunks, and the trader saved and read back in between."""
    trader = Trader([strategy], costs, prices.interval_us, [prices.symbol], start)
    edges = [0, *sorted(cut % (len(prices) + 1) for cut in cuts), len(prices)]
    parts = []
    for a, b in itertools.pairwise(edges):
        parts.append(trader.advance([prices.take(slice(a, b))]))
        trader = Trader.from_state(unpack(pack(trader.state()), TraderState))
    trades = np.concatenate([part.trades for part in parts])
    equity, position = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("equity", "position")
    )
    return trader, trades, equity, position


def hypothetically(f):  # type: ignore[no-untyped-def]
    return settings(deadline=None, max_examples=150)(
        given(bars(), strategies(), COSTS, st.integers(0, 40))(f)
    )


@hypothetically
def test_the_kernel_trades_as_the_rules_say(
    prices: Prices, strategy: Strategy, costs: Costs, start: int
) -> None:
    start = min(start, len(prices) - 2)
    plain = Plain(prices, strategy, costs, start).run()
    trader, trades, equity, _ = traded(prices, strategy, costs, start)
    expected = np.array(plain.trades, dtype=TRADE)
    for name in ("side", "reason", "entry_bar", "exit_bar"):
        assert trades[name].tolist() == expected[name].tolist()
    for name in ("entry_price", "exit_price", "quantity", "fees", "lowest", "highest"):
        np.testing.assert_allclose(trades[name], expected[name], rtol=1e-9, atol=0)
    scale = trades["quantity"] * trades["entry_price"]
    np.testing.assert_allclose(trades["profit"] / scale, expected["profit"] / scale, atol=1e-9)
    np.testing.assert_allclose(equity[start:] / costs.cash, np.array(plain.equity) / costs.cash, atol=1e-9)
    held = trader.open_trades()
    assert len(held) == (plain.position is not None)
    if plain.position is not None:
        assert held["entry_bar"].tolist() == [plain.position.bar]


@given(
    bars(), strategies(), COSTS, st.integers(0, 40), st.lists(st.integers(0, 200), max_size=6), st.booleans()
)
@settings(deadline=None, max_examples=150)
def test_any_chunking_gives_the_same_bits(
    prices: Prices, strategy: Strategy, costs: Costs, start: int, cuts: list[int], bar_by_bar: bool
) -> None:
    start = min(start, len(prices) - 2)
    whole, *arrays = traded(prices, strategy, costs, start)
    pieces, *same = traded(prices, strategy, costs, start, range(len(prices))[:40] if bar_by_bar else cuts)
    for a, b in zip(arrays, same, strict=True):
        assert a.tobytes() == b.tobytes()
    assert whole.open_trades().tobytes() == pieces.open_trades().tobytes()
    assert whole.book.tobytes() == pieces.book.tobytes()


@given(bars(), st.lists(strategies(), min_size=1, max_size=5), COSTS, st.integers(0, 40), st.integers(1, 60))
@settings(deadline=None, max_examples=150)
def test_a_sweep_does_to_the_last_bit_what_a_trader_does(
    prices: Prices, many: list[Strategy], costs: Costs, start: int, max_periods: int
) -> None:
    start = min(start, len(prices) - 2)
    swept = sweep(prices, many, costs, start=start, workers=1, max_periods=max_periods)
    for j, strategy in enumerate(many):
        trader, _, equity, _ = traded(prices, strategy, costs, start)
        assert swept.metrics["final_equity"][j] == trader.book[tally.EQUITY]
        assert swept.metrics["max_drawdown"][j] == trader.book[tally.DRAWDOWN]
        assert swept.metrics["fees"][j] == trader.book[tally.FEES]
        at_ends = equity[start :: swept.period_bars]
        before, after = at_ends[:-1], at_ends[1:]
        expected = np.divide(after - before, before, out=np.zeros(len(before)), where=before > 0)
        assert swept.returns[:, j].tolist() == expected.tolist()


@hypothetically
def test_the_book_is_what_equity_positions_and_trades_add_up_to(
    prices: Prices, strategy: Strategy, costs: Costs, start: int
) -> None:
    start = min(start, len(prices) - 2)
    trader, trades, equity, position = traded(prices, strategy, costs, start)
    marks = np.maximum.accumulate(np.where(np.isnan(prices.close), -1, np.arange(len(prices))))
    market = np.where(marks < 0, np.nan, prices.close[np.maximum(marks, 0)])[start:]
    every = np.concatenate([trades, trader.open_trades()])
    counted = recount(equity[start:], position[start:], every, simple_returns(market), turnover=0.0)
    book = trader.book
    apart = [tally.TURNOVER, tally.CASH]  # not to be told from outside
    if REASONS.index("ruin") in trades["reason"] or equity[-1] <= 0:
        return
    for k in range(tally.TALLIES):
        if k not in apart:
            scale = costs.cash if k in (tally.GROSS_PROFIT, tally.GROSS_LOSS) else 1.0
            np.testing.assert_allclose(book[k], counted[k], rtol=1e-8, atol=1e-11 * scale, err_msg=str(k))


def prices_of(
    closes: Sequence[float], opens: Sequence[float] | None = None, exec_price: Floats | None = None
) -> Prices:
    close = np.array(closes, dtype=np.float64)
    opened = close if opens is None else np.array(opens, dtype=np.float64)
    ts_us = np.arange(len(close), dtype=np.int64) * MINUTE_US
    low, high = np.minimum(opened, close), np.maximum(opened, close)
    return Prices("X", MINUTE_US, ts_us, opened, high, low, close, np.ones(len(close)), exec_price)


def held(digits: str, **how: object) -> Strategy:
    return Strategy(family="signals", params={"signals": digits}, **how)  # type: ignore[arg-type]


def test_an_order_decided_at_a_close_fills_at_the_next_open_and_costs_fee_and_slippage() -> None:
    prices = prices_of([10, 10, 12, 12], opens=[10, 11, 12, 12.5])
    costs = Costs(fee_bps=100.0, slippage_bps=50.0, cash=1000.0)
    trader, trades, equity, _ = traded(prices, held("0100"), costs, 0)
    assert trades[["entry_bar", "exit_bar"]].tolist() == [(2, 3)]
    bought, sold = 12 * 1.005, 12.5 * 0.995
    quantity = 1000.0 / (bought * 1.01)
    assert trades["entry_price"][0] == pytest.approx(bought)
    assert trades["exit_price"][0] == pytest.approx(sold)
    assert equity[-1] == pytest.approx(quantity * sold * 0.99)
    assert trader.book[tally.FEES] == pytest.approx(quantity * (bought + sold) * 0.01)


def test_an_order_waits_while_there_is_no_price_to_fill_at() -> None:
    exec_price = np.array([10.0, np.nan, np.nan, 13.0, 14.0])
    _, trades, _, _ = traded(
        prices_of([10, 11, 12, 13, 14], exec_price=exec_price), held("11110"), Costs(), 0
    )
    assert trades.size == 0
    trader, _, _, _ = traded(
        prices_of([10, 11, 12, 13, 14], exec_price=exec_price), held("11110"), Costs(), 0
    )
    assert trader.open_trades()["entry_bar"].tolist() == [3]
    assert trader.open_trades()["entry_price"].tolist() == [13.0]


def test_an_order_that_waits_is_taken_back_when_its_reason_is_gone() -> None:
    exec_price = np.array([10.0, np.nan, np.nan, 13.0, 14.0])
    trader, trades, _, _ = traded(
        prices_of([10, 11, 12, 13, 14], exec_price=exec_price), held("11000"), Costs(), 0
    )
    assert not len(trades)
    assert not len(trader.open_trades())


def test_a_bar_that_opens_beyond_the_stop_fills_at_its_open() -> None:
    prices = prices_of([10, 10, 10, 8, 8], opens=[10, 10, 10, 9, 8])
    _, trades, _, _ = traded(prices, held("11111", stop_loss=0.05), Costs(fee_bps=0.0), 0)
    assert trades["exit_price"].tolist()[0] == 9.0
    assert REASONS[trades["reason"][0]] == "stop_loss"


def test_a_bar_that_touches_stop_and_target_is_taken_for_a_loss() -> None:
    prices = prices_of([10, 10, 10, 10, 10])
    prices.high[3], prices.low[3] = 11.0, 9.0
    strategy = held("11111", stop_loss=0.05, take_profit=0.05)
    _, trades, _, _ = traded(prices, strategy, Costs(fee_bps=0.0), 0)
    assert trades["exit_price"].tolist()[0] == 9.5


def test_the_bar_of_an_entry_within_it_is_not_watched() -> None:
    exec_price = np.array([10.0, 10.0, 10.0, 10.0])
    prices = prices_of([10, 10, 10, 10], exec_price=exec_price)
    prices.low[1] = 5.0
    trader, trades, _, _ = traded(prices, held("1111", stop_loss=0.05), Costs(), 0)
    assert not len(trades)
    assert len(trader.open_trades()) == 1


def test_a_short_that_loses_everything_is_ruin_and_no_debt() -> None:
    prices = prices_of([10, 10, 10, 30, 31, 10])
    strategy = held("------", side="short")
    trader, trades, equity, _ = traded(prices, strategy, Costs(fee_bps=0.0), 0)
    assert [REASONS[reason] for reason in trades["reason"]] == ["ruin"]
    assert equity.tolist()[-3:] == [0.0, 0.0, 0.0]
    assert trader.book[tally.DRAWDOWN] == -1.0


def test_nobody_buys_again_on_the_old_signal_after_a_stop() -> None:
    prices = prices_of([10, 9, 8, 9, 10, 11, 12, 13, 14, 15, 12, 11, 14, 15])
    prices.low[6] = 5.0
    cross = check(Strategy(family="sma_cross", params={"fast": 1, "slow": 3}, stop_loss=0.05))
    trader, trades, _, _ = traded(prices, cross, Costs(), 0)
    assert trades[["entry_bar", "exit_bar"]].tolist() == [(4, 6)]
    assert trader.open_trades()["entry_bar"].tolist() == [13]


def test_a_signal_that_was_there_before_the_first_decision_is_old() -> None:
    prices = prices_of([10, 9, 8, 9, 10, 11, 12, 13, 14, 15])
    cross = check(Strategy(family="sma_cross", params={"fast": 1, "slow": 3}))
    entries = [
        traded(prices, cross, Costs(), start)[0].open_trades()["entry_bar"].tolist() for start in (3, 4)
    ]
    assert entries == [[4], []]


def test_lots_are_rounded_down_and_what_is_left_stays_in_cash() -> None:
    trader, _, _, _ = traded(prices_of([10, 10, 10]), held("111"), Costs(fee_bps=0.0, cash=99.0, lot=2.0), 0)
    assert trader.quantities.tolist() == [8.0]
    assert trader.book[tally.CASH] == 19.0
