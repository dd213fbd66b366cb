"""Bars as the kernel would emit them, made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from barograph.clock import MINUTE_US
from barograph.rows import Anomaly, Bars, columns

DAY = 28_000_000
"""Some minute since 1970 to begin at."""


def _bars(minutes, instruments=None, records=None, **values) -> Bars:
    """Quiet bars: no return, 30 trades of both sides, a spread of 1 bp; ``values`` replace columns."""
    n = len(minutes)
    quiet = {
        "record": np.arange(n) if records is None else records,
        "timestamp_us": (np.asarray(minutes, dtype=np.int64) + DAY) * MINUTE_US,
        "instrument": np.zeros(n) if instruments is None else instruments,
        "price": np.full(n, 100.0),
        "volume": np.full(n, 10.0),
        "trade_count": np.full(n, 30),
        "bid_price": np.full(n, 99.995),
        "ask_price": np.full(n, 100.005),
        "order_imbalance": np.zeros(n),
        "volume_spike_score": np.zeros(n),
        "price_change_pct": np.zeros(n),
    }
    quiet |= {name: np.asarray(column, dtype=np.float64) for name, column in values.items()}
    quiet["bid_ask_spread"] = quiet["ask_price"] - quiet["bid_price"]
    return columns(Bars, **quiet)


def _surviving(found: list[Anomaly]) -> dict[tuple[int, str, int], tuple[float, str]]:
    """Score and detail of the rows that stand; checks that revisions count 0, 1, 2..."""
    newest: dict[tuple[int, str, int], Anomaly] = {}
    for row in found:
        key = (row.instrument, row.kind, row.ts_us // MINUTE_US - DAY)
        assert row.ts_us % MINUTE_US == 0
        assert row.revision == (newest[key].revision + 1 if key in newest else 0)
        assert key in newest or row.score is not None, "nothing is withdrawn that was never told"
        newest[key] = row
    return {k: (r.score, r.detail) for k, r in newest.items() if r.score is not None}


@pytest.fixture(scope="session")
def make_bars() -> Callable[..., Bars]:
    return _bars


@pytest.fixture(scope="session")
def surviving() -> Callable[..., dict]:
    return _surviving
