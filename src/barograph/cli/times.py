"""Moments and spans as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from barograph.clock import NS_PER_US, from_us, to_us
from barograph.errors import UsageError

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def moment_us(text: str | None, flag: str) -> int | None:
    """Microseconds since the epoch of an ISO-8601 ``text``; UTC where it names no zone.

    >>> moment_us("2024-08-08", "--start"), moment_us("2024-08-08T02:00+02:00", "--start")
    (1723075200000000, 1723075200000000)

    Raises:
        UsageError: it is no such moment.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{flag} {text!r} is not a time; write 2024-08-08 or 2024-08-08T13:35:00 (UTC)"
        ) from None
    return to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def span_s(text: str, flag: str) -> float:
    """Seconds of ``text``: a number with s, m, h or d.

    >>> span_s("90s", "--duration"), span_s("1.5h", "--duration")
    (90.0, 5400.0)

    Raises:
        UsageError: it is no such span, or nothing at all.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if match is None or float(match[1]) == 0:
        raise UsageError(f"{flag} {text!r} is not a span of time; write 90s, 10m, 1.5h or 2d")
    return float(match[1]) * _UNITS_S[match[2]]


def iso_ns(ns: int | None) -> str | None:
    """ISO-8601 text of ``ns`` nanoseconds since the epoch, to the nanosecond.

    >>> iso_ns(1_723_075_200_000_000_001)
    '2024-08-08T00:00:00.000000001Z'
    """
    if ns is None:
        return None
    return f"{from_us(ns // NS_PER_US):%Y-%m-%dT%H:%M:%S.%f}{ns % NS_PER_US:03d}Z"
