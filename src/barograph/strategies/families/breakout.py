"""Donchian's channel: buy what goes higher than it has been."""

from __future__ import annotations

from barograph.strategies.families.family import Family, Params, window
from barograph.strategies.rules import Condition, Indicator, Rules


def _rules(params: Params) -> Rules:
    close, entry, leave = Indicator("close"), int(params["window"]), int(params["exit_window"])
    return Rules(
        (Condition(close, "above", 0.0, Indicator("highest", entry)),),
        (Condition(close, "below", 0.0, Indicator("lowest", leave)),),
        (Condition(close, "below", 0.0, Indicator("lowest", entry)),),
        (Condition(close, "above", 0.0, Indicator("highest", leave)),),
    )


def _refuse(params: Params) -> str:
    entry, leave = params["window"], params["exit_window"]
    return (
        ""
        if int(leave) <= int(entry)
        else f"exit_window must not be above window, they are {leave} and {entry}"
    )


BREAKOUT = Family(
    name="breakout",
    about="enters when the close is above the highest high of the bars before, leaves below the lowest low",
    parameters=(
        window("window", "bars before, for entries", 20, low=1, drawn=5),
        window("exit_window", "bars before, for exits", 10, low=1, drawn=2, share=0.5),
    ),
    rules=_rules,
    refuse=_refuse,
)
