"""An account of bar strategies: minutes in, positions and trades out, all of it one item of the ledger.

The kernel that backtests run decides and fills (:class:`~barograph.strategies.Trader`), a bar at a time. Here
its bars get times, and its fills get names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from barograph.clock import MINUTE_US
from barograph.paper.ledger import Key, Ledger
from barograph.paper.positions import Position, Trade, completed
from barograph.recorder.trading.control import Action
from barograph.recorder.trading.engine import Done
from barograph.recorder.trading.market import Minute
from barograph.snapshot import pack, unpack
from barograph.strategies.guard import Bounds
from barograph.strategies.orders import Fills
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy
from barograph.strategies.trader import Trader, TraderState
from barograph.strategies.trading import ENTRY, REASONS, Costs

_AT_LEVEL = frozenset(REASONS.index(name) for name in ("stop_loss", "take_profit", "ruin"))
"""Reasons of fills within a bar: at a price that it reached, or at its close."""


class Slot(NamedTuple):
    """A place in an account: which strategy, under which name, on what."""

    name: str
    strategy: Strategy
    venue: str
    symbol: str


class AccountState(msgspec.Struct):
    """All that an account remembers.

    ``versions``: of the bars on which a decision stands that waits for its fill, by bar number: of each slot
    the version that it saw, -1 where it saw none.
    """

    trader: TraderState
    newest_us: int
    versions: dict[int, list[int]]


class BarAccount:
    """One account, and the item that it is in the ledger.

    Args:
        ledger: where it is kept; what it holds under ``key`` is gone on from.
        key: of the item.
        slots: what it trades.
        costs, bounds: how.
        lateness_us: a decision on a bar is filled from the bar's end and so much on (law 7).
        before: bars of each slot before it begins, on one timeline, which warm the indicators.
    """

    def __init__(
        self,
        ledger: Ledger,
        key: Key,
        slots: Sequence[Slot],
        costs: Costs,
        bounds: Bounds,
        lateness_us: int,
        before: Sequence[Prices] = (),
    ) -> None:
        self.slots, self._ledger, self._lateness_us = tuple(slots), ledger, lateness_us
        self.item = ledger.read(key)
        if self.item.version:
            state = unpack(self.item.state, AccountState)
            self.trader, self.newest_us = Trader.from_state(state.trader), state.newest_us
            self._versions = state.versions
            return
        warm = len(before[0]) if before else 0
        strategies, symbols = [slot.strategy for slot in slots], [slot.symbol for slot in slots]
        self.trader = Trader(strategies, costs, MINUTE_US, symbols, start=warm, bounds=bounds)
        self.newest_us, self._versions = -1, {}
        if warm:
            self.trader.advance(before)
            self.newest_us = int(before[0].ts_us[-1])

    def step(self, ts_us: int, minutes: Sequence[Minute | None]) -> Done:
        """Trade the minute that begins at ``ts_us``: of each slot its bar, None where there is none.

        A minute that the account has seen (it may be further on than the market that is read again) changes
        nothing. What comes of it is in the ledger when this returns.
        """
        if ts_us <= self.newest_us:
            return Done()
        bar = self.trader.seen
        advanced = self.trader.advance(
            [_prices(slot.symbol, ts_us, one) for slot, one in zip(self.slots, minutes, strict=True)]
        )
        self.newest_us = ts_us
        self._versions[bar] = [-1 if one is None else one.version for one in minutes]
        done = self._filled(advanced.fills, ts_us)
        waited_for = {order.decided for order in self.trader.waiting}
        self._versions = {k: seen for k, seen in self._versions.items() if k == bar or k in waited_for}
        mark = minutes[0].close if len(minutes) == 1 and minutes[0] is not None else 0.0
        if mark == mark and mark > 0.0:  # noqa: PLR0124 (not NaN)
            self.item = self.item._replace(mark=mark)
        if done.opened or done.closed:
            self._write(self.item.tape_pos, done.closed)
        return done

    def told(self, action: Action) -> None:
        """Stop, flatten, or go on; kept with the next write, and said again after a crash before it."""
        if action == "resume":
            self.trader.resume()
        else:
            self.trader.halt(flatten=action == "flatten")

    def keep(self, pos: int) -> None:
        """Write it as it stands at tape position ``pos``."""
        self._write(pos, ())

    def _write(self, pos: int, closed: tuple[Trade, ...]) -> None:
        state = AccountState(self.trader.state(), self.newest_us, self._versions)
        item = self.item._replace(state=pack(state), tape_pos=pos, newest_ts_us=max(self.newest_us, 0))
        self._ledger.write(item, closed)
        self.item = item._replace(version=item.version + 1)

    def _filled(self, fills: Fills, ts_us: int) -> Done:
        """Name what was filled in the bar that begins at ``ts_us``."""
        opened, closed = [], []
        for fill in fills:
            slot = self.slots[int(fill["slot"])]
            if int(fill["reason"]) == ENTRY:
                position = self._opened(slot, fill, ts_us)
                self.item = self.item._replace(positions=(*self.item.positions, position))
                opened.append(position)
            else:
                closed.append(self._closed(slot, fill, ts_us))
        return Done(tuple(opened), tuple(closed))

    def _opened(self, slot: Slot, fill: np.void, ts_us: int) -> Position:
        return Position(
            strategy=slot.name,
            venue=slot.venue,
            symbol=slot.symbol,
            quantity=float(fill["quantity"]),
            entry_price=float(fill["price"]),
            entry_ts_us=ts_us + self._lateness_us,
            entry_fee=float(fill["fee"]),
            entry_id=f"b{ts_us}",
            bar_version=self._version(fill),
        )

    def _closed(self, slot: Slot, fill: np.void, ts_us: int) -> Trade:
        held = [p for p in self.item.positions if (p.strategy, p.venue, p.symbol) == slot_of(slot)]
        reason = int(fill["reason"])
        trade = completed(
            held[0],
            exit_price=float(fill["price"]),
            # Within a bar nobody knows when: its last moment is when it surely had happened.
            exit_ts_us=ts_us + (MINUTE_US - 1 if reason in _AT_LEVEL else self._lateness_us),
            exit_fee=float(fill["fee"]),
            exit_id=f"b{ts_us}",
            reason=REASONS[reason],
            exit_bar_version=self._version(fill),
        )
        left = tuple(position for position in self.item.positions if position is not held[0])
        self.item = self.item._replace(positions=left)
        return trade

    def _version(self, fill: np.void) -> int | None:
        seen = self._versions.get(int(fill["decided"]))
        version = -1 if seen is None else seen[int(fill["slot"])]
        return None if version < 0 else version


def slot_of(slot: Slot) -> tuple[str, str, str]:
    """What its positions are called by."""
    return slot.name, slot.venue, slot.symbol


def is_bar(one: Minute) -> bool:
    """Whether a minute can be traded on: prices above 0 and within low and high, or unknown all four.

    The rule of ``research.data.checking``. A minute with quotes and no trade has a price and no open: it is
    none.
    """
    prices = (one.open, one.high, one.low, one.close)
    if all(map(math.isnan, prices)):
        return not one.exec_price <= 0.0
    sound = all(0.0 < price < math.inf and one.low <= price <= one.high for price in prices)
    return sound and not (one.exec_price <= 0.0 or math.isinf(one.exec_price))


def _prices(symbol: str, ts_us: int, one: Minute | None) -> Prices:
    """A minute as a bar of its own; one that there is not as an unknown one."""

    values = (math.nan,) * 7 if one is None else one[4:]
    return Prices(symbol, MINUTE_US, np.array([ts_us]), *(np.array([value]) for value in values))
