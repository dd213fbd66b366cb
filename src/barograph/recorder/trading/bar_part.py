"""Bar strategies as a part of the engine: which minutes are whose, and when an account goes on."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from barograph.clock import MINUTE_US, NS_PER_US
from barograph.paper.ledger import Key, Ledger
from barograph.recorder.trading.account import BarAccount, Slot, is_bar
from barograph.recorder.trading.control import Action
from barograph.recorder.trading.engine import Done
from barograph.recorder.trading.market import Closed, MarketView, Minute
from barograph.recorder.trading.specs import BarStrategy, Market
from barograph.rows import Ints
from barograph.snapshot import pack, unpack
from barograph.strategies.prices import Prices
from barograph.strategies.stretches import one_timeline

PATIENCE_US = 15_000_000
"""How long a shared account waits, beyond the time in which minutes close, for those of all its symbols."""

History = Callable[[str, str, int], Prices | None]
"""Bars of ``(venue, symbol)`` before a time that warm an account up; None: it begins cold."""


class BarPart:
    """Accounts of one strategy, one for each symbol that is met; see :class:`SharedPart` for one of many."""

    def __init__(
        self,
        spec: BarStrategy,
        wanted: Market,
        market: MarketView,
        ledger: Ledger,
        history: History,
        said: Action | None = None,
    ) -> None:
        self.name = spec.name
        self._spec, self._wanted, self._market = spec, wanted, market
        self._ledger, self._history = ledger, history
        self._said = said
        self._accounts: dict[int, BarAccount | None] = {}

    def take(self, closed: Closed) -> Done:
        """Each minute goes to the account of its symbol as soon as it closes."""
        done = Done()
        for one in closed.minutes:
            account = self._account(one)
            if account is not None and is_bar(one):
                done += account.step(one.ts_us, [one])
        return done

    def told(self, action: Action) -> None:
        """Tell every account; those that are yet to come hear it when they do."""
        self._said = action
        for account in self._all():
            account.told(action)

    def keep(self, pos: int) -> None:
        """Write every account."""
        for account in self._all():
            account.keep(pos)

    def _all(self) -> list[BarAccount]:
        return [account for account in self._accounts.values() if account is not None]

    def _account(self, one: Minute) -> BarAccount | None:
        if one.instrument not in self._accounts:
            self._accounts[one.instrument] = self._begun(one)
        return self._accounts[one.instrument]

    def _begun(self, one: Minute) -> BarAccount | None:
        venue, symbol = self._market.venues[one.instrument], self._market.symbols[one.instrument]
        if not self._wanted.wants(venue, symbol):
            return None
        before = self._history(venue, symbol, one.ts_us)
        account = BarAccount(
            self._ledger,
            Key(self.name, venue, symbol),
            [Slot(self.name, self._spec.members[0].strategy, venue, symbol)],
            self._spec.costs,
            self._spec.bounds,
            self._market.settings.bars.allowed_lateness_us,
            () if before is None else (before,),
        )
        if self._said not in (None, "resume") and not account.item.version:
            account.told(self._said)
        return account


class Gathering(msgspec.Struct):
    """Minutes that wait until those of all slots are there: by start, then slot.

    ``now_us``: the newest receipt.
    """

    minutes: dict[int, dict[int, Minute]] = msgspec.field(default_factory=dict)
    now_us: int = 0


class SharedPart:
    """One account of several strategies and symbols that share its cash.

    A minute is traded when all slots have theirs, or once it is late: by :data:`PATIENCE_US` of the tape's
    own time after minutes close. A symbol's bar that comes later still is unknown to the account.
    """

    def __init__(
        self,
        spec: BarStrategy,
        market: MarketView,
        ledger: Ledger,
        history: History,
        said: Action | None = None,
    ) -> None:
        self.name = spec.name
        self._spec, self._ledger, self._market, self._history = spec, ledger, market, history
        self._slots = [Slot(m.name, m.strategy, m.venue, m.symbol) for m in spec.members]
        self._of = _places(self._slots)
        self._due_us = MINUTE_US + market.settings.bars.allowed_lateness_us + PATIENCE_US
        self._said = said
        self._account = self._opened(()) if ledger.read(Key(spec.name)).version else None
        waiting = ledger.noted(self._note)
        self._waiting = Gathering() if waiting is None else unpack(waiting, Gathering)

    @property
    def _note(self) -> str:
        return f"gathering/{self.name}"

    def take(self, closed: Closed) -> Done:
        """Gather minutes, and trade those that are whole or late."""
        done, passed = Done(), 0
        for one in closed.minutes:
            done += self._pass_time(closed.recv_ns[passed : one.record + 1])
            passed = one.record + 1
            done += self._gather(one)
        return done + self._pass_time(closed.recv_ns[passed:])

    def told(self, action: Action) -> None:
        """Tell the account; one that is yet to come hears it when it does."""
        self._said = action
        if self._account is not None:
            self._account.told(action)

    def keep(self, pos: int) -> None:
        """Write the account, and what it waits for."""
        if self._account is not None:
            self._account.keep(pos)
        self._ledger.note(self._note, pack(self._waiting), durably=False)

    def _pass_time(self, recv_ns: Ints) -> Done:
        """Records came: trade what has been waited for long enough."""
        if len(recv_ns):
            newest_us = int(recv_ns.max()) // NS_PER_US
            self._waiting.now_us = max(self._waiting.now_us, newest_us)
        done = Done()
        for ts_us in sorted(self._waiting.minutes):
            if self._waiting.now_us >= ts_us + self._due_us:
                done += self._trade(ts_us)
        return done

    def _gather(self, one: Minute) -> Done:
        places = self._of.get((self._market.venues[one.instrument], self._market.symbols[one.instrument]))
        if places is None or (self._account is not None and one.ts_us <= self._account.newest_us):
            return Done()
        here = self._waiting.minutes.setdefault(one.ts_us, {})
        for place in places:
            here[place] = one
        # Earlier minutes first, whole or not: an account does not go back.
        done = Done()
        if len(here) == len(self._slots):
            for ts_us in sorted(ts for ts in self._waiting.minutes if ts <= one.ts_us):
                done += self._trade(ts_us)
        return done

    def _trade(self, ts_us: int) -> Done:
        here = self._waiting.minutes.pop(ts_us)
        bars = {place: one for place, one in here.items() if is_bar(one)}
        if not bars:
            return Done()
        if self._account is None:
            self._account = self._opened(_common(self._slots, self._history, ts_us))
            if self._said not in (None, "resume"):
                self._account.told(self._said)
        return self._account.step(ts_us, [bars.get(place) for place in range(len(self._slots))])

    def _opened(self, before: tuple[Prices, ...]) -> BarAccount:
        spec = self._spec
        lateness_us = self._market.settings.bars.allowed_lateness_us
        key = Key(self.name)
        return BarAccount(self._ledger, key, self._slots, spec.costs, spec.bounds, lateness_us, before)


def _places(slots: list[Slot]) -> dict[tuple[str, str], list[int]]:
    of: dict[tuple[str, str], list[int]] = {}
    for place, slot in enumerate(slots):
        of.setdefault((slot.venue, slot.symbol), []).append(place)
    return of


def _common(slots: list[Slot], history: History, before_us: int) -> tuple[Prices, ...]:
    """Bars of all slots before they begin, on one timeline; none where one of them has none."""
    found = [history(slot.venue, slot.symbol, before_us) for slot in slots]
    known = [prices for prices in found if prices is not None]
    return one_timeline(known) if len(known) == len(slots) else ()
