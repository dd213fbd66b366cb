"""Return of each calendar year, beside the market's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from barograph.research.plots.scale import Scale, bounds, percent_format
from barograph.research.plots.svg import HALF, Plot, box, drawing, legend, plot, segment, text, y_axis
from barograph.rows import Floats


def draw(years: Sequence[int], strategy: Floats, market: Floats) -> str:
    """Two bars a year; returns (Y,) as fractions."""
    low, high = bounds(np.concatenate([strategy, market]), zero=True, pad=0.12)
    p = plot((HALF, 250.0), (0.0, float(len(years))), (low, high))
    parts = [y_axis(p, percent_format)]
    parts += [_pair(p, i, year, float(strategy[i]), float(market[i])) for i, year in enumerate(years)]
    every = max(1, -(-len(years) // 8))
    parts += [
        text(p.x.at(i + 0.5), p.bottom + 16, str(year), "n", "middle")
        for i, year in enumerate(years)
        if (len(years) - 1 - i) % every == 0
    ]
    parts.append(segment(p.left, p.y.at(0.0), p.right, p.y.at(0.0), "z"))
    parts.append(legend(p, [("s", "strategy"), ("m", "market")]))
    worst = years[int(np.argmin(strategy))]
    words = f"Return of each year; the strategy's worst is {worst} with {np.min(strategy):.1%}."
    return drawing((HALF, 250.0), words, parts)


def _pair(p: Plot, i: int, year: int, strategy: float, market: float) -> str:
    title = f"{year}: strategy {strategy:.1%}, market {market:.1%}"
    wide = min((p.right - p.left) / (p.x.high - p.x.low) * 0.38, 26.0)
    middle = p.x.at(i + 0.5)
    kind = "bs" if strategy >= 0 else "bl"
    return _bar(p.y, middle - wide, wide, strategy, kind, title) + _bar(
        p.y, middle, wide, market, "bm", title
    )


def _bar(y: Scale, left: float, width: float, value: float, kind: str, title: str) -> str:
    top, zero = y.at(value), y.at(0.0)
    return box(left + 0.5, min(top, zero), max(width - 1.0, 0.8), abs(zero - top), kind, title)
