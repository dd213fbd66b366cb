"""What the kernel tallies while it trades, counted anew from what came of it.

The slow way to a row of ``strategies.tally``: for a backtest in full, whose equity and trades are
kept, and to check the fast way by.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from barograph.rows import Floats
from barograph.strategies import tally
from barograph.strategies.trading import REASONS

_OPEN = REASONS.index("open")


def simple_returns(values: Floats) -> Floats:
    """(T - 1,) returns of (T,) values from one bar to the next; an unknown value is the one before.

    Of several symbols, (S, T), it is the mean of theirs. While nothing is known yet, nothing moves.

    >>> simple_returns(np.array([100.0, np.nan, 110.0, 99.0])).round(9).tolist()
    [0.0, 0.1, -0.1]
    """
    if values.ndim == 2:
        return np.asarray(np.mean([simple_returns(row) for row in values], axis=0))
    known = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
    filled = values[known]
    before = filled[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = (filled[1:] - before) / before
    return np.where(np.isfinite(returns), returns, 0.0)


def recount(
    equity: Floats,
    position: Floats,
    trades: npt.NDArray[np.void],
    market: Floats,
    turnover: float | None = None,
) -> Floats:
    """(TALLIES,) the book of one portfolio.

    Args:
        equity: (T,) at each close from the first decision on; the first is the cash it began with.
        position: (T,) signed notional over equity at each close.
        trades: rows of ``trading.TRADE``.
        market: (T - 1,) the market's returns.
        turnover: as the kernel counted it, each fill over the equity at that moment. None: the notional of
            all fills over the mean equity, which is all that can be told from here.

    ``CASH`` is not to be known from these, and stays 0.
    """
    book = np.zeros(tally.TALLIES)
    returns = simple_returns(equity)
    _count_returns(book, returns, market)
    _count_equity(book, equity)
    book[tally.EXPOSURE] = np.sum(position)
    book[tally.HELD] = np.count_nonzero(position)
    _count_trades(book, trades)
    book[tally.TURNOVER] = _turnover(equity, trades) if turnover is None else turnover
    return book


def _count_returns(book: Floats, returns: Floats, market: Floats) -> None:
    book[tally.RETURNS] = len(returns)
    power = np.ones(len(returns))
    for k in range(4):
        power *= returns
        book[tally.SUM_1 + k] = np.sum(power)
    falls = np.minimum(returns, 0.0)
    book[tally.DOWN_2] = np.sum(falls * falls)
    book[tally.CROSS] = np.sum(returns * market)
    book[tally.RISES] = np.count_nonzero(returns > 0)
    book[tally.FALLS] = np.count_nonzero(returns < 0)


def _count_equity(book: Floats, equity: Floats) -> None:
    peak = np.maximum.accumulate(equity)
    bars = np.arange(len(equity))
    since_peak = bars - np.maximum.accumulate(np.where(equity == peak, bars, 0))
    book[tally.EQUITY], book[tally.PEAK] = equity[-1], peak[-1]
    book[tally.DRAWDOWN] = np.min((equity - peak) / peak)
    book[tally.UNDERWATER], book[tally.LONGEST] = since_peak[-1], since_peak.max()


def _count_trades(book: Floats, trades: npt.NDArray[np.void]) -> None:
    book[tally.FEES] = np.sum(trades["fees"])
    closed = trades[trades["reason"] != _OPEN]
    profit = closed["profit"]
    returns = profit / (closed["quantity"] * closed["entry_price"])
    book[tally.TRADES], book[tally.WINS] = len(closed), np.count_nonzero(profit > 0)
    book[tally.GROSS_PROFIT] = np.sum(profit[profit > 0])
    book[tally.GROSS_LOSS] = -np.sum(profit[profit <= 0]) or 0.0
    book[tally.TRADE_RETURNS], book[tally.TRADE_RETURNS_2] = np.sum(returns), np.sum(returns**2)
    book[tally.BEST] = np.max(returns, initial=-np.inf)
    book[tally.WORST] = np.min(returns, initial=np.inf)
    book[tally.HOLDING] = np.sum(closed["exit_bar"] - closed["entry_bar"])


def _turnover(equity: Floats, trades: npt.NDArray[np.void]) -> float:
    bought = np.sum(trades["quantity"] * trades["entry_price"])
    closed = trades[trades["reason"] != _OPEN]
    sold = np.sum(closed["quantity"] * closed["exit_price"])
    return float((bought + sold) / np.mean(equity))
