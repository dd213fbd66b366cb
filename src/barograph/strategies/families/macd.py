"""MACD (G. Appel): the distance of two averages, against its own average."""

from __future__ import annotations

from barograph.strategies.families.crossing import fast_below_slow
from barograph.strategies.families.family import Family, Params, window
from barograph.strategies.rules import Condition, Indicator, Rules


def _rules(params: Params) -> Rules:
    spans = int(params["fast"]), int(params["slow"])
    line, signal = Indicator("macd", *spans), Indicator("macd_signal", *spans, int(params["signal"]))
    above, below = Condition(line, "above", 0.0, signal), Condition(line, "below", 0.0, signal)
    return Rules((above,), (below,), (below,), (above,))


MACD = Family(
    name="macd",
    about="holds while the MACD line is above its signal line",
    parameters=(
        window("fast", "span of the fast average, in bars", 12, low=1, drawn=2, share=0.15),
        window("slow", "span of the slow average, in bars", 26, drawn=4, share=0.4),
        window("signal", "span of the signal line, in bars", 9, low=1, drawn=2, share=0.1),
    ),
    rules=_rules,
    refuse=fast_below_slow,
)
