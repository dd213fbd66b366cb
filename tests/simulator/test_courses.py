from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.clock import MINUTE_US
from barograph.errors import UsageError
from barograph.simulator.courses import FASTEST, Course, Courses, begun, labels_between
from barograph.simulator.instruments import INSTRUMENTS
from barograph.simulator.running import RunningMarket

MINUTE = 28_717_920
"""2024-08-08, a Thursday."""
START_US = MINUTE * MINUTE_US
DAY_US = 1_440 * MINUTE_US
AROUND_THE_CLOCK = [symbol for symbol, each in INSTRUMENTS.items() if not each.new_york]


def through(market: RunningMarket, until_us: int) -> list[bytes]:
    """Everything up to ``until_us``, minute by minute."""
    frames: list[bytes] = []
    while market.at_us < until_us:
        frames += market.due(until_us)
        if market.at_us == market.end_us:
            market.turn()
    return frames


def running(courses: dict[str, Course], at_us: int, *symbols: str, seed: int = 7) -> RunningMarket:
    market = RunningMarket(courses, at_us, seed)
    for symbol in symbols:
        market.follow(symbol, "trades")
        market.follow(symbol, "quotes")
    return market


def test_a_course_gives_the_same_minute_each_time_also_when_it_was_on_disk() -> None:
    course = begun("BTC-USD", MINUTE, 7)
    for _ in range(5):
        symbol, after = Courses().made(course)
        kept = msgspec.json.decode(msgspec.json.encode(course), type=Course)
        again, after_again = Courses().made(kept)
        assert kept == course
        assert after == after_again
        for one, other in ((symbol.trades, again.trades), (symbol.quotes, again.quotes)):
            assert one.ts_us.tolist() == other.ts_us.tolist()
            assert one.number.tolist() == other.number.tolist()
        course = after


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 150_000_000), max_size=12))
def test_however_it_is_cut_the_market_gives_the_same_frames(steps: list[int]) -> None:
    end_us = START_US + 3 * MINUTE_US
    market = running({}, START_US, "BTC-USD", "ADA-USD")
    frames: list[bytes] = []
    for step in steps:
        frames += through(market, min(market.at_us + step, end_us))
    frames += through(market, end_us)
    assert frames == through(running({}, START_US, "BTC-USD", "ADA-USD"), end_us)
    times = [msgspec.json.decode(frame)["t"] for frame in frames]
    assert times == sorted(times)
    assert times[0] > START_US
    assert times[-1] <= end_us


@given(away_us=st.integers(0, 40_000_000))
@settings(max_examples=15, deadline=None)
def test_left_and_joined_within_a_minute_it_goes_on_as_if_nobody_had_left(away_us: int) -> None:
    left_us, end_us = START_US + MINUTE_US + 10_000_000, START_US + 3 * MINUTE_US
    whole = through(running({}, START_US, "BTC-USD", "ETH-USD"), end_us)
    first = running({}, START_US, "BTC-USD", "ETH-USD")
    frames = through(first, left_us)
    # Only what was kept at the beginning of the minute survives.
    frames += through(running(first.courses, left_us + away_us, "BTC-USD", "ETH-USD"), end_us)
    missed = [frame for frame in whole if left_us < msgspec.json.decode(frame)["t"] <= left_us + away_us]
    assert frames == [frame for frame in whole if frame not in set(missed)]


LIFE = st.tuples(
    st.integers(-200, 100_000_000),  # microseconds away; a clock is now and then set back a little
    st.integers(1, 150_000_000),  # microseconds there
    st.sampled_from([1, 2]),
    st.sampled_from([None, 0.5, 20.0]),
    st.booleans(),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(LIFE, min_size=1, max_size=6))
def test_whatever_happens_a_number_never_means_two_trades_and_numbers_grow(
    lives: list[tuple[int, int, int, float | None, bool]],
) -> None:
    """Kills, long absences, other seeds and rates, a lost file."""
    at_us, courses = START_US, dict[str, Course]()
    met: dict[tuple[str, str, int], bytes] = {}
    highest: dict[tuple[str, str], int] = {}
    for away_us, there_us, seed, events_per_s, lost in lives:
        at_us += away_us
        if lost:
            courses = {}
            at_us += MINUTE_US
        market = RunningMarket(courses, at_us, seed, events_per_s)
        market.follow("BTC-USD", "trades")
        market.follow("BTC-USD", "quotes")
        for frame in through(market, at_us + there_us):
            event = msgspec.json.decode(frame)
            number = event.get("i") or event.get("u")
            key = (event["s"], event["e"], number)
            assert met.setdefault(key, frame) == frame
            assert number >= highest.get(key[:2], 0)
            highest[key[:2]] = number
        at_us, courses = market.at_us, market.courses


def test_unseen_minutes_leave_the_price_and_move_the_numbers_on_by_what_is_usual() -> None:
    course = begun("BTC-USD", MINUTE, 7)
    _, after = Courses().made(course)
    joined = Courses().joined(course, MINUTE + 1 + 600, 7, None)
    assert joined.minute == MINUTE + 601
    assert joined.middle == after.middle
    assert joined.trades - after.trades == 600 * INSTRUMENTS["BTC-USD"].trades
    market = running({"BTC-USD": course}, joined.minute * MINUTE_US, "BTC-USD")
    event = msgspec.json.decode(market.due(market.end_us)[0])
    assert event.get("bp", event.get("p")) == pytest.approx(np.exp(after.middle), rel=0.01)


def test_numbers_of_a_symbol_without_a_course_are_beyond_all_that_it_can_have_had() -> None:
    course = begun("ADA-USD", MINUTE, 7, FASTEST)
    maker = Courses()
    for _ in range(10):
        _, course = maker.made(course)
        assert course.trades < begun("ADA-USD", course.minute, 7).trades
        assert course.quotes < begun("ADA-USD", course.minute, 7).quotes


@pytest.mark.parametrize("symbol", ["BTC-USD", "ADA-USD"])
def test_as_many_events_come_as_were_asked_for(symbol: str) -> None:
    market = RunningMarket({}, START_US, 7, 40.0)
    market.follow(symbol, "trades")
    market.follow(symbol, "quotes")
    minutes = 60
    frames = through(market, START_US + minutes * MINUTE_US)
    assert len(frames) / minutes / 60 == pytest.approx(40.0, rel=0.25)


def test_shares_are_quiet_at_night_and_pairs_are_not() -> None:
    night = running({}, START_US, "AAPL", "BTC-USD")
    assert {msgspec.json.decode(frame)["s"] for frame in night.due(night.end_us)} == {"BTC-USD"}
    noon = running({}, START_US + 16 * 60 * MINUTE_US, "AAPL")
    assert noon.due(noon.end_us)


def test_only_the_channels_that_are_followed_come() -> None:
    market = RunningMarket({}, START_US, 7)
    market.follow("BTC-USD", "trades")
    market.leave("ETH-USD", "trades")
    assert {frame[:12] for frame in through(market, START_US + 10_000_000)} == {b'{"e":"trade",'[:12]}
    market.follow("BTC-USD", "quotes")
    market.leave("BTC-USD", "trades")
    assert {frame[:12] for frame in through(market, START_US + 20_000_000)} == {b'{"e":"quote",'[:12]}
    market.leave("BTC-USD", "quotes")
    assert market.due(market.end_us) == []


def test_what_there_is_not_is_refused_with_what_there_is() -> None:
    market = RunningMarket({}, START_US, 7)
    with pytest.raises(UsageError, match="did you mean 'BTC-USD'"):
        market.follow("BTC-USDT", "trades")
    with pytest.raises(UsageError, match="trades, quotes"):
        market.follow("BTC-USD", "candles")
    with pytest.raises(UsageError, match="1000"):
        RunningMarket({}, START_US, 7, 1_001.0).follow("BTC-USD", "trades")


def test_the_labels_of_a_day_tell_what_is_put_in_whoever_is_followed() -> None:
    labels = labels_between(7, START_US, START_US + 2 * DAY_US)
    assert len(labels) > 40
    assert labels == labels_between(7, START_US, START_US + DAY_US) + labels_between(
        7, START_US + DAY_US, START_US + 2 * DAY_US
    )
    assert labels != labels_between(8, START_US, START_US + 2 * DAY_US)
    stale = next(one for one in labels if one.kind == "stale")
    market = running({}, stale.start_us - MINUTE_US, stale.symbol)
    assert through(market, stale.start_us - 1)
    assert through(market, stale.end_us - 1) == []
    assert through(market, stale.end_us + MINUTE_US)


def test_a_label_is_told_when_its_minute_begins_if_its_symbol_is_followed() -> None:
    label = next(one for one in labels_between(7, START_US, START_US + DAY_US) if one.symbol == "BTC-USD")
    for symbol, told in (("BTC-USD", [label]), ("XRP-USD", [])):
        market = running({}, label.start_us - 10_000_000, symbol)
        assert market.turn() == told
        assert market.turn() == []
