"""Does a better Sharpe ratio in sample give a better one out of sample?"""

from __future__ import annotations

import numpy as np

from barograph.research.outcome import Overfitting
from barograph.research.plots.cloud import cloud
from barograph.research.plots.scale import bounds
from barograph.research.plots.svg import HALF, Plot, drawing, plot, segment, text, x_axis, y_axis

_SIZE = (HALF, 250.0)


def draw(found: Overfitting, annual: float) -> str:
    """Winner's ratio of each split, in sample across, out of sample up, with the regression.

    ``annual`` turns a ratio per period into one per year (the root of periods per year).
    """
    x, y = found.in_sample * annual, found.out_of_sample * annual
    p = plot(_SIZE, bounds(x), bounds(y, zero=True), margin=(22.0, 12.0, 42.0, 52.0))
    parts = [
        y_axis(p, name="out of sample"),
        segment(p.left, p.y.at(0.0), p.right, p.y.at(0.0), "z"),
        cloud(p, x, y),
        _regression(p, found, annual),
        text(
            p.right - 4,
            p.top + 12,
            f"slope {found.slope:.2f}, R² {found.r_squared:.2f}".replace("-", "−"),
            "e",
            "end",
        ),
        x_axis(p, "in sample, annual Sharpe ratio"),
    ]
    words = (
        f"Sharpe ratio of the winner in and out of sample over {len(x):,} splits: slope {found.slope:.2f}; "
        f"it loses in {found.loss_probability:.1%} of them."
    )
    return drawing(_SIZE, words, parts)


def _regression(p: Plot, found: Overfitting, annual: float) -> str:
    ends = np.array([p.x.low, p.x.high])
    levels = (found.intercept * annual + found.slope * ends).clip(p.y.low, p.y.high)
    if found.slope and np.isfinite(found.slope):
        ends = (levels - found.intercept * annual) / found.slope
    if not np.isfinite(levels).all():
        return ""
    at, up = p.x(ends), p.y(levels)
    return segment(float(at[0]), float(up[0]), float(at[1]), float(up[1]), "w")
