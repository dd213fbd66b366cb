"""The more is tried, the better the best looks."""

from __future__ import annotations

import numpy as np

from barograph.research.plots.scale import bounds
from barograph.research.plots.svg import HALF, Plot, dot, drawing, line, plot, segment, text, x_axis, y_axis
from barograph.rows import Floats

_SIZE = (HALF, 250.0)


def draw(sharpe: float, counts: Floats, expected: Floats, marks: dict[str, tuple[float, float]]) -> str:
    """Expected best ratio of luck against the number of tries, on a logarithmic scale.

    Args:
        sharpe: the winner's, per year.
        counts, expected: (n,) tries and the expected maximum, per year.
        marks: name -> (tries, expected maximum), such as what the ledger counted.
    """
    p = plot(
        _SIZE,
        (float(counts[0]), float(counts[-1])),
        bounds(np.append(expected, sharpe), zero=True, pad=0.1),
        log=(True, False),
        margin=(22.0, 18.0, 42.0, 40.0),
    )
    level = p.y.at(sharpe)
    parts = [
        y_axis(p, name="annual Sharpe ratio"),
        line(p, counts, expected, "m"),
        segment(p.left, level, p.right, level, "w"),
        text(p.left + 6, level - 6, f"selected: {sharpe:.2f}", "e"),
        *(_mark(p, name, *place) for name, place in marks.items()),
        x_axis(p, "tries"),
    ]
    shown = "; ".join(f"{name}: {best:.2f} at {n:,.0f} tries" for name, (n, best) in marks.items())
    return drawing(_SIZE, f"Expected best Sharpe ratio of luck by number of tries. {shown}.", parts)


def _mark(p: Plot, name: str, tries: float, expected: float) -> str:
    at, up = p.x.at(tries), p.y.at(expected)
    left = at > p.right - 120
    words = f"{name}: {tries:,.0f}"
    return dot(at, up, "ring", words, 4.5) + text(
        at if left else at + 6, up + 20, words, "c", "end" if left else ""
    )
