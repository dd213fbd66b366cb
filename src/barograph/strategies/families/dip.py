"""Buy the dip, sell at a profit."""

from __future__ import annotations

from barograph.strategies.families.family import Family, Params, real, window
from barograph.strategies.rules import Condition, Indicator, Rules


def _rules(params: Params) -> Rules:
    n, drop = int(params["window"]), float(params["drop"])
    dropped = Condition(Indicator("drawdown", n), "below", -drop)
    risen = Condition(Indicator("rise", n), "above", drop)
    return Rules(enter_long=(dropped,), enter_short=(risen,))


DIP = Family(
    name="dip",
    about="enters when the close is more than drop below its highest in the window, leaves at the target",
    parameters=(
        window("window", "bars in which the highest close is looked for, this one included", 20, drawn=3),
        real("drop", "how far below it, 0.03 = 3 %", 0.03, 0.0, 0.99, (0.005, 0.1, 0.0025)),
    ),
    rules=_rules,
    take_profit=0.05,
)
