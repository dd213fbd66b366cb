"""A part's way through its lives, by the clock of the test."""

from __future__ import annotations

from random import Random

import pytest

from barograph.supervising.plan import Part
from barograph.supervising.runs import Run, Waits, died
from barograph.supervising.statefile import Stage

PART = Part("a", ("-m", "a"), 0, 1.0)


class Latest(Random):
    """Chance that always draws the most."""

    def random(self) -> float:
        return 1.0


def run() -> Run:
    return Run.of(PART, Waits(min_s=1, max_s=8, sustained_s=60), Latest())


def lives(one: Run, *lengths_s: float) -> list[float | None]:
    """The waits behind lives of these lengths, which all end by a kill."""
    waits: list[float | None] = []
    now_s = 0.0
    for length_s in lengths_s:
        one.began(7, now_s, 0)
        now_s += length_s
        waits.append(one.ended(-9, now_s, 0))
        now_s += waits[-1] or 0.0
    return waits


def test_given_deaths_right_after_each_other_then_waits_double_up_to_their_bound() -> None:
    assert lives(run(), 0, 0, 0, 0, 0) == [1, 2, 4, 8, 8]


def test_given_a_long_life_then_waits_begin_anew() -> None:
    assert lives(run(), 0, 0, 61, 0) == [1, 2, 1, 2]


@pytest.mark.parametrize("code", [2, 3, 4])
def test_given_a_code_that_needs_a_person_then_it_has_ended_for_good(code: int) -> None:
    one = run()
    one.began(7, 0, 0)
    assert one.ended(code, 1, 0) is None
    assert (one.stage, one.verdict, one.gone) == (Stage.ENDED, code, True)
    assert one.problem


def test_given_an_orderly_end_of_its_own_then_it_is_not_begun_again_and_nothing_is_wrong() -> None:
    one = run()
    one.began(7, 0, 0)
    assert one.ended(0, 1, 0) is None
    assert (one.stage, one.verdict, one.problem) == (Stage.ENDED, 0, "")


def test_restarts_are_the_lives_after_the_first() -> None:
    one = run()
    assert one.state().restarts == 0
    lives(one, 0, 0, 0)
    assert one.state().restarts == 2
    assert one.state().pid == 0


def test_how_it_died_is_told_for_people() -> None:
    assert (died(1), died(-11)) == ("ended with code 1", "was killed by SIGSEGV")
    assert died(-250) == "was killed by signal 250"
