"""The best strategy of the real prices among those of prices without any pattern."""

from __future__ import annotations

from barograph.research.outcome import NoiseTest
from barograph.research.plots import distribution
from barograph.research.plots.scale import PLAIN, Unit


def draw(found: NoiseTest, name: str, unit: Unit = PLAIN) -> str:
    """Histogram of the best of each noise study, the real one marked."""
    return distribution.draw(
        found.noise, found.real, f"{name} of the best, on noise", winner_name="real prices", unit=unit
    )
