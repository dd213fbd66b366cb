"""Charts of a study: does the order last, did walking forward, what does luck show, who was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from barograph.dashboard.charts.frame import axis_title, lay_out
from barograph.dashboard.theme import Theme
from barograph.rows import Floats, Ints

if TYPE_CHECKING:
    import plotly.graph_objects as go

CLOUD_MOST = 2_000
"""Points of a cloud; of more, every so many-th is drawn, the winner always."""

_CURVE_POINTS = 60


def cloud(before: Floats, after: Floats, best: int, axis: tuple[str, str], theme: Theme) -> go.Figure:
    """One point a strategy, training across and validation up; on the line both are equal.

    Args:
        before, after: (N,) the metric in training and in validation.
        best: the winner's place.
        axis: the metric's name, and how it is written (d3-format).
    """
    import plotly.graph_objects as go

    known = np.flatnonzero(np.isfinite(before) & np.isfinite(after))
    shown = known[:: max(-(-len(known) // CLOUD_MOST), 1)]
    name, form = axis
    written = f"%{{x:{form}}} in training, %{{y:{form}}} in validation<extra></extra>"
    figure = go.Figure()
    if len(known):
        figure.add_trace(_as_good(before[known], after[known], theme))
    figure.add_trace(
        go.Scatter(
            x=before[shown],
            y=after[shown],
            mode="markers",
            name="strategies",
            marker={"color": theme.line, "size": 6, "opacity": 0.5},
            hovertemplate=written,
        )
    )
    if np.isfinite(before[best]) and np.isfinite(after[best]):
        figure.add_trace(
            go.Scatter(
                x=[before[best]],
                y=[after[best]],
                mode="markers",
                name="the winner",
                marker=_winner(theme),
                hovertemplate=written,
            )
        )
    _plain(figure, 340)
    figure.update_xaxes(title=axis_title(f"{name} in training"), tickformat=form, showgrid=False)
    figure.update_yaxes(title=axis_title("in validation"), tickformat=form, side="left")
    return figure


def _winner(theme: Theme) -> dict[str, Any]:
    return {
        "color": theme.down,
        "size": 13,
        "symbol": "diamond",
        "line": {"width": 1, "color": theme.ink},
    }


def _as_good(before: Floats, after: Floats, theme: Theme) -> go.Scatter:
    import plotly.graph_objects as go

    ends = [float(max(before.min(), after.min())), float(min(before.max(), after.max()))]
    return go.Scatter(
        x=ends,
        y=ends,
        mode="lines",
        name="as good as before",
        line={"color": theme.quiet, "dash": "dash", "width": 1.2},
        hoverinfo="skip",
    )


def tries(found: Sequence[tuple[float, float, str]], deviation: float, theme: Theme) -> go.Figure:
    """The best Sharpe ratio that luck is expected to show, against how many were tried.

    Args:
        found: (tries, annual Sharpe ratio, name) of what was found: points in the chart.
        deviation: of the annual ratios of strategies without skill.
    """
    import plotly.graph_objects as go

    from barograph.research.honesty.expected_maximum import exact

    most = 10.0 ** max(3.0, np.ceil(np.log10(max(n for n, _, _ in found) * 2)))
    counts = np.geomspace(1.0, most, _CURVE_POINTS)
    figure = go.Figure(
        go.Scatter(
            x=counts,
            y=np.array([exact(float(n)) for n in counts]) * deviation,
            mode="lines",
            name="the best of luck alone, expected",
            line={"color": theme.line, "width": 2, "dash": "dash"},
            hovertemplate="best of %{x:,.0f}: %{y:.2f}<extra></extra>",
        )
    )
    for n, ratio, name in found:
        figure.add_trace(
            go.Scatter(
                x=[n],
                y=[ratio],
                mode="markers",
                name=name,
                marker=_winner(theme),
                hovertemplate=f"{name}: %{{y:.2f}} of %{{x:,.0f}}<extra></extra>",
            )
        )
    _plain(figure, 320)
    figure.update_xaxes(
        type="log", title=axis_title("strategies tried"), showgrid=False, tickformat="~s", dtick=1
    )
    figure.update_yaxes(title=axis_title("annual Sharpe ratio"), side="left", rangemode="tozero")
    return figure


def walk_forward(
    starts_us: Ints, in_sample: Floats, out_of_sample: Floats, axis: tuple[str, str], theme: Theme
) -> go.Figure:
    """Of each window what was promised and what came: two bars."""
    import plotly.graph_objects as go

    name, form = axis
    labels = [str(day) for day in starts_us.astype("datetime64[us]").astype("datetime64[D]")]
    figure = go.Figure(
        [
            _bar(labels, in_sample, "when it was selected", theme.quiet, form),
            _bar(labels, out_of_sample, "in the time after", theme.line, form),
        ]
    )
    _plain(figure, 300)
    figure.update_layout(barmode="group", bargap=0.25)
    figure.update_xaxes(title=axis_title("windows, by their first day"), showgrid=False, type="category")
    figure.update_yaxes(title=axis_title(name), tickformat=form, side="left")
    return figure


def families(counts: Mapping[str, int], winner: str, theme: Theme) -> go.Figure:
    """How many strategies of which family were tried; the winner's stands out."""
    import plotly.graph_objects as go

    names = sorted(counts, key=lambda name: (counts[name], name))
    figure = go.Figure(
        go.Bar(
            x=[counts[name] for name in names],
            y=[name.replace("_", " ") for name in names],
            orientation="h",
            marker={
                "color": [theme.down if name == winner else theme.quiet for name in names],
                "line": {"width": 0},
            },
            text=[f"{counts[name]:,}" for name in names],
            textposition="auto",
            hovertemplate="%{y}: %{x:,}<extra></extra>",
        )
    )
    _plain(figure, 70 + 26 * len(names))
    figure.update_xaxes(visible=False, rangemode="tozero")
    figure.update_yaxes(tickmode="linear", dtick=1, ticksuffix=" ")
    figure.update_layout(margin={"l": 8, "r": 8, "t": 8, "b": 8}, showlegend=False, bargap=0.25)
    return figure


def _bar(labels: list[str], values: Floats, name: str, colour: str, form: str) -> Any:
    import plotly.graph_objects as go

    return go.Bar(
        x=labels,
        y=values,
        name=name,
        marker={"color": colour, "line": {"width": 0}},
        hovertemplate=f"%{{y:{form}}} {name}<extra></extra>",
    )


def _plain(figure: go.Figure, height: int) -> None:
    lay_out(figure, height, top=40)
    figure.update_xaxes(fixedrange=True, automargin=True)
    figure.update_yaxes(fixedrange=True, automargin=True, nticks=6)
