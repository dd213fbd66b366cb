"""Two exponential averages that cross."""

from __future__ import annotations

from barograph.strategies.families.crossing import crossing, fast_below_slow
from barograph.strategies.families.family import Family, window

EMA_CROSS = Family(
    name="ema_cross",
    about="holds while the fast exponential average of closes is above the slow one",
    parameters=(
        window("fast", "span of the fast average, in bars", 12, low=1, drawn=2, share=0.5),
        window("slow", "span of the slow average, in bars", 26, drawn=5),
    ),
    rules=crossing("ema"),
    refuse=fast_below_slow,
)
