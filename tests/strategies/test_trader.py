"""Several symbols with shared cash, and what a trader refuses."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.errors import UsageError
from barograph.rows import Floats
from barograph.strategies import tally
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy
from barograph.strategies.stretches import one_timeline
from barograph.strategies.trader import Trader
from barograph.strategies.trading import REASONS, Costs

HOUR_US = 3_600_000_000
CROSS = Strategy(family="sma_cross", params={"fast": 2, "slow": 5}, side="both", stop_loss=0.05)


def prices(symbol: str, seed: int, n: int = 300, *, holes: float = 0.0) -> Prices:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, n)))
    opened = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99
    hole = rng.random(n) < holes
    for column in (opened, high, low, close):
        column[hole] = np.nan
    return Prices(
        symbol, HOUR_US, np.arange(n, dtype=np.int64) * HOUR_US, opened, high, low, close, np.ones(n)
    )


def unknown(symbol: str, like: Prices) -> Prices:
    nothing = np.full(len(like), np.nan)
    return replace(
        like, symbol=symbol, open=nothing, high=nothing, low=nothing, close=nothing, volume=nothing
    )


def held(digits: str, **how: object) -> Strategy:
    return Strategy(family="signals", params={"signals": digits}, **how)  # type: ignore[arg-type]


def flat(symbol: str, levels: list[float]) -> Prices:
    close = np.array(levels)
    ts_us = np.arange(len(close), dtype=np.int64) * HOUR_US
    return Prices(symbol, HOUR_US, ts_us, close, close, close, close, np.ones(len(close)))


@pytest.mark.parametrize("where", [0, 1])
@pytest.mark.parametrize("seed", range(5))
def test_a_symbol_that_never_trades_changes_no_bit_of_the_other_ones_trades(seed: int, where: int) -> None:
    """It is one kernel, but with one symbol it takes short cuts through quiet bars."""
    one = prices("A", seed, holes=0.1)
    alone = Trader([CROSS], Costs(lot=0.01), HOUR_US, ["A"])
    advanced = alone.advance([one])
    both = [one, unknown("B", one)] if where == 0 else [unknown("B", one), one]
    symbols = [p.symbol for p in both]
    together = Trader([CROSS, CROSS], Costs(lot=0.01), HOUR_US, symbols)
    same = together.advance(both)
    assert same.equity.tobytes() == advanced.equity.tobytes()
    assert same.position.tobytes() == advanced.position.tobytes()
    assert len(advanced.trades) > 5
    for name in (
        "side",
        "reason",
        "entry_bar",
        "exit_bar",
        "entry_price",
        "exit_price",
        "quantity",
        "profit",
    ):
        assert same.trades[name].tolist() == advanced.trades[name].tolist()
    apart = [k for k in range(tally.TALLIES) if k != tally.CROSS]  # half of the market is not there
    assert together.book[apart].tolist() == alone.book[apart].tolist()


@given(
    st.integers(0, 1000),
    st.floats(0.1, 1.0),
    st.lists(st.integers(0, 120), max_size=5),
    st.sampled_from(["long", "short", "both"]),
)
@settings(deadline=None, max_examples=40)
def test_three_symbols_in_any_chunks_spend_no_more_than_there_is(
    seed: int, size: float, cuts: list[int], side: str
) -> None:
    symbols = ["A", "B", "C"]
    bars = [prices(symbol, seed + k, 120, holes=0.1) for k, symbol in enumerate(symbols)]
    strategy = Strategy(
        family="momentum", params={"window": 3}, side=side, size=size  # type: ignore[arg-type]
    )  # fmt: skip
    whole = Trader([strategy] * 3, Costs(), HOUR_US, symbols)
    advanced = whole.advance(bars)
    pieces = Trader([strategy] * 3, Costs(), HOUR_US, symbols)
    edges = [0, *sorted(cuts), 120]
    parts = []
    for a, b in itertools.pairwise(edges):
        parts.append(pieces.advance([p.take(slice(a, b)) for p in bars]))
        pieces = Trader.from_state(pieces.state())
        if side == "long":
            assert pieces.book[tally.CASH] >= 0
    assert np.concatenate([p.trades for p in parts]).tobytes() == advanced.trades.tobytes()
    assert np.concatenate([p.equity for p in parts]).tobytes() == advanced.equity.tobytes()
    assert pieces.book.tobytes() == whole.book.tobytes()
    profits = advanced.trades["profit"].sum() + whole.open_trades()["profit"].sum()
    assert advanced.equity[-1] == pytest.approx(10_000.0 + profits)


def test_the_first_symbol_takes_all_the_cash_there_is() -> None:
    bars = [flat("A", [10.0] * 5), flat("B", [20.0] * 5)]
    trader = Trader([held("11100"), held("11111")], Costs(fee_bps=0.0, cash=1000.0), HOUR_US, ["A", "B"])
    trader.advance([p.take(slice(0, 3)) for p in bars])
    assert trader.quantities.tolist() == [100.0, 0.0]
    # A has left at bar 4; B's order was given up for want of cash, and is given again by its array.
    trader.advance([p.take(slice(3, 5)) for p in bars])
    assert trader.quantities.tolist() == [0.0, 50.0]


def test_what_is_left_at_a_bar_pays_for_what_is_entered_at_it() -> None:
    bars = [flat("A", [10.0] * 4), flat("B", [20.0] * 4)]
    trader = Trader([held("0011"), held("1100")], Costs(fee_bps=0.0, cash=1000.0), HOUR_US, ["A", "B"])
    trader.advance(bars)
    assert trader.quantities.tolist() == [100.0, 0.0]


def test_half_and_half_is_what_size_says() -> None:
    bars = [flat("A", [10.0] * 3), flat("B", [20.0] * 3)]
    halves = [held("111", size=0.5)] * 2
    trader = Trader(halves, Costs(fee_bps=0.0, cash=1000.0), HOUR_US, ["A", "B"])
    trader.advance(bars)
    assert trader.quantities.tolist() == [50.0, 25.0]


def test_the_proceeds_of_a_short_buy_nothing() -> None:
    bars = [flat("A", [10.0] * 3), flat("B", [20.0] * 3)]
    trader = Trader(
        [held("---", side="short"), held("111")], Costs(fee_bps=0.0, cash=1000.0), HOUR_US, ["A", "B"]
    )
    trader.advance(bars)
    assert trader.quantities.tolist() == [-100.0, 0.0]


def test_orders_that_wait_are_told() -> None:
    trader = Trader([held("11")], Costs(), HOUR_US, ["A"])
    trader.advance([flat("A", [10.0])])
    assert trader.targets.tolist() == [1.0]
    assert trader.quantities.tolist() == [0.0]


def test_ruin_closes_every_symbol() -> None:
    bars = [flat("A", [10.0, 10, 10, 40, 40]), flat("B", [10.0] * 5)]
    short = held("-----", side="short", size=0.5)
    trader = Trader([short, short], Costs(fee_bps=0.0), HOUR_US, ["A", "B"])
    advanced = trader.advance(bars)
    assert [REASONS[r] for r in advanced.trades["reason"]] == ["ruin", "ruin"]
    assert advanced.equity[-1] == 0.0


def test_symbols_on_different_timelines_are_refused_and_can_be_brought_together() -> None:
    a, b = prices("A", 1, 50), prices("B", 2, 50)
    b = b.take(slice(10, 40))
    trader = Trader([CROSS, CROSS], Costs(), HOUR_US, ["A", "B"])
    with pytest.raises(UsageError, match="not on one timeline"):
        trader.advance([a, b])
    together = one_timeline([a, b])
    assert np.isnan(together[1].close[:10]).all()
    assert together[1].close[10:40].tolist() == b.close.tolist()
    trader.advance(together)


def test_strategies_and_symbols_must_go_together() -> None:
    with pytest.raises(UsageError, match="1 strategies for 2 symbols"):
        Trader([CROSS], Costs(), HOUR_US, ["A", "B"])
    with pytest.raises(UsageError, match="were given to a trader of"):
        Trader([CROSS], Costs(), HOUR_US, ["A"]).advance([flat("B", [1.0])])


def test_costs_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="fee_bps is -1"):
        Trader([CROSS], Costs(fee_bps=-1.0), HOUR_US, ["A"])
    with pytest.raises(UsageError, match="cash is 0"):
        Trader([CROSS], Costs(cash=0.0), HOUR_US, ["A"])


SCRIPT = """
    import importlib.util, sys
    spec = importlib.util.spec_from_file_location("this", sys.argv[1])
    this = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(this)
    from barograph.compiled import COMPILED
    print(COMPILED, this.digest())
"""


def digest() -> str:
    one, two = prices("A", 7, 200, holes=0.05), prices("B", 8, 200)
    found: list[Floats] = []
    for bars in ([one], [one, two]):
        trader = Trader([CROSS] * len(bars), Costs(lot=0.01), HOUR_US, [p.symbol for p in bars], 20)
        advanced = trader.advance(bars)
        found += [advanced.equity, trader.book, advanced.trades["profit"]]
    return hashlib.sha256(np.concatenate(found).tobytes()).hexdigest()


def test_bits_do_not_depend_on_the_compiler() -> None:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(SCRIPT), __file__]
    environment = {**os.environ, "BAROGRAPH_NO_NUMBA": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", digest()]
