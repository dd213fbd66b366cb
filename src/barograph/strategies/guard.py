"""What an account allows itself: how much an entry may commit, when entries stop, what has to be left.

The kernel decides and fills; the **guard** looks at the account after the close of each bar, with nothing but
what is known there, and changes three things only: the budget of an entry, the target (an entry is taken
back, a position is to be left), and the reason for leaving. All that it remembers is in :class:`GuardState`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Self

import msgspec

from barograph.clock import DAY_US, US_PER_S
from barograph.errors import UsageError
from barograph.rows import Floats
from barograph.strategies.fills import (
    BUDGET,
    DECIDED,
    ENTRY_BAR,
    FLATTEN,
    LIMIT,
    QUANTITY,
    TARGET,
    TIME,
    WHY,
)

HOUR_US = 3_600 * US_PER_S
_STAYS = 0


class Bounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account allows itself. None: no bound.

    How much an entry may commit; the least of these counts, and ``Strategy.size`` of the equity:

    Attributes:
        cash_per_entry: money, fees included.
        volatility_target: volatility a year that a position may have, 0.2 = 20 %; see :func:`fraction`.
        volatility_bars: returns that it is measured on.
        bars_per_year: how many bars of this market a year has, such as ``research.annualising`` tells;
            needed by the target, and by nothing else.
        max_exposure: positions' gross notional over equity after an entry, at most 1 (nothing is borrowed).
            Entries are cut to fit. The other positions count at their last known closes.
        max_orders_per_hour: orders to enter, decided within an hour of bar time. Orders to leave are never
            refused, and not counted. Where too many come at once, the first slots have theirs.
        max_daily_loss: part of the equity with which the day (UTC) began, that is at the last close at or
            before midnight. Once a close has lost as much, no entry is decided until midnight.
        flatten_on_loss: then everything is left too (reason ``limit``).
        max_holding_bars: a position is left at the first fill price of the bar that comes so many bars
            after its entry (reason ``time``).
    """

    cash_per_entry: float | None = None
    volatility_target: float | None = None
    volatility_bars: int = 60
    bars_per_year: float | None = None
    max_exposure: float | None = None
    max_orders_per_hour: int | None = None
    max_daily_loss: float | None = None
    flatten_on_loss: bool = False
    max_holding_bars: int | None = None

    def checked(self, interval_us: int) -> Self:
        """Itself, for bars of ``interval_us``.

        Raises:
            UsageError: a bound that cannot be, by name, value and what it must be.
        """
        wrong = _wrong(self, interval_us)
        if wrong:
            raise UsageError(f"bounds: {wrong}")
        return self

    @property
    def watching(self) -> bool:
        """Whether somebody has to look after each close; the other bounds the kernel keeps by itself."""
        watched = (
            self.volatility_target,
            self.max_orders_per_hour,
            self.max_daily_loss,
            self.max_holding_bars,
        )
        return any(bound is not None for bound in watched)


NO_BOUNDS = Bounds()


def _wrong(bounds: Bounds, interval_us: int) -> str:
    for name, low, high in (
        ("cash_per_entry", 0.0, math.inf),
        ("volatility_target", 0.0, math.inf),
        ("bars_per_year", 0.0, math.inf),
        ("max_exposure", 0.0, 1.0),
        ("max_daily_loss", 0.0, 1.0),
    ):
        value = getattr(bounds, name)
        if value is not None and not (low < value <= high and value < math.inf):
            most = f", at most {high:g}" if high < math.inf else " and finite"
            return f"{name} is {value!r}, it must be above 0{most}"
    for name, least in (("volatility_bars", 2), ("max_orders_per_hour", 1), ("max_holding_bars", 1)):
        value = getattr(bounds, name)
        if value is not None and value < least:
            return f"{name} is {value!r}, it must be {least} or more"
    return _missing(bounds, interval_us)


def _missing(bounds: Bounds, interval_us: int) -> str:
    if bounds.volatility_target is not None and bounds.bars_per_year is None:
        return (
            "bars_per_year is None, but volatility_target needs it: give the bars that a year of this "
            "market has, such as 525960 minutes around the clock"
        )
    if bounds.flatten_on_loss and bounds.max_daily_loss is None:
        return "flatten_on_loss is true, but max_daily_loss is None: give the loss, such as 0.05"
    if bounds.max_daily_loss is not None and interval_us >= DAY_US:
        days = interval_us / DAY_US
        return (
            f"max_daily_loss is {bounds.max_daily_loss!r}, but a bar lasts {days:g} days and a day is not "
            "looked into; take bars shorter than a day, or leave it out"
        )
    return ""


def fraction(target: float, returns: Sequence[float], bars_per_year: float) -> float:
    """Part of its size that a position gets: min(1, ``target`` / realised volatility a year).

    Realised is sqrt(``bars_per_year`` x mean of the squared log returns), their mean taken as 0, as
    Barroso and Santa-Clara (2015, "Momentum has its moments", Journal of Financial Economics 116) scale to
    a constant risk. Moreira and Muir (2017, "Volatility-managed portfolios", Journal of Finance 72) scale by
    the variance instead. Nothing is borrowed, therefore at most 1.

    >>> round(fraction(0.2, [0.01, -0.03, 0.02, -0.01], 365.25), 4)
    0.5404
    """
    total = 0.0
    for r in returns:
        total += r * r
    realised = math.sqrt(bars_per_year * (total / len(returns)))
    return min(1.0, target / realised) if realised > 0.0 else 1.0


class GuardState(msgspec.Struct, frozen=True):
    """All that a :class:`Guard` remembers; see :mod:`barograph.snapshot`.

    Attributes:
        halted, flatten: what a person said.
        day: number of the day (UTC, since 1970) that goes on; None before the first.
        day_equity: with which it began.
        day_lost: whether it has lost as much as a day may.
        orders_us: when the entries of the last hour were decided.
        closes: of each slot the last known close; 0 before the first. Without a target it is not looked at.
        returns: of each slot the last known log returns, oldest first.
    """

    halted: bool = False
    flatten: bool = False
    day: int | None = None
    day_equity: float = 0.0
    day_lost: bool = False
    orders_us: tuple[int, ...] = ()
    closes: tuple[float, ...] = ()
    returns: tuple[tuple[float, ...], ...] = ()


class Close(NamedTuple):
    """The close of a bar, as the guard looks at it.

    Attributes:
        bar: its number.
        end_us: when it was.
        equity: at it.
        before: equity at the close before.
    """

    bar: int
    end_us: int
    equity: float
    before: float


class Guard:
    """Holds one account to its bounds.

    Args:
        bounds: checked.
        sizes: part of the equity that an entry of each slot commits.
    """

    def __init__(self, bounds: Bounds, sizes: Sequence[float]) -> None:
        self.bounds = bounds
        self.halted = self.day_lost = False
        self._flatten = False
        self._sizes = list(sizes)
        self._day: int | None = None
        self._day_equity = 0.0
        self._orders_us: deque[int] = deque()
        self._closes = [0.0] * len(sizes)
        self._returns: list[deque[float]] = [deque(maxlen=bounds.volatility_bars) for _ in sizes]

    @classmethod
    def from_state(cls, bounds: Bounds, sizes: Sequence[float], state: GuardState) -> Self:
        """One that goes on where :meth:`state` was taken."""
        new = cls(bounds, sizes)
        new.halted, new._flatten = state.halted, state.flatten
        new._day, new._day_equity, new.day_lost = state.day, state.day_equity, state.day_lost
        new._orders_us = deque(state.orders_us)
        new._closes = list(state.closes)
        new._returns = [deque(each, maxlen=bounds.volatility_bars) for each in state.returns]
        return new

    def state(self) -> GuardState:
        """A copy of all that it remembers."""
        return GuardState(
            self.halted,
            self._flatten,
            self._day,
            self._day_equity,
            self.day_lost,
            tuple(self._orders_us),
            tuple(self._closes),
            tuple(tuple(each) for each in self._returns),
        )

    @property
    def watching(self) -> bool:
        """Whether it has to look after each close."""
        return self.halted or self.bounds.watching

    def begin(self, slots: Floats) -> None:
        """Tell a new account, (S, SLOT), what an entry may commit."""
        if self.bounds.cash_per_entry is not None:
            slots[:, BUDGET] = self.bounds.cash_per_entry

    def halt(self, slots: Floats, last_bar: int, *, flatten: bool) -> None:
        """No more entries; orders for them are dropped. ``flatten``: every position is to be left."""
        self.halted = True
        self._flatten = self._flatten or flatten
        for s, row in enumerate(slots.tolist()):
            self._bind(slots, s, row, last_bar)

    def resume(self) -> None:
        """Entries again. A position that has to be left still is."""
        self.halted = self._flatten = False

    def notice(self, closes: Sequence[float]) -> None:
        """Take in the closes of a bar, one a slot; NaN where unknown. Warm-up bars too."""
        if self.bounds.volatility_target is None:
            return
        for s, close in enumerate(closes):
            if close != close:  # noqa: PLR0124 (NaN)
                continue
            if self._closes[s] > 0.0:
                self._returns[s].append(math.log(close / self._closes[s]))
            self._closes[s] = close

    def look(self, slots: Floats, close: Close) -> None:
        """Hold the account's slots, (S, SLOT), to the bounds after a close on which they have decided."""
        self._count_day(close)
        hour_ago = close.end_us - HOUR_US
        while self._orders_us and self._orders_us[0] <= hour_ago:
            self._orders_us.popleft()
        for s, row in enumerate(slots.tolist()):
            self._bind(slots, s, row, close.bar)
            if row[DECIDED] == close.bar and _enters(slots[s, TARGET], row[QUANTITY]):
                self._admit(slots, s, close)

    def _count_day(self, close: Close) -> None:
        bound = self.bounds.max_daily_loss
        if bound is None:
            return
        day, since_midnight = divmod(close.end_us, DAY_US)
        if day != self._day:
            self._day, self.day_lost = day, False
            self._day_equity = close.before if since_midnight else close.equity
        if close.equity <= self._day_equity * (1.0 - bound):
            self.day_lost = True

    def _bind(self, slots: Floats, s: int, row: Sequence[float], bar: int) -> None:
        """Take back an entry that may not be, and order out a position that may not stay.

        An exit of the strategy's own that waits is made final where everything has to go: it could be taken
        back otherwise.
        """
        quantity, target = row[QUANTITY], row[TARGET]
        if _enters(target, quantity) and (self.halted or self.day_lost):
            target = slots[s, TARGET] = 0.0
        if quantity == 0.0 or row[WHY] != _STAYS:
            return
        stays = target != 0.0 and not _enters(target, quantity)
        why = self._why(row, bar)
        if why == _STAYS or (why == TIME and not stays):
            return
        slots[s, TARGET], slots[s, WHY] = 0.0, why
        if stays:
            slots[s, DECIDED] = bar

    def _why(self, row: Sequence[float], bar: int) -> int:
        """Reason for which a held position has to be left; 0: none."""
        if self._flatten:
            return FLATTEN
        if self.day_lost and self.bounds.flatten_on_loss:
            return LIMIT
        longest = self.bounds.max_holding_bars
        if longest is not None and bar + 1 - row[ENTRY_BAR] >= longest:
            return TIME
        return _STAYS

    def _admit(self, slots: Floats, s: int, close: Close) -> None:
        """Let a new order to enter pass, with its budget; or take it back."""
        budget, most = self._budget(s, close.equity), self.bounds.max_orders_per_hour
        if budget is None or (most is not None and len(self._orders_us) >= most):
            slots[s, TARGET] = 0.0
            return
        slots[s, BUDGET] = budget
        if most is not None:
            self._orders_us.append(close.end_us)

    def _budget(self, s: int, equity: float) -> float | None:
        """The most that an entry may commit; None where its volatility is not known yet."""
        bounds = self.bounds
        most = math.inf if bounds.cash_per_entry is None else bounds.cash_per_entry
        if bounds.volatility_target is None or bounds.bars_per_year is None:
            return most
        returns = self._returns[s]
        if len(returns) < bounds.volatility_bars:
            return None
        part = fraction(bounds.volatility_target, returns, bounds.bars_per_year)
        return min(most, part * self._sizes[s] * equity) if part < 1.0 else most


def _enters(target: float, quantity: float) -> bool:
    """Whether an order to take a position waits."""
    return target != 0.0 and not (target > 0.0 < quantity or target < 0.0 > quantity)
