"""Choosing the best strategy by a metric, and how far that metric falls afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from barograph.errors import DataError, UsageError
from barograph.rows import Floats, Ints

SMALLER_IS_BETTER = frozenset(
    {"volatility", "max_drawdown_duration", "turnover", "fees", "beta", "exposure", "average_holding"}
)
"""Metrics that are costs or risks told as positive numbers. Drawdowns are negative: larger is better."""

IN_POINTS = frozenset({"win_rate", "win_rate_periods", "exposure"})
"""Metrics that are shares of something: their falls are told in points."""

_TIES = ("num_trades", "total_return")


class Fall(NamedTuple):
    """How a metric changed from training to validation.

    Attributes:
        metric: its name.
        training, validation: its values, as compared.
        drop: training minus validation; for a metric of which less is better, the other way round.
        relative: ``drop`` over the training's absolute value; inf if that is 0 and it fell.
        limit: the fall above which it is called overfit.
        overfit: whether it fell further, or cannot be computed in validation.
    """

    metric: str
    training: float
    validation: float
    drop: float
    relative: float
    limit: float
    overfit: bool

    @property
    def in_points(self) -> bool:
        """Whether the limit is one of points, rather than relative."""
        return self.metric in IN_POINTS


def best(metrics: Mapping[str, Floats], by: str, min_trades: int = 1) -> int:
    """Index of the best strategy.

    Where several are equal: the one with more trades, then the higher return, then the first.

    Args:
        metrics: name -> (N,).
        by: the metric's name; NaN is never chosen.
        min_trades: closed trades needed.

    >>> import numpy as np
    >>> best({"win_rate": np.array([.5, 1, 1]), "num_trades": np.array([9., 1, 4])}, "win_rate")
    2

    Raises:
        UsageError: there is no such metric.
        DataError: no strategy has it, or none has enough trades.
    """
    values = column(metrics, by)
    trades = metrics.get("num_trades")
    for index in ranked(metrics, by):
        if trades is None or trades[index] >= min_trades:
            return int(index)
    raise DataError(
        f"none of {len(values)} strategies has a {by} and at least {min_trades} closed trades in "
        "training; give them more data, lower --min-trades, or choose by another metric with --select-by"
    )


def ranked(metrics: Mapping[str, Floats], by: str) -> Ints:
    """Indices of the strategies that have the metric ``by``, the best first; see :func:`best` for ties.

    Raises:
        UsageError: there is no such metric.
    """
    values = signed(by, column(metrics, by))
    keys = [np.nan_to_num(metrics[name], nan=-np.inf) for name in _TIES if name in metrics]
    # The last key decides first; the sort is stable, so what is equal in all stays in its order.
    order = np.lexsort([-key for key in (*reversed(keys), values)])
    return order[~np.isnan(values[order])]


def column(metrics: Mapping[str, Floats], by: str) -> Floats:
    """The values of the metric ``by``.

    Raises:
        UsageError: there is no such metric.
    """
    if by not in metrics:
        raise UsageError(f"no metric is called {by!r}; there are: {', '.join(metrics)}")
    return metrics[by]


def signed(by: str, values: Floats) -> Floats:
    """The values such that larger is better."""
    return -values if by in SMALLER_IS_BETTER else values


def fall(by: str, training: float, validation: float, limit: float) -> Fall:
    """How far the metric fell, and whether that is called overfit.

    In points for shares (``win_rate``); relative for others, to the *absolute* value in training: from -0.10
    to -0.12 is a fall of 20 %. From 0, any fall is infinite. A metric that validation does not have (no trade
    was closed) counts as overfit: what it promised was not seen again.

    >>> fall("win_rate", 0.80, 0.70, 0.15).overfit, fall("sharpe_ratio", 2.0, 1.5, 0.15).overfit
    (False, True)
    """
    drop = validation - training if by in SMALLER_IS_BETTER else training - validation
    relative = drop / abs(training) if training else _from_nothing(drop)
    compared = drop if by in IN_POINTS else relative
    # Limits are told in decimals: 0.85 - 0.70 is a fall of 0.15, whatever the binary digits say.
    overfit = math.isnan(compared) or compared > limit + 1e-12
    return Fall(by, training, validation, drop, relative, limit, overfit)


def _from_nothing(drop: float) -> float:
    return math.copysign(math.inf, drop) if drop else 0.0


def over_equal_time(by: str, value: float, years: float, wanted: float) -> float:
    """A metric that grows with time, brought from ``years`` to ``wanted`` years; others as they are.

    A training part is longer than what follows: its total return is compounded down, its counts are scaled.
    """
    if by == "total_return" and years > 0 and value > -1:
        return math.expm1(math.log1p(value) * (wanted / years))
    if by in ("num_trades", "turnover", "fees") and years > 0:
        return value * (wanted / years)
    return value
