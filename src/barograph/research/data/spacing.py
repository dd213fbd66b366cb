"""How far apart bars are: the interval, and where they are not that far apart."""

from __future__ import annotations

import numpy as np

from barograph.clock import DAY_US
from barograph.errors import DataError
from barograph.research.data.checking import moment
from barograph.research.data.source import Rows
from barograph.research.spans import span
from barograph.rows import Ints, Mask


def commonest_step(rows: Rows) -> int:
    """Microseconds between most bars; of steps equally common the shortest.

    Raises:
        DataError: there are fewer than two bars.
    """
    if len(rows) < 2:
        raise DataError(
            f"{rows.name}: {len(rows)} bars do not tell their interval; give it, such as 5m or 1d"
        )
    steps, counts = np.unique(np.diff(rows.ts_us), return_counts=True)
    return int(steps[np.argmax(counts)])


def irregularities(ts_us: Ints, interval_us: int) -> list[str]:
    """What should be known of bars that do not follow one another; weekends of daily bars are no gaps."""
    steps = np.diff(ts_us)
    return [*_holes(ts_us, steps, interval_us), *_crowds(ts_us, steps, interval_us)]


def _holes(ts_us: Ints, steps: Ints, interval_us: int) -> list[str]:
    wide = steps > interval_us
    if interval_us == DAY_US:
        wide &= ~_over_weekend(ts_us, steps)
    if interval_us > DAY_US or not wide.any():
        return []
    longest = int(np.argmax(np.where(wide, steps, 0)))
    where = f"from {moment(ts_us[longest])} to {moment(ts_us[longest + 1])}"
    return [f"{np.count_nonzero(wide):,} gaps among {len(ts_us):,} bars, the longest {where}: none is filled"]


def _over_weekend(ts_us: Ints, steps: Ints) -> Mask:
    """Which steps lead over a weekend; the stamps of a session may be of the evening before it."""
    weekday = (ts_us[:-1] // DAY_US + 3) % 7
    return np.asarray((steps == 3 * DAY_US) & (weekday >= 3) & (weekday <= 5))


def _crowds(ts_us: Ints, steps: Ints, interval_us: int) -> list[str]:
    close = np.flatnonzero(steps < interval_us)
    if not len(close):
        return []
    where = f"the first after {moment(ts_us[close[0]])}"
    return [f"{len(close):,} bars follow in less than {span(interval_us)}, {where}: are intervals mixed?"]
