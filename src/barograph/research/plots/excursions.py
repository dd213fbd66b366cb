"""How far trades went against and in favour of their holder before they ended."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from barograph.research.plots.cloud import cloud, spread
from barograph.research.plots.scale import percent_format
from barograph.research.plots.svg import HALF, drawing, plot, segment, x_axis, y_axis
from barograph.rows import Floats

_SIZE = (HALF, 260.0)


def excursions(trades: npt.NDArray[np.void]) -> tuple[Floats, Floats, Floats]:
    """Adverse and favourable excursion and result of each trade, as fractions of its entry price.

    Sweeney (1996): the worst and the best the open trade has shown, here from the lows and highs of the bars.
    The adverse one is 0 or below, the favourable one 0 or above; the result is before fees.
    """
    entry, side = trades["entry_price"], trades["side"].astype(np.float64)
    down, up = trades["lowest"] / entry - 1.0, trades["highest"] / entry - 1.0
    adverse: Floats = np.minimum(np.where(side > 0, down, -up), 0.0)
    favourable: Floats = np.maximum(np.where(side > 0, up, -down), 0.0)
    result: Floats = side * (trades["exit_price"] / entry - 1.0)
    return adverse, favourable, result


def draw(excursion: Floats, result: Floats, name: str) -> str:
    """One excursion across, the result up; both (n,) as fractions."""
    p = plot(_SIZE, spread(excursion, (0.0,)), spread(result, (0.0,)), margin=(22.0, 12.0, 42.0, 58.0))
    won = result > 0
    parts = [
        y_axis(p, percent_format, name="result of the trade"),
        segment(p.left, p.y.at(0.0), p.right, p.y.at(0.0), "z"),
        cloud(p, excursion[~won], result[~won], "pl"),
        cloud(p, excursion[won], result[won], "ps"),
        x_axis(p, name, percent_format),
    ]
    words = f"{name} against result of {len(result):,} trades; median excursion {np.median(excursion):.2%}."
    return drawing(_SIZE, words, parts)
