"""Rows and records as the compiled functions take them: plain arrays of fixed types."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barograph.rows import Bits, Codes, Floats, Ints, Quotes, Sides, Ticks


class TickColumns(NamedTuple):
    """The ticks of a run."""

    record: Ints
    ts: Ints
    instrument: Codes
    price: Floats
    size: Floats
    side: Sides
    seq: Ints
    flags: Bits


class QuoteColumns(NamedTuple):
    """The quotes of a run."""

    record: Ints
    ts: Ints
    instrument: Codes
    bid: Floats
    ask: Floats
    seq: Ints
    flags: Bits


def owned(column: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
    """``column`` as the compiled functions know it: another layout would cost another compilation."""
    if column.dtype == dtype and column.flags.carray:
        return column
    return np.array(column, dtype=dtype, order="C")


def tick_columns(ticks: Ticks) -> TickColumns:
    """The columns of ``ticks`` that bars are made of."""
    return TickColumns(
        owned(ticks.record, np.int64),
        owned(ticks.ts_us, np.int64),
        owned(ticks.instrument, np.int32),
        owned(ticks.price, np.float64),
        owned(ticks.size, np.float64),
        owned(ticks.side, np.int8),
        owned(ticks.seq, np.int64),
        owned(ticks.flags, np.int16),
    )


def quote_columns(quotes: Quotes) -> QuoteColumns:
    """The columns of ``quotes`` that bars are made of."""
    return QuoteColumns(
        owned(quotes.record, np.int64),
        owned(quotes.ts_us, np.int64),
        owned(quotes.instrument, np.int32),
        owned(quotes.bid_price, np.float64),
        owned(quotes.ask_price, np.float64),
        owned(quotes.seq, np.int64),
        owned(quotes.flags, np.int16),
    )
