"""Small pieces of SVG: every figure is a few of them in a row.

Colours are classes (see :mod:`barograph.research.plots.style`), so that the page decides between light and
dark. A unit is a pixel at full width. No ids are used: many figures share one page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from barograph.research.plots.scale import AxisFormat, Scale, number_format, ticks, time_ticks
from barograph.research.plots.thinning import thin
from barograph.rows import Floats, Ints

_BRIDGED = 3.0
"""Unknown stretches of up to so many pixels do not break a line."""
WIDE, HALF = 1000.0, 488.0
"""Widths of a figure over the whole page, and of one of two beside each other."""


@dataclass(frozen=True, slots=True)
class Plot:
    """The part of a figure inside its axes.

    ``x`` and ``y`` lay values on pixels; ``y`` runs upwards.
    """

    width: float
    height: float
    x: Scale
    y: Scale

    @property
    def left(self) -> float:
        return self.x.start

    @property
    def right(self) -> float:
        return self.x.end

    @property
    def top(self) -> float:
        return self.y.end

    @property
    def bottom(self) -> float:
        return self.y.start


def plot(
    size: tuple[float, float],
    x: tuple[float, float],
    y: tuple[float, float],
    *,
    log: tuple[bool, bool] = (False, False),
    margin: tuple[float, float, float, float] = (24.0, 24.0, 26.0, 52.0),
) -> Plot:
    """A plot of a ``size`` over the ranges ``x`` and ``y``; margins are top, right, bottom, left."""
    (width, height), (top, right, bottom, left) = size, margin
    return Plot(
        width,
        height,
        Scale(x[0], x[1], left, width - right, log[0]),
        Scale(y[0], y[1], height - bottom, top, log[1]),
    )


def drawing(size: tuple[float, float], label: str, parts: Iterable[str]) -> str:
    """A whole figure; ``label`` is its text alternative."""
    width, height = size
    view = f'viewBox="0 0 {num(width)} {num(height)}"'
    return f'<svg {view} role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def num(value: float) -> str:
    """A coordinate: a tenth of a pixel is enough."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "") -> str:
    """Words at a place; ``anchor`` is ``middle`` or ``end``."""
    classes = f' class="{kind}"' if kind else ""
    side = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{num(x)}" y="{num(y)}"{classes}{side}>{escape(words)}</text>'


def segment(x1: float, y1: float, x2: float, y2: float, kind: str, title: str = "") -> str:
    """A straight line."""
    inside = f"<title>{escape(title)}</title>" if title else ""
    return f'<line x1="{num(x1)}" y1="{num(y1)}" x2="{num(x2)}" y2="{num(y2)}" class="{kind}">{inside}</line>'


def box(
    x: float, y: float, width: float, height: float, kind: str, title: str = "", opacity: float = 1.0
) -> str:
    """A rectangle; ``title`` shows when the pointer rests on it."""
    inside = f"<title>{escape(title)}</title>" if title else ""
    faint = f' fill-opacity="{opacity:.2f}"' if opacity < 1.0 else ""
    return (
        f'<rect x="{num(x)}" y="{num(y)}" width="{num(max(width, 0.0))}" height="{num(max(height, 0.0))}"'
        f' class="{kind}"{faint}>{inside}</rect>'
    )


def dot(x: float, y: float, kind: str, title: str = "", radius: float = 2.6) -> str:
    """A point."""
    inside = f"<title>{escape(title)}</title>" if title else ""
    return f'<circle cx="{num(x)}" cy="{num(y)}" r="{num(radius)}" class="{kind}">{inside}</circle>'


def line(p: Plot, x: Floats, y: Floats, kind: str) -> str:
    """A line through all points, thinned to what can be seen; it breaks where a stretch is unknown (NaN)."""
    kept = thin(x, y, int(p.right - p.left))
    if len(kept) < 2:
        return ""
    across, up = p.x(x[kept]), p.y(y[kept])
    unknown = np.cumsum(~np.isfinite(y))[kept]
    breaks = np.flatnonzero((np.diff(unknown) > 0) & (np.diff(across) > _BRIDGED)) + 1
    runs = zip(np.split(across, breaks), np.split(up, breaks), strict=True)
    return f'<path d="{"".join(_run(a, b) for a, b in runs)}" class="{kind}"/>'


def area(p: Plot, x: Floats, y: Floats, kind: str, base: float = 0.0) -> str:
    """What lies between a line and ``base``, filled."""
    kept = thin(x, y, int(p.right - p.left))
    if len(kept) < 2:
        return ""
    across, floor = p.x(x[kept]), num(p.y.at(base))
    ends = f"L{num(across[-1])} {floor} {num(across[0])} {floor}Z"
    return f'<path d="{_run(across, p.y(y[kept]))}{ends}" class="{kind}"/>'


def _run(across: Floats, up: Floats) -> str:
    return "M" + " ".join(f"{num(a)} {num(b)}" for a, b in zip(across, up, strict=True))


def bars(
    p: Plot, edges: Floats, heights: Floats, kind: str, titles: Sequence[str] = (), gap: float = 1.0
) -> str:
    """Columns between ``edges`` (n + 1,) from 0 up or down to ``heights`` (n,)."""
    at, zero = p.x(edges), p.y.at(0.0)
    parts = []
    for i, top in enumerate(p.y(heights)):
        if top != zero:
            width = max(float(at[i + 1] - at[i]) - gap, 0.6)
            high, low = min(float(top), zero), max(float(top), zero)
            parts.append(
                box(float(at[i]) + gap / 2, high, width, low - high, kind, titles[i] if titles else "")
            )
    return "".join(parts)


def x_axis(p: Plot, name: str = "", form: AxisFormat = number_format, count: int = 6) -> str:
    """Marks along the bottom, and what is measured there."""
    marks = ticks(p.x, count)
    write = form(marks)
    parts = [
        text(at, p.bottom + 16, write(v), "n", "middle") for at, v in zip(p.x(marks), marks, strict=True)
    ]
    parts += [segment(at, p.bottom, at, p.bottom + 4, "k") for at in p.x(marks)]
    if name:
        parts.append(text((p.left + p.right) / 2, p.bottom + 33, name, "c", "middle"))
    return "".join(parts) + segment(p.left, p.bottom, p.right, p.bottom, "k")


def y_axis(
    p: Plot, form: AxisFormat = number_format, count: int = 5, *, name: str = "", least: float = 0.0
) -> str:
    """Thin rules across, with their values at the left; ``name`` stands above the axis.

    ``least``: how far marks lie apart at least; 1 for what is counted.
    """
    marks = ticks(p.y, count, least)
    write = form(marks)
    parts = [segment(p.left, at, p.right, at, "g") for at in p.y(marks)]
    parts += [text(p.left - 7, at + 4, write(v), "n", "end") for at, v in zip(p.y(marks), marks, strict=True)]
    if name:
        parts.append(text(p.left - 7, p.top - 9, name, "c"))
    return "".join(parts)


def time_axis(p: Plot, count: int = 11) -> str:
    """Marks along the bottom where ``x`` is time in microseconds, UTC."""
    marks, names = time_ticks(p.x.low, p.x.high, count)
    parts = [segment(p.left, p.bottom, p.right, p.bottom, "k")]
    for at, name in zip(p.x(marks), names, strict=True):
        parts += [segment(at, p.bottom, at, p.bottom + 4, "k"), text(at, p.bottom + 16, name, "n", "middle")]
    return "".join(parts)


def border(p: Plot, at_us: int | None, *, named: bool = True) -> str:
    """Where training ends and validation begins."""
    if at_us is None or not p.x.low < at_us < p.x.high:
        return ""
    at = p.x.at(at_us)
    parts = [box(at, p.top, p.right - at, p.bottom - p.top, "v"), segment(at, p.top, at, p.bottom, "d")]
    if named:
        parts += [
            text(at - 6, p.top + 12, "training", "c", "end"),
            text(at + 6, p.top + 12, "validation", "c"),
        ]
    return "".join(parts)


def legend(p: Plot, entries: Sequence[tuple[str, str]]) -> str:
    """What each kind of line is, in one row above the plot: pairs of class and name."""
    at, level, parts = p.left, p.top - 10, []
    for kind, name in entries:
        parts += [segment(at, level - 4, at + 16, level - 4, kind), text(at + 21, level, name, "c")]
        at += 38 + 6.6 * len(name)
    return "".join(parts)


def strips(p: Plot, times: Ints, titles: Sequence[str]) -> str:
    """Invisible columns over a plot, whose titles the pointer shows. ``times`` (n + 1,) are their edges."""
    at = p.x(times)
    return "".join(
        box(float(at[i]), p.top, float(at[i + 1] - at[i]), p.bottom - p.top, "h", title)
        for i, title in enumerate(titles)
    )
