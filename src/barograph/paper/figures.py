"""How a consumer stands: cash, what is open, what it is worth. Plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from barograph.paper.positions import Position
from barograph.paper.purse import Purse


class Figures(NamedTuple):
    """Sums over a consumer's symbols, in the currency of their prices.

    With an account, cash, ``paid`` and profits are the account's; what other consumers of it hold is
    valued at what was paid for it.

    Attributes:
        cash: not in positions.
        paid: for what is open, without fees.
        worth: what is open at the last prices.
        equity: cash and worth.
        day_profit: realised, after fees, on the day of each purse's last order.
        positions: the consumer's own that are open.
        halted: no entries are made (of symbols with purses of their own: of one at least).
    """

    cash: float
    paid: float
    worth: float
    equity: float
    day_profit: float
    positions: int
    halted: bool


def figures(held: Sequence[tuple[Position, float]], purses: Sequence[Purse]) -> Figures:
    """The figures of positions, each with its last price, and of the purses that they were paid from.

    >>> one = Position("dip", "sim", "X", 2.0, 100.0, 0, 0.0, "t1")
    >>> figures([(one, 110.0)], [Purse(50.0, paid=200.0, positions=1)]).equity
    270.0
    """
    cash, paid = sum(purse.cash for purse in purses), sum(purse.paid for purse in purses)
    gain = sum(position.quantity * (price - position.entry_price) for position, price in held)
    return Figures(
        cash=cash,
        paid=paid,
        worth=paid + gain,
        equity=cash + paid + gain,
        day_profit=sum(purse.day_profit for purse in purses),
        positions=len(held),
        halted=any(purse.halted for purse in purses),
    )
