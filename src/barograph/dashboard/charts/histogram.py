"""A crowd of numbers as a histogram, with one or more of them pointed at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from barograph.dashboard.charts.frame import axis_title, lay_out
from barograph.dashboard.theme import Theme
from barograph.rows import Floats

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LEAST_BINS, _MOST_BINS = 12, 48


class Mark(NamedTuple):
    """A line through the crowd.

    Attributes:
        kind: ``winner``: the one it is about; ``luck``: what chance expects; ``other``: beside them.
    """

    value: float
    name: str
    kind: Literal["winner", "luck", "other"] = "other"


class Axis(NamedTuple):
    """What the numbers are.

    Attributes:
        form: of d3-format, such as ``.0%``; plain numbers when empty.
        noun: what is counted.
    """

    title: str
    form: str = ""
    noun: str = "strategies"


def histogram(
    values: Floats, marks: Sequence[Mark], axis: Axis, theme: Theme, height: int = 320
) -> go.Figure:
    """How many of ``values`` (N,) are where; NaN and infinities are left out."""
    import plotly.graph_objects as go

    known = values[np.isfinite(values)]
    counts, edges = np.histogram(known, _edges(known, [mark.value for mark in marks]))
    form = axis.form or ".2f"
    bars = go.Bar(
        x=(edges[:-1] + edges[1:]) / 2.0,
        y=counts,
        width=np.diff(edges),
        marker={"color": theme.quiet, "opacity": 0.55, "line": {"width": 0}},
        customdata=np.stack([edges[:-1], edges[1:]], axis=1),
        hovertemplate=f"%{{customdata[0]:{form}}} to %{{customdata[1]:{form}}}: "
        f"%{{y:,}} {axis.noun}<extra></extra>",
        name=axis.noun,
        showlegend=False,
    )
    figure = go.Figure(bars)
    for mark in marks:
        if np.isfinite(mark.value):
            figure.add_trace(_line(mark, float(counts.max(initial=1)), form, theme))
    _lay_out(figure, axis, height)
    return figure


def _edges(known: Floats, marked: Sequence[float]) -> Floats:
    """Bins that cover values and marks; those of whole numbers of equal ones, such as rates, too."""
    both = np.concatenate([known, [value for value in marked if np.isfinite(value)]])
    if not len(both):
        return np.array([0.0, 1.0])
    low, high = float(both.min()), float(both.max())
    if low == high:
        low, high = low - 0.5 * max(abs(low), 0.1), high + 0.5 * max(abs(high), 0.1)
    bins = int(np.clip(2 * len(known) ** 0.5, _LEAST_BINS, _MOST_BINS))
    return np.linspace(low, high, bins + 1)


def _line(mark: Mark, top: float, form: str, theme: Theme) -> go.Scatter:
    """A trace rather than a shape: it has a name in the legend, and is read by a pointer."""
    import plotly.graph_objects as go

    colour, dash, width = {
        "winner": (theme.down, "solid", 3.0),
        "luck": (theme.line, "dash", 2.0),
        "other": (theme.ink, "dot", 1.5),
    }[mark.kind]
    return go.Scatter(
        x=[mark.value, mark.value],
        y=[0.0, top * 1.04],
        mode="lines",
        line={"color": colour, "dash": dash, "width": width},
        name=mark.name,
        hovertemplate=f"{mark.name}: %{{x:{form}}}<extra></extra>",
    )


def _lay_out(figure: go.Figure, axis: Axis, height: int) -> None:
    lay_out(figure, height, top=46)
    figure.update_layout(bargap=0.04)
    figure.update_xaxes(title=axis_title(axis.title), showgrid=False, fixedrange=True, tickformat=axis.form)
    figure.update_yaxes(
        side="right", automargin=True, fixedrange=True, nticks=5, rangemode="tozero", tickformat="~s"
    )
