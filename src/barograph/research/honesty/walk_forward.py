"""Walk-forward analysis (Pardo 1992): select on the past, trade what comes next, move on, and so on.

Training may begin at the first period always (*anchored*) or move along (*rolling*). A test window is
seen by nobody before it is traded: what is selected for it hangs on earlier periods only.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from barograph.errors import DataError, UsageError
from barograph.research.honesty.criteria import best, criterion
from barograph.research.outcome import Sweep, WalkForward
from barograph.rows import Floats


class Window(NamedTuple):
    """Periods ``train`` to ``test`` are for selecting, ``test`` to ``stop`` for trading."""

    train: int
    test: int
    stop: int


def windows(periods: int, count: int, train: float, *, anchored: bool) -> tuple[Window, ...]:
    """Cut ``periods`` into ``count`` test windows, as equal as can be, after the first ``train`` of them.

    >>> windows(12, 2, 0.5, anchored=False)
    (Window(train=0, test=6, stop=9), Window(train=3, test=9, stop=12))

    Raises:
        UsageError: ``train`` is not between 0 and 1, or no window is asked for.
        DataError: a test window would have fewer than 3 periods.
    """
    if not (0 < train < 1 and count >= 1):
        raise UsageError(
            f"{count} windows after training on {train} of the data; use 1 or more, and 0 < train < 1"
        )
    first = round(periods * train)
    if (periods - first) // count < 3 or first < 3:
        raise DataError(
            f"{periods} periods are too few for {count} test windows; at least 3 must fall in each"
        )
    edges = [first + (periods - first) * i // count for i in range(count + 1)]
    return tuple(Window(0 if anchored else test - first, test, stop) for test, stop in pairwise(edges))


def walk_forward(
    sweep: Sweep,
    *,
    anchored: bool,
    select_by: str = "sharpe_ratio",
    count: int = 8,
    train: float = 1 / 3,
    periods_per_year: float = 1.0,
) -> WalkForward:
    """Select by ``select_by`` before each test window, and measure the same in it.

    The returns are those of the sweep: the cost of going from one chosen strategy to the next,
    at most a round trip a window, is not in them.

    Args:
        sweep: all strategies on all periods.
        anchored: training begins at the first period always.
        select_by: see ``criteria``.
        count: W, test windows.
        train: part of the data before the first of them.
        periods_per_year: of the sweep's periods, to annualise ratios.

    Returns:
        ``efficiency`` is NaN where the mean in sample is not above 0. Windows in which the metric is
        undefined (the chosen one did not trade) do not count in the means.

    Raises:
        UsageError, DataError: see ``windows`` and ``criteria.criterion``.
    """
    score = criterion(select_by)
    cut = windows(len(sweep.returns), count, train, anchored=anchored)
    chosen = np.empty(len(cut), dtype=np.int64)
    inside, outside = np.empty(len(cut)), np.empty(len(cut))
    for i, window in enumerate(cut):
        scores = score(sweep.returns[window.train : window.test], periods_per_year)
        chosen[i] = best(scores)
        inside[i] = scores[chosen[i]]
        outside[i] = score(sweep.returns[window.test : window.stop, [chosen[i]]], periods_per_year)[0]
    tested = [sweep.returns[w.test : w.stop, which] for w, which in zip(cut, chosen, strict=True)]
    return WalkForward(
        anchored=anchored,
        starts_us=sweep.period_ends_us[[window.test - 1 for window in cut]],
        ends_us=sweep.period_ends_us[[window.stop - 1 for window in cut]],
        chosen=tuple(sweep.strategies[which].id for which in chosen),
        in_sample=inside,
        out_of_sample=outside,
        returns=np.concatenate(tested),
        efficiency=_efficiency(inside, outside),
    )


def _efficiency(inside: Floats, outside: Floats) -> float:
    known = np.isfinite(inside) & np.isfinite(outside)
    if not known.any() or inside[known].mean() <= 0:
        return math.nan
    return float(outside[known].mean() / inside[known].mean())
