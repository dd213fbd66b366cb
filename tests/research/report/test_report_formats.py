"""How numbers are written."""

from __future__ import annotations

import math

import pytest

from barograph.clock import DAY_US
from barograph.research import metrics
from barograph.research.report import formats as fmt


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (fmt.percent(-0.1234), "−12.3 %"),
        (fmt.percent(-0.00001), "0.0 %"),
        (fmt.ratio(1234.5), "1,234.50"),
        (fmt.ratio(math.nan), "–"),
        (fmt.ratio(-math.inf), "−∞"),
        (fmt.price(43_210.5), "43,210.50"),
        (fmt.price(1.23456), "1.23456"),
        (fmt.price(0.000123456), "0.000123456"),
        (fmt.price(0.0), "0"),
        (fmt.probability(0.0), "< 0.001"),
        (fmt.probability(0.0499), "0.050"),
        (fmt.probability(1.0), "> 0.999"),
        (fmt.span(DAY_US), "1 day"),
        (fmt.span(5 * 60_000_000), "5 minutes"),
        (fmt.span(800 * DAY_US), "2.2 years"),
        (fmt.day(0), "1970-01-01"),
        (fmt.moment(90_000_000, 60_000_000), "1970-01-01 00:01"),
        (fmt.metric("win_rate", 0.525), "52.5 %"),
        (fmt.metric("num_trades", 12.0), "12"),
        (fmt.metric("sharpe_ratio", -0.5), "−0.50"),
        (fmt.in_text("sharpe_ratio"), "Sharpe ratio"),
        (fmt.in_text("win_rate"), "win rate"),
    ],
)
def test_given_a_value_then_it_is_written_for_people(shown: str, expected: str) -> None:
    assert shown == expected


def test_every_metric_has_a_name_and_can_be_written() -> None:
    for name in metrics.NAMES:
        assert "_" not in fmt.label(name)
        assert fmt.metric(name, math.nan) == "–"
        assert fmt.metric(name, 0.5)
