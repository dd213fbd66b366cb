"""Settings that are checked when they are made. Plain Python."""

from __future__ import annotations

import math

from barograph.errors import UsageError


def within(
    name: str,
    value: float,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> None:
    """Nothing, where ``value`` is a finite number within the bounds that are given.

    Raises:
        UsageError: it is not; the message names it, its value and its bounds.

    >>> within("drop_pct", 120.0, above=0, below=100)
    Traceback (most recent call last):
    barograph.errors.UsageError: drop_pct is 120.0; it must be above 0 and below 100
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if (
        number
        and (above is None or value > above)
        and (least is None or value >= least)
        and (most is None or value <= most)
        and (below is None or value < below)
    ):
        return
    words = (("above", above), ("at least", least), ("at most", most), ("below", below))
    bounds = " and ".join(f"{word} {bound:g}" for word, bound in words if bound is not None)
    raise UsageError(f"{name} is {value!r}; it must be {bounds}")
