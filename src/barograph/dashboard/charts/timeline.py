"""Anomalies over time: how many of each kind, and where each of them is."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from barograph.dashboard.charts.frame import lay_out
from barograph.dashboard.formats import detail, words
from barograph.dashboard.theme import Theme

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars as pl

BINS = 72
MARKS_MOST = 1_500
"""Marks in the chart; of more the highest scores are drawn, the counts above them have all."""


def timeline(found: pl.DataFrame, start: datetime, end: datetime, theme: Theme) -> go.Figure:
    """Counts by kind above, below a line for each symbol with a mark for each anomaly.

    Args:
        found: rows of ``anomalies`` from ``start`` to ``end``.
    """
    from plotly.subplots import make_subplots

    names = sorted(found["symbol"].unique().to_list(), reverse=True)
    lines = 26 * len(names) + 20
    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.04,
        row_heights=[110, max(lines, 90)],
    )
    marked = found.sort("score", descending=True, nulls_last=True).head(MARKS_MOST)
    for kind in sorted(found["kind"].unique().to_list()):
        of_kind = found.filter(found["kind"] == kind)
        figure.add_trace(_counts(of_kind, start, end, kind, theme), row=1, col=1)
        figure.add_trace(_marks(marked.filter(marked["kind"] == kind), kind, theme), row=2, col=1)
    lay_out(figure, 110 + max(lines, 90) + 90)
    figure.update_layout(barmode="stack", bargap=0.05)
    pad = (end - start) / 60  # marks at the ends are whole
    figure.update_xaxes(range=[start - pad, end + pad], showgrid=False)
    figure.update_yaxes(row=1, col=1, nticks=4, rangemode="tozero", fixedrange=True)
    figure.update_yaxes(
        row=2,
        col=1,
        categoryorder="array",
        categoryarray=names,
        range=[-0.6, len(names) - 0.4],
        fixedrange=True,
    )
    return figure


def _counts(of_kind: pl.DataFrame, start: datetime, end: datetime, kind: str, theme: Theme) -> go.Bar:
    import plotly.graph_objects as go
    import polars as pl

    width_us = max(int((end - start).total_seconds() * 1e6) // BINS, 1)
    first_us = int(start.timestamp() * 1e6)
    at = pl.col("ts").dt.epoch("us") - first_us
    middle = (at // width_us * width_us + width_us // 2 + first_us).cast(pl.Datetime("us", "UTC"))
    counted = of_kind.group_by(middle.alias("at")).len().sort("at")
    return go.Bar(
        x=counted["at"].to_numpy(),
        y=counted["len"].to_numpy(),
        width=width_us / 1e3,
        name=words(kind),
        legendgroup=kind,
        showlegend=False,
        marker={"color": theme.mark(kind)[0], "line": {"width": 0}},
        hovertemplate="%{y} in %{x|%b %d, %H:%M}",
    )


def _marks(rows: pl.DataFrame, kind: str, theme: Theme) -> go.Scatter:
    import plotly.graph_objects as go

    colour, symbol = theme.mark(kind)
    return go.Scatter(
        x=rows["ts"].to_numpy(),
        y=rows["symbol"].to_list(),
        mode="markers",
        name=words(kind),
        legendgroup=kind,
        marker={"color": colour, "symbol": symbol, "size": 10, "opacity": 0.8},
        text=[
            f"score {score:.2f}<br>{detail(text)}"
            for score, text in zip(rows["score"], rows["detail"], strict=True)
        ],
        hovertemplate="%{y}, %{x|%Y-%m-%d %H:%M}<br>%{text}",
    )
