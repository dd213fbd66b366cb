"""The dip rule once more, from its description and with NumPy: all highs at once, then from fill to fill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from barograph.paper.dip import Dip
from barograph.paper.events import TradeEvent
from barograph.paper.purse import Terms


class RoundTrip(NamedTuple):
    entry_id: str
    entry_price: float
    quantity: float
    exit_id: str
    exit_price: float
    reason: str


def highs(ts_us: np.ndarray, prices: np.ndarray, bucket_us: int) -> np.ndarray:
    """The high of 60 buckets up to each event."""
    buckets = ts_us // bucket_us
    numbers, starts = np.unique(buckets, return_index=True)
    ends = np.append(starts[1:], len(ts_us))
    tops = np.maximum.reduceat(prices, starts)
    out = np.empty(len(prices))
    for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
        first = np.searchsorted(numbers, numbers[k] - 59)
        before = tops[first:k].max(initial=0.0)
        out[start:end] = np.maximum(np.maximum.accumulate(prices[start:end]), before)
    return out


def _first(where: np.ndarray, begin: int) -> int | None:
    found = np.flatnonzero(where[begin:])
    return begin + int(found[0]) if len(found) else None


def round_trips(events: Sequence[TradeEvent], dip: Dip, terms: Terms) -> tuple[list[RoundTrip], int]:
    """Closed trades of one symbol's clean, ordered events, and how many positions are open at the end."""
    ts_us = np.array([one.ts_us for one in events])
    prices = np.array([one.price for one in events])
    half = np.array([one.half_spread if terms.spread else 0.0 for one in events])
    dropped = prices <= highs(ts_us, prices, dip.bucket_us) * (1.0 - dip.drop_pct / 100.0)
    newer = np.searchsorted(ts_us, ts_us, side="right")  # the first event that is newer than each
    slip, fee = terms.slippage_bps * 1e-4, terms.fee_bps * 1e-4
    cash, done, begin, used = terms.cash, [], 0, -1
    while True:
        false = _first(~dropped, used + 1)
        decided = None if false is None else _first(dropped, max(begin, false))
        if decided is None or newer[decided] == len(events):
            return done, 0
        used, filled = decided, int(newer[decided])
        bought = float(prices[filled] * (1.0 + slip) + half[filled])
        quantity = terms.size * cash / (bought * (1.0 + fee))
        leave = prices >= bought * (1.0 + dip.profit_pct / 100.0)
        stop = np.zeros(len(prices), bool)
        if dip.stop_pct is not None:
            stop = prices <= bought * (1.0 - dip.stop_pct / 100.0)
        late = np.zeros(len(prices), bool)
        if dip.hold_s is not None:
            late = ts_us >= ts_us[filled] + round(dip.hold_s * 1e6)
        decided = _first(leave | stop | late, filled)
        if decided is None or newer[decided] == len(events):
            return done, 1
        reason = "stop_loss" if stop[decided] else "take_profit" if leave[decided] else "time"
        begin = int(newer[decided])
        sold = float(prices[begin] * (1.0 - slip) - half[begin])
        cash = max(cash - (quantity * bought + quantity * bought * fee), 0.0)
        cash += quantity * sold - quantity * sold * fee
        ids = events[filled].identity, events[begin].identity
        done.append(RoundTrip(ids[0], bought, quantity, ids[1], sold, reason))
