"""The kernel's values as rows of ``market_microstructure``."""

from __future__ import annotations

import numpy as np

from barograph.bars import aggregate as at
from barograph.rows import Bars, Floats, Ints


def divide(above: Floats, below: Floats) -> Floats:
    """``above / below``; NaN where ``below`` is 0."""
    quotient = np.full(len(above), np.nan)
    np.divide(above, below, out=quotient, where=below != 0.0)
    return quotient


def as_bars(keys: Ints, values: Floats, record: Ints, as_of_us: Ints) -> Bars:
    """Bars of ``keys`` (n, 3: start, instrument, revision) and ``values`` (n, VALUES).

    vwap, spread and imbalance are computed here: they hang on nothing but the row.
    """
    v = np.ascontiguousarray(values.T)
    bought, sold = v[at.BUY_VOLUME], v[at.SELL_VOLUME]
    return Bars(
        record=record,
        as_of_us=as_of_us,
        timestamp_us=keys[:, 0].copy(),
        instrument=keys[:, 1].astype(np.int32),
        open=v[at.OPEN],
        high=v[at.HIGH],
        low=v[at.LOW],
        price=v[at.PRICE],
        exec_price=v[at.EXEC_PRICE],
        volume=v[at.VOLUME],
        notional=v[at.NOTIONAL],
        vwap=divide(v[at.NOTIONAL], v[at.VOLUME]),
        trade_count=v[at.TRADE_COUNT].astype(np.int64),
        buy_volume=bought,
        sell_volume=sold,
        bid_price=v[at.BID_PRICE],
        ask_price=v[at.ASK_PRICE],
        bid_ask_spread=v[at.ASK_PRICE] - v[at.BID_PRICE],
        order_imbalance=divide(bought - sold, bought + sold),
        volatility_1min=v[at.VOLATILITY],
        volume_spike_score=v[at.SPIKE_SCORE],
        price_change_pct=v[at.PRICE_CHANGE],
        rsi_14=v[at.RSI],
        revision=keys[:, 2].astype(np.int32),
    )
