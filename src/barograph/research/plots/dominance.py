"""Is choosing by the past better than choosing at random?"""

from __future__ import annotations

import numpy as np

from barograph.research.outcome import Overfitting
from barograph.research.plots.scale import percent_format
from barograph.research.plots.svg import HALF, drawing, legend, line, plot, x_axis, y_axis

_SIZE = (HALF, 250.0)


def draw(found: Overfitting, annual: float) -> str:
    """Distribution functions of the out-of-sample ratio: of the chosen, and of all strategies.

    Where the chosen one's lies to the right of (below) the other, choosing helped: stochastic dominance
    of the first order.
    """
    grid = found.grid * annual
    p = plot(_SIZE, (float(grid[0]), float(grid[-1])), (0.0, 1.0), margin=(24.0, 12.0, 42.0, 52.0))
    parts = [
        y_axis(p, percent_format),
        line(p, grid, found.all_cdf, "m"),
        line(p, grid, found.chosen_cdf, "s"),
        x_axis(p, "out of sample, annual Sharpe ratio"),
        legend(p, [("s", "chosen"), ("m", "all")]),
    ]
    better = float(np.mean(found.chosen_cdf <= found.all_cdf))
    words = (
        f"Distribution of out-of-sample ratios; the chosen strategies dominate on {better:.0%} of the range."
    )
    return drawing(_SIZE, words, parts)
