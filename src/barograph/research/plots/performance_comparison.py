"""The classic second picture of a study: the selected strategy in training and in validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from barograph.research.outcome import Study
from barograph.research.plots.images import image, plain
from barograph.research.plots.style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN = (
    ("win_rate", "Win rate, %", 100.0),
    ("total_return", "Total return, %", 100.0),
    ("sharpe_ratio", "Sharpe ratio", 1.0),
    ("max_drawdown", "Maximum drawdown, %", 100.0),
)


def performance_comparison(study: Study) -> bytes:
    """A PNG: four figures of the selected strategy, training beside validation."""
    return image((10.0, 4.6), lambda figure: _draw(figure, study))


def _draw(figure: Figure, study: Study) -> None:
    best = study.best_train.strategy
    says = "overfit" if study.overfit else "not called overfit"
    figure.suptitle(
        f"{best}  ·  {study.symbol}  ·  {says} by the change of {study.select_by}",
        x=0.01,
        ha="left",
        fontsize=12,
        color=LIGHT["ink"],
    )
    panels = figure.subplots(1, len(_SHOWN))
    for axes, (name, title, factor) in zip(panels, _SHOWN, strict=True):
        pair = [
            float(b.metrics.get(name, np.nan)) * factor for b in (study.best_train, study.best_validation)
        ]
        _pair(axes, title, pair)


def _pair(axes: Axes, title: str, pair: list[float]) -> None:
    plain(axes, title)
    shown = [value if np.isfinite(value) else 0.0 for value in pair]
    columns = axes.bar(["training", "validation"], shown, width=0.62, color=[LIGHT["soft"], LIGHT["accent"]])
    axes.axhline(0.0, color=LIGHT["soft"], linewidth=0.9)
    names = [f"{value:.2f}".replace("-", "−") if np.isfinite(value) else "none" for value in pair]
    axes.bar_label(columns, labels=names, padding=3, fontsize=9.5, color=LIGHT["ink"])
    axes.margins(y=0.16)
