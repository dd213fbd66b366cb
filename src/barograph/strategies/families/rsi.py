"""Wilder's relative strength: buy what was sold too much."""

from __future__ import annotations

from barograph.strategies.families.family import Family, Params, real, window
from barograph.strategies.rules import Condition, Indicator, Rules


def _rules(params: Params) -> Rules:
    strength = Indicator("rsi", int(params["window"]))
    oversold = Condition(strength, "below", float(params["oversold"]))
    overbought = Condition(strength, "above", float(params["overbought"]))
    return Rules((oversold,), (overbought,), (overbought,), (oversold,))


def _refuse(params: Params) -> str:
    low, high = params["oversold"], params["overbought"]
    return "" if float(low) < float(high) else f"oversold must be below overbought, they are {low} and {high}"


RSI = Family(
    name="rsi",
    about="enters when Wilder's RSI is below oversold, leaves when it is above overbought",
    parameters=(
        window("window", "bars of the RSI", 14, share=0.25),
        real("oversold", "enter below it", 30.0, 0.0, 100.0, (10.0, 45.0, 1.0)),
        real("overbought", "leave above it", 70.0, 0.0, 100.0, (50.0, 90.0, 1.0)),
    ),
    rules=_rules,
    refuse=_refuse,
)
