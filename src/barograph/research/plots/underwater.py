"""How far below its highest point the equity is."""

from __future__ import annotations

import numpy as np

from barograph.research.plots.scale import percent_format
from barograph.research.plots.svg import WIDE, area, border, drawing, legend, line, plot, time_axis, y_axis
from barograph.rows import Floats, Ints


def draw(times_us: Ints, drawdown: Floats, market: Floats, border_us: int | None = None) -> str:
    """Drawdowns (T,) of strategy and market as fractions, 0 or below."""
    deepest = min(float(np.nanmin(drawdown)), float(np.nanmin(market)), -0.001)
    p = plot((WIDE, 190.0), (float(times_us[0]), float(times_us[-1])), (deepest * 1.05, 0.0))
    at = times_us.astype(np.float64)
    parts = [
        y_axis(p, percent_format, 4),
        border(p, border_us, named=False),
        area(p, at, drawdown, "fs"),
        line(p, at, market, "mf"),
        line(p, at, drawdown, "s"),
        time_axis(p),
        legend(p, [("s", "strategy"), ("mf", "holding the market")]),
    ]
    lowest = f"{np.nanmin(drawdown):.1%}, of the market {np.nanmin(market):.1%}"
    words = f"Drawdown from the highest point so far; the deepest is {lowest}."
    return drawing((WIDE, 190.0), words, parts)
