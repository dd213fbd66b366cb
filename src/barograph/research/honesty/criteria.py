"""What strategies can be selected by when nothing but their returns is at hand.

Walk-forward and cross-validation select anew on parts of the data, where there are no trades to look
at, only returns per period. Names and definitions are those of ``research.metrics``; ratios are per
period unless ``periods_per_year`` is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from barograph.errors import UsageError
from barograph.rows import Floats, Ints

Criterion = Callable[[Floats, float], Floats]
"""Returns (P, N) and periods per year -> one number a strategy, (N,): more is better, NaN where undefined."""


_NOTHING_MOVED = 1e-12
"""Variance over mean square below which returns are one and the same number, but for rounding."""


def stand_in(metric: str) -> str:
    """``metric`` where returns alone tell it, else what comes nearest: they know nothing of trades.

    >>> stand_in("cagr"), stand_in("win_rate"), stand_in("expectancy")
    ('cagr', 'win_rate_periods', 'sharpe_ratio')
    """
    if metric == "win_rate":
        return "win_rate_periods"
    return metric if metric in CRITERIA else "sharpe_ratio"


def _ratio(over: Floats, under: Floats) -> Floats:
    ratio: Floats = np.full(len(over), math.nan)
    np.divide(over, under, out=ratio, where=under > 0)
    return ratio


def _equity(returns: Floats) -> Floats:
    grown: Floats = np.multiply.accumulate(1 + returns, axis=0)
    return grown


def total_return(returns: Floats, periods_per_year: float) -> Floats:  # noqa: ARG001 (all have the same form)
    """Equity at the end / equity at the start - 1."""
    total: Floats = np.prod(1 + returns, axis=0) - 1
    return total


def cagr(returns: Floats, periods_per_year: float) -> Floats:
    """Growth per year if it were the same in each; -1 once everything is lost."""
    end = np.maximum(1 + total_return(returns, periods_per_year), 0.0)
    growth: Floats = end ** (periods_per_year / len(returns)) - 1
    return growth


def sharpe_ratio(returns: Floats, periods_per_year: float) -> Floats:
    """Mean / standard deviation (ddof 1); NaN for those that never change."""
    spread = returns.std(axis=0, ddof=1)
    spread[spread**2 <= _NOTHING_MOVED * (returns**2).mean(axis=0)] = 0.0
    return _ratio(returns.mean(axis=0), spread) * math.sqrt(periods_per_year)


def sortino_ratio(returns: Floats, periods_per_year: float) -> Floats:
    """Mean / root mean square of the losses over all periods; NaN without a loss."""
    losses = np.minimum(returns, 0.0)
    return _ratio(returns.mean(axis=0), np.sqrt((losses**2).mean(axis=0))) * math.sqrt(periods_per_year)


def max_drawdown(returns: Floats, periods_per_year: float) -> Floats:  # noqa: ARG001
    """The deepest fall of the equity from its highest level before, as a negative number."""
    equity = _equity(returns)
    peak = np.maximum(np.maximum.accumulate(equity, axis=0), 1.0)
    deepest: Floats = (equity / peak - 1).min(axis=0)
    return deepest


def calmar_ratio(returns: Floats, periods_per_year: float) -> Floats:
    """Growth per year / depth of the deepest fall; NaN without a fall."""
    return _ratio(cagr(returns, periods_per_year), -max_drawdown(returns, periods_per_year))


def win_rate_periods(returns: Floats, periods_per_year: float) -> Floats:  # noqa: ARG001
    """Part of the periods with a return other than 0 in which it is above 0; NaN without any."""
    return _ratio((returns > 0).sum(axis=0).astype(np.float64), (returns != 0).sum(axis=0).astype(np.float64))


CRITERIA: Mapping[str, Criterion] = {
    made.__name__: made
    for made in (
        sharpe_ratio,
        sortino_ratio,
        calmar_ratio,
        total_return,
        cagr,
        max_drawdown,
        win_rate_periods,
    )
}


def criterion(name: str) -> Criterion:
    """The criterion of that name.

    ``win_rate``, which is of trades, is stood in for by ``win_rate_periods``.

    Raises:
        UsageError: it cannot be computed from returns alone.
    """
    found = CRITERIA.get("win_rate_periods" if name == "win_rate" else name)
    if found is None:
        raise UsageError(f"{name} cannot be computed from returns alone; choose one of {', '.join(CRITERIA)}")
    return found


def best(scores: Floats) -> int:
    """Index of the highest score, the first of equals; NaN loses to every number."""
    order: Ints = np.where(np.isnan(scores), -math.inf, scores)
    return int(np.argmax(order))
