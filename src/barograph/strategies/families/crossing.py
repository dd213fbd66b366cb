"""What all pairs of averages that cross have in common."""

from __future__ import annotations

from collections.abc import Callable

from barograph.strategies.families.family import Params
from barograph.strategies.rules import Condition, Indicator, Rules


def crossing(kind: str) -> Callable[[Params], Rules]:
    """Rules of two columns of a kind: long while the fast one is above the slow one, short while below."""

    def rules(params: Params) -> Rules:
        fast, slow = Indicator(kind, int(params["fast"])), Indicator(kind, int(params["slow"]))
        above, below = Condition(fast, "above", 0.0, slow), Condition(fast, "below", 0.0, slow)
        return Rules((above,), (below,), (below,), (above,))

    return rules


def fast_below_slow(params: Params) -> str:
    """Why two windows do not make a pair."""
    fast, slow = params["fast"], params["slow"]
    return "" if int(fast) < int(slow) else f"fast must be below slow, they are {fast} and {slow}"
