"""One name for the same bars, whatever file they came in."""

from __future__ import annotations

import hashlib

import numpy as np

from barograph.rows import Floats, Ints
from barograph.strategies.prices import Prices

_COLUMNS = ("open", "high", "low", "close", "volume", "exec_price", "spread")


def data_hash(prices: Prices, split: Ints | None = None) -> str:
    """sha256, in hex, over what results hang on.

    That is the interval, the times, every price column that there is, the volume and the split, each
    by its name and as little-endian 8-byte numbers. A NaN is one NaN and a zero has no sign; the
    symbol is not in it.
    """
    digest = hashlib.sha256(f"bars 1 {prices.interval_us} {len(prices)}\n".encode())
    digest.update(b"ts_us" + prices.ts_us.astype("<i8").tobytes())
    for name in _COLUMNS:
        column: Floats | None = getattr(prices, name)
        if column is not None:
            digest.update(name.encode() + _canonical(column))
    if split is not None:
        digest.update(b"split" + split.astype("<i8").tobytes())
    return digest.hexdigest()


def _canonical(column: Floats) -> bytes:
    return np.where(np.isnan(column), np.nan, column + 0.0).astype("<f8").tobytes()
