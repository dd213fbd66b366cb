"""Who took the initiative in a trade, where the venue does not say.

Lee and Ready (1991), "Inferring Trade Direction from Intraday Data", Journal of Finance
46(2): above the midpoint of the prevailing quote the buyer, below it the seller; at the
midpoint, or without a quote, the tick test. The five seconds by which they delayed
quotes belong to the paper tapes of 1991 and are left out.
"""

from __future__ import annotations

import math

from barograph.compiled import compiled_part

AT_MIDPOINT = 1e-14
"""Relative distance below which a price stands at the midpoint.

Decimal prices are rounded to binary: of 0.1 and 0.2 the midpoint misses 0.15 by a bit.
"""


@compiled_part
def tick_direction(price: float, last_price: float, direction: float) -> float:
    """The tick test: +1 after a rise, -1 after a fall, as before (``direction``) at the same price.

    That is the comparison with the last different price. 0 until the price has moved once.
    """
    if price > last_price:
        return 1.0
    if price < last_price:
        return -1.0
    return direction


@compiled_part
def aggressor(price: float, bid: float, ask: float, direction: float) -> float:
    """+1 buyer, -1 seller, 0 unknown; ``direction`` is the tick test's answer at this trade."""
    if math.isnan(bid) or math.isnan(ask):
        return direction
    distance = 2.0 * price - (bid + ask)
    if abs(distance) <= AT_MIDPOINT * (bid + ask):
        return direction
    return 1.0 if distance > 0.0 else -1.0
