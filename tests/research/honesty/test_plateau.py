"""The winner's neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from barograph.errors import UsageError
from barograph.research.honesty.plateau import around, natural, plateau
from barograph.rows import Floats
from barograph.strategies.families import FAMILIES, check
from barograph.strategies.strategy import Strategy

WINNER = Strategy(family="sma_cross", params={"fast": 10, "slow": 40}, stop_loss=0.1)


def hill(strategies: Sequence[Strategy]) -> Floats:
    """Smooth, highest at 10 and 40."""
    return np.array(
        [
            2 - abs(math.log(float(s.params["fast"]) / 10)) - abs(math.log(float(s.params["slow"]) / 40))
            for s in strategies
        ]
    )


def needle(strategies: Sequence[Strategy]) -> Floats:
    return np.array([2.0 if s == check(WINNER) else 0.1 for s in strategies])


def test_a_hill_has_high_neighbours_and_a_needle_has_not() -> None:
    assert plateau(WINNER, hill).neighbours > 0.85
    assert plateau(WINNER, needle).neighbours == pytest.approx(0.05)


def test_the_grid_lies_around_the_winner_and_only_its_parameters_change() -> None:
    seen: list[Strategy] = []

    def score(strategies: Sequence[Strategy]) -> Floats:
        seen.extend(strategies)
        return hill(strategies)

    found = plateau(WINNER, score)
    assert found.names == ("fast", "slow")
    assert found.first.tolist() == [5, 6, 7, 8, 9, 10, 12, 13, 15, 17, 20]
    assert found.values.shape == (11, len(found.second))
    at = found.first.tolist().index(10), found.second.tolist().index(40)
    assert found.values[at] == 2
    assert check(WINNER) in seen
    assert {(s.family, s.stop_loss, s.size) for s in seen} == {("sma_cross", 0.1, 1.0)}
    # 20 and 20 is no pair.
    assert len(seen) == len(set(seen)) == np.isfinite(found.values).sum() == found.values.size - 1


def test_pairs_that_the_family_refuses_have_no_value() -> None:
    close = Strategy(family="sma_cross", params={"fast": 10, "slow": 11})
    found = plateau(close, lambda strategies: np.ones(len(strategies)))
    refused = found.first[:, None] >= found.second[None, :]
    np.testing.assert_array_equal(np.isnan(found.values), refused)
    assert refused.any()
    assert found.neighbours == 1


def test_a_family_with_one_parameter_has_one_row_of_neighbours() -> None:
    found = plateau(WINNER, hill, most=1)
    assert found.names == ("fast",)
    assert found.second.shape == (1,)
    assert found.values.shape == (11, 1)
    assert found.neighbours > 0.9


@pytest.mark.parametrize(
    "name", [name for name, family in FAMILIES.items() if family.drawable and family.usual]
)
def test_every_family_that_is_generated_has_a_plateau(name: str) -> None:
    winner = check(Strategy(family=name))
    found = plateau(winner, lambda strategies: np.arange(len(strategies)) + 1.0)
    own = [float(winner.params[parameter]) for parameter in found.names]
    assert own[0] in found.first
    assert own[1] in found.second
    assert math.isfinite(found.neighbours)
    for parameter, axis in zip(natural(winner), (found.first, found.second), strict=False):
        assert parameter.low <= axis.min() < axis.max() <= parameter.high
        assert np.all(np.diff(axis) > 0)


def test_bounds_end_the_grid() -> None:
    fast = FAMILIES["sma_cross"].parameters[0]
    assert around(fast, 1, 3) == [1, 2, 3, 4]
    level = next(p for p in natural(check(Strategy(family="rsi"))) if p.name == "oversold")
    assert around(level, 99.0, 2) == [95.0, 97.0, 99.0]
    assert around(level, 33.3, 1) == [31.3, 33.3, 35.3]


@pytest.mark.parametrize("family", ["coinflip", "signals"])
def test_what_has_no_neighbours_says_so(family: str) -> None:
    params = {"signals": "0110"} if family == "signals" else {"seed": 3}
    with pytest.raises(UsageError, match="no parameter that could be varied"):
        plateau(Strategy(family=family, params=params), hill)


def test_without_a_gain_or_a_neighbour_there_is_no_ratio() -> None:
    assert math.isnan(plateau(WINNER, lambda strategies: -np.ones(len(strategies))).neighbours)
    alone = plateau(WINNER, lambda strategies: np.where(needle(strategies) > 1, 1.0, math.nan))
    assert math.isnan(alone.neighbours)
