"""Scales and their marks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.clock import DAY_US
from barograph.research.plots.scale import (
    Scale,
    bounds,
    log_bounds,
    number_format,
    percent_format,
    ticks,
    time_ticks,
)

START = 1_262_304_000_000_000  # 2010-01-01
levels = st.floats(-1e9, 1e9, allow_nan=False)


def test_given_a_scale_then_its_ends_are_the_ends_of_the_pixels() -> None:
    assert Scale(2.0, 4.0, 100.0, 0.0)([2.0, 3.0, 4.0]).tolist() == [100.0, 50.0, 0.0]
    assert Scale(1.0, 100.0, 0.0, 10.0, log=True).at(10.0) == pytest.approx(5.0)


@given(levels, st.floats(1e-6, 1e9), st.integers(3, 9))
def test_given_any_range_then_marks_lie_in_it_evenly_and_are_neither_few_nor_many(
    low: float, width: float, count: int
) -> None:
    scale = Scale(low, low + width, 0.0, 1.0)
    if scale.high - scale.low < abs(low) * 1e-9:
        return  # floats cannot tell such marks apart
    found = ticks(scale, count)
    assert 1 <= len(found) <= count + 1
    slack = width * 1e-6
    assert found[0] >= low - slack
    assert found[-1] <= low + width + slack
    assert np.ptp(np.diff(found)) <= slack if len(found) > 2 else True


@given(st.floats(1e-6, 1e6), st.floats(4.5, 1e8))
def test_given_a_logarithmic_scale_then_there_are_three_marks_at_least(low: float, factor: float) -> None:
    found = ticks(Scale(low, low * factor, 0.0, 1.0, log=True))
    assert len(found) >= 3
    assert np.all(np.diff(found) > 0)
    assert found[0] >= low * (1 - 1e-9)
    assert found[-1] <= low * factor * (1 + 1e-9)


def test_given_counts_then_marks_are_whole_numbers() -> None:
    for most in (1.2, 3.0, 9.5, 11.0, 13.4, 40.0):
        found = ticks(Scale(0.0, most, 0.0, 1.0), least=1.0)
        assert np.all(found == np.round(found))


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0.2, ["00:00", "01:00", "02:00", "03:00", "04:00"]),
        (2.0, ["1 Jan 00:00", "06:00", "12:00", "18:00", "2 Jan 00:00", "06:00"]),
        (6.0, ["1 Jan", "2 Jan", "3 Jan", "4 Jan"]),
        (200.0, ["Jan 2010", "Feb 2010", "Mar 2010", "Apr 2010"]),
        (700.0, ["Jan 2010", "Apr 2010", "Jul 2010", "Oct 2010", "Jan 2011"]),
        (2_800.0, ["2010", "2011", "2012", "2013"]),
        (40_000.0, ["2020", "2040", "2060", "2080", "2100"]),
    ],
)
def test_given_a_length_of_time_then_its_marks_are_round(days: float, expected: list[str]) -> None:
    at, names = time_ticks(START, START + days * DAY_US, 8)
    assert names[: len(expected)] == expected
    assert len(at) <= 10
    assert at[0] >= START


@given(st.floats(1e-4, 5e4))
def test_given_any_length_of_time_then_marks_lie_inside_and_are_not_too_many(days: float) -> None:
    end = START + days * DAY_US
    at, names = time_ticks(START, end, 8)
    assert len(at) == len(names) <= 10
    assert all(START <= t <= end + 1 for t in at)


def test_given_no_values_or_one_then_a_range_comes_back_all_the_same() -> None:
    for values in ([], [np.nan], [3.0], [0.0], [0.0, 0.0]):
        for zero in (False, True):
            low, high = bounds(values, zero=zero)
            assert low < high


def test_given_a_value_of_zero_then_there_is_no_logarithmic_scale() -> None:
    assert log_bounds([0.0, 2.0]) is None
    low, high = log_bounds([1.0, 2.0]) or (np.nan, np.nan)
    assert low < 1.0
    assert high > 2.0


def test_given_marks_then_they_are_written_with_the_digits_that_tell_them_apart() -> None:
    assert number_format(np.array([0.0, 0.25, 0.5]))(-0.25) == "−0.25"
    assert number_format(np.array([0.0, 1000.0]))(1000.0) == "1,000"
    assert percent_format(np.array([0.0, 0.05, 0.1]))(0.05) == "5 %"
    assert percent_format(np.array([0.0, 0.005, 0.01]))(-0.0) == "0.0 %"
