"""One symbol's chart: candles, volume by who was in a hurry, pressure, RSI, and what was unusual."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from barograph.dashboard.charts.frame import lay_out, name_part
from barograph.dashboard.formats import detail, words
from barograph.dashboard.theme import Theme

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars as pl

MARKS_MOST = 400
"""Marks of one kind in a chart; of more the highest scores are drawn."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a chart is drawn.

    Attributes:
        zooms: whether dragging across the chart chooses a stretch of time.
        parts: whether volume, pressure and RSI stand below the candles.
    """

    theme: Theme
    zooms: bool = False
    parts: bool = True
    height: int = 640


def candles(bars: pl.DataFrame, found: pl.DataFrame, interval_us: int, look: Look) -> go.Figure:
    """The chart of one series.

    Args:
        bars: rows of ``market_microstructure`` of one series, ascending.
        found: rows of ``anomalies`` in its time.
        interval_us: length of a bar.
    """
    from plotly.subplots import make_subplots

    heights = [0.56, 0.15, 0.12, 0.17] if look.parts else [1.0]
    figure = make_subplots(
        rows=len(heights), cols=1, shared_xaxes=True, vertical_spacing=0.025, row_heights=heights
    )
    figure.add_trace(_price(bars, look.theme), row=1, col=1)
    if look.parts:
        for trace, row in _below(bars, look.theme):
            figure.add_trace(trace, row=row, col=1)
    for trace in _marks(bars, found, interval_us, look.theme):
        figure.add_trace(trace, row=1, col=1)
    _lay_out(figure, look)
    if look.parts and (highest := bars["volume"].max()):
        # Room above the highest bar, for the name that stands there.
        figure.update_yaxes(row=2, col=1, range=[0, 1.3 * float(highest)])  # type: ignore[arg-type]
    return figure


def _price(bars: pl.DataFrame, theme: Theme) -> go.Candlestick:
    import plotly.graph_objects as go

    # A bar with quotes and no trade has no candle; Plotly would draw a part of one nowhere, and complain.
    bars = bars.drop_nulls(["open", "high", "low", "price"])
    return go.Candlestick(
        x=bars["timestamp"].to_numpy(),
        open=_floats(bars, "open"),
        high=_floats(bars, "high"),
        low=_floats(bars, "low"),
        close=_floats(bars, "price"),
        name="price",
        showlegend=False,
        increasing={"line": {"color": theme.up, "width": 1}, "fillcolor": theme.up},
        decreasing={"line": {"color": theme.down, "width": 1}, "fillcolor": theme.down},
    )


def _below(bars: pl.DataFrame, theme: Theme) -> Iterator[tuple[Any, int]]:
    """Volume in row 2, pressure in row 3, RSI in row 4."""
    import plotly.graph_objects as go

    x = bars["timestamp"].to_numpy()
    volume, bought, sold = (_floats(bars, name) for name in ("volume", "buy_volume", "sell_volume"))
    signed = bars["buy_volume"].null_count() == 0
    if signed:
        yield _bars(x, bought, "bought", theme.up), 2
        yield _bars(x, sold, "sold", theme.down), 2
        yield _bars(x, (volume - bought - sold).clip(0.0), "side unknown", theme.quiet), 2
        yield _pressure(bars, theme), 3
    else:
        yield _bars(x, volume, "volume", theme.quiet), 2
    yield (
        go.Scatter(
            x=x,
            y=_floats(bars, "rsi_14"),
            name="RSI 14",
            mode="lines",
            line={"color": theme.line, "width": 1.4},
            hovertemplate="%{y:.1f}",
            showlegend=False,
        ),
        4,
    )


def _bars(x: Any, y: Any, name: str, colour: str) -> go.Bar:
    import plotly.graph_objects as go

    line = {"width": 0}
    return go.Bar(
        x=x,
        y=y,
        name=name,
        marker={"color": colour, "line": line},
        hovertemplate="%{y:.4~s}",
        showlegend=False,
    )


def _pressure(bars: pl.DataFrame, theme: Theme) -> go.Bar:
    """Bought less sold over both: 1 where all were in a hurry to buy."""
    import plotly.graph_objects as go

    share = bars["order_imbalance"].fill_null(0.0)
    colours = [theme.up if each >= 0 else theme.down for each in share.to_list()]
    return go.Bar(
        x=bars["timestamp"].to_numpy(),
        y=share.to_numpy(),
        name="pressure",
        marker={"color": colours, "line": {"width": 0}},
        hovertemplate="%{y:+.2f}",
        showlegend=False,
    )


def _marks(bars: pl.DataFrame, found: pl.DataFrame, interval_us: int, theme: Theme) -> Iterator[go.Scatter]:
    """A mark above the bar that each anomaly lies in; several of a bar above each other."""
    import plotly.graph_objects as go
    import polars as pl

    if found.is_empty() or bars.is_empty():
        return
    at = pl.col("ts").dt.epoch("us")
    begins = (at - at % interval_us).cast(pl.Datetime("us", "UTC")).alias("timestamp")
    of_bars = (
        found.with_columns(begins)
        .sort(pl.col("score").abs(), descending=True)
        .group_by("timestamp", "kind", maintain_order=True)
        .agg(pl.col("score").first(), pl.col("detail").first(), pl.col("ts").first(), pl.len().alias("n"))
        .join(bars.select("timestamp", "high"), on="timestamp")
        .with_columns(pl.col("kind").rank("dense").over("timestamp").alias("rank"))
    )
    span = (bars["high"].max() or 0.0) - (bars["low"].min() or 0.0)  # type: ignore[operator]
    for kind in sorted(of_bars["kind"].unique().to_list()):
        rows = of_bars.filter(pl.col("kind") == kind).head(MARKS_MOST).sort("timestamp")
        colour, symbol = theme.mark(kind)
        yield go.Scatter(
            x=rows["timestamp"].to_numpy(),
            y=(rows["high"] + rows["rank"] * span * 0.03).to_numpy(),
            name=words(kind),
            mode="markers",
            marker={
                "color": colour,
                "symbol": symbol,
                "size": 9,
                "line": {"width": 1, "color": theme.ink},
            },
            text=[_told(row) for row in rows.iter_rows(named=True)],
            hovertemplate="%{text}",
        )


def _told(row: dict[str, Any]) -> str:
    more = f" (and {row['n'] - 1} more)" if row["n"] > 1 else ""
    return f"{row['ts']:%H:%M}, score {row['score']:.2f}{more}<br>{detail(row['detail'])}"


def _lay_out(figure: go.Figure, look: Look) -> None:
    lay_out(figure, look.height, hover="x unified")
    figure.update_layout(
        dragmode="select" if look.zooms else False,
        selectdirection="h",
        barmode="stack",
        bargap=0.15,
        xaxis_rangeslider_visible=False,
        uirevision="kept",
    )
    figure.update_xaxes(showgrid=False, rangeslider_visible=False)
    figure.update_yaxes(side="right", automargin=True, fixedrange=True, nticks=6)
    if look.parts:
        _name_parts(figure)


def _name_parts(figure: go.Figure) -> None:
    figure.update_yaxes(row=2, col=1, tickformat=".3~s", nticks=3, rangemode="tozero")
    figure.update_yaxes(row=3, col=1, range=[-1.05, 1.05], tickvals=[-1, 0, 1])
    figure.update_yaxes(row=4, col=1, range=[0, 100], tickvals=[30, 50, 70])
    for row, text in ((2, "volume"), (3, "pressure"), (4, "RSI 14")):
        name_part(figure, row, text)


def _floats(bars: pl.DataFrame, name: str) -> Any:
    """A column as an array; what is null is a gap in the chart."""
    return bars[name].cast(float).fill_null(float("nan")).to_numpy()
