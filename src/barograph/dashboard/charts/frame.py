"""What charts have in common: their margins, the legend above them, titles of axes, names of parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go


def lay_out(figure: go.Figure, height: int, *, top: int = 34, hover: str = "closest") -> None:
    """Set the height and margins in pixels, and put the legend above, within ``top``; nothing is dragged."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": top, "b": 8},
        dragmode=False,
        hovermode=hover,
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 11}},
    )


def axis_title(text: str) -> dict[str, Any]:
    """The title of an axis."""
    return {"text": text, "font": {"size": 12}}


def name_part(figure: go.Figure, row: int, text: str, *, at_top: bool = True) -> None:
    """Write ``text`` into the left corner of a row of a chart with several."""
    figure.add_annotation(
        text=text,
        xref="paper",
        yref=f"y{row} domain",
        x=0.004,
        y=0.98 if at_top else 0.04,
        showarrow=False,
        xanchor="left",
        yanchor="top" if at_top else "bottom",
        font={"size": 11},
        opacity=0.75,
    )
