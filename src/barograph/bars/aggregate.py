"""The columns of a bar that are made of its own rows, and of what the rows before left behind.

One compiled function makes a bar, whoever asks: the resumable kernel one minute at a
time, the batch pass for all. Rows must stand in the order (ts, seq, tape), trades and
quotes each for themselves; sums run from left to right in that order.
"""

from __future__ import annotations

import math

from barograph.bars.order import POS, SIDE, TS
from barograph.bars.signing import aggressor, tick_direction
from barograph.compiled import compiled_part
from barograph.rows import Floats, Ints

# Columns of a bar's values; the first MADE are made here, the others by the roll.
OPEN, HIGH, LOW, PRICE, EXEC_PRICE, VOLUME, NOTIONAL, TRADE_COUNT = range(8)
BUY_VOLUME, SELL_VOLUME, BID_PRICE, ASK_PRICE, VOLATILITY, DIRECTION = range(8, 14)
MADE = 14
SPIKE_SCORE, PRICE_CHANGE, RSI, GAIN, LOSS, CHANGES = range(14, 20)
VALUES = 20

# What a bar leaves to the next one: last price, tick direction, last bid and ask.
LAST_PRICE, LAST_DIRECTION, LAST_BID, LAST_ASK = range(4)
CARRY = 4


Span = tuple[int, int, int, int]
"""Rows of one bar: first and last (not included) trade, first and last (not included) quote."""


@compiled_part
def last_quote_at(
    rows: Ints, amounts: Floats, quotes: tuple[int, int], trade: int, bid: float, ask: float
) -> tuple[float, float]:
    """The quote that the row ``trade`` met.

    ``bid`` and ``ask`` are of the last quote before its time. Of the rows ``quotes`` = (first,
    end), which are not earlier, those of the very same time count if they came earlier on the tape.
    """
    here = quotes[0]
    while here < quotes[1] and rows[here, TS] == rows[trade, TS]:
        if rows[here, POS] < rows[trade, POS]:
            bid, ask = amounts[here, 0], amounts[here, 1]
        here += 1
    return bid, ask


@compiled_part
def aggregate(
    rows: Ints, amounts: Floats, span: Span, exec_from_us: int, carry: Floats, made: Floats
) -> None:
    """Make one bar of the rows of ``span`` into ``made`` (MADE,); move ``carry`` (CARRY,) on.

    ``exec_from_us`` is the time from which a trade's price may become ``exec_price``.
    Without a trade the prices are the carried one and the volatility is NaN.
    """
    first, last, quote, quote_end = span
    price, direction, bid, ask = carry[0], carry[1], carry[2], carry[3]
    opened = amounts[first, 0] if first < last else price
    high, low, exec_price = opened, opened, math.nan
    volume, notional, bought, sold, squares = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(first, last):
        ts = rows[i, TS]
        here, size = amounts[i, 0], amounts[i, 1]
        while quote < quote_end and rows[quote, TS] < ts:
            bid, ask = amounts[quote, 0], amounts[quote, 1]
            quote += 1
        direction = tick_direction(here, price, direction)
        side = float(rows[i, SIDE])
        if side == 0.0:
            met_bid, met_ask = last_quote_at(rows, amounts, (quote, quote_end), i, bid, ask)
            side = aggressor(here, met_bid, met_ask, direction)
        if side > 0.0:
            bought += size
        elif side < 0.0:
            sold += size
        # An unmoved price returns 0, which adds nothing; NaN (no trade yet) fails both comparisons.
        if here > price or here < price:
            change = math.log(here / price)
            squares += change * change
        high, low = max(high, here), min(low, here)
        if exec_from_us <= ts and math.isnan(exec_price):
            exec_price = here
        volume += size
        notional += here * size
        price = here
    if quote < quote_end:
        bid, ask = amounts[quote_end - 1, 0], amounts[quote_end - 1, 1]
    made[OPEN], made[HIGH], made[LOW], made[PRICE], made[EXEC_PRICE] = opened, high, low, price, exec_price
    made[VOLUME], made[NOTIONAL], made[TRADE_COUNT] = volume, notional, last - first
    made[BUY_VOLUME], made[SELL_VOLUME], made[BID_PRICE], made[ASK_PRICE] = bought, sold, bid, ask
    made[VOLATILITY] = math.sqrt(squares) if first < last else math.nan
    made[DIRECTION] = direction
    carry[LAST_PRICE], carry[LAST_DIRECTION], carry[LAST_BID], carry[LAST_ASK] = price, direction, bid, ask
