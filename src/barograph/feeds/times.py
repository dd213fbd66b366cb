"""Venue times as integers: microseconds since 1970 UTC, cut off, never rounded by a float.

:class:`IsoTime` and :class:`SecondsTime` stand in the structs that frames are decoded
into; a decoder with ``dec_hook=read_time`` fills them, so that a bad time is rejected
with its place in the frame like any other bad field.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import numpy as np

from barograph.clock import US_PER_S, to_us
from barograph.rows import ABSENT, Ints

END_US = 7_258_118_400_000_000
"""2200-01-01: no venue time is at or after it."""

WireTime = Annotated[int, msgspec.Meta(ge=1, lt=END_US)]
"""Milliseconds or microseconds since 1970, as a venue writes them; see :func:`to_microseconds`."""

LEAST_US = 100_000_000_000_000
"""From here on a number is microseconds: as such it is in 1973, as milliseconds in the year 5138."""
_SECONDS = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,18}))?")


class IsoTime(int):
    """Microseconds, written by the venue as ISO 8601 text with a zone."""


class SecondsTime(int):
    """Microseconds, written by the venue as seconds in decimal text."""


def iso_us(text: str) -> int:
    """Microseconds of an ISO 8601 time with a zone; digits below are cut off.

    Raises:
        ValueError: not such a time.

    >>> iso_us("2021-04-17T16:43:37.089723999Z")
    1618677817089723
    """
    return to_us(datetime.fromisoformat(text))


def seconds_us(text: str) -> int:
    """Microseconds of seconds since 1970 in decimal text; digits below are cut off.

    Raises:
        ValueError: not such a number.

    >>> seconds_us("1618678142.557535")
    1618678142557535
    """
    match = _SECONDS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no time in seconds")
    whole, fraction = match.groups("")
    return int(whole) * US_PER_S + int(fraction[:6].ljust(6, "0"))


def decimal_us(seconds: Decimal) -> int:
    """Microseconds of seconds since 1970, cut off.

    Raises:
        ValueError: not a finite number of a sensible size.

    >>> decimal_us(Decimal("1688669597.8277369"))
    1688669597827736
    """
    return seconds_us(str(seconds))


def read_time(kind: type, value: Any) -> Any:
    """What ``msgspec`` asks for the types that it does not know: our times from their text."""
    if not isinstance(value, str):
        raise ValueError(f"expected a time as text, got {type(value).__name__}")  # noqa: TRY004 - msgspec turns a ValueError into its own
    return kind(iso_us(value) if kind is IsoTime else seconds_us(value))


def to_microseconds(wire: list[int]) -> Ints:
    """Microseconds of times that are milliseconds or, where a connection asks for them, microseconds.

    From 1973 on the two cannot be confused: 100,000,000,000,000 and more are microseconds.
    ABSENT stays what it is.

    >>> to_microseconds([1723161255343, 1723161255343001, -1]).tolist()
    [1723161255343000, 1723161255343001, -1]
    """
    us = np.array(wire, dtype=np.int64)
    if max(wire, default=0) < LEAST_US:
        return np.maximum(us * 1_000, ABSENT)
    return np.where((us > 0) & (us < LEAST_US), us * 1_000, us)
