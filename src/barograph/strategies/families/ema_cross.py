"""Two exponential averages that cross."""

from __future__ import annotations

from barograph.strategies.families.family import Family, Params, window
from barograph.strategies.families.sma_cross import fast_below_slow
from barograph.strategies.rules import Condition, Indicator, Rules


def _rules(params: Params) -> Rules:
    fast, slow = Indicator("ema", int(params["fast"])), Indicator("ema", int(params["slow"]))
    above, below = Condition(fast, "above", 0.0, slow), Condition(fast, "below", 0.0, slow)
    return Rules((above,), (below,), (below,), (above,))


EMA_CROSS = Family(
    name="ema_cross",
    about="holds while the fast exponential average of closes is above the slow one",
    parameters=(
        window("fast", "span of the fast average, in bars", 12, low=1, drawn=2, share=0.5),
        window("slow", "span of the slow average, in bars", 26, drawn=5),
    ),
    rules=_rules,
    refuse=fast_below_slow,
)
