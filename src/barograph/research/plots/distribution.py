"""One figure of all strategies, and where the chosen one stands."""

from __future__ import annotations

import numpy as np

from barograph.research.plots.cloud import spread
from barograph.research.plots.scale import PLAIN, Unit
from barograph.research.plots.svg import HALF, Plot, bars, drawing, plot, segment, text, x_axis, y_axis
from barograph.rows import Floats

_SIZE = (HALF, 270.0)


def draw(
    values: Floats,
    winner: float,
    name: str,
    *,
    luck: float | None = None,
    winner_name: str = "selected",
    luck_name: str = "best expected of luck alone",
    unit: Unit = PLAIN,
) -> str:
    """Histogram of ``values`` (N,) with the winner marked, and the best that luck alone is expected to show.

    NaN is left out; far values stand in the outermost columns.
    """
    known = values[np.isfinite(values)]
    low, high = spread(known, [v for v in (winner, luck) if v is not None])
    edges = np.linspace(low, high, _bins(len(known)) + 1)
    counts = np.histogram(known.clip(low, high), edges)[0].astype(np.float64)
    p = plot(_SIZE, (low, high), (0.0, max(float(counts.max()), 1.0) * 1.34), margin=(10.0, 12.0, 42.0, 52.0))
    titles = [
        f"{unit.write(a)} to {unit.write(b)}: {int(n):,} strategies"
        for a, b, n in zip(edges, edges[1:], counts, strict=False)
    ]
    parts = [y_axis(p, least=1.0), bars(p, edges, counts, "bm", titles)]
    if luck is not None and np.isfinite(luck):
        parts.append(_mark(p, luck, luck_name, "x", "c", p.top + 12))
    if np.isfinite(winner):
        parts.append(_mark(p, winner, winner_name, "w", "e", p.top + 29))
    parts.append(x_axis(p, name, unit.axis))
    words = f"Histogram of {name} of {len(known):,} strategies; the selected one has {unit.write(winner)}."
    return drawing(_SIZE, words, parts)


def _bins(n: int) -> int:
    return int(np.clip(2 * np.sqrt(n), 12, 60))


def _mark(p: Plot, value: float, words: str, kind: str, text_kind: str, level: float) -> str:
    at = p.x.at(value)
    left_half = at > (p.left + p.right) / 2
    label = text(at - 6 if left_half else at + 6, level, words, text_kind, "end" if left_half else "")
    return segment(at, level - 9, at, p.bottom, kind) + label
