"""Choosing the best, and how far it falls."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.errors import DataError, UsageError
from barograph.research.selecting import best, fall, over_equal_time, ranked

LIMIT = 0.15


def metrics(**columns: list[float]) -> dict[str, np.ndarray]:
    return {name: np.array(values, dtype=float) for name, values in columns.items()}


def test_the_highest_is_chosen_and_an_undefined_one_never() -> None:
    assert best(metrics(win_rate=[math.nan, 0.4, 0.6], num_trades=[9, 9, 9]), "win_rate") == 2


def test_of_less_is_better_the_lowest_is_chosen_and_of_drawdowns_the_shallowest() -> None:
    assert best(metrics(volatility=[0.3, 0.1], num_trades=[9, 9]), "volatility") == 1
    assert best(metrics(max_drawdown=[-0.5, -0.1], num_trades=[9, 9]), "max_drawdown") == 1


def test_ties_go_to_more_trades_then_to_the_higher_return_then_to_the_first() -> None:
    columns = metrics(win_rate=[1, 1, 1, 1], num_trades=[3, 7, 7, 7], total_return=[9, 0.1, 0.2, 0.2])
    assert ranked(columns, "win_rate").tolist() == [2, 3, 1, 0]


def test_too_few_trades_are_passed_over() -> None:
    columns = metrics(win_rate=[1, 0.6], num_trades=[1, 30])
    assert best(columns, "win_rate") == 0
    assert best(columns, "win_rate", min_trades=10) == 1
    with pytest.raises(DataError, match="--min-trades"):
        best(columns, "win_rate", min_trades=31)


def test_a_metric_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"'profit'.*win_rate"):
        best(metrics(win_rate=[1]), "profit")


@given(
    st.lists(st.floats(-10, 10) | st.just(math.nan), min_size=1, max_size=20),
    st.randoms(use_true_random=False),
)
def test_the_chosen_is_never_beaten(values: list[float], random: object) -> None:
    columns = metrics(sharpe_ratio=values, num_trades=[5] * len(values))
    if all(math.isnan(value) for value in values):
        with pytest.raises(DataError):
            best(columns, "sharpe_ratio")
    else:
        assert values[best(columns, "sharpe_ratio")] == np.nanmax(values)


@pytest.mark.parametrize(
    ("by", "training", "validation", "overfit"),
    [
        ("win_rate", 0.80, 0.66, False),
        ("win_rate", 0.80, 0.65, False),  # exactly 15 points is not more than 15 points
        ("win_rate", 0.85, 0.70, False),  # nor is it where binary digits say 0.15000000000000002
        ("win_rate", 0.80, 0.64, True),
        ("win_rate", 0.50, 0.60, False),
        ("sharpe_ratio", 2.0, 1.7, False),
        ("sharpe_ratio", 2.0, 1.69, True),
        ("sharpe_ratio", -1.0, -1.1, False),  # relative to the absolute value: it fell by 10 %
        ("sharpe_ratio", -1.0, -1.2, True),
        ("sharpe_ratio", -1.0, 1.0, False),
        ("sharpe_ratio", 0.0, -0.001, True),  # from nothing, any fall is infinite
        ("sharpe_ratio", 0.0, 0.0, False),
        ("max_drawdown", -0.10, -0.12, True),
        ("volatility", 0.10, 0.12, True),
        ("volatility", 0.10, 0.08, False),
        ("win_rate", 0.9, math.nan, True),  # no trade was closed: what it promised was not seen again
    ],
)
def test_a_fall_of_more_than_15_percent_is_overfit(
    by: str, training: float, validation: float, overfit: bool
) -> None:
    assert fall(by, training, validation, LIMIT).overfit is overfit


def test_what_grows_with_time_is_compared_over_equal_time() -> None:
    assert over_equal_time("total_return", 0.21, 2, 1) == pytest.approx(0.10)
    assert over_equal_time("num_trades", 70, 7, 3) == pytest.approx(30)
    assert over_equal_time("win_rate", 0.6, 7, 3) == 0.6
    assert over_equal_time("total_return", -1.0, 7, 3) == -1.0
