"""The field's metrics, with its names: one table of formulas for a backtest and for 100,000 of them.

Both ways end in the same formulas over the kernel's tallies, so that what a sweep says of a strategy
is what its backtest says: :func:`from_tallies` for N strategies at once, :func:`of` for one of which
equity, positions and trades are known (it adds VaR and CVaR, which need the returns themselves).

Conventions (docs/metrics.md has every formula, its source, and what others do instead):

- simple returns from close to close; sample deviations (ddof 1); annualised by ``periods_per_year``;
- losses are negative: drawdown, VaR, CVaR, worst trade;
- NaN where there is nothing to say (no trades, no losses, nothing moved), never an infinity;
- trades are closed trades, after fees; money is in the currency of ``cash``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barograph.errors import UsageError
from barograph.research.recounting import recount, simple_returns
from barograph.rows import Floats
from barograph.strategies import tally

NAMES = (
    "win_rate",
    "total_return",
    "sharpe_ratio",
    "max_drawdown",
    "num_trades",
    "cagr",
    "volatility",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown_duration",
    "win_rate_periods",
    "profit_factor",
    "payoff_ratio",
    "expectancy",
    "average_trade",
    "best_trade",
    "worst_trade",
    "average_holding",
    "system_quality",
    "exposure",
    "net_exposure",
    "turnover",
    "fees",
    "final_equity",
    "market_return",
    "alpha",
    "beta",
    "skewness",
    "kurtosis",
    "value_at_risk",
    "conditional_value_at_risk",
)
"""Every metric, in the order of files."""

_TAILS = ("value_at_risk", "conditional_value_at_risk")
TALLIED = tuple(name for name in NAMES if name not in _TAILS)
"""Those that a sweep has too."""

_NOTHING_MOVED = 1e-12
"""Variance over mean square below which returns are one and the same number, but for rounding."""


class _Market(NamedTuple):
    """The market's returns, summed up."""

    mean: float
    variance: float
    total: float


def from_tallies(
    books: Floats,
    market_close: Floats,
    periods_per_year: float,
    *,
    cash: float,
    risk_free: float = 0.0,
) -> dict[str, Floats]:
    """The metrics of N strategies out of what the kernel counted: name -> (N,), all of :data:`TALLIED`.

    Args:
        books: (N, TALLIES), see ``strategies.tally``.
        market_close: (T,) closes of the bars from the first decision on, NaN where unknown; (S, T) of
            several symbols.
        periods_per_year: see ``annualising``.
        cash: with which each began.
        risk_free: yearly rate; in ``sharpe_ratio`` and ``alpha``.

    Raises:
        UsageError: the books are not of these bars, or a number is out of its bounds.
    """
    _check(periods_per_year, cash, risk_free)
    books = np.asfortranarray(books)
    market = simple_returns(market_close)
    counted = books[:, tally.RETURNS]
    if len(books) and not np.all(counted == len(market)):
        raise UsageError(
            f"the tallies are of {counted.min():g} to {counted.max():g} returns, the market has "
            f"{len(market)}: give the closes of the very bars that were traded"
        )
    with np.errstate(all="ignore"):
        found = {
            **_growth(books, cash, periods_per_year),
            **_risk(books, periods_per_year, _per_period(risk_free, periods_per_year)),
            **_against(books, _summed(market), periods_per_year, _per_period(risk_free, periods_per_year)),
            **_trading(books),
        }
        found["calmar_ratio"] = found["cagr"] / -found["max_drawdown"]
    return {name: np.where(np.isfinite(found[name]), found[name], np.nan) for name in TALLIED}


def of(
    equity: Floats,
    position: Floats,
    trades: npt.NDArray[np.void],
    market_close: Floats,
    periods_per_year: float,
    *,
    risk_free: float = 0.0,
    tail: float = 0.05,
    turnover: float | None = None,
) -> dict[str, float]:
    """All metrics of one backtest, in the order of :data:`NAMES`.

    Args:
        equity: (T,) at each close from the first decision on; the first is the cash it began with.
        position: (T,) signed notional over equity at each close.
        trades: rows of ``trading.TRADE``.
        market_close, periods_per_year, risk_free: see :func:`from_tallies`.
        tail: part of the periods that VaR and CVaR look at: the worst 5 %.
        turnover: the kernel's sum over fills of notional over equity; None: see ``recounting``.

    Raises:
        UsageError: lengths differ, or a number is out of its bounds.

    >>> from barograph.strategies.trading import TRADE
    >>> equity = np.array([100.0, 110.0, 99.0, 108.9])
    >>> found = of(equity, np.ones(4), np.zeros(0, TRADE), equity, 4)
    >>> round(found["max_drawdown"], 9), round(found["total_return"], 9), found["profit_factor"]
    (-0.1, 0.089, nan)
    """
    lengths = {"equity": len(equity), "position": len(position), "market_close": market_close.shape[-1]}
    if len(set(lengths.values())) != 1 or not len(equity):
        raise UsageError(f"equity, position and market must be of the same bars, at least one: {lengths}")
    book = recount(equity, position, trades, simple_returns(market_close), turnover)
    found = from_tallies(
        book[None], market_close, periods_per_year, cash=float(equity[0]), risk_free=risk_free
    )
    tails = tail_losses(simple_returns(equity), tail)
    whole = {name: float(values[0]) for name, values in found.items()} | dict(zip(_TAILS, tails, strict=True))
    return {name: whole[name] for name in NAMES}


def tail_losses(returns: Floats, tail: float = 0.05) -> tuple[float, float]:
    """Historical value at risk and its conditional: negative returns per period, NaN without any.

    VaR is the return that at most ``tail`` of all are below; CVaR the mean of the worst ``tail`` of all, of
    the return at their edge the part that belongs to it (Rockafellar and Uryasev 2002; Acerbi and Tasche
    2002). Nothing is interpolated.

    Raises:
        UsageError: ``tail`` is not between 0 and 1.

    >>> tail_losses(np.array([-0.04, -0.02, 0.01, 0.03]), tail=0.375)
    (-0.02, -0.03333333333333333)
    """
    if not 0 < tail < 1:
        raise UsageError(f"tail is {tail}; it is a part of the periods, such as 0.05")
    if not len(returns):
        return math.nan, math.nan
    among = tail * len(returns)
    # 0.05 * 20 must be one return, not a hair more.
    worst = max(math.ceil(among * (1 - 1e-12)), 1)
    ordered = np.sort(np.partition(returns, worst - 1)[:worst])
    edge = float(ordered[-1])
    beyond = float(np.sum(ordered[:-1]))
    return edge, (beyond + (among - (worst - 1)) * edge) / among


def _check(periods_per_year: float, cash: float, risk_free: float) -> None:
    for name, value in (("periods_per_year", periods_per_year), ("cash", cash)):
        if not 0 < value < math.inf:
            raise UsageError(f"{name} is {value}; it must be above 0 and finite")
    if not -1 < risk_free < math.inf:
        raise UsageError(f"risk_free is {risk_free}; it is a yearly rate above -1, such as 0.03 for 3 %")


def _per_period(yearly: float, periods_per_year: float) -> float:
    return math.expm1(math.log1p(yearly) / periods_per_year)


def _summed(market: Floats) -> _Market:
    n = len(market)
    variance = float(np.var(market, ddof=1)) if n > 1 else math.nan
    return _Market(
        float(np.mean(market)) if n else math.nan, variance, float(np.expm1(np.log1p(market).sum()))
    )


def _growth(books: Floats, cash: float, periods_per_year: float) -> dict[str, Floats]:
    equity = books[:, tally.EQUITY]
    years = np.where(books[:, tally.RETURNS] > 0, books[:, tally.RETURNS] / periods_per_year, np.nan)
    return {
        "total_return": equity / cash - 1,
        # Who has lost everything has lost it at any rate; a power of a debt says nothing.
        "cagr": np.where(equity > 0, np.expm1(np.log(equity / cash) / years), -1.0),
        "final_equity": equity,
        "max_drawdown": books[:, tally.DRAWDOWN],
        "max_drawdown_duration": books[:, tally.LONGEST],
        "fees": books[:, tally.FEES],
        "turnover": books[:, tally.TURNOVER] / years,
    }


def _risk(books: Floats, periods_per_year: float, risk_free: float) -> dict[str, Floats]:
    n = books[:, tally.RETURNS]
    mean, mean_2, mean_3, mean_4 = (books[:, tally.SUM_1 + k] / n for k in range(4))
    moved = _moved(mean, mean_2)
    deviation = np.sqrt(np.maximum(mean_2 - mean * mean, 0.0) * n / (n - 1))
    downside = np.sqrt(books[:, tally.DOWN_2] / n)
    square = mean * mean
    third = mean_3 - 3 * mean * mean_2 + 2 * mean * square
    fourth = mean_4 - 4 * mean * mean_3 + 6 * square * mean_2 - 3 * square * square
    yearly = math.sqrt(periods_per_year)
    return {
        "volatility": deviation * yearly,
        "sharpe_ratio": (mean - risk_free) / np.sqrt(moved * n / (n - 1)) * yearly,
        "sortino_ratio": mean / downside * yearly,
        "skewness": third / (moved * np.sqrt(moved)),
        "kurtosis": fourth / (moved * moved),
    }


def _moved(mean: Floats, mean_2: Floats) -> Floats:
    """Variances (ddof 0), NaN where the numbers are all the same: a ratio to nothing is no merit."""
    spread = mean_2 - mean * mean
    return np.where(spread > _NOTHING_MOVED * mean_2, spread, np.nan)


def _against(books: Floats, market: _Market, periods_per_year: float, risk_free: float) -> dict[str, Floats]:
    """Compared with buying at the first close and holding."""
    n = books[:, tally.RETURNS]
    mean = books[:, tally.SUM_1] / n
    covariance = (books[:, tally.CROSS] - n * mean * market.mean) / (n - 1)
    beta = covariance / (market.variance or math.nan)
    excess = mean - risk_free - beta * (market.mean - risk_free)
    return {
        "market_return": np.full(len(books), market.total),
        "beta": beta,
        "alpha": excess * periods_per_year,
    }


def _trading(books: Floats) -> dict[str, Floats]:
    n, trades, wins = (books[:, k] for k in (tally.RETURNS, tally.TRADES, tally.WINS))
    profit, loss = books[:, tally.GROSS_PROFIT], books[:, tally.GROSS_LOSS]
    mean = books[:, tally.TRADE_RETURNS] / trades
    mean_2 = books[:, tally.TRADE_RETURNS_2] / trades
    deviation = np.sqrt(_moved(mean, mean_2) * trades / (trades - 1))
    return {
        "num_trades": trades,
        "win_rate": wins / trades,
        "win_rate_periods": books[:, tally.RISES] / (books[:, tally.RISES] + books[:, tally.FALLS]),
        "profit_factor": profit / loss,
        "payoff_ratio": (profit / wins) / (loss / (trades - wins)),
        "expectancy": (profit - loss) / trades,
        "average_trade": mean,
        "best_trade": books[:, tally.BEST],
        "worst_trade": books[:, tally.WORST],
        "average_holding": books[:, tally.HOLDING] / trades,
        "system_quality": np.sqrt(trades) * mean / deviation,
        "exposure": books[:, tally.HELD] / n,
        "net_exposure": books[:, tally.EXPOSURE] / n,
    }
