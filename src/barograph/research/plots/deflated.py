"""The winner against the best of as many unskilled strategies."""

from __future__ import annotations

import math

import numpy as np

from barograph.research.plots.svg import HALF, Plot, area, drawing, line, plot, segment, text, x_axis
from barograph.rows import Floats

_SIZE = (HALF, 250.0)


def draw(sharpe: float, deviation: float, tries: float) -> str:
    """Density of the best of ``tries`` Sharpe ratios that are all luck, with the winner's marked.

    Args:
        sharpe: the winner's, per year.
        deviation: of one unskilled ratio around 0, per year.
        tries: how many; those that do the same counted once.
    """
    low, high = -1.2 * deviation, 5.2 * deviation
    low, high = min(low, sharpe - 0.4 * deviation), max(high, sharpe + 0.6 * deviation)
    x = np.linspace(low, high, 241)
    one, best = _best_of(x / deviation, 1.0), _best_of(x / deviation, tries)
    p = plot(_SIZE, (low, high), (0.0, float(best.max()) * 1.28), margin=(10.0, 24.0, 42.0, 24.0))
    peak = float(x[int(best.argmax())])
    parts = [
        line(p, x, one, "mf"),
        area(p, x, best, "fs"),
        line(p, x, best, "m"),
        _named(p, peak, float(best.max()), f"best of {tries:,.0f} by luck"),
        segment(p.x.at(sharpe), p.top + 4, p.x.at(sharpe), p.bottom, "w"),
        _selected(p, sharpe),
        x_axis(p, "annual Sharpe ratio"),
    ]
    words = (
        f"Best Sharpe ratio of {tries:,.0f} unskilled strategies, about {peak:.2f}; "
        f"the selected one has {sharpe:.2f}."
    )
    return drawing(_SIZE, words, parts)


def _best_of(z: Floats, tries: float) -> Floats:
    """Density of the maximum of normals: N f(z) F(z)^(N - 1), by logarithms."""
    cdf = np.array([0.5 * math.erfc(-value / math.sqrt(2.0)) for value in z])
    with np.errstate(divide="ignore"):
        log = math.log(tries) - 0.5 * z * z - 0.5 * math.log(2 * math.pi) + (tries - 1.0) * np.log(cdf)
    density: Floats = np.exp(log) if tries > 1.0 else np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return density


def _named(p: Plot, at: float, level: float, words: str) -> str:
    return text(p.x.at(at), p.y.at(level) - 7, words, "c", "middle")


def _selected(p: Plot, sharpe: float) -> str:
    at = p.x.at(sharpe)
    left = at > p.left + 0.75 * (p.right - p.left)
    return text(at - 6 if left else at + 6, p.top + 13, f"selected: {sharpe:.2f}", "e", "end" if left else "")
