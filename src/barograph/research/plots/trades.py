"""Trades on the price: where it went in and out, and what came of it."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from barograph.research.plots.scale import bounds, log_bounds
from barograph.research.plots.svg import (
    WIDE,
    Plot,
    border,
    box,
    drawing,
    line,
    plot,
    segment,
    time_axis,
    y_axis,
)
from barograph.rows import Floats, Ints

DRAWN = 400
"""So many trades are drawn as lines, the largest by profit or loss; more would only make ink."""
_SIZE = (WIDE, 330.0)


def draw(
    times_us: Ints, close: Floats, trades: npt.NDArray[np.void], border_us: int | None = None, start: int = 0
) -> str:
    """The close (T,) in ink, each trade a line from entry to exit: accent for profit, warm for loss.

    Args:
        times_us: (T,) starts of the bars; ``trades`` count bars from the first of them.
        trades: rows of ``trading.TRADE``.
        start: the first bar that is shown.
    """
    levels = log_bounds(close[start:])
    p = plot(
        _SIZE,
        (float(times_us[start]), float(times_us[-1])),
        levels or bounds(close[start:]),
        log=(False, levels is not None),
        margin=(10.0, 12.0, 40.0, 52.0),
    )
    largest = np.sort(np.argsort(-np.abs(trades["profit"]), kind="stable")[:DRAWN])
    parts = [
        y_axis(p),
        border(p, border_us, named=False),
        line(p, times_us[start:].astype(np.float64), close[start:], "mf"),
        *(_trade(p, times_us, trades[i]) for i in largest),
        _held(p, times_us, trades),
        _moved(time_axis(p), 14.0),
    ]
    won = int(np.sum(trades["profit"] > 0))
    words = f"{len(trades):,} trades on the price; {won:,} with a profit."
    return drawing(_SIZE, words, parts)


def _trade(p: Plot, times_us: Ints, trade: np.void) -> str:
    start, end = times_us[int(trade["entry_bar"])], times_us[int(trade["exit_bar"])]
    side = "long" if trade["side"] > 0 else "short"
    days = [str(np.datetime64(int(t), "us").astype("datetime64[D]")) for t in (start, end)]
    prices = f"{trade['entry_price']:,.6g} to {trade['exit_price']:,.6g}"
    title = f"{side} {days[0]} to {days[1]}: {prices}, profit {trade['profit']:,.2f}"
    kind = "lw" if trade["profit"] > 0 else "ll"
    return segment(
        p.x.at(start), p.y.at(trade["entry_price"]), p.x.at(end), p.y.at(trade["exit_price"]), kind, title
    )


def _held(p: Plot, times_us: Ints, trades: npt.NDArray[np.void]) -> str:
    """A strip below the plot: when a position was held, as wide as a pixel can tell."""
    held = np.zeros(int(p.right - p.left) + 1)
    for trade in trades:
        first, last = p.x(times_us[[int(trade["entry_bar"]), int(trade["exit_bar"])]]) - p.left
        held[int(first) : int(last) + 1] = trade["side"]
    starts = np.flatnonzero(np.diff(held, prepend=0.0, append=0.0)).tolist()
    return "".join(
        box(
            p.left + a,
            p.bottom + 4,
            b - a,
            7,
            "ps" if held[a] > 0 else "pl",
            "long" if held[a] > 0 else "short",
        )
        for a, b in itertools.pairwise(starts)
        if held[a]
    )


def _moved(parts: str, down: float) -> str:
    return f'<g transform="translate(0 {down:g})">{parts}</g>'
