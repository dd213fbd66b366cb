"""Coverage as a calendar: a line for each series, a square for each day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from barograph.coverage.summary import Tally
from barograph.dashboard.formats import percent
from barograph.dashboard.theme import Theme

if TYPE_CHECKING:
    import plotly.graph_objects as go

LEAST_DAYS = 14
"""A calendar of fewer days has squares of the same size, and room."""

_SCALE: Mapping[str, Any] = MappingProxyType(
    {
        "orientation": "h",
        "thickness": 8,
        "len": 0.5,
        "x": 0,
        "xanchor": "left",
        "y": 0,
        "yanchor": "top",
        "ypad": 34,
        "outlinewidth": 0,
        "tickformat": ".0%",
        "tickvals": [0, 0.5, 1],
    }
)
"""How the scale of colours stands below."""


def calendar(days: Sequence[tuple[str, date, Tally]], theme: Theme) -> go.Figure:
    """The share of the open minutes that are whole, by series and day; no square where nothing is known.

    Args:
        days: name of the series, UTC day, its minutes.
    """
    import plotly.graph_objects as go

    names = sorted({name for name, _, _ in days}, reverse=True)
    first, last = min(day for _, day, _ in days), max(day for _, day, _ in days)
    first = min(first, last - timedelta(days=LEAST_DAYS - 1))
    columns = [first + timedelta(days=k) for k in range((last - first).days + 1)]
    tallies = {(name, day): tally for name, day, tally in days}
    cells = [[tallies.get((name, day)) for day in columns] for name in names]
    squares = {
        "x": columns,
        "y": names,
        "text": [[_told(tally) for tally in row] for row in cells],
        "hovertemplate": "%{y}, %{x|%a %Y-%m-%d}<br>%{text}<extra></extra>",
        "xgap": 2,
        "ygap": 2,
        "hoverongaps": False,
    }
    # Squares of which nothing is known are there too, in grey.
    unknown = go.Heatmap(
        **squares,
        z=[[0 if _share(tally) is None else None for tally in row] for row in cells],
        colorscale=((0.0, theme.none), (1.0, theme.none)),
        showscale=False,
    )
    known = go.Heatmap(
        **squares,
        z=[[_share(tally) for tally in row] for row in cells],
        colorscale=theme.shares,
        zmin=0,
        zmax=1,
        colorbar=dict(_SCALE),
    )
    figure = go.Figure([unknown, known])
    figure.update_layout(
        height=30 * len(names) + 90,
        margin={"l": 8, "r": 8, "t": 8, "b": 50},
        dragmode=False,
    )
    figure.update_xaxes(showgrid=False, fixedrange=True, tickformat="%b %d", nticks=12)
    figure.update_yaxes(showgrid=False, fixedrange=True, automargin=True)
    return figure


def _share(tally: Tally | None) -> float | None:
    """None for what is not known, and for a day on which the market was closed."""
    if tally is None or tally.uptime_pct is None:
        return None
    return tally.uptime_pct / 100


def _told(tally: Tally | None) -> str:
    if tally is None:
        return "nothing known"
    if tally.uptime_pct is None:
        return "market closed"
    parts = [
        f"{name} {count:,}"
        for name in ("complete", "repaired", "idle", "missing")
        if (count := getattr(tally, name))
    ]
    return f"{percent(tally.uptime_pct)} whole<br>minutes: {', '.join(parts)}"
