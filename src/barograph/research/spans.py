"""Lengths of time in the words of the command line: 5m, 4h, 1d."""

from __future__ import annotations

from barograph.clock import DAY_US, MINUTE_US, US_PER_S

_UNITS = ((7 * DAY_US, "w"), (DAY_US, "d"), (60 * MINUTE_US, "h"), (MINUTE_US, "m"), (US_PER_S, "s"))


def span(length_us: int) -> str:
    """A length in the longest unit of which it is a whole number.

    >>> span(300_000_000), span(86_400_000_000), span(7_500_000)
    ('5m', '1d', '7.5s')
    """
    for unit_us, letter in _UNITS:
        if length_us >= unit_us and length_us % unit_us == 0:
            return f"{length_us // unit_us}{letter}"
    return f"{length_us / US_PER_S:g}s"
