"""All strategies in training against validation: does the order last?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from barograph.research.plots.cloud import cloud, spread
from barograph.research.plots.scale import PLAIN, Unit
from barograph.research.plots.svg import HALF, Plot, dot, drawing, plot, segment, text, x_axis, y_axis
from barograph.rows import Floats

_SIZE = (HALF, 270.0)


def draw(train: Floats, validation: Floats, winner: int, names: Sequence[str], unit: Unit = PLAIN) -> str:
    """One point a strategy: ``train`` across, ``validation`` up, both (N,); the line is where both are equal.

    ``names`` (N,) show when the pointer rests on a point.
    """
    marked = (float(train[winner]), float(validation[winner]))
    p = plot(
        _SIZE, spread(train, marked[:1]), spread(validation, marked[1:]), margin=(22.0, 12.0, 42.0, 58.0)
    )
    parts = [
        y_axis(p, unit.axis, name="validation"),
        _equal(p),
        cloud(p, train, validation, "pm", names),
        x_axis(p, "training", unit.axis),
    ]
    if np.isfinite(marked).all():
        at, up = p.x.at(marked[0]), p.y.at(marked[1])
        left = at > (p.left + p.right) / 2
        parts += [
            dot(at, up, "pw", f"selected: {names[winner]}" if names else "selected", 5.5),
            text(at - 9 if left else at + 9, up - 8, "selected", "e", "end" if left else ""),
        ]
    order = rank_correlation(train, validation)
    words = f"Training against validation of {len(train):,} strategies; rank correlation {order:.2f}."
    return drawing(_SIZE, words, parts)


def rank_correlation(x: Floats, y: Floats) -> float:
    """Spearman's (1904): the correlation of ranks, ties sharing theirs; NaN where there is no spread."""
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < 3:
        return float("nan")
    a, b = _ranks(x[known]), _ranks(y[known])
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0.0 else float("nan")


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: Floats = last - (counts - 1) / 2.0
    return middle[place]


def _equal(p: Plot) -> str:
    low, high = max(p.x.low, p.y.low), min(p.x.high, p.y.high)
    if low >= high:
        return ""
    return segment(p.x.at(low), p.y.at(low), p.x.at(high), p.y.at(high), "d", "equal in both")
