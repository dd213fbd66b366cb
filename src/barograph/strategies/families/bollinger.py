"""Bollinger's bands: buy below the lower one, sell above the upper one."""

from __future__ import annotations

import math

from barograph.strategies.families.family import Family, Params, real, window
from barograph.strategies.rules import Condition, Indicator, Rules


def _rules(params: Params) -> Rules:
    n = int(params["window"])
    # J. Bollinger's bands are made with the standard deviation of the population; z-scores with the sample's.
    width = float(params["width"]) * math.sqrt((n - 1) / n)
    score = Indicator("zscore", n)
    low, high = Condition(score, "below", -width), Condition(score, "above", width)
    return Rules((low,), (high,), (high,), (low,))


BOLLINGER = Family(
    name="bollinger",
    about="enters when the close is below the lower band, leaves when it is above the upper band",
    parameters=(
        window("window", "bars of the average and of the deviation", 20, drawn=5),
        real(
            "width", "distance of the bands from the average, in deviations", 2.0, 0.0, 10.0, (0.5, 3.0, 0.1)
        ),
    ),
    rules=_rules,
)
