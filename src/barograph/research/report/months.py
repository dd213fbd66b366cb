"""The table of monthly returns, shaded."""

from __future__ import annotations

import numpy as np

from barograph.research.report import formats as fmt
from barograph.research.report.course import Course, by_calendar
from barograph.research.report.markup import raw_table
from barograph.rows import Floats

_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STEPS = 5


def months(bars: Course) -> str:
    """A row a year, a column a month, the year's total last; returns in percent."""
    found, values = by_calendar(bars.times_us, bars.strategy, "M")
    years, totals = by_calendar(bars.times_us, bars.strategy, "Y")
    grid = np.full((len(years), 12), np.nan)
    place = {int(year): row for row, year in enumerate(years)}
    for month, value in zip(found, values, strict=True):
        grid[place[1970 + int(month) // 12], int(month) % 12] = value
    reach = _reach(grid)
    rows = [
        [str(year), *(_cell(v, reach) for v in grid[i]), _cell(totals[i], np.inf)]
        for i, year in enumerate(years)
    ]
    made = _shaded(raw_table(("Year", *_NAMES, "Total"), rows, kind="months", caption="Monthly returns, %"))
    return f'<div class="scroll">{made}</div>'


def _reach(grid: Floats) -> float:
    """What gets the deepest shade: nearly the largest, so that one month does not pale all others."""
    sizes = np.abs(grid[np.isfinite(grid)])
    return float(np.quantile(sizes, 0.95)) if len(sizes) else 0.0


def _cell(value: float, reach: float) -> str:
    if not np.isfinite(value):
        return ""
    if value == 0.0:
        return "z|0.0"
    shown = fmt.ratio(value * 100, 1)
    step = min(_STEPS, int(np.ceil(abs(value) / reach * _STEPS))) if reach and np.isfinite(reach) else 0
    return f"{'u' if value >= 0 else 'd'}{step}|{shown}" if step else shown


def _shaded(made: str) -> str:
    """Cells ``u3|1.2`` get the class that stands before the bar."""
    made = made.replace('<td class="r">z|', '<td class="r soft">')
    for letter in "ud":
        for step in range(1, _STEPS + 1):
            made = made.replace(f'<td class="r">{letter}{step}|', f'<td class="r {letter}{step}">')
    return made
