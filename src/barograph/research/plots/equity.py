"""What became of 1, in the strategy and in the market."""

from __future__ import annotations

import numpy as np

from barograph.research.plots.scale import bounds, log_bounds
from barograph.research.plots.svg import (
    WIDE,
    Plot,
    border,
    drawing,
    legend,
    line,
    plot,
    strips,
    time_axis,
    y_axis,
)
from barograph.rows import Floats, Ints

_STRIPS = 120


def draw(times_us: Ints, equity: Floats, market: Floats, border_us: int | None = None) -> str:
    """Growth of 1; on a logarithmic scale unless something fell to 0 or below.

    Args:
        times_us: (T,) starts of the bars.
        equity, market: (T,) each beginning near 1; NaN is left out.
        border_us: where validation begins.
    """
    both = np.concatenate([equity, market])
    levels = log_bounds(both)
    p = plot(
        (WIDE, 330.0),
        (float(times_us[0]), float(times_us[-1])),
        levels or bounds(both),
        log=(False, levels is not None),
    )
    at = times_us.astype(np.float64)
    parts = [
        y_axis(p),
        border(p, border_us),
        line(p, at, market, "m"),
        line(p, at, equity, "s"),
        time_axis(p),
        legend(p, [("s", "strategy"), ("m", "holding the market")]),
        _hover(p, times_us, equity, market),
    ]
    return drawing((WIDE, 330.0), _words(times_us, equity, market), parts)


def _hover(p: Plot, times_us: Ints, equity: Floats, market: Floats) -> str:
    rows = np.unique(np.linspace(0, len(times_us) - 1, min(_STRIPS, len(times_us)) + 1).astype(np.int64))
    names = [
        f"{np.datetime64(int(times_us[i]), 'us').astype('datetime64[D]')}: strategy {equity[i]:.3g}, "
        f"market {market[i]:.3g}"
        for i in rows[1:]
    ]
    return strips(p, times_us[rows], names)


def _words(times_us: Ints, equity: Floats, market: Floats) -> str:
    first, last = (str(np.datetime64(int(t), "us").astype("datetime64[D]")) for t in times_us[[0, -1]])
    return (
        f"Growth of 1 from {first} to {last}: the strategy ends at {equity[-1]:.3g}, "
        f"holding the market at {market[-1]:.3g}."
    )
