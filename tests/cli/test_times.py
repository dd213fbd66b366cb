"""Moments and spans that people type."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from barograph.cli.times import moment_us, span_s
from barograph.errors import UsageError


@contextmanager
def zone(name: str) -> Iterator[None]:
    """The machine as it would be elsewhere; Windows has no way to say so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", name)
        if hasattr(time, "tzset"):
            time.tzset()
        yield
    if hasattr(time, "tzset"):
        time.tzset()


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:01", 60_000_000),
        ("1970-01-01 00:01:00.5", 60_500_000),
        ("1970-01-01T05:30:00+05:30", 0),
        ("1970-01-01T00:00:01Z", 1_000_000),
    ],
)
def test_moment_us_whatever_the_zone_of_the_machine(text: str, us: int) -> None:
    with zone("Asia/Kolkata"):
        assert moment_us(text, "--start") == us


def test_no_moment_is_none() -> None:
    assert moment_us(None, "--start") is None


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01", "08/08/2024"])
def test_what_is_no_moment_is_refused_with_the_flag(text: str) -> None:
    with pytest.raises(UsageError, match="--start"):
        moment_us(text, "--start")


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("10m", 600), ("1.5h", 5400), ("2d", 172_800)])
def test_span_s(text: str, seconds: float) -> None:
    assert span_s(text, "--duration") == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "0s", "-1s", "1w", "1h30m"])
def test_what_is_no_span_is_refused_with_the_flag(text: str) -> None:
    with pytest.raises(UsageError, match="--duration"):
        span_s(text, "--duration")
