"""Figures of a study, one a file: SVG for the report, and the two classic PNG images.

SVG is drawn by small functions of our own. A plotting library writes every colour into the file, so that a
page could not change from light to dark, draws every point however many there are, and changes its bytes with
its version. A figure here is a function ``draw(values) -> str``; :mod:`svg` has the pieces, :mod:`scale` the
axes, :mod:`style` the looks.
"""

from __future__ import annotations

from barograph.research.plots.performance_comparison import performance_comparison
from barograph.research.plots.win_rate_histogram import win_rate_histogram

__all__ = ["performance_comparison", "win_rate_histogram"]
