"""The classic first picture of a study: win rates of all strategies in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from barograph.research.outcome import Study
from barograph.research.plots.images import image, plain
from barograph.research.plots.style import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def win_rate_histogram(study: Study) -> bytes:
    """A PNG: how many strategies had which win rate in training, and where the selected one stands."""
    return image((9.0, 5.0), lambda figure: _draw(figure, study))


def _draw(figure: Figure, study: Study) -> None:
    from matplotlib.ticker import MaxNLocator

    rates = np.asarray(study.train.metrics["win_rate"]) * 100.0
    known = rates[np.isfinite(rates)]
    axes = figure.subplots()
    plain(axes, f"Win rates of {len(known):,} strategies in training: {study.symbol}")
    if len(known):
        bins = int(np.clip(2 * len(known) ** 0.5, 10, 50))
        axes.hist(known, bins=bins, color=LIGHT["soft"], alpha=0.55, edgecolor=LIGHT["paper"])
        mean = float(known.mean())
        axes.axvline(mean, color=LIGHT["soft"], linestyle="--", linewidth=1.1, label=f"mean {mean:.1f} %")
    winner, after = (
        float(m.get("win_rate", np.nan)) * 100.0
        for m in (study.best_train.metrics, study.best_validation.metrics)
    )
    if np.isfinite(winner):
        axes.axvline(winner, color=LIGHT["accent"], linewidth=2, label=f"selected {winner:.1f} %")
    if np.isfinite(after):
        axes.axvline(
            after,
            color=LIGHT["loss"],
            linewidth=1.6,
            linestyle=":",
            label=f"selected, in validation {after:.1f} %",
        )
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=True))
    axes.set_xlabel("win rate, %", color=LIGHT["soft"])
    axes.set_ylabel("strategies", color=LIGHT["soft"])
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9, labelcolor=LIGHT["ink"])
