"""The clock offset: the integer method against its definition, written out with fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.feeds.offset import BOUND_NS, estimate_us, follow
from barograph.rows import ABSENT

START_NS = 1_723_161_255_000_000_000

Tape = list[tuple[int, int, int | None, bool]]

messages = st.lists(
    st.tuples(
        st.integers(0, 2),  # connection
        st.integers(0, 10**12),  # nanoseconds since the message before
        st.one_of(st.none(), st.integers(-2 * 10**9, 2 * 10**9), st.just(BOUND_NS + 1)),  # sample
        st.booleans(),  # the connection forgets here
    ),
    max_size=40,
)


def sample_of(now_ns: int, sample: int | None) -> tuple[int, int | None]:
    """The venue's clock in microseconds (ABSENT for none), and the sample that it makes."""
    if sample is None:
        return ABSENT, None
    venue_us = (now_ns + sample) // 1_000
    return venue_us, venue_us * 1_000 - now_ns


def by_definition(tape: Tape) -> list[int]:
    """floor(r + max over earlier samples of (s - age / 10,000)) in microseconds, message by message."""
    known: dict[int, list[tuple[int, int]]] = {}
    now, found = START_NS, []
    for connection, gap, wished, forgets in tape:
        now += gap
        _, sample = sample_of(now, wished)
        if forgets:
            known[connection] = []
        samples = known.setdefault(connection, [])
        if sample is not None and abs(sample) <= BOUND_NS:
            samples.append((sample, now))
        best = max((Fraction(s) - Fraction(now - r, 10_000) for s, r in samples), default=Fraction(0))
        found.append((now + floor(best)) // 1_000)
    return found


def computed(tools: Any, tape: Tape, known: dict[int, int], start_ns: int) -> list[int]:
    recv_ns = [start_ns + total for total in accumulate(gap for _, gap, _, _ in tape)]
    venue_us = [sample_of(now, wished)[0] for now, (_, _, wished, _) in zip(recv_ns, tape, strict=True)]
    frames = tools.frames_of([b""] * len(tape), recv_ns, streams=[connection for connection, *_ in tape])
    resets = [i for i, (*_, forgets) in enumerate(tape) if forgets]
    evens, odds = range(0, len(tape), 2), range(1, len(tape), 2)
    samples = [
        (np.array(p, dtype=np.int64), np.array([venue_us[i] for i in p], dtype=np.int64))
        for p in (evens, odds)
    ]
    return estimate_us(frames.recv_ns, follow(known, frames, samples, resets)).tolist()


@settings(max_examples=150, deadline=None)
@given(tape=messages, cut=st.integers(0, 40))
def test_the_integers_are_the_definition_however_cut(tools: Any, tape: Tape, cut: int) -> None:
    known: dict[int, int] = {}
    first, second = tape[:cut], tape[cut:]
    found = computed(tools, first, known, START_NS)
    found += computed(tools, second, known, START_NS + sum(gap for _, gap, _, _ in first))
    assert found == by_definition(tape)


def ahead_us(tools: Any, recv_ns: list[int], ahead_ns: list[int]) -> list[int]:
    """What the estimate adds to each receipt time, when every frame is a sample."""
    frames = tools.frames_of([b""] * len(recv_ns), recv_ns)
    sent_us = (np.array(recv_ns) + np.array(ahead_ns)) // 1_000
    reached = follow({}, frames, [(np.arange(len(recv_ns)), sent_us)], [])
    return (estimate_us(frames.recv_ns, reached) - frames.recv_ns // 1_000).tolist()


@pytest.mark.parametrize("length", [3, 300])
def test_the_least_latency_wins_and_leaks(tools: Any, length: int) -> None:
    recv_ns = [START_NS, START_NS + 10**9] + [START_NS + 100 * 10**9] * (length - 2)
    found = ahead_us(tools, recv_ns, [5_000_000, 3_000_000] + [-(10**9)] * (length - 2))
    assert found == [5_000, 4_900] + [-5_000] * (length - 2)


@pytest.mark.parametrize("length", [1, 300])
@pytest.mark.parametrize("ahead_ns", [BOUND_NS + 10**6, -BOUND_NS - 10**6, 5 * 10**18])
def test_an_unbelievable_sample_is_not_used(tools: Any, ahead_ns: int, length: int) -> None:
    assert ahead_us(tools, [START_NS] * length, [ahead_ns] * length) == [0] * length


@pytest.mark.parametrize("length", [1, 300])
@pytest.mark.parametrize("ahead_ns", [BOUND_NS, -BOUND_NS])
def test_the_largest_believable_sample_fits_in_64_bits(tools: Any, ahead_ns: int, length: int) -> None:
    assert ahead_us(tools, [START_NS] * length, [ahead_ns] * length) == [ahead_ns // 1_000] * length


@pytest.mark.parametrize("length", [1, 300])
def test_a_time_that_overflows_into_a_believable_one_is_not_used(tools: Any, length: int) -> None:
    sent_us = np.full(length, (START_NS + 2**64) // 1_000)
    frames = tools.frames_of([b""] * length, [START_NS] * length)
    reached = follow({}, frames, [(np.arange(length), sent_us)], [])
    assert estimate_us(frames.recv_ns, reached).tolist() == [START_NS // 1_000] * length
