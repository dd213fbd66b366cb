"""Selecting anew again and again: what was promised, and what came."""

from __future__ import annotations

import numpy as np

from barograph.research.outcome import WalkForward
from barograph.research.plots.scale import PLAIN, Unit, bounds
from barograph.research.plots.svg import WIDE, Plot, box, drawing, legend, plot, segment, time_axis, y_axis

_SIZE = (WIDE, 190.0)


def draw(found: WalkForward, unit: Unit = PLAIN) -> str:
    """Each test window a strip of time: the chosen one's figure in training (line) and in the test (bar)."""
    values = np.concatenate([found.in_sample, found.out_of_sample])
    p = plot(
        _SIZE, (float(found.starts_us[0]), float(found.ends_us[-1])), bounds(values, zero=True, pad=0.16)
    )
    parts = [y_axis(p, unit.axis, 4)]
    parts += [_window(p, found, i, unit) for i in range(len(found.chosen))]
    parts += [segment(p.left, p.y.at(0.0), p.right, p.y.at(0.0), "z"), time_axis(p)]
    parts.append(legend(p, [("m", "in training"), ("lw", "in the test that followed")]))
    better = float(np.mean(found.out_of_sample > 0))
    words = (
        f"Walk-forward over {len(found.chosen)} windows; above 0 in {better:.0%}, "
        f"efficiency {found.efficiency:.2f}."
    )
    return drawing(_SIZE, words, parts)


def _window(p: Plot, found: WalkForward, i: int, unit: Unit) -> str:
    left, right = p.x.at(float(found.starts_us[i])), p.x.at(float(found.ends_us[i]))
    inside, outside = float(found.in_sample[i]), float(found.out_of_sample[i])
    show = unit.write
    start = np.datetime64(int(found.starts_us[i]), "us").astype("datetime64[D]")
    title = f"from {start}: {found.chosen[i]}, training {show(inside)}, test {show(outside)}"
    parts = []
    if np.isfinite(outside):
        top, zero = p.y.at(outside), p.y.at(0.0)
        kind = "bs" if outside >= 0 else "bl"
        parts.append(box(left + 1.5, min(top, zero), right - left - 3, abs(top - zero), kind, title, 0.6))
    if np.isfinite(inside):
        parts.append(segment(left + 1.5, p.y.at(inside), right - 1.5, p.y.at(inside), "m", title))
    return "".join(parts)
