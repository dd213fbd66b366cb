"""Keeping subscriptions as wanted where requests are numbered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from barograph.feeds.live.subscribing import PATIENCE_S, Subscriber, parts
from barograph.feeds.live.venue import Again, Ready, Send

SECOND_NS = 1_000_000_000
LATE_NS = int(PATIENCE_S * SECOND_NS)


def compose(subscribe: bool, names: Sequence[str], number: int) -> bytes:
    return msgspec.json.encode([subscribe, list(names), number])


def in_pairs(names: Sequence[str]) -> list[list[str]]:
    return parts(names, 2)


def subscriber(names: str = "abc") -> Subscriber:
    return Subscriber(names, in_pairs, compose)


def sent(actions: Sequence[Any]) -> list[Any]:
    return [msgspec.json.decode(action.frame) for action in actions if isinstance(action, Send)]


def ready_with(names: str = "abc") -> Subscriber:
    made = subscriber(names)
    for _, _, number in sent(made.opened(0)):
        made.answered(number, 0)
    return made


def test_everything_is_asked_for_in_requests_and_ready_when_the_last_is_answered() -> None:
    made = subscriber()
    assert sent(made.opened(0)) == [[True, ["a", "b"], 1], [True, ["c"], 2]]
    assert made.answered(2, 0) == []
    assert made.answered(2, 0) == []
    assert made.answered(99, 0) == []
    assert made.answered(None, 0) == []
    assert made.answered(1, 0) == [Ready()]


def test_a_request_answered_name_by_name_is_open_until_the_last_name() -> None:
    made = subscriber("ab")
    made.opened(0)
    assert made.answered(1, 0, "a") == []
    assert made.open_names(1) == {"b"}
    assert made.answered(1, 0, "b") == [Ready()]
    assert made.open_names(1) == frozenset()


def test_a_refused_name_is_gone_and_does_not_hold_up_the_rest() -> None:
    made = subscriber("ab")
    made.opened(0)
    assert made.refused(1, 0, "a") == []
    assert made.answered(1, 0, "b") == [Ready()]
    assert made.names == ["b"]
    assert made.renew("a", 0) == []


def test_nothing_is_ready_when_all_names_are_refused() -> None:
    made = subscriber("a")
    made.opened(0)
    assert made.refused(1, 0, "a") == []
    assert made.names == []


def test_an_unanswered_request_is_sent_once_more_and_then_given_up() -> None:
    made = subscriber("ab")
    (first,) = made.opened(0)
    assert made.due(LATE_NS - 1) == []
    assert made.due(LATE_NS) == [first]
    assert made.due(2 * LATE_NS - 1) == []
    (given_up,) = made.due(2 * LATE_NS)
    assert isinstance(given_up, Again)
    assert "12 s" in given_up.reason


def test_a_change_asks_for_the_difference_only() -> None:
    made = ready_with("abc")
    assert sent(made.change("bcd", 0)) == [[False, ["a"], 3], [True, ["d"], 4]]
    assert made.change("bcd", 0) == []
    assert made.names == ["b", "c", "d"]


def test_a_change_before_the_opening_is_part_of_the_opening() -> None:
    made = subscriber("abc")
    assert made.change("ax", 0) == []
    assert sent(made.opened(0)) == [[True, ["a", "x"], 1]]


def test_names_to_renew_gather_while_a_request_is_under_way() -> None:
    made = ready_with("abc")
    assert sent(made.renew("a", 0)) == [[False, ["a"], 3], [True, ["a"], 4]]
    assert made.renew("b", 0) == []
    assert made.renew("c", 0) == []
    assert made.answered(3, 0) == []
    assert sent(made.answered(4, 0)) == [[False, ["b", "c"], 5], [True, ["b", "c"], 6]]


def test_a_name_that_is_no_longer_wanted_is_not_renewed() -> None:
    made = ready_with("ab")
    made.renew("a", 0)
    made.renew("b", 0)
    (gone,) = sent(made.change("a", 0))
    actions = [action for number in (2, 3, gone[2]) for action in made.answered(number, 0)]
    assert actions == []
    assert made.renew("b", 0) == []


@given(st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1), max_size=6))
def test_after_any_changes_the_venue_has_exactly_what_is_wanted(wishes: list[set[str]]) -> None:
    made = subscriber("abc")
    actions = made.opened(0)
    for wish in wishes:
        actions += made.change(sorted(wish), 0)
    there: set[str] = set()
    for subscribe, names, _ in sent(actions):
        there = there | set(names) if subscribe else there - set(names)
    assert there == (wishes[-1] if wishes else set("abc")) == set(made.names)
