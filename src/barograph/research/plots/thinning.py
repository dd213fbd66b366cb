"""Long lines, drawn with no more points than paper can show."""

from __future__ import annotations

import numpy as np

from barograph.rows import Floats, Ints


def thin(x: Floats, y: Floats, columns: int) -> Ints:
    """Which points of a line can be told apart on ``columns`` pixels.

    Of each column the first, lowest, highest and last point remain, so that no peak is lost. Points
    where ``y`` is not finite are left out. ``x`` must not decrease. Of short lines all points remain.

    >>> import numpy as np
    >>> x = np.arange(10_000.0)
    >>> spike = np.where(x == 1234, 9.0, 0.0)
    >>> kept = thin(x, spike, 100)
    >>> len(kept) <= 400, 1234 in kept
    (True, True)
    """
    known = np.flatnonzero(np.isfinite(y))
    if len(known) <= 4 * columns:
        return known
    x, y = x[known], y[known]
    column = ((x - x[0]) / (x[-1] - x[0]) * columns).astype(np.int64).clip(0, columns - 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1)).tolist()
    kept: list[int] = []
    for start, stop in zip(starts, [*starts[1:], len(x)], strict=True):
        part = y[start:stop]
        kept += sorted({start, start + int(part.argmin()), start + int(part.argmax()), stop - 1})
    return known[kept]
