"""No idea at all: in or out by the toss of a coin. What luck alone can do.

The tosses are numbered by the bar's place in time, in lengths of a bar, so that a bar's toss does not
depend on which bars were asked for before. The bits are those of SplitMix64 (G. Steele, D. Lea and C.
Flood, "Fast splittable pseudorandom number generators", 2014).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from barograph.rows import Floats
from barograph.strategies.families.family import LONGEST, Family, Parameter, Params, real
from barograph.strategies.families.signals import HOLD
from barograph.strategies.prices import Prices
from barograph.strategies.rules import Rules
from barograph.strategies.strategy import Strategy

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SEEDS = 2**53
"""Seeds stay whole numbers in every reader of JSON."""


def mixed(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's output for its states ``z``."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def tosses(seed: int, numbers: npt.NDArray[np.int64]) -> Floats:
    """Numbers in [0, 1), independent for every pair of seed and number."""
    start = mixed(np.array([seed], dtype=np.uint64) * _GOLDEN + _GOLDEN)
    bits = mixed(start + (numbers.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _external(strategy: Strategy, bars: Prices, first: int) -> Floats:  # noqa: ARG001
    params = strategy.params
    number = bars.ts_us // (bars.interval_us * int(params["hold"]))
    heads = tosses(int(params["seed"]), number) < float(params["probability"])
    taken, left = {"long": (1.0, 0.0), "short": (-1.0, 0.0), "both": (1.0, -1.0)}[strategy.side]
    return np.where(heads, taken, left)


def _rules(params: Params) -> Rules:  # noqa: ARG001
    return HOLD


COINFLIP = Family(
    name="coinflip",
    about="holds during the next bar if the coin of this bar says so",
    parameters=(
        Parameter("seed", "which coin", 0, 0, _SEEDS - 1, "whole", (0, _SEEDS - 1, 1)),
        real("probability", "of holding", 0.5, 0.0, 1.0, (0.5, 0.5, 1.0)),
        Parameter("hold", "bars from one toss to the next", 1, 1, LONGEST, "whole"),
    ),
    rules=_rules,
    external=_external,
    usual=False,
)
