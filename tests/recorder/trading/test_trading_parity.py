"""Live equals backtest, to the bit: every family, minute by minute behind the tape, and in one sweep."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from barograph.clock import MINUTE_US
from barograph.paper.positions import Trade
from barograph.recorder.line import Line
from barograph.recorder.trading.specs import BarStrategy, Market, Member, Plan
from barograph.research.backtesting import backtest
from barograph.strategies.families import FAMILIES, check
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Side, Strategy
from barograph.strategies.trading import REASONS, Costs

from .driving import SETTINGS, TAPE, driven, told

PARAMS = {
    "sma_cross": {"fast": 2, "slow": 5},
    "ema_cross": {"fast": 2, "slow": 5},
    "rsi": {"window": 5, "oversold": 45.0, "overbought": 55.0},
    "bollinger": {"window": 6, "width": 1.0},
    "breakout": {"window": 4, "exit_window": 2},
    "momentum": {"window": 3},
    "macd": {"fast": 3, "slow": 6, "signal": 3},
    "mean_reversion": {"window": 6, "entry": 1.0},
    "dip": {"window": 5, "drop": 0.0005},
    "coinflip": {},
}
COSTS = Costs(fee_bps=7.0, slippage_bps=1.0, cash=5_000.0)
LATENESS_US = SETTINGS.bars.allowed_lateness_us


@cache
def first_versions() -> dict[str, Prices]:
    """Symbols of the simulator, out of the tables' first versions: the whole tape in one run of the line."""
    rows = Line(SETTINGS).advance(TAPE)["market_microstructure"].to_pandas()
    rows = rows[(rows["revision"] == 0) & (rows["venue"] == "sim")]
    made = {}
    for symbol, group in rows.groupby("symbol"):
        # In the order in which they closed: one that closed behind a later one was never seen.
        seen = group[group["timestamp"] == group["timestamp"].cummax()]
        bars = seen[seen["open"].notna() | seen["price"].isna()]
        columns = [bars[name].to_numpy(np.float64) for name in ("open", "high", "low", "price", "volume")]
        ts_us = bars["timestamp"].dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
        exec_price = bars["exec_price"].to_numpy(np.float64)
        made[str(symbol)] = Prices(str(symbol), MINUTE_US, ts_us, *columns, exec_price)
    return made


def plan_of(strategy: Strategy) -> Plan:
    part = BarStrategy(name="live", members=(Member("live", strategy),), costs=COSTS)
    return Plan(bars=(part,), market=Market(venues=("sim",)))


def expected(prices: Prices, strategy: Strategy) -> list[tuple[object, ...]]:
    """What a backtest gives: fills with their times."""
    trades = backtest(prices, strategy, COSTS).trades
    found = []
    for one in trades[trades["reason"] != REASONS.index("open")]:
        reason = REASONS[int(one["reason"])]
        at_level = reason in ("stop_loss", "take_profit", "ruin")
        entry_us, exit_us = (int(prices.ts_us[int(one[k])]) for k in ("entry_bar", "exit_bar"))
        found.append(
            (
                float(one["side"]) * float(one["quantity"]),
                entry_us + LATENESS_US,
                float(one["entry_price"]),
                exit_us + (MINUTE_US - 1 if at_level else LATENESS_US),
                float(one["exit_price"]),
                float(one["fees"]),
                float(one["profit"]),
                reason,
            )
        )
    return found


def made(trade: Trade) -> tuple[object, ...]:
    return (
        trade.quantity,
        trade.entry_ts_us,
        trade.entry_price,
        trade.exit_ts_us,
        trade.exit_price,
        trade.fees,
        trade.profit,
        trade.reason,
    )


def test_every_family_that_can_be_traded_live_is_here() -> None:
    assert set(PARAMS) == set(FAMILIES) - {"signals", "python"}


@pytest.mark.parametrize("side", ["long", "both"])
@pytest.mark.parametrize("family", sorted(PARAMS))
def test_live_trades_are_those_of_a_backtest_to_the_last_bit(family: str, side: Side, tmp_path: Path) -> None:
    strategy = check(Strategy(family=family, params=PARAMS[family], side=side, stop_loss=0.002))
    ledger = driven(
        tmp_path / "ledger", plan_of(strategy), cuts=range(0, len(TAPE), 997), deaths=(3_001, 6_007)
    )
    live, count = told(ledger)[0], 0
    for symbol, prices in first_versions().items():
        wanted = expected(prices, strategy)
        assert [made(trade) for trade in live if trade.symbol == symbol] == wanted
        count += len(wanted)
    assert count
    ledger.shut()
