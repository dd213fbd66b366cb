"""What has risen goes on rising."""

from __future__ import annotations

from barograph.strategies.families.family import Family, Params, real, window
from barograph.strategies.rules import Condition, Indicator, Rules


def _rules(params: Params) -> Rules:
    change, threshold = Indicator("change", int(params["window"])), float(params["threshold"])
    return Rules(
        (Condition(change, "above", threshold),),
        (Condition(change, "below", 0.0),),
        (Condition(change, "below", -threshold),),
        (Condition(change, "above", 0.0),),
    )


MOMENTUM = Family(
    name="momentum",
    about="enters when the close has risen by more than threshold over the window, leaves when it has fallen",
    parameters=(
        window("window", "bars over which the change is taken", 20, low=1, drawn=2),
        real("threshold", "change that is needed, 0.01 = 1 %", 0.0, 0.0, 10.0, (0.0, 0.05, 0.0025)),
    ),
    rules=_rules,
)
