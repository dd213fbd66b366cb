"""A completed trade in plain words: the same record in the archive, on standard output and over HTTP.

Plain Python.
"""

from __future__ import annotations

import json
from typing import Any

from barograph.clock import from_us
from barograph.paper.positions import Trade


def record(trade: Trade) -> dict[str, Any]:
    """The columns of ``completed_trades`` by name; times in ISO 8601, UTC, to the microsecond.

    >>> one = Trade("k", "dip", "sim", "X", 1.0, 0, 10.0, 1_500_000, 11.0, 0.0, 1.0, 10.0, "signal", "a", "b")
    >>> record(one)["exit_ts"]
    '1970-01-01T00:00:01.500000Z'
    """
    plain: dict[str, Any] = {}
    for name, value in zip(Trade._fields, trade, strict=True):
        if name.endswith("_ts_us"):
            assert isinstance(value, int)
            plain[name.removesuffix("_us")] = iso(value)
        else:
            plain[name] = value
    return plain


def encoded(trade: Trade) -> bytes:
    """The record as JSON: the same trade, the same bytes; numbers come back to the last bit."""
    return json.dumps(record(trade), indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def iso(us: int) -> str:
    """Microseconds since 1970 as ISO 8601 text."""
    return f"{from_us(us):%Y-%m-%dT%H:%M:%S.%f}Z"
