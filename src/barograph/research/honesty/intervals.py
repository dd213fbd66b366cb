"""How far each metric could have been otherwise: stationary-bootstrap intervals.

The history is drawn again many times, in blocks of random length so that its short memory stays
(Politis and Romano 1994), and every metric is computed anew each time, by the very formulas of
``research.metrics``. The block length is found from the data (see ``stationary.block_lengths``).

The Sharpe ratio's interval is studentised: each draw's deviation is measured in that draw's own
standard error, which keeps the promised level better than plain percentiles (Ledoit and Wolf 2008). The
others are percentiles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barograph.compiled import compiled
from barograph.errors import DataError, UsageError
from barograph.research import metrics
from barograph.research.honesty.stationary import block_lengths, bootstrap_variance
from barograph.rows import Floats, Ints
from barograph.strategies import tally
from barograph.strategies.trading import REASONS

OF_RETURNS = (
    "total_return",
    "sharpe_ratio",
    "max_drawdown",
    "cagr",
    "volatility",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown_duration",
    "win_rate_periods",
    "skewness",
    "kurtosis",
    "value_at_risk",
    "conditional_value_at_risk",
)
OF_MARKET = ("alpha", "beta")
OF_TRADES = (
    "win_rate",
    "profit_factor",
    "payoff_ratio",
    "expectancy",
    "average_trade",
    "average_holding",
    "system_quality",
)
"""The best and the worst trade are not among them: no draw can hold a better one than the history."""
LEAST = 8
"""Periods, or closed trades, below which no interval is given: there is no telling how long they remember."""
_DEFINED = 0.9

# What a draw is summed up in: what goes into its book, then the market, then products of the blocks'
# sums of 1, z, z^2. Numbers of our own, not the book's: compiled code on disk is told by this room's files.
_R1, _R2, _R3, _R4, _DOWN, _CROSS, _RISES, _FALLS, _EQUITY, _PEAK, _DRAWDOWN, _UNDERWATER, _LONGEST = range(
    13
)
_IN_BOOK = [
    tally.SUM_1,
    tally.SUM_2,
    tally.SUM_3,
    tally.SUM_4,
    tally.DOWN_2,
    tally.CROSS,
    tally.RISES,
    tally.FALLS,
    tally.EQUITY,
    tally.PEAK,
    tally.DRAWDOWN,
    tally.UNDERWATER,
    tally.LONGEST,
]
_M1, _M2, _NN, _N1, _N2, _11, _12, _22 = range(13, 21)
_SUMS = 21


class Resampling(NamedTuple):
    """How the intervals are drawn.

    Attributes:
        level: part of the intervals that hold the true value, in the long run.
        repetitions: how often history is drawn again.
        seed: of chance; the same gives the same bits.
        block: mean length of the blocks in periods; None: from the data.
    """

    level: float = 0.95
    repetitions: int = 1000
    seed: int = 0
    block: float | None = None


DEFAULT = Resampling()


def intervals(
    returns: Floats,
    periods_per_year: float,
    *,
    market: Floats | None = None,
    trades: npt.NDArray[np.void] | None = None,
    risk_free: float = 0.0,
    resampling: Resampling = DEFAULT,
) -> Mapping[str, tuple[float, float]]:
    """Lower and upper end for each metric of the returns, of the market beside them, and of the trades.

    Periods are drawn together with the market's. Trades are drawn as a series of their own, in their
    order of entry; those still open are left out. Draws in which a metric is undefined are left out of its
    interval; where fewer than nine in ten are left it is NaN. A drawdown's interval is that of histories
    like this one: it need not lie around the one seen.

    >>> import numpy as np
    >>> found = intervals(np.random.default_rng(1).normal(0.001, 0.01, 500), 252)
    >>> low, high = found["sharpe_ratio"]
    >>> low < 1.6 < high
    True

    Args:
        returns: (T,) simple returns of the equity, T >= 8.
        periods_per_year: for annual figures.
        market: (T,) the market's returns; None: no alpha and beta.
        trades: rows of ``trading.TRADE``; None, or fewer than 8 closed: nothing about trades.
        risk_free: yearly rate, in the Sharpe ratio and alpha.

    Returns:
        By metric, in the order of ``metrics.NAMES``.

    Raises:
        DataError: too few returns, or one that is unknown.
        UsageError: a setting out of its bounds.
    """
    _check(returns, market, resampling)
    drawn = replicates(
        returns, periods_per_year, market=market, trades=trades, risk_free=risk_free, resampling=resampling
    )
    found = {name: _percentile(values, resampling.level) for name, values in drawn.metrics.items()}
    found["sharpe_ratio"] = _studentised(returns, periods_per_year, risk_free, drawn, resampling.level)
    return {name: found[name] for name in metrics.NAMES if name in found}


class Replicates(NamedTuple):
    """All draws.

    Attributes:
        metrics: by name, (B,); NaN where a draw leaves it undefined.
        sharpe_error: (B,) standard error of the draw's annual Sharpe ratio, from its blocks.
        block: mean length of the blocks.
    """

    metrics: Mapping[str, Floats]
    sharpe_error: Floats
    block: float


def replicates(
    returns: Floats,
    periods_per_year: float,
    *,
    market: Floats | None = None,
    trades: npt.NDArray[np.void] | None = None,
    risk_free: float = 0.0,
    resampling: Resampling = DEFAULT,
) -> Replicates:
    """Every metric in every draw; see :func:`intervals`."""
    _check(returns, market, resampling)
    n, times = len(returns), resampling.repetitions
    block = _block(returns) if resampling.block is None else resampling.block
    rng = np.random.default_rng(resampling.seed)
    beside = np.zeros(n) if market is None else np.ascontiguousarray(market, dtype=np.float64)
    sums, tails = np.zeros((times, _SUMS)), np.empty((times, 2))
    sums[:, [_EQUITY, _PEAK]] = 1.0
    history = np.ascontiguousarray(returns, dtype=np.float64)
    centre, scale = float(history.mean()), float(history.std(ddof=1)) or 1.0
    redrawn = np.empty(n)
    for k in range(times):
        starts, lengths = blocks(n, block, rng)
        _redraw(history, beside, starts, lengths, (centre, scale), redrawn, sums[k])
        tails[k] = metrics.tail_losses(redrawn)
    books = tally.new_books(times, 1.0)
    books[:, tally.RETURNS] = n
    books[:, _IN_BOOK] = sums[:, : len(_IN_BOOK)]
    names: tuple[str, ...] = OF_RETURNS
    closed = None if trades is None else trades[trades["reason"] != REASONS.index("open")]
    if closed is not None and len(closed) >= LEAST:
        _redraw_trades(closed, books, rng)
        names += OF_TRADES
    found = metrics.from_tallies(books, np.ones(n + 1), periods_per_year, cash=1.0, risk_free=risk_free)
    found |= {"value_at_risk": tails[:, 0], "conditional_value_at_risk": tails[:, 1]}
    if market is not None:
        found |= _against(sums, n, periods_per_year, risk_free)
        names += OF_MARKET
    error = _block_error(found["sharpe_ratio"] / math.sqrt(periods_per_year), sums, n, (centre, scale))
    return Replicates({name: found[name] for name in names}, error * math.sqrt(periods_per_year), block)


def blocks(periods: int, block: float, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Starts and lengths of the blocks of one draw; they go round the end, and add up to ``periods``.

    Lengths are geometric with mean ``block``, starts anywhere with the same probability.
    """
    expected = periods / block
    wide = math.ceil(expected + 4 * math.sqrt(expected) + 4)
    lengths = rng.geometric(1 / block, wide)
    while lengths.sum() < periods:
        lengths = np.concatenate([lengths, rng.geometric(1 / block, wide)])
    ends = np.cumsum(lengths)
    needed = int(np.searchsorted(ends, periods)) + 1
    lengths = lengths[:needed].astype(np.int64)
    lengths[-1] -= int(ends[needed - 1]) - periods
    return rng.integers(0, periods, needed), lengths


@compiled
def _redraw(
    returns: Floats,
    market: Floats,
    starts: Ints,
    lengths: Ints,
    units: tuple[float, float],
    redrawn: Floats,
    sums: Floats,
) -> None:
    """One draw: its returns and their sums. z is (r - mean) / deviation of the history."""
    n = len(returns)
    at = 0
    for j in range(len(starts)):
        row = starts[j]
        first = 0.0
        second = 0.0
        for _ in range(lengths[j]):
            r = returns[row]
            m = market[row]
            redrawn[at] = r
            at += 1
            row += 1
            if row == n:
                row = 0
            z = (r - units[0]) / units[1]
            first += z
            second += z * z
            sums[_R1] += r
            sums[_R2] += r * r
            sums[_R3] += r * r * r
            sums[_R4] += r * r * r * r
            sums[_CROSS] += r * m
            sums[_M1] += m
            sums[_M2] += m * m
            if r > 0:
                sums[_RISES] += 1
            elif r < 0:
                sums[_FALLS] += 1
                sums[_DOWN] += r * r
            equity = sums[_EQUITY] * (1 + r)
            sums[_EQUITY] = equity
            if equity >= sums[_PEAK]:
                sums[_PEAK] = equity
                sums[_UNDERWATER] = 0
            else:
                fallen = (equity - sums[_PEAK]) / sums[_PEAK]
                sums[_DRAWDOWN] = min(sums[_DRAWDOWN], fallen)
                sums[_UNDERWATER] += 1
                sums[_LONGEST] = max(sums[_LONGEST], sums[_UNDERWATER])
        length = float(lengths[j])
        sums[_NN] += length * length
        sums[_N1] += length * first
        sums[_N2] += length * second
        sums[_11] += first * first
        sums[_12] += first * second
        sums[_22] += second * second


def _redraw_trades(closed: npt.NDArray[np.void], books: Floats, rng: np.random.Generator) -> None:
    """The trades' part of the books, each from a draw of its own."""
    profit = closed["profit"].astype(np.float64)
    result = profit / (closed["entry_price"] * closed["quantity"])
    holding = (closed["exit_bar"] - closed["entry_bar"]).astype(np.float64)
    columns = (
        (tally.WINS, (profit > 0).astype(np.float64)),
        (tally.GROSS_PROFIT, np.maximum(profit, 0.0)),
        (tally.GROSS_LOSS, np.maximum(-profit, 0.0)),
        (tally.TRADE_RETURNS, result),
        (tally.TRADE_RETURNS_2, result * result),
        (tally.HOLDING, holding),
    )
    block = _block(result)
    books[:, tally.TRADES] = len(closed)
    for book in books:
        rows = _rows(*blocks(len(closed), block, rng), len(closed))
        for column, values in columns:
            book[column] = values[rows].sum()


def _rows(starts: Ints, lengths: Ints, n: int) -> Ints:
    """The rows of a draw, one after the other."""
    began = np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows: Ints = (np.repeat(starts, lengths) + np.arange(n) - began) % n
    return rows


def _against(sums: Floats, n: int, periods_per_year: float, risk_free: float) -> dict[str, Floats]:
    """Alpha and beta against the market as it was drawn, by the formulas of ``metrics``."""
    mean, market = sums[:, _R1] / n, sums[:, _M1] / n
    spread = sums[:, _M2] - n * market * market
    known = np.where(spread > 1e-12 * sums[:, _M2], spread, np.nan)
    beta = (sums[:, _CROSS] - n * mean * market) / known
    free = math.expm1(math.log1p(risk_free) / periods_per_year)
    return {"beta": beta, "alpha": (mean - free - beta * (market - free)) * periods_per_year}


def _block_error(sharpe: Floats, sums: Floats, n: int, units: tuple[float, float]) -> Floats:
    """Standard error of each draw's Sharpe ratio per period: its influence function, summed over blocks.

    The influence of a return z on SR = mean / deviation is (z - m) / s - SR ((z - m)^2 / s^2 - 1) / 2, which
    is linear in 1, z and z^2; the blocks are independent, so the variance of its mean is the sum of the
    squared block sums / T^2 (Goetze and Kuensch 1996).
    """
    mean_1 = sums[:, _R1] / n
    mean = (mean_1 - units[0]) / units[1]
    spread = np.maximum(sums[:, _R2] / n - mean_1 * mean_1, 0.0) / units[1] ** 2
    with np.errstate(all="ignore"):
        half = sharpe / (2 * spread)
        constant = -mean / np.sqrt(spread) - half * (mean * mean - spread)
        linear = 1 / np.sqrt(spread) + 2 * half * mean
        square = -half
        total = constant * constant * sums[:, _NN] + linear * linear * sums[:, _11]
        total += square * square * sums[:, _22]
        total += 2 * constant * (linear * sums[:, _N1] + square * sums[:, _N2])
        total += 2 * linear * square * sums[:, _12]
        return np.sqrt(np.maximum(total, 0.0)) / n


def _studentised(
    returns: Floats, periods_per_year: float, risk_free: float, drawn: Replicates, level: float
) -> tuple[float, float]:
    """The Sharpe ratio's interval: estimate - quantiles of (draw - estimate) / error x its own error."""
    n = len(returns)
    free = math.expm1(math.log1p(risk_free) / periods_per_year)
    mean, deviation = float(returns.mean()), float(returns.std(ddof=1))
    if deviation == 0:
        return math.nan, math.nan
    sharpe, z = (mean - free) / deviation, (returns - mean) / deviation
    influence = z - sharpe * (z * z - 1) / 2
    error = math.sqrt(float(bootstrap_variance(influence[:, None], drawn.block)[0]) / n)
    yearly = math.sqrt(periods_per_year)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = (drawn.metrics["sharpe_ratio"] - sharpe * yearly) / drawn.sharpe_error
    low, high = _percentile(np.where(np.isfinite(distance), distance, np.nan), level)
    return (sharpe - high * error) * yearly, (sharpe - low * error) * yearly


def _percentile(values: Floats, level: float) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if len(known) < _DEFINED * len(values):
        return math.nan, math.nan
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _block(series: Floats) -> float:
    return float(block_lengths(series[:, None])[0])


def _check(returns: Floats, market: Floats | None, resampling: Resampling) -> None:
    if len(returns) < LEAST:
        raise DataError(f"{len(returns)} returns are too few for intervals; at least {LEAST} are needed")
    if market is not None and len(market) != len(returns):
        raise UsageError(
            f"{len(market)} returns of the market beside {len(returns)}; they must be of the same periods"
        )
    for name, series in (("return", returns), ("market return", market)):
        if series is not None and not np.isfinite(series).all():
            raise DataError(
                f"{name} {int(np.argmin(np.isfinite(series)))} is not a number; mark equity at every close"
            )
    if not 0 < resampling.level < 1:
        raise UsageError(f"level is {resampling.level}; it is a probability, such as 0.95")
    if resampling.repetitions < 1:
        raise UsageError(f"repetitions is {resampling.repetitions}; it must be 1 or more, such as 1000")
    if resampling.block is not None and not 1 <= resampling.block <= len(returns):
        raise UsageError(f"a mean block of {resampling.block} periods; it must be 1 to {len(returns)}")
