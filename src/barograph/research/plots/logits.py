"""Probability of backtest overfitting: where the best in sample ranks out of sample."""

from __future__ import annotations

import numpy as np

from barograph.research.outcome import Overfitting
from barograph.research.plots.scale import percent_format
from barograph.research.plots.svg import HALF, bars, drawing, plot, segment, text, x_axis, y_axis

_SIZE = (HALF, 250.0)


def draw(found: Overfitting) -> str:
    """Histogram of the logits of all splits; below 0 is overfit.

    Bailey, Borwein, Lopez de Prado and Zhu (2017).
    """
    reach = float(np.abs(found.logits).max()) * 1.05 + 0.1
    edges = np.linspace(-reach, reach, 2 * min(24, max(6, int(len(found.logits) ** 0.5))) + 1)
    counts = np.histogram(found.logits, edges)[0] / len(found.logits)
    p = plot(_SIZE, (-reach, reach), (0.0, float(counts.max()) * 1.22), margin=(10.0, 12.0, 42.0, 52.0))
    middle = (edges[1:] + edges[:-1]) / 2
    titles = [f"{share:.1%} of the splits" for share in counts]
    zero = p.x.at(0.0)
    parts = [
        y_axis(p, percent_format),
        bars(p, edges, np.where(middle < 0, counts, 0.0), "bl", titles),
        bars(p, edges, np.where(middle < 0, 0.0, counts), "bs", titles),
        segment(zero, p.top, zero, p.bottom, "d"),
        text(zero - 7, p.top + 12, f"lower half: {found.probability:.0%}".replace("%", " %"), "c", "end"),
        text(zero + 7, p.top + 12, "upper half", "c"),
        x_axis(p, "logit of the winner's rank out of sample"),
    ]
    words = (
        f"Logits of {len(found.logits):,} splits; in {found.probability:.1%} the best in sample ends "
        "in the lower half."
    )
    return drawing(_SIZE, words, parts)
