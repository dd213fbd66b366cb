"""Bars as the kernel takes them: columns of S symbols on one timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from barograph.errors import UsageError
from barograph.rows import Floats, Ints
from barograph.strategies.fills import COLUMNS, FILLS, GAINS, HALF_SPREADS, HIGHS, LOWS, MARKS, OPENS
from barograph.strategies.kernel import carry_forward, carry_spreads
from barograph.strategies.prices import Prices


def stretch(bars: Sequence[Prices], last: Floats, half_spreads: Floats | None = None) -> Floats:
    """The kernel's columns (7, S, n) of ``bars``, one symbol each.

    Args:
        bars: n of each symbol.
        last: (S,) last known closes before them; moves on.
        half_spreads: (S,) halves of the last known spreads before them; moves on. None: fills pay none.

    Raises:
        UsageError: the symbols' bars do not begin at the same times, or have no spread to pay.
    """
    first = bars[0]
    for other in bars[1:]:
        if other.ts_us is not first.ts_us and not np.array_equal(other.ts_us, first.ts_us):
            raise UsageError(
                f"{first.symbol} and {other.symbol} are not on one timeline; bring them together first "
                "(a bar that one of them lacks is NaN)"
            )
    columns = np.empty((COLUMNS, len(bars), len(first)))
    for s, prices in enumerate(bars):
        columns[OPENS, s], columns[LOWS, s], columns[HIGHS, s] = prices.open, prices.low, prices.high
        columns[FILLS, s], columns[MARKS, s] = prices.fill_price, prices.close
        columns[HALF_SPREADS, s] = 0.0 if half_spreads is None else _spread(prices)
    carry_forward(columns, last)
    if half_spreads is not None:
        carry_spreads(columns, half_spreads)
    if len(bars) > 1:
        columns[GAINS, 0] = columns[GAINS].sum(axis=0) / len(bars)
    return columns


def _spread(prices: Prices) -> Floats:
    if prices.spread is None:
        raise UsageError(
            f"{prices.symbol} has no bid-ask spread, which the costs ask fills to pay; take recorded "
            "minutes, or costs without spread"
        )
    return prices.spread


def one_timeline(prices: Sequence[Prices]) -> tuple[Prices, ...]:
    """The symbols' bars at all times at which one of them has a bar; NaN where a symbol has none.

    Raises:
        UsageError: bars of different lengths.
    """
    lengths = {p.symbol: p.interval_us for p in prices}
    if len(set(lengths.values())) != 1:
        raise UsageError(f"bars differ in length: {lengths} us; resample them to one interval first")
    every = np.unique(np.concatenate([p.ts_us for p in prices]))
    return tuple(_laid(p, every) for p in prices)


def _laid(prices: Prices, every: Ints) -> Prices:
    at = np.searchsorted(every, prices.ts_us)

    def laid(column: Floats) -> Floats:
        whole = np.full(len(every), np.nan)
        whole[at] = column
        return whole

    return replace(
        prices,
        ts_us=every,
        open=laid(prices.open),
        high=laid(prices.high),
        low=laid(prices.low),
        close=laid(prices.close),
        volume=laid(prices.volume),
        exec_price=None if prices.exec_price is None else laid(prices.exec_price),
        spread=None if prices.spread is None else laid(prices.spread),
    )
