"""Numbers, times and lengths as people read them."""

from __future__ import annotations

import pytest

from barograph.dashboard import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (65409.65, "65,409.65"),
        (3411.4, "3,411.40"),
        (136.387, "136.39"),
        (0.62203, "0.62203"),
        (0.000012345, "0.000012345"),
        (0.0, "0.0000"),
        (-2.5, "-2.5000"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_prices(value: float | None, text: str) -> None:
    assert formats.price(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00"), (7.0465, "7.05"), (85.09, "85.1"), (999, "999"), (69_409, "69.4 k"), (1.5e9, "1.50 B")],
)
def test_amounts(value: float, text: str) -> None:
    assert formats.amount(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.00 %"), (-0.004, "0.00 %"), (1.236, "+1.24 %"), (-3.0, "-3.00 %")]
)
def test_changes(value: float, text: str) -> None:
    assert formats.percent(value, signed=True) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.26, "0.3 s"), (90, "1.5 min"), (5_400, "1.5 h"), (86_400, "24.0 h"), (259_200, "3.0 d")],
)
def test_lengths(seconds: float, text: str) -> None:
    assert formats.length(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(12, "12 B"), (5_400, "5.4 kB"), (2e12, "2.0 TB"), (3e15, "3000.0 TB")]
)
def test_sizes(count: float, text: str) -> None:
    assert formats.size(count) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"minutes":18,"over":1}', "minutes 18, over 1"),
        ('{"sigma_pct":0.079571}', "sigma pct 0.079571"),
        ("not json", "not json"),
        ("[1]", "[1]"),
    ],
)
def test_details_of_anomalies(text: str, told: str) -> None:
    assert formats.detail(text) == told
