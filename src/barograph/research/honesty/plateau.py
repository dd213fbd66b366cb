"""The winner's neighbours: is it the top of a hill, or a needle that the search happened to hit?

A rule that has found something does nearly as well with 18 days as with 20. The winner's one or two
most natural parameters are varied around it, and the chosen metric is computed for every pair.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

import msgspec
import numpy as np

from barograph.errors import UsageError
from barograph.research.outcome import Plateau
from barograph.rows import Floats
from barograph.strategies.families import FAMILIES, Parameter, check
from barograph.strategies.strategy import Strategy

_WINDOW_STEP = 1.15
_REAL_STEPS = 20


def plateau(
    winner: Strategy, score: Callable[[Sequence[Strategy]], Floats], *, reach: int = 5, most: int = 2
) -> Plateau:
    """The metric all around ``winner``.

    Varied are the first ``most`` parameters of its family, in the family's order, from which strategies are
    generated: windows by 15 % a step (at least a bar), others by a twentieth of the range that is generated.

    Args:
        winner: the selected strategy.
        score: the chosen metric of each of some strategies, NaN where undefined; called once.
        reach: steps to either side, as far as the family's bounds let them go.
        most: 1 or 2 parameters.

    Returns:
        ``neighbours`` is NaN where the winner's own value is not above 0, or no neighbour has a value.

    Raises:
        UsageError: the family has nothing to vary, such as an array of signals; or see ``families.check``.
    """
    winner = check(winner)
    varied = natural(winner)[:most]
    if not varied:
        raise UsageError(
            f"{winner.family} has no parameter that could be varied; there is no plateau to look at"
        )
    axes = [around(parameter, float(winner.params[parameter.name]), reach) for parameter in varied]
    names = tuple(parameter.name for parameter in varied)
    values = _scored(winner, names, axes, score)
    own = [axis.index(float(winner.params[name])) for axis, name in zip(axes, names, strict=True)]
    second = np.array(axes[1], dtype=np.float64) if len(axes) > 1 else np.zeros(1)
    return Plateau(names, np.array(axes[0], dtype=np.float64), second, values, _neighbours(values, own))


def natural(strategy: Strategy) -> list[Parameter]:
    """Parameters of its family whose neighbouring values do nearly the same: windows and levels, no seeds."""
    return [
        p
        for p in FAMILIES[strategy.family].parameters
        if p.drawn is not None and (p.share or (p.kind == "real" and p.drawn[1] > p.drawn[0]))
    ]


def around(parameter: Parameter, value: float, reach: int) -> list[int | float]:
    """Values up to ``reach`` steps to either side of ``value``, itself included, within bounds, ascending."""
    steps = range(-reach, reach + 1)
    if parameter.kind == "whole":
        # A step of 15 % that is less than a bar is a bar.
        whole = [_whole(value, k) for k in steps]
        return [v for v in whole if parameter.low <= v <= parameter.high]
    first, last, smallest = parameter.drawn or (0.0, 1.0, 0.0)
    step = smallest * max(1, math.ceil((last - first) / _REAL_STEPS / smallest - 1e-9))
    reals = [value if k == 0 else round(value + k * step, 9) for k in steps]
    return [v for v in reals if parameter.low <= v <= parameter.high]


def _whole(value: float, k: int) -> int:
    scaled = round(value * _WINDOW_STEP**k)
    return max(scaled, round(value) + k) if k >= 0 else min(scaled, round(value) + k)


def _scored(
    winner: Strategy,
    names: Sequence[str],
    axes: Sequence[Sequence[int | float]],
    score: Callable[[Sequence[Strategy]], Floats],
) -> Floats:
    """(first, second) values; NaN where the family refuses a pair."""
    shape = (len(axes[0]), len(axes[1]) if len(axes) > 1 else 1)
    values = np.full(math.prod(shape), math.nan)
    allowed, strategies = [], []
    for place, pair in enumerate(product(*axes)):
        changed = winner.params | dict(zip(names, pair, strict=True))
        try:
            strategies.append(check(msgspec.structs.replace(winner, params=changed)))
        except UsageError:
            continue  # such as a fast average slower than the slow one
        allowed.append(place)
    values[allowed] = score(strategies)
    return values.reshape(shape)


def _neighbours(values: Floats, own: Sequence[int]) -> float:
    """Median of the cells next to the winner's / the winner's."""
    i, j = (*own, 0)[:2]
    height = float(values[i, j])
    near = values[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].copy()
    near[min(i, 1), min(j, 1)] = math.nan
    known = near[np.isfinite(near)]
    if not (height > 0 and len(known)):
        return math.nan
    return float(np.median(known)) / height
