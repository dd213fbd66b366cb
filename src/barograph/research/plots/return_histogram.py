"""How often which return came."""

from __future__ import annotations

import numpy as np

from barograph.research.plots.cloud import spread
from barograph.research.plots.scale import percent_format
from barograph.research.plots.svg import (
    HALF,
    bars,
    drawing,
    legend,
    line,
    plot,
    segment,
    text,
    x_axis,
    y_axis,
)
from barograph.rows import Floats

_BINS = 61


def draw(returns: Floats, unit: str, value_at_risk: float | None = None) -> str:
    """Histogram of simple returns (n,), with the normal distribution of the same two moments.

    Args:
        unit: what one return covers, such as "day".
        value_at_risk: the 5 % quantile, a negative number, marked where given.
    """
    low, high = spread(returns)
    edges = np.linspace(low, high, _BINS + 1)
    counts = np.histogram(returns.clip(low, high), edges)[0].astype(np.float64)
    middle = (edges[1:] + edges[:-1]) / 2
    mean, deviation = float(np.mean(returns)), float(np.std(returns, ddof=1))
    normal = _normal(middle, mean, deviation) * len(returns) * (edges[1] - edges[0])
    p = plot((HALF, 250.0), (low, high), (0.0, float(max(counts.max(), normal.max())) * 1.08))
    titles = [f"{a:.2%} to {b:.2%}: {int(n):,}" for a, b, n in zip(edges, edges[1:], counts, strict=False)]
    parts = [
        y_axis(p, least=1.0),
        bars(p, edges, np.where(middle < 0, counts, 0.0), "bl", titles),
        bars(p, edges, np.where(middle < 0, 0.0, counts), "bs", titles),
        line(p, middle, normal, "m"),
        x_axis(p, form=percent_format),
        legend(p, [("m", "normal")]),
    ]
    if value_at_risk is not None and low < value_at_risk < high:
        at = p.x.at(value_at_risk)
        parts += [
            segment(at, p.top + 8, at, p.bottom, "d"),
            text(at - 5, p.top + 16, "5 % worst", "c", "end"),
        ]
    words = f"{len(returns):,} returns per {unit}: mean {mean:.3%}, standard deviation {deviation:.2%}."
    return drawing((HALF, 250.0), words, parts)


def _normal(x: Floats, mean: float, deviation: float) -> Floats:
    if deviation <= 0.0:
        return np.zeros_like(x)
    z = (x - mean) / deviation
    density: Floats = np.exp(-0.5 * z * z) / (deviation * np.sqrt(2 * np.pi))
    return density
