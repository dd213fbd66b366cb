"""A figure that is computed again and again over the last stretch."""

from __future__ import annotations

import numpy as np

from barograph.research.plots.scale import bounds, number_format, percent_format
from barograph.research.plots.svg import HALF, border, drawing, legend, line, plot, segment, time_axis, y_axis
from barograph.rows import Floats, Ints


def draw(
    times_us: Ints,
    strategy: Floats,
    market: Floats,
    name: str,
    *,
    percent: bool = False,
    border_us: int | None = None,
) -> str:
    """Rolling values (T,) of strategy and market; NaN where the window is not full yet."""
    p = plot(
        (HALF, 230.0),
        (float(times_us[0]), float(times_us[-1])),
        bounds(np.concatenate([strategy, market]), zero=True, pad=0.14),
    )
    at = times_us.astype(np.float64)
    parts = [
        y_axis(p, percent_format if percent else number_format),
        border(p, border_us, named=False),
        segment(p.left, p.y.at(0.0), p.right, p.y.at(0.0), "z"),
        line(p, at, market, "mf"),
        line(p, at, strategy, "s"),
        time_axis(p, 6),
        legend(p, [("s", "strategy"), ("mf", "market")]),
    ]
    known = strategy[np.isfinite(strategy)]
    shown = (
        "none is known" if not len(known) else f"median {np.median(known):.3g}, at the end {known[-1]:.3g}"
    )
    return drawing((HALF, 230.0), f"{name}, rolling: {shown}.", parts)
