"""Bars, strategies and accounts for the tests of the guard."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from barograph.rows import Floats
from barograph.snapshot import pack, unpack
from barograph.strategies.families import check
from barograph.strategies.guard import NO_BOUNDS, Bounds
from barograph.strategies.orders import Fills
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy
from barograph.strategies.trader import Trader, TraderState, Trades
from barograph.strategies.trading import ENTRY, REASONS, Costs

MINUTE_US = 60_000_000
DAY_US = 1_440 * MINUTE_US
FREE = Costs(fee_bps=0.0, cash=1000.0)

FAMILIES: dict[str, dict[str, int | float | str]] = {
    "sma_cross": {"fast": 2, "slow": 4},
    "ema_cross": {"fast": 2, "slow": 5},
    "rsi": {"window": 3},
    "bollinger": {"window": 6, "width": 1.2},
    "breakout": {},
    "momentum": {"window": 3},
    "macd": {"fast": 2, "slow": 4, "signal": 2},
    "mean_reversion": {"window": 6, "entry": 1.2},
    "dip": {"window": 4, "drop": 0.01},
    "signals": {"signals": "0110--0011-01-" * 30},
    "coinflip": {"seed": 3},
}


def market(symbol: str, seed: int, n: int, *, holes: float = 0.0, step_us: int = MINUTE_US) -> Prices:
    """Minutes that jump about, with fill prices, spreads and holes; a day has as many as ``step_us`` says."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, n)))
    opened = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0, 0.004, n))
    high = np.maximum(opened, close) * (1 + rng.uniform(0, 0.01, n))
    low = np.minimum(opened, close) * (1 - rng.uniform(0, 0.01, n))
    exec_price = low + (high - low) * rng.random(n)
    spread = close * rng.uniform(0, 0.002, n)
    unknown = rng.random(n) < holes
    for column in (opened, high, low, close, exec_price):
        column[unknown] = np.nan
    exec_price[rng.random(n) < holes] = np.nan
    spread[rng.random(n) < holes] = np.nan
    ts_us = np.arange(n, dtype=np.int64) * step_us
    return Prices(symbol, MINUTE_US, ts_us, opened, high, low, close, np.ones(n), exec_price, spread)


def flat(levels: Sequence[float], symbol: str = "A", *, step_us: int = MINUTE_US) -> Prices:
    """Bars that are one price each."""
    close = np.array(levels, dtype=np.float64)
    ts_us = np.arange(len(close), dtype=np.int64) * step_us
    return Prices(symbol, MINUTE_US, ts_us, close, close, close, close, np.ones(len(close)))


def held(digits: str, **how: object) -> Strategy:
    """What an array says, one digit a bar."""
    return Strategy(family="signals", params={"signals": digits}, **how)  # type: ignore[arg-type]


@st.composite
def strategies(draw: st.DrawFn, sizes: Sequence[float] = (1.0, 0.3)) -> Strategy:
    """Of every family, side and kind of stop."""
    family = draw(st.sampled_from(sorted(FAMILIES)))
    strategy = Strategy(
        family=family,
        params=FAMILIES[family],
        side=draw(st.sampled_from(["long", "short", "both"])),
        stop_loss=draw(st.sampled_from([None, 0.01, 0.05])),
        take_profit=draw(st.sampled_from([None, 0.02, 0.1])),
        size=draw(st.sampled_from(list(sizes))),
    )
    return check(strategy)


class Case(NamedTuple):
    """Bars and strategies of some slots, told by what they are made from."""

    seeds: tuple[int, ...]
    n: int
    holes: float
    step_us: int
    chosen: tuple[Strategy, ...]

    @property
    def bars(self) -> tuple[Prices, ...]:
        return tuple(
            market(f"S{seed}", seed, self.n, holes=self.holes, step_us=self.step_us) for seed in self.seeds
        )


@st.composite
def accounts(draw: st.DrawFn, most: int = 3) -> Case:
    """One to ``most`` slots; two may trade the same symbol. Bars may be hours apart."""
    seeds = draw(st.lists(st.integers(0, 5), min_size=1, max_size=most))
    return Case(
        tuple(seeds),
        draw(st.integers(20, 120)),
        draw(st.sampled_from([0.0, 0.2])),
        draw(st.sampled_from([MINUTE_US, 20 * MINUTE_US, 90 * MINUTE_US])),
        tuple(draw(strategies()) for _ in seeds),
    )


class Run(NamedTuple):
    """What came of it."""

    trader: Trader
    trades: Trades
    fills: Fills
    equity: Floats
    position: Floats

    @property
    def reasons(self) -> list[str]:
        return [REASONS[reason] for reason in self.trades["reason"]]

    @property
    def entries(self) -> Fills:
        return self.fills[self.fills["reason"] == ENTRY]


def trader_of(
    bars: Sequence[Prices],
    chosen: Sequence[Strategy],
    costs: Costs = FREE,
    bounds: Bounds = NO_BOUNDS,
    start: int = 0,
) -> Trader:
    return Trader(chosen, costs, MINUTE_US, [p.symbol for p in bars], start, bounds)


def run(
    trader: Trader,
    bars: Sequence[Prices],
    cuts: Sequence[int] = (),
    at: Callable[[Trader, int], None] | None = None,
) -> Run:
    """Bars in chunks; the trader is saved and read back between them, then ``at`` is told where it is."""
    n = len(bars[0])
    edges = sorted({0, n, *(cut % (n + 1) for cut in cuts)})
    parts = []
    for a, b in itertools.pairwise(edges):
        parts.append(trader.advance([p.take(slice(a, b)) for p in bars]))
        trader = Trader.from_state(unpack(pack(trader.state()), TraderState))
        if at is not None:
            at(trader, b)
    columns = ("trades", "fills", "equity", "position")
    return Run(trader, *(np.concatenate([getattr(part, name) for part in parts]) for name in columns))


def traded(
    bars: Sequence[Prices], chosen: Sequence[Strategy], costs: Costs = FREE, bounds: Bounds = NO_BOUNDS
) -> Run:
    """All bars in one go."""
    return run(trader_of(bars, chosen, costs, bounds), bars)


def filled_at_open(prices: Prices) -> Prices:
    """The same as imported candles, which have neither fill prices nor spreads."""
    return replace(prices, exec_price=None, spread=None)
