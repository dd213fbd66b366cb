"""Luck made to measure: the formula holds, and nothing else than luck is in it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from barograph.dashboard.noise import DAYS_A_YEAR, TRAIN, Bet, as_lucky, make, walk
from barograph.research.honesty.expected_maximum import exact


def test_the_same_bet_gives_the_same_luck_and_another_seed_another() -> None:
    once, again, other = make(Bet(50, 2)), make(Bet(50, 2)), make(Bet(50, 2, seed=2))
    assert np.array_equal(once.before, again.before)
    assert np.array_equal(once.winner, again.winner)
    assert not np.array_equal(once.before, other.before)


def test_the_winner_is_the_best_in_training_and_nobody_else() -> None:
    luck = make(Bet(200, 3))
    assert luck.before[luck.best] == luck.before.max()
    assert len(luck.before) == len(luck.after) == 200
    days = 3 * DAYS_A_YEAR
    assert len(luck.times_us) == len(luck.winner) == len(luck.market) == days
    assert luck.border_us == luck.times_us[round(days * TRAIN)]


def test_the_best_of_noise_is_where_the_formula_expects_it() -> None:
    """Over many seeds: the mean of the best is the expected maximum, and afterwards there is nothing."""
    lucks = [make(Bet(100, 2, seed=seed)) for seed in range(60)]
    best = [luck.before[luck.best] / luck.deviation for luck in lucks]
    after = [luck.after[luck.best] * math.sqrt(2 * (1 - TRAIN)) for luck in lucks]
    # The maximum of 100 normals has a deviation of 0.43: the mean of 60 of 0.055.
    assert np.mean(best) == pytest.approx(exact(100.0), abs=4 * 0.055)
    assert np.mean(after) == pytest.approx(0.0, abs=4 / math.sqrt(60))
    # A probability that is one is spread evenly over 0 to 1.
    assert np.mean([luck.as_lucky for luck in lucks]) == pytest.approx(0.5, abs=4 * 0.037)
    assert lucks[0].expected == exact(100.0) * lucks[0].deviation


def test_ratios_scatter_as_theory_says() -> None:
    luck = make(Bet(1000, 4))
    assert luck.before.std() == pytest.approx(luck.deviation, rel=0.1)
    assert abs(luck.before.mean()) < 4 * luck.deviation / math.sqrt(1000)


def test_chart_rules_are_fewer_tries_than_they_seem() -> None:
    lucks = [make(Bet(300, 3, seed=seed, kind="rules")) for seed in range(12)]
    assert np.mean([np.nanmax(luck.before) for luck in lucks]) < lucks[0].expected


def test_one_try_has_nothing_to_be_best_of() -> None:
    luck = make(Bet(1, 1))
    assert (luck.best, luck.expected) == (0, 0.0)
    assert 0.0 <= luck.as_lucky <= 1.0


@pytest.mark.parametrize(
    ("deviations", "tries", "wanted"), [(-40.0, 5, 1.0), (0.0, 2, 0.75), (40.0, 10**6, 0.0)]
)
def test_how_often_luck_does_as_well(deviations: float, tries: int, wanted: float) -> None:
    assert as_lucky(deviations, tries) == pytest.approx(wanted)


def test_volatility_is_what_was_asked_for() -> None:
    moves = np.diff(np.log(walk(Bet(1, 8, volatility=0.3)).close))
    assert moves.std() * math.sqrt(DAYS_A_YEAR) == pytest.approx(0.3, rel=0.05)
