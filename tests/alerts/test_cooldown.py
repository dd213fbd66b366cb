"""What was told lately is held back, and no memory grows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from barograph.alerts.cooldown import CoolDown
from barograph.clock import NS_PER_S


def test_given_a_repeat_within_the_cool_down_then_it_is_held_back_and_counted_with_the_next() -> None:
    memory = CoolDown(60)
    assert memory.admit("disk", 0) == 0
    assert memory.admit("disk", 1) is None
    assert memory.admit("disk", 59 * NS_PER_S) is None
    assert memory.admit("feed", 59 * NS_PER_S) == 0
    assert memory.admit("disk", 60 * NS_PER_S) == 2
    assert memory.admit("disk", 61 * NS_PER_S) is None


def test_given_more_keys_than_bounded_then_the_one_told_longest_ago_is_forgotten() -> None:
    memory = CoolDown(60, keys=3)
    for key in "abcd":
        memory.admit(key, 0)
    assert len(memory) == 3
    assert memory.admit("d", 1) is None
    assert memory.admit("a", 1) == 0


def test_given_a_clock_that_was_set_back_then_nothing_is_silenced_for_longer() -> None:
    memory = CoolDown(60)
    memory.admit("disk", 10_000 * NS_PER_S)
    assert memory.admit("disk", 5 * NS_PER_S) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=200))
def test_every_alert_is_told_or_counted_exactly_once(calls: list[tuple[str, int]]) -> None:
    memory, now_s, told, repeats = CoolDown(60), 0, 0, 0
    for key, wait_s in calls:
        now_s += wait_s
        answer = memory.admit(key, now_s * NS_PER_S)
        if answer is not None:
            told, repeats = told + 1, repeats + answer
    later = [memory.admit(key, (now_s + 60) * NS_PER_S) for key in "abc"]
    assert None not in later
    assert told + repeats + sum(n or 0 for n in later) == len(calls)
