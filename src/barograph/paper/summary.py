"""What trades came to, strategy by strategy; and what is open, at a price. Plain Python."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from barograph.clock import US_PER_S
from barograph.paper.positions import Position, Trade


class Summary(NamedTuple):
    """The completed trades of one strategy.

    Attributes:
        win_rate: wins / trades; a win is a profit above zero after fees.
        profit: of all trades after fees; fees: what they were.
        profit_factor: sum of profits / sum of losses (as research counts it); None when nothing was lost.
        best, worst: profit of one trade.
        max_drawdown: the furthest that the sum of profits has fallen below the highest that it was before,
            zero at the beginning included; in money, of completed trades only.
        average_hold_s: from fill to fill.
    """

    strategy: str
    trades: int
    wins: int
    win_rate: float
    profit: float
    fees: float
    profit_factor: float | None
    best: float
    worst: float
    max_drawdown: float
    average_hold_s: float


def summarise(trades: Iterable[Trade]) -> list[Summary]:
    """A summary of each strategy in ``trades``, by name.

    >>> one = Trade("k", "dip", "sim", "X", 1.0, 0, 10.0, 1_500_000, 11.0, 0.0, 1.0, 10.0, "signal", "a", "b")
    >>> found, = summarise([one, one._replace(profit=-0.5)])
    >>> found.win_rate, found.profit, found.profit_factor, found.max_drawdown, found.average_hold_s
    (0.5, 0.5, 2.0, 0.5, 1.5)
    """
    ordered = sorted(trades, key=lambda one: (one.strategy, one.exit_ts_us, one.trade_key))
    return [_of(name, list(group)) for name, group in groupby(ordered, key=lambda one: one.strategy)]


def curve(trades: Iterable[Trade]) -> list[float]:
    """The sum of profits after each trade, in the order of their exits."""
    sums: list[float] = []
    for one in sorted(trades, key=lambda one: (one.exit_ts_us, one.trade_key)):
        sums.append((sums[-1] if sums else 0.0) + one.profit)
    return sums


def _of(strategy: str, trades: list[Trade]) -> Summary:
    profits = [one.profit for one in trades]
    wins = [profit for profit in profits if profit > 0]
    lost = -sum(profit for profit in profits if profit < 0)
    held_us = sum(one.exit_ts_us - one.entry_ts_us for one in trades)
    return Summary(
        strategy=strategy,
        trades=len(trades),
        wins=len(wins),
        win_rate=len(wins) / len(trades),
        profit=sum(profits),
        fees=sum(one.fees for one in trades),
        profit_factor=sum(wins) / lost if lost > 0 else None,
        best=max(profits),
        worst=min(profits),
        max_drawdown=_furthest_fall(curve(trades)),
        average_hold_s=held_us / len(trades) / US_PER_S,
    )


def _furthest_fall(sums: Iterable[float]) -> float:
    high = furthest = 0.0
    for value in sums:
        high = max(high, value)
        furthest = max(furthest, high - value)
    return furthest


class Valued(NamedTuple):
    """A position at a price.

    Attributes:
        unrealised: what it would have brought at ``price``, less the entry's fee; the exit's is not charged.
        unrealised_pct: 100 x unrealised / (|quantity| x entry price).
        held_s: from its fill to the moment of the price.
    """

    position: Position
    price: float
    price_ts_us: int
    unrealised: float
    unrealised_pct: float
    held_s: float


def valued(position: Position, price: float, price_ts_us: int) -> Valued:
    """``position`` at ``price``, which was seen at ``price_ts_us``.

    >>> one = Position("dip", "sim", "X", -2.0, 100.0, 0, 0.5, "t1")
    >>> valued(one, 90.0, 1_000_000)[3:]
    (19.5, 9.75, 1.0)
    """
    entry = position.quantity * position.entry_price
    unrealised = position.quantity * price - entry - position.entry_fee
    held_us = max(price_ts_us - position.entry_ts_us, 0)
    return Valued(
        position, price, price_ts_us, unrealised, 100.0 * unrealised / abs(entry), held_us / US_PER_S
    )
