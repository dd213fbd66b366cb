"""What is far from its mean comes back to it."""

from __future__ import annotations

from barograph.strategies.families.family import Family, Params, real, window
from barograph.strategies.rules import Condition, Indicator, Rules


def _rules(params: Params) -> Rules:
    score = Indicator("zscore", int(params["window"]))
    entry, leave = float(params["entry"]), float(params["exit"])
    return Rules(
        (Condition(score, "below", -entry),),
        (Condition(score, "above", -leave),),
        (Condition(score, "above", entry),),
        (Condition(score, "below", leave),),
    )


def _refuse(params: Params) -> str:
    entry, leave = params["entry"], params["exit"]
    return "" if float(leave) < float(entry) else f"exit must be below entry, they are {leave} and {entry}"


MEAN_REVERSION = Family(
    name="mean_reversion",
    about="enters when the close's z-score is below -entry, leaves when it is above -exit",
    parameters=(
        window("window", "bars of the mean and of the sample deviation", 20, drawn=5),
        real("entry", "z-score against which it trades", 2.0, 0.0, 10.0, (0.5, 3.0, 0.1)),
        real(
            "exit",
            "z-score at which it leaves; below 0: on the other side of the mean",
            0.0,
            -10.0,
            10.0,
            (-0.5, 1.0, 0.25),
        ),
    ),
    rules=_rules,
    refuse=_refuse,
)
