"""Times as venues write them."""

from __future__ import annotations

from functools import lru_cache

from barograph.clock import US_PER_S, from_us


@lru_cache(maxsize=1_024)
def _second(second: int) -> str:
    return from_us(second * US_PER_S).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339(ts_us: int) -> str:
    """``ts_us`` with six decimals.

    >>> rfc3339(1_723_161_255_708_706)
    '2024-08-08T23:54:15.708706Z'
    """
    second, us = divmod(ts_us, US_PER_S)
    return f"{_second(second)}.{us:06d}Z"
