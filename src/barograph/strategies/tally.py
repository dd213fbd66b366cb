"""What the trading kernel counts while it trades: enough for every metric of a sweep but VaR and CVaR.

A **book** is a row of :data:`TALLIES` numbers (float64), one portfolio a row; a sweep's books are (N,
TALLIES). The constants are the indices. Everything is counted from the close of bar ``start``, at which the
first decision may be made and equity is ``costs.cash``: the first return is that of bar ``start + 1``. So T
bars from ``start`` on make T - 1 returns, and the first close's return, which is 0 for everybody, is in no
mean.

A bar's return r is (equity at its close - equity at the close before) / equity at the close before; the
market's is the same of the last known close. A bar with unknown prices counts as one on which nothing moved.
"""

from __future__ import annotations

import numpy as np

from barograph.rows import Floats

RETURNS = 0
"""How many returns there are; every sum below is over them."""
SUM_1 = 1
"""Sum of r; the next three are the sums of r^2, r^3 and r^4."""
SUM_2 = 2
SUM_3 = 3
SUM_4 = 4
DOWN_2 = 5
"""Sum of min(r, 0)^2."""
CROSS = 6
"""Sum of r times the market's return of the same bar (of several symbols: their mean)."""
RISES = 7
"""How many r are above 0."""
FALLS = 8
"""How many r are below 0."""
EXPOSURE = 9
"""Sum of the signed notional of all positions over equity, at each close: +1 fully long, -1 fully short."""
HELD = 10
"""At how many closes a position was held."""
TURNOVER = 11
"""Sum over fills of their notional over the equity at the fill: in and out once, all in, is about 2."""
FEES = 12
"""Fees paid, in money (slippage is not in it)."""
TRADES = 13
"""Closed trades; those still open at the end are in none of the next nine."""
WINS = 14
"""Those with a profit above 0 after fees."""
GROSS_PROFIT = 15
"""Sum of the profits of those that won, in money."""
GROSS_LOSS = 16
"""Sum of the losses of the others, in money, as a number >= 0."""
TRADE_RETURNS = 17
"""Sum of profit / entry notional."""
TRADE_RETURNS_2 = 18
"""Sum of its squares."""
BEST = 19
"""Largest profit / entry notional; -inf before the first trade."""
WORST = 20
"""Smallest profit / entry notional; +inf before the first trade."""
HOLDING = 21
"""Sum over closed trades of exit bar - entry bar."""
EQUITY = 22
"""At the last close; ``costs.cash`` at the beginning."""
PEAK = 23
"""Highest equity at a close so far."""
DRAWDOWN = 24
"""Deepest (equity - peak) / peak so far: 0 or negative."""
UNDERWATER = 25
"""Bars since equity was last at its peak."""
LONGEST = 26
"""Longest such stretch so far, one that is still going on included."""
CASH = 27
"""Cash after the last fill; with the positions' value it is the equity."""
TALLIES = 28


def new_books(n: int, cash: float) -> Floats:
    """(n, TALLIES) books of portfolios that have not begun yet.

    >>> new_books(2, 10_000.0)[:, EQUITY].tolist()
    [10000.0, 10000.0]
    """
    books = np.zeros((n, TALLIES))
    books[:, [EQUITY, PEAK, CASH]] = cash
    books[:, BEST], books[:, WORST] = -np.inf, np.inf
    return books
