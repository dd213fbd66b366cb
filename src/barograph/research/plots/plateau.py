"""The winner's neighbours: a hill can be trusted more than a needle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from barograph.research.outcome import Plateau
from barograph.research.plots.scale import PLAIN, Unit
from barograph.research.plots.svg import HALF, box, drawing, text

_ROW, _LEFT, _TOP = 21.0, 56.0, 22.0


def draw(found: Plateau, at: tuple[float, ...], unit: Unit = PLAIN) -> str:
    """Heat map of the chosen metric over one or two parameters; ``at``: the winner's own values."""
    show = unit.write
    names = (*found.names, "")[:2]
    size = (HALF, _TOP + _ROW * len(found.first) + 40)
    cell = (HALF - _LEFT - 8) / len(found.second)
    shade = _shades(found)
    parts = [text(_LEFT - 8, _TOP - 9, names[0], "c", "end")]
    for i, first in enumerate(found.first):
        parts.append(text(_LEFT - 8, _TOP + i * _ROW + 15, f"{first:g}", "n", "end"))
        for j, second in enumerate(found.second):
            value = float(found.values[i, j])
            if np.isnan(value):
                continue
            title = (
                f"{names[0]} {first:g}"
                + (f", {names[1]} {second:g}" if names[1] else "")
                + f": {show(value)}"
            )
            kind, opacity = shade(value)
            x, y = _LEFT + j * cell, _TOP + i * _ROW
            parts.append(box(x + 0.5, y + 0.5, cell - 1, _ROW - 1, kind, title, opacity))
            shown = show(value).removesuffix(" %")
            if cell > 7.0 * len(shown):
                parts.append(text(x + cell / 2, y + 15, shown, "on", "middle"))
            if _is_winner(at, first, second):
                parts.append(box(x + 0.5, y + 0.5, cell - 1, _ROW - 1, "ring"))
    if names[1]:
        parts += _bottom(found, cell, size[1], names[1])
    best = float(np.nanmax(found.values)) if np.isfinite(found.values).any() else float("nan")
    over = " and ".join(found.names)
    words = f"Metric over {over}; the best of the grid is {show(best)}, the winner is outlined."
    return drawing(size, words, parts)


def _bottom(found: Plateau, cell: float, height: float, name: str) -> list[str]:
    every = max(1, int(np.ceil(34 / cell)))
    level = height - 25
    shown = [
        text(_LEFT + (j + 0.5) * cell, level, f"{second:g}", "n", "middle")
        for j, second in enumerate(found.second)
        if j % every == 0
    ]
    return [*shown, text((_LEFT + HALF) / 2, height - 6, name, "c", "middle")]


def _is_winner(at: tuple[float, ...], first: float, second: float) -> bool:
    return bool(at) and first == at[0] and (len(at) < 2 or second == at[1])


def _shades(found: Plateau) -> Callable[[float], tuple[str, float]]:
    """Accent above 0 and warm below; where all are above 0, shades between the lowest and the highest."""
    known = found.values[np.isfinite(found.values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    one_sided = low >= 0.0

    def shade(value: float) -> tuple[str, float]:
        if one_sided:
            return "bs", 0.06 + 0.5 * (value - low) / ((high - low) or 1.0)
        reach = max(abs(low), abs(high))
        return ("bs" if value >= 0 else "bl"), 0.06 + 0.5 * abs(value) / reach

    return shade
