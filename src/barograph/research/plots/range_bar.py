"""An estimate and its interval, small enough for a row of a table."""

from __future__ import annotations

import numpy as np

from barograph.research.plots.svg import box, dot, drawing, plot, segment

_SIZE = (220.0, 18.0)


def draw(estimate: float, low: float, high: float) -> str:
    """The interval as a bar, the estimate as a point, 0 as a thin line."""
    known = [v for v in (estimate, low, high, 0.0) if np.isfinite(v)]
    left, right = min(known), max(known)
    room = (right - left) * 0.06 or 1.0
    p = plot(_SIZE, (left - room, right + room), (0.0, 1.0), margin=(0.0, 4.0, 0.0, 4.0))
    zero = p.x.at(0.0)
    parts = [segment(zero, 1, zero, 17, "d")]
    if np.isfinite(low) and np.isfinite(high):
        kind = "bs" if low > 0 or high < 0 else "bm"
        parts.append(box(p.x.at(low), 7, p.x.at(high) - p.x.at(low), 4, kind))
    if np.isfinite(estimate):
        parts.append(dot(p.x.at(estimate), 9, "pw", "", 4.5))
    return drawing(_SIZE, f"{estimate:.3g}, interval from {low:.3g} to {high:.3g}", parts)
