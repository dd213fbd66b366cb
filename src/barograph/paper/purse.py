"""Cash and what it may be spent on: costs, sizes, limits. Plain Python.

A purse is a value: what happens to it makes another. It knows positions at what was paid for them,
so it changes at fills only, and nothing in it hangs on how often anybody looked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, get_args

from barograph.errors import UsageError
from barograph.paper.bounds import within
from barograph.paper.positions import Position, Trade

Sizing = Literal["fraction", "cash", "volatility"]
Refusal = Literal["halted", "daily_loss", "order_rate", "volatility", "exposure", "cash", "known"]
"""Why an entry was not made; ``known``: the ledger has an entry of the same event identity."""

YEAR_S = 365 * 86_400.0
_MINUTE_US = 60_000_000
_DAY_US = 86_400_000_000
_MOST_ORDERS = 10_000


class _Terms(NamedTuple):
    fee_bps: float = 10.0
    slippage_bps: float = 0.0
    spread: bool = False
    cash: float = 10_000.0
    sizing: Sizing = "fraction"
    size: float = 1.0
    min_size: float = 0.0
    max_size: float | None = None
    lot: float = 0.0
    year_s: float = YEAR_S
    max_exposure: float | None = None
    orders_per_minute: int | None = None
    daily_loss_pct: float | None = None


class Terms(_Terms):
    """What trading costs, how much an entry commits, and what is not allowed.

    Attributes:
        fee_bps: of the notional, per side, basis points; taken from cash at the fill.
        slippage_bps: buys fill this much above, sells below the price.
        spread: fills pay the event's ``half_spread`` on top.
        cash: to begin with, in the currency of the price.
        sizing: what ``size`` means. ``fraction``: of the equity, at most 1. ``cash``: so much an entry.
            ``volatility``: an annual volatility (0.2 = 20 %); the entry commits the fraction
            ``min(1, size / realised volatility)`` of the equity, scaled as by Harvey and others (2018, The
            Impact of Volatility Targeting, Journal of Portfolio Management 45(1), 14-33), but never
            borrowed; the realised volatility is ``dip.Watch.volatility`` before the fill.
        size: see there.
        min_size: an entry that could commit less is not made; cash.
        max_size: an entry commits no more; cash. None: no bound.
        lot: quantities are whole multiples of it, rounded down; 0: any fraction.
        year_s: seconds of trading in a year, for ``volatility``: all of them unless the market closes
            (5,896,800 for 252 days of 6.5 hours).
        max_exposure: of all positions at what was paid for them, over the equity; entries are cut to fit.
        orders_per_minute: fills in the last 60 seconds of event time at which no entry is made.
        daily_loss_pct: realised loss of a UTC day over the equity it began with, per cent, at which no entry
            is made for the rest of the day. Sells are always allowed.

    Raises:
        UsageError: one is out of its bounds.

    >>> Terms(sizing="cash", size=500.0).size
    500.0
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # a type checker reads the fields' own signature

        def __new__(cls, *args: Any, **fields: Any) -> Self:
            new = super().__new__(cls, *args, **fields)
            _check_costs(new)
            _check_sizes(new)
            _check_limits(new)
            return new

        @classmethod
        def _make(cls, iterable: Any) -> Self:  # so that _replace checks as well
            return cls(*iterable)

    @property
    def fee(self) -> float:
        """Of the notional."""
        return self.fee_bps * 1e-4

    def buys_at(self, price: float, half_spread: float) -> float:
        """The fill price of a buy."""
        filled = price * (1.0 + self.slippage_bps * 1e-4)
        return filled + half_spread if self.spread else filled

    def sells_at(self, price: float, half_spread: float) -> float:
        """The fill price of a sell; 0 where costs would take it below."""
        filled = price * (1.0 - self.slippage_bps * 1e-4)
        return max(filled - half_spread, 0.0) if self.spread else filled


def _check_costs(terms: _Terms) -> None:
    within("fee_bps", terms.fee_bps, least=0, below=10_000)
    within("slippage_bps", terms.slippage_bps, least=0, below=10_000)
    within("cash", terms.cash, above=0)


def _check_sizes(terms: _Terms) -> None:
    if terms.sizing not in get_args(Sizing):
        raise UsageError(f"sizing is {terms.sizing!r}; it must be one of {', '.join(get_args(Sizing))}")
    within("size", terms.size, above=0, most=1 if terms.sizing == "fraction" else None)
    within("min_size", terms.min_size, least=0)
    if terms.max_size is not None:
        within("max_size", terms.max_size, above=0, least=terms.min_size)
    within("lot", terms.lot, least=0)
    within("year_s", terms.year_s, above=0)


def _check_limits(terms: _Terms) -> None:
    if terms.max_exposure is not None:
        within("max_exposure", terms.max_exposure, above=0)
    if terms.orders_per_minute is not None:
        within("orders_per_minute", terms.orders_per_minute, least=1, most=_MOST_ORDERS)
    if terms.daily_loss_pct is not None:
        within("daily_loss_pct", terms.daily_loss_pct, above=0, most=100)


class Purse(NamedTuple):
    """What there is to trade with.

    Attributes:
        cash: not in positions.
        paid: what was paid for the positions that are open, without fees.
        positions: how many they are.
        day: UTC day of the last order, in days since 1970; -1 before the first.
        day_equity: the equity when that day began.
        day_profit: realised since, after fees.
        orders: times of the newest fills, microseconds; no more than the limit needs.
        halted: no entries.
        flatten: and positions are sold.
    """

    cash: float
    paid: float = 0.0
    positions: int = 0
    day: int = -1
    day_equity: float = 0.0
    day_profit: float = 0.0
    orders: tuple[int, ...] = ()
    halted: bool = False
    flatten: bool = False

    @property
    def equity(self) -> float:
        """Cash and positions, at what was paid for them."""
        return self.cash + self.paid

    def at(self, ts_us: int) -> Purse:
        """The purse at a moment: where a new day has begun its figures begin anew. Days never go back."""
        day = ts_us // _DAY_US
        if day <= self.day:
            return self
        return self._replace(day=day, day_equity=self.equity, day_profit=0.0)

    def bought(self, position: Position, terms: Terms) -> Purse:
        """After an entry."""
        paid = position.quantity * position.entry_price
        return self._replace(
            cash=max(self.cash - (paid + position.entry_fee), 0.0),  # all in, rounding can go below
            paid=self.paid + paid,
            positions=self.positions + 1,
            orders=_newest(self.orders, position.entry_ts_us, terms),
        )

    def sold(self, trade: Trade, exit_fee: float, terms: Terms) -> Purse:
        """After an exit."""
        left = self.positions - 1
        paid = self.paid - trade.quantity * trade.entry_price
        return self._replace(
            cash=self.cash + (trade.quantity * trade.exit_price - exit_fee),
            paid=paid if left else 0.0,  # sums of floats leave dust
            positions=left,
            day_profit=self.day_profit + trade.profit,
            orders=_newest(self.orders, trade.exit_ts_us, terms),
        )

    def state(self) -> dict[str, Any]:
        """For JSON."""
        return self._asdict()

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Purse:
        """The purse out of :meth:`state`.

        Raises:
            KeyError, TypeError: it is none.
        """
        return cls(**{**state, "orders": tuple(state["orders"])})


def _newest(orders: tuple[int, ...], ts_us: int, terms: Terms) -> tuple[int, ...]:
    """``orders`` and one more; those that a limit can still ask for."""
    if terms.orders_per_minute is None:
        return ()
    return tuple(sorted((*orders, ts_us))[-terms.orders_per_minute :])


def forbidden(purse: Purse, terms: Terms, ts_us: int) -> Refusal | None:
    """Why no entry may be made now, whatever its size; None: one may. ``purse`` is that of the moment."""
    if purse.halted:
        return "halted"
    loss_pct = terms.daily_loss_pct
    if loss_pct is not None and purse.day_profit <= -(loss_pct / 100.0) * purse.day_equity:
        return "daily_loss"
    rate = terms.orders_per_minute
    if rate is not None and sum(one > ts_us - _MINUTE_US for one in purse.orders) >= rate:
        return "order_rate"
    return None


def entry_size(purse: Purse, terms: Terms, price: float, volatility: float) -> float | Refusal:
    """How much to buy at the fill price ``price``, or why nothing.

    ``budget / (price * (1 + fee))``, rounded down to lots: the budget pays the fee too, as in
    ``strategies.fills``.

    Args:
        volatility: realised, of a year; only looked at where sizes follow it. NaN and 0 are unknown.

    >>> entry_size(Purse(1000.0), Terms(fee_bps=0.0, size=0.5), 100.0, 0.0)
    5.0
    """
    if terms.sizing == "cash":
        wanted = terms.size
    elif terms.sizing == "fraction":
        wanted = terms.size * purse.equity
    elif volatility > 0.0:
        wanted = min(1.0, terms.size / volatility) * purse.equity
    else:
        return "volatility"
    if terms.max_size is not None:
        wanted = min(wanted, terms.max_size)
    room = math.inf if terms.max_exposure is None else terms.max_exposure * purse.equity - purse.paid
    budget = min(wanted, purse.cash, room)
    quantity = max(budget / (price * (1.0 + terms.fee)), 0.0)
    if terms.lot > 0.0:
        quantity = math.floor(quantity / terms.lot) * terms.lot
    if quantity == 0.0 or budget < terms.min_size:
        return "exposure" if room < min(wanted, purse.cash) else "cash"
    return quantity
