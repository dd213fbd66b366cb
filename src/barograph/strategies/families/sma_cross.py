"""Two simple averages that cross: the oldest trend follower."""

from __future__ import annotations

from barograph.strategies.families.crossing import crossing, fast_below_slow
from barograph.strategies.families.family import Family, window

SMA_CROSS = Family(
    name="sma_cross",
    about="holds while the fast simple average of closes is above the slow one",
    parameters=(
        window("fast", "bars of the fast average", 20, low=1, drawn=2, share=0.5),
        window("slow", "bars of the slow average", 50, drawn=5),
    ),
    rules=crossing("sma"),
    refuse=fast_below_slow,
)
