"""Waits are drawn from a bound that doubles; an allowance is never overdrawn, in any window."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.recorder.live.backoff import Allowance, Backoff


class Highest(Random):
    """Draws the most that there is."""

    def random(self) -> float:
        return 1.0


def test_the_bound_of_the_waits_doubles_up_to_the_longest() -> None:
    backoff = Backoff(0.5, 10.0, 30.0, Highest())
    assert [backoff.failed() for _ in range(7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@given(st.integers(0, 2**32), st.integers(0, 200))
def test_a_wait_lies_between_nothing_and_its_bound(seed: int, failures: int) -> None:
    backoff = Backoff(0.5, 60.0, 30.0, Random(seed))
    for _ in range(failures):
        backoff.failed()
    assert 0 <= backoff.failed() <= min(60.0, 0.5 * 2.0 ** min(failures, 60))


@given(st.integers(0, 2**32), st.floats(0, 1e6), st.integers(0, 50))
def test_a_venues_wait_is_never_cut_short_and_spread_by_a_first_wait(
    seed: int, asked_s: float, failures: int
) -> None:
    backoff = Backoff(0.5, 60.0, 30.0, Random(seed))
    for _ in range(failures):
        backoff.failed()
    assert asked_s <= backoff.failed(asked_s) <= max(asked_s + 0.5, 60.0)


def test_waits_begin_anew_only_after_sustained_data() -> None:
    backoff = Backoff(0.5, 60.0, 30.0, Highest())
    for _ in range(5):
        backoff.failed()
    backoff.data(100.0)
    backoff.data(129.9)
    assert backoff.failed() == 16.0
    backoff.data(200.0)
    backoff.data(230.0)
    assert backoff.failed() == 0.5


def test_a_failure_makes_the_time_of_data_begin_anew() -> None:
    backoff = Backoff(0.5, 60.0, 30.0, Highest())
    backoff.data(0.0)
    backoff.failed()
    backoff.data(40.0)
    assert backoff.failed() == 1.0


@given(
    st.integers(1, 10),
    st.floats(0.1, 100),
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 4)), max_size=80),
)
def test_no_window_holds_more_than_is_allowed(
    most: int, per_s: float, asked: list[tuple[float, int]]
) -> None:
    allowance, now_s, taken = Allowance(most, per_s), 0.0, []
    for later_s, weight in asked:
        now_s += later_s
        if allowance.take(now_s, weight) == 0:
            taken.append((now_s, min(weight, most)))
    for begin_s, _ in taken:
        # As the allowance reckons it, so that both round in the same way.
        window = [weight for moment, weight in taken if moment >= begin_s and moment < begin_s + per_s]
        assert sum(window) <= most


@given(st.integers(1, 10), st.floats(0.1, 100), st.lists(st.floats(0, 20), max_size=40))
def test_after_the_wait_that_was_told_it_may_be_taken(most: int, per_s: float, steps: list[float]) -> None:
    allowance, now_s = Allowance(most, per_s), 0.0
    for step in steps:
        now_s += step
        wait_s = allowance.take(now_s)
        assert wait_s <= per_s + 1e-6
        if wait_s > 0:
            now_s += wait_s + 1e-6
            assert allowance.take(now_s) == 0


def test_a_weight_beyond_the_bound_goes_when_it_is_alone() -> None:
    allowance = Allowance(10, 1.0)
    assert allowance.take(0.0, 25) == 0
    assert allowance.take(0.5, 25) == pytest.approx(0.5)
    assert allowance.take(1.0, 25) == 0


def test_nothing_is_allowed_while_the_venue_has_said_so() -> None:
    allowance = Allowance(10, 1.0)
    allowance.block(60.0)
    allowance.block(30.0)
    assert allowance.take(20.0) == 40.0
    assert allowance.take(60.0) == 0
