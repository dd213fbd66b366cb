"""How much of a chart is drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from barograph.dashboard.windows import LADDER, POINTS_MOST, spans_for, window

START = datetime(2024, 8, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "wanted", "least_s", "every"),
    [
        (timedelta(minutes=5), "auto", 1, "1s"),
        (timedelta(hours=1), "auto", 60, "1m"),
        (timedelta(days=1), "auto", 60, "5m"),
        (timedelta(days=1), "1m", 1, "1m"),
        (timedelta(days=365), "auto", 60, "1d"),
        (timedelta(days=3_650), "1m", 1, "1d"),
        (timedelta(hours=1), "1s", 3_600, "1h"),
    ],
)
def test_the_interval_fits_the_span(span: timedelta, wanted: str, least_s: int, every: str) -> None:
    assert window(START, START + span, wanted, least_s).every == every


@pytest.mark.parametrize("wanted", ["auto", *LADDER])
@pytest.mark.parametrize("days", [0.01, 1, 30, 365, 5 * 365])
def test_no_chart_has_more_bars_than_a_browser_takes(wanted: str, days: float) -> None:
    drawn = window(START, START + timedelta(days=days), wanted, 1)
    assert timedelta(days=days) / timedelta(microseconds=drawn.interval_us) <= POINTS_MOST


def test_an_interval_that_was_not_possible_is_told() -> None:
    assert window(START, START + timedelta(days=30), "1m", 1).wanted == "1m"
    assert window(START, START + timedelta(days=1), "1m", 1).wanted == ""


def test_spans_longer_than_the_data_are_not_offered() -> None:
    assert spans_for(timedelta(hours=3)) == ["15 min", "1 h", "all"]
    assert spans_for(timedelta(0)) == ["all"]
