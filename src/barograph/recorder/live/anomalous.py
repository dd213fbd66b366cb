"""Rows of ``anomalies`` as alerts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from barograph.alerts.alert import Alert
from barograph.clock import NS_PER_S, NS_PER_US, to_us

if TYPE_CHECKING:
    import pyarrow as pa

FRESH_S = 900.0
"""An anomaly older than this is history that is being caught up with: nobody is called for it."""


def alerts_of(rows: pa.Table, now_ns: int, fresh_s: float = FRESH_S) -> Iterator[Alert]:
    """An alert for each anomaly of ``rows`` that is recent and not taken back.

    The key leaves the minute out: a symbol that goes on being odd in the same way is told
    again after the cool-down, not each minute.
    """
    oldest_us = (now_ns - int(fresh_s * NS_PER_S)) // NS_PER_US
    for row in rows.to_pylist():
        ts_us = to_us(row["ts"])
        if row["score"] is None or ts_us < oldest_us:
            continue
        kind, venue, symbol = row["kind"], row["venue"], row["symbol"]
        yield Alert(
            "anomaly",
            f"{kind.replace('_', ' ')} of {symbol} on {venue}: score {row['score']:.2f}, "
            f"threshold {row['threshold']:g}",
            ts_us,
            f"anomaly:{kind}:{venue}:{symbol}",
            venue=venue,
            symbol=symbol,
            detail={
                "kind": kind,
                "score": row["score"],
                "threshold": row["threshold"],
                "facts": row["detail"],
            },
        )
