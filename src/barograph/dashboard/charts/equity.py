"""What became of the money: curves over time, and how far they are below their peaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from barograph.dashboard.charts.frame import lay_out, name_part
from barograph.dashboard.theme import Theme
from barograph.rows import Floats, Ints

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLUMNS = 480
"""Of each of them the first, lowest, highest and last point are drawn: no peak is lost."""

_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8A929C")
_DARK = ("#56B4E9", "#F0803C", "#1FC79A", "#CC79A7", "#F0C04C", "#7FB7FF", "#B18CD9", "#A4ABB5")
_FEW_TICKS = (6.0, 1e4)
"""Growth between these has ticks at 1, 2 and 5 of each decade; Plotly's own lie on top of each other."""
_DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True)
class Curve:
    """One line.

    Attributes:
        times_us: (T,) ascending; values: (T,).
        steps: whether a value holds until the next one, as money that was earned does.
        is_main: drawn thick, and its drawdown filled.
        ends: (time, value) of what it would be with all that is open sold at its last price.
    """

    name: str
    times_us: Ints
    values: Floats
    steps: bool = False
    is_main: bool = False
    ends: tuple[int, float] | None = None


@dataclass(frozen=True)
class Look:
    """How curves are drawn.

    Attributes:
        border_us: where what was not seen before begins; shaded from there on.
        floor: the level that drawdowns count from at the beginning; None: from each curve's first value.
        relative: whether values are a growth of 1, so that drawdowns are told in percent.
    """

    theme: Theme
    border_us: int | None = None
    floor: float | None = None
    relative: bool = False
    height: int = 420
    before: str = "training"
    after: str = "validation"


def palette(theme: Theme, place: int) -> tuple[str, str]:
    """Colour and dash of the line in that place; no two of the first 32 are alike."""
    colours = _LIGHT if theme.base == "light" else _DARK
    return colours[place % len(colours)], _DASHES[place // len(colours) % len(_DASHES)]


def equity(curves: Sequence[Curve], look: Look) -> go.Figure:
    """Curves above, their drawdowns below."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.7, 0.3])
    others = [each for each in curves if not each.is_main]
    for place, curve in enumerate(others):
        colour, dash = palette(look.theme, place)
        _draw(figure, curve, look, {"color": colour, "dash": dash, "width": 1.4})
    for curve in curves:
        if curve.is_main:
            _draw(figure, curve, look, {"color": look.theme.ink, "width": 2.2})
    if look.border_us is not None:
        _border(figure, curves, look)
    _lay_out(figure, look)
    if look.relative and all(np.nanmin(each.values) > 0.0 for each in curves):
        _logarithmic(figure, curves)
    return figure


def _logarithmic(figure: go.Figure, curves: Sequence[Curve]) -> None:
    """Twice as much is as far wherever one begins."""
    figure.update_yaxes(row=1, col=1, type="log", tickformat="~g")
    lowest, highest = (float(of([of(each.values) for each in curves])) for of in (np.nanmin, np.nanmax))
    if _FEW_TICKS[0] < highest / lowest < _FEW_TICKS[1]:
        figure.update_yaxes(row=1, col=1, dtick="D2")


def below_peak(values: Floats, floor: float | None, *, relative: bool) -> Floats:
    """How far each value is below the highest before it, ``floor`` among these: 0 or negative.

    >>> import numpy as np
    >>> below_peak(np.array([-1.0, 2.0, 1.5]), 0.0, relative=False).tolist()
    [-1.0, 0.0, -0.5]
    """
    peak = np.maximum.accumulate(values if floor is None else np.maximum(values, floor))
    fall: Floats = values - peak
    return np.divide(fall, peak, out=np.zeros(len(fall)), where=peak > 0.0) if relative else fall


def _draw(figure: go.Figure, curve: Curve, look: Look, line: dict[str, Any]) -> None:
    import plotly.graph_objects as go

    if curve.steps:
        line = {**line, "shape": "hv"}
    written = "%{y:.3f}" if look.relative else "%{y:,.2f}"
    for row, values in enumerate((curve.values, _fall(curve, look)), start=1):
        kept = _thinned(curve.times_us, values)
        percent = row == 2 and look.relative
        figure.add_trace(
            go.Scatter(
                x=_times(curve.times_us[kept]),
                y=values[kept],
                name=curve.name,
                legendgroup=curve.name,
                showlegend=row == 1,
                mode="lines",
                line={**line, "width": 1.0} if row == 2 else line,
                fill="tozeroy" if row == 2 and curve.is_main else None,
                fillcolor="rgba(138, 146, 156, 0.25)",
                hovertemplate="%{y:.1%}" if percent else written,
            ),
            row=row,
            col=1,
        )
    if curve.ends is not None:
        figure.add_trace(_end(curve, line, written), row=1, col=1)


def _fall(curve: Curve, look: Look) -> Floats:
    return below_peak(curve.values, look.floor, relative=look.relative)


def _end(curve: Curve, line: dict[str, Any], written: str) -> go.Scatter:
    """From what was earned to what it would be if all that is open were sold now."""
    import plotly.graph_objects as go

    assert curve.ends is not None
    last_us, value = curve.ends
    return go.Scatter(
        x=_times(np.array([curve.times_us[-1], max(last_us, int(curve.times_us[-1]))])),
        y=[float(curve.values[-1]), value],
        name=f"{curve.name}, with what is open",
        legendgroup=curve.name,
        showlegend=False,
        mode="lines+markers",
        line={"color": line["color"], "dash": "dot", "width": 1.2},
        marker={"size": [0, 6], "symbol": "circle-open", "color": line["color"]},
        hovertemplate=written,
    )


def _border(figure: go.Figure, curves: Sequence[Curve], look: Look) -> None:
    assert look.border_us is not None
    at, end = _times(np.array([look.border_us, max(int(each.times_us[-1]) for each in curves)]))
    for row in (1, 2):
        figure.add_vrect(
            x0=at, x1=end, fillcolor=look.theme.quiet, opacity=0.13, line_width=0, row=row, col=1
        )
        figure.add_vline(x=at, line={"color": look.theme.quiet, "width": 1.5, "dash": "dash"}, row=row, col=1)
    for text, anchor in ((f"{look.before} ", "right"), (f" {look.after}", "left")):
        figure.add_annotation(
            x=at,
            y=0.0,
            yref="y domain",
            text=text,
            showarrow=False,
            xanchor=anchor,
            yanchor="bottom",
            font={"size": 12, "color": look.theme.quiet},
        )


def _lay_out(figure: go.Figure, look: Look) -> None:
    lay_out(figure, look.height, hover="x unified")
    figure.update_layout(uirevision="kept")
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(side="right", automargin=True, fixedrange=True, nticks=6)
    figure.update_yaxes(row=2, col=1, nticks=4, tickformat=".0%" if look.relative else None)
    name_part(figure, 2, "below the peak", at_top=False)


def _thinned(times_us: Ints, values: Floats) -> Ints:
    from barograph.research.plots.thinning import thin

    return thin(times_us.astype(np.float64), values, COLUMNS)


def _times(times_us: Ints) -> Any:
    return times_us.astype("datetime64[us]").astype("datetime64[ms]")
