"""Two simple averages that cross: the oldest trend follower."""

from __future__ import annotations

from barograph.strategies.families.family import Family, Params, window
from barograph.strategies.rules import Condition, Indicator, Rules


def _rules(params: Params) -> Rules:
    fast, slow = Indicator("sma", int(params["fast"])), Indicator("sma", int(params["slow"]))
    above, below = Condition(fast, "above", 0.0, slow), Condition(fast, "below", 0.0, slow)
    return Rules((above,), (below,), (below,), (above,))


def fast_below_slow(params: Params) -> str:
    """Why two windows do not make a pair."""
    fast, slow = params["fast"], params["slow"]
    return "" if int(fast) < int(slow) else f"fast must be below slow, they are {fast} and {slow}"


SMA_CROSS = Family(
    name="sma_cross",
    about="holds while the fast simple average of closes is above the slow one",
    parameters=(
        window("fast", "bars of the fast average", 20, low=1, drawn=2, share=0.5),
        window("slow", "bars of the slow average", 50, drawn=5),
    ),
    rules=_rules,
    refuse=fast_below_slow,
)
