"""Many points: each with its name where they are few, as a grid of shades where they are many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from barograph.research.plots.svg import Plot, box, dot
from barograph.rows import Floats

NAMED = 1_500
"""Up to so many points each is drawn and named; above, only how many lie where can be seen anyhow."""
_NAMELESS = 600
"""The same for points without names, which nobody points at."""
_CELL = 5.0


def cloud(p: Plot, x: Floats, y: Floats, kind: str = "pm", titles: Sequence[str] = ()) -> str:
    """Points at ``x``, ``y`` (n,); pairs with a NaN are left out, those outside the plot lie on its edge."""
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    across = p.x(x[known]).clip(p.left, p.right)
    up = p.y(y[known]).clip(p.top, p.bottom)
    if len(known) > (NAMED if titles else _NAMELESS):
        return _grid(p, across, up, kind)
    return "".join(
        dot(float(a), float(b), kind, titles[row] if titles else "")
        for a, b, row in zip(across, up, known.tolist(), strict=True)
    )


def _grid(p: Plot, across: Floats, up: Floats, kind: str) -> str:
    columns, rows = int((p.right - p.left) // _CELL) + 1, int((p.bottom - p.top) // _CELL) + 1
    cell = ((across - p.left) // _CELL).astype(np.int64) * rows + ((up - p.top) // _CELL).astype(np.int64)
    counts = np.bincount(cell, minlength=columns * rows)
    shades = 0.12 + 0.78 * np.sqrt(counts / counts.max())
    return "".join(
        box(
            p.left + c // rows * _CELL,
            p.top + c % rows * _CELL,
            _CELL,
            _CELL,
            kind,
            f"{counts[c]:,}",
            float(shades[c]),
        )
        for c in np.flatnonzero(counts)
    )


def spread(values: Floats, must: Sequence[float] = (), width: float = 8.0) -> tuple[float, float]:
    """A range for ``values`` that a few far ones do not blow up; it holds ``must`` in any case.

    At most ``width`` times the interquartile range is shown to either side of the quartiles.
    """
    known = values[np.isfinite(values)]
    wanted = [v for v in must if np.isfinite(v)]
    if not len(known):
        known = np.array(wanted or [0.0, 1.0])
    first, third = np.quantile(known, [0.25, 0.75])
    room = width * (third - first)
    shown = known[(known >= first - room) & (known <= third + room)] if room > 0.0 else known
    low, high = min([float(shown.min()), *wanted]), max([float(shown.max()), *wanted])
    pad = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    return low - pad, high + pad
