from __future__ import annotations

import base64
import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.errors import UsageError
from barograph.paper.dip import COUNTED, DUE, LATE, TWICE, Dip, Watch

S = 1_000_000
"""Microseconds of a second."""


def watched(dip: Dip, *events: tuple[float, float]) -> Watch:
    """A watch after events of (seconds, price)."""
    watch = Watch(dip)
    for i, (seconds, price) in enumerate(events):
        assert watch.take(round(seconds * S), price, f"t{i}") == COUNTED
    return watch


@pytest.mark.parametrize(
    ("field", "value", "bound"),
    [
        ("drop_pct", 0.0, "above 0 and below 100"),
        ("drop_pct", 100.0, "above 0 and below 100"),
        ("drop_pct", math.nan, "above 0"),
        ("drop_pct", True, "above 0"),
        ("lookback_s", 0.0, "at least 0.001"),
        ("lookback_s", math.inf, "at most"),
        ("profit_pct", -1.0, "above 0"),
        ("stop_pct", 0.0, "above 0 and below 100"),
        ("hold_s", 0.0, "above 0"),
    ],
)
def test_a_field_out_of_its_bounds_is_refused_by_name(field: str, value: float, bound: str) -> None:
    with pytest.raises(UsageError, match=rf"{field} is {value!r}; it must be .*{bound}"):
        Dip(**{field: value})
    with pytest.raises(UsageError, match=field):
        Dip()._replace(**{field: value})


@pytest.mark.parametrize(
    ("events", "order"),
    [
        ([(1, 100), (2, 98.01)], None),
        ([(1, 100), (2, 98)], "entry"),  # to the digit
        ([(1, 100), (2, 97)], "entry"),
        ([(1, 97), (2, 100), (3, 98)], "entry"),
        ([(1, 100), (1, 98)], "entry"),  # of one time, a high is a high
        ([(0.25, 100), (60.5, 98)], None),  # second 0 is out of the window of second 60 ...
        ([(0.25, 100), (59.9, 98)], "entry"),  # ... and was in that of second 59
        ([(1, 100), (10_000, 50), (10_001, 49.5)], None),  # all of the window is gone
        ([(1, 100), (10_000, 50), (10_001, 49)], "entry"),
    ],
)
def test_it_buys_at_a_drop_from_the_high_of_the_window(
    events: list[tuple[float, float]], order: str | None
) -> None:
    assert watched(Dip(), *events).order == order


@pytest.mark.parametrize(
    ("dip", "events", "order"),
    [
        (Dip(), [(4, 104.99)], None),
        (Dip(), [(4, 105.0)], "take_profit"),
        (Dip(), [(4, 1.0)], None),
        (Dip(stop_pct=1), [(4, 99.01)], None),
        (Dip(stop_pct=1), [(4, 99.0)], "stop_loss"),
        (Dip(hold_s=10), [(12.9, 100)], None),
        (Dip(hold_s=10), [(13, 100)], "time"),
        (Dip(hold_s=10), [(13, 106)], "take_profit"),  # of two reasons, the price
        (Dip(hold_s=10, stop_pct=1), [(13, 98)], "stop_loss"),
        (Dip(stop_pct=1), [(4, 99), (4, 120)], "stop_loss"),  # what was decided stays
    ],
)
def test_it_sells_at_profit_stop_and_time(
    dip: Dip, events: list[tuple[float, float]], order: str | None
) -> None:
    watch = watched(dip, (1, 110), (2, 105))
    assert watch.order == "entry"
    assert watch.take(3 * S, 100.0, "fill") == DUE
    watch.held(100.0, 3 * S)
    assert watch.take(3 * S, 100.0, "fill") == COUNTED
    for i, (seconds, price) in enumerate(events):
        assert watch.take(round(seconds * S), price, f"x{i}") == COUNTED
    assert watch.order == order


def test_an_event_of_the_same_time_does_not_fill_and_a_newer_one_does() -> None:
    watch = watched(Dip(), (1, 100), (2, 98))
    assert watch.take(2 * S, 97.0, "another") == COUNTED
    assert watch.take(2 * S + 1, 97.0, "newer") == DUE
    assert watch.newest_us == 2 * S, "it was not taken"


def test_late_and_repeated_events_change_nothing() -> None:
    watch = watched(Dip(), (1, 100), (2, 99), (2, 99.5))
    before = watch.state()
    assert watch.take(S, 1000.0, "t9") == LATE
    assert watch.take(2 * S, 99.0, "t1") == TWICE
    assert watch.take(2 * S, 99.5, "t2") == TWICE
    assert (watch.state(), watch.price, watch.newest_us) == (before, 99.5, 2 * S)
    assert watch.take(2 * S, 99.0, "t3") == COUNTED


def test_an_entry_is_fresh_only_after_the_drop_was_false() -> None:
    watch = watched(Dip(), (1, 100), (2, 98))
    watch.left()  # refused
    assert watch.take(3 * S, 97.0, "still") == COUNTED
    assert watch.order is None
    assert watch.take(4 * S, 99.0, "away") == COUNTED
    assert watch.take(5 * S, 97.0, "again") == COUNTED
    assert watch.order == "entry"


def test_while_held_the_drop_can_become_fresh_again() -> None:
    watch = watched(Dip(stop_pct=1), (1, 100), (2, 98))
    watch.held(98.0, 3 * S)
    for seconds, price in ((3, 99.0), (4, 97.0)):
        assert watch.take(seconds * S, price, f"h{seconds}") == COUNTED
    assert watch.order == "stop_loss"
    watch.left()
    watch.take(5 * S, 97.0, "after")
    assert watch.order == "entry"


def test_the_kill_switch_drops_an_entry_and_sells_what_is_held() -> None:
    watch = watched(Dip(), (1, 100), (2, 98))
    watch.stop(flatten=True)
    watch.take(3 * S, 99.0, "away")
    watch.take(4 * S, 98.0, "again")
    assert watch.order is None
    watch.go()
    watch.take(5 * S, 98.0, "allowed")
    assert watch.order == "entry"
    watch.held(98.0, 6 * S)
    watch.stop(flatten=False)
    assert watch.order is None
    watch.stop(flatten=True)
    assert watch.order == "flatten"


def test_volatility_equals_numpy_over_the_closes_of_the_buckets() -> None:
    random = np.random.default_rng(7)
    seconds = np.sort(random.uniform(0, 100, 300))
    prices = 100 * np.exp(np.cumsum(random.normal(0, 1e-4, 300)))
    watch = watched(Dip(drop_pct=90), *zip(seconds, prices, strict=True))
    buckets = np.floor(seconds).astype(int)
    last = np.flatnonzero(np.append(np.diff(buckets) > 0, True))
    last = last[buckets[last] > buckets[-1] - 60]
    returns = np.diff(np.log(prices[last]))
    span = buckets[last][-1] - buckets[last][0]
    expected = np.sqrt(np.sum(returns**2) * 31_536_000 / span)
    assert watch.volatility(31_536_000.0) == pytest.approx(expected, rel=1e-12)


def test_volatility_of_a_known_alternation_is_its_step_times_the_root_of_the_steps_a_year() -> None:
    events = [(second, 100.0 * math.exp(0.001 * (second % 2))) for second in range(1, 200)]
    watch = watched(Dip(), *events)
    assert watch.volatility(31_536_000.0) == pytest.approx(0.001 * math.sqrt(31_536_000.0), rel=1e-9)


def test_volatility_of_a_single_bucket_is_unknown() -> None:
    assert math.isnan(watched(Dip(), (1, 100), (1.5, 101)).volatility(1.0))


steps = st.lists(
    st.tuples(st.integers(0, 40_000_000), st.floats(-0.03, 0.03), st.integers(0, 3)), min_size=1, max_size=120
)


@settings(max_examples=60, deadline=None)
@given(steps, st.data())
def test_a_state_through_json_goes_on_with_the_same_bits(
    walk: list[tuple[int, float, int]], data: st.DataObject
) -> None:
    dip = Dip(lookback_s=30.0)
    cut = data.draw(st.integers(0, len(walk)))
    one, ts_us, price = Watch(dip), S, 100.0
    other = one
    for i, (wait_us, step, tie) in enumerate(walk):
        if i == cut:
            state = json.loads(json.dumps(one.state()))
            other = Watch.from_state(dip, state, one.newest_us, one.price)
        ts_us, price = ts_us + (wait_us if tie else 0), price * math.exp(step)
        said = [watch.take(ts_us, price, f"t{i}") for watch in {id(w): w for w in (one, other)}.values()]
        assert len(set(said)) == 1
        if said[0] == DUE:
            for watch in {id(w): w for w in (one, other)}.values():
                watch.left()
                watch.take(ts_us, price, f"t{i}")
        assert (one.state(), one.order) == (other.state(), other.order)


def test_another_lookback_begins_the_window_anew_and_keeps_the_order() -> None:
    before = watched(Dip(), (1, 100), (2, 98))
    after = Watch.from_state(Dip(lookback_s=120.0), before.state(), before.newest_us, before.price)
    assert after.order == "entry"
    after.left()
    after.take(3 * S, 98.0, "t3")
    assert after.take(4 * S, 98.0 * 0.98, "t4") == COUNTED
    assert after.order == "entry"  # 2 % below 98, not below the 100 of before


def test_buckets_that_were_kept_as_plain_numbers_are_read() -> None:
    watch = watched(Dip(), (1, 100), (2, 99))
    state = watch.state()
    highs, closes = (struct.unpack("<60d", base64.b64decode(state[name])) for name in ("highs", "closes"))
    assert (max(highs), sum(map(bool, highs)), max(closes)) == (100.0, 2, 100.0)
    again = Watch.from_state(
        Dip(), state | {"highs": list(highs), "closes": list(closes)}, watch.newest_us, 99.0
    )
    assert again.state() == state


@pytest.mark.parametrize("harm", [{"highs": [1.0]}, {"closes": None}, {"closes": "AAAA"}, {"bucket": "x"}])
def test_a_state_that_is_none_is_refused(harm: dict[str, object]) -> None:
    state = {**watched(Dip(), (1, 100)).state(), **harm}
    with pytest.raises((TypeError, ValueError)):
        Watch.from_state(Dip(), state, 1, 1.0)
