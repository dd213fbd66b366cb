"""What is traded, and how: strategies under their names, as plain data that can be compared and stored."""

from __future__ import annotations

from typing import Any

import msgspec

from barograph.errors import UsageError
from barograph.paper.dip import Dip
from barograph.paper.purse import Terms
from barograph.strategies.guard import Bounds
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import Costs


class TickStrategy(msgspec.Struct, frozen=True, kw_only=True):
    """The dip strategy on trades, one item a symbol.

    Attributes:
        name: under which it trades.
        account: name of the cash that its symbols share; empty: each symbol has its own.
    """

    name: str
    dip: Dip = Dip()
    terms: Terms = Terms()
    account: str = ""


WHOLE = ("signals", "python")
"""Families that are given all bars at once: they can be studied, not traded as bars come."""


class Member(msgspec.Struct, frozen=True):
    """A strategy of an account, and on which symbol; empty: each that is met, in accounts of their own.

    Raises:
        UsageError: its family needs all bars at once.
    """

    name: str
    strategy: Strategy
    venue: str = ""
    symbol: str = ""

    def __post_init__(self) -> None:
        if self.strategy.family in WHOLE:
            raise UsageError(
                f"{self.name!r} is of the family {self.strategy.family!r}, which needs all bars at once; "
                "it can be studied (barograph research run), not traded as bars come"
            )


class BarStrategy(msgspec.Struct, frozen=True, kw_only=True):
    """Strategies on minutes.

    One member without a symbol: each symbol that is met gets an account like it. Else: one account whose
    members, each on its symbol, share the cash.

    Attributes:
        name: of the account.
    """

    name: str
    members: tuple[Member, ...]
    costs: Costs = Costs()
    bounds: Bounds = Bounds()

    @property
    def shared(self) -> bool:
        """Whether members share one account."""
        return bool(self.members[0].symbol)

    def __post_init__(self) -> None:
        named = [bool(member.symbol) for member in self.members]
        if not named or (len(named) > 1 and not all(named)):
            raise UsageError(
                f"the account {self.name!r} is shared by {len(named)} strategies, so each needs its symbol; "
                "give --symbols"
            )


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """Which symbols are traded: those of these venues and names; empty: all."""

    venues: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()

    def wants(self, venue: str, symbol: str) -> bool:
        """Whether it is traded."""
        return (not self.venues or venue in self.venues) and (not self.symbols or symbol in self.symbols)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that is traded.

    Raises:
        UsageError: nothing, or two things of one name.
    """

    ticks: tuple[TickStrategy, ...] = ()
    bars: tuple[BarStrategy, ...] = ()
    market: Market = Market()

    @property
    def strategies(self) -> tuple[TickStrategy | BarStrategy, ...]:
        """All of them."""
        return (*self.ticks, *self.bars)

    def __post_init__(self) -> None:
        names = [one.name for one in self.strategies]
        if not names:
            raise UsageError("nothing to trade; give --strategy dip, or --strategy FILE.json")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UsageError(f"two strategies are called {twice[0]!r}; each needs a name of its own")


def to_json(spec: TickStrategy | BarStrategy) -> bytes:
    """A strategy in the one form in which it is kept and compared."""
    if isinstance(spec, BarStrategy):
        return msgspec.json.encode({"bars": spec}, order="deterministic")
    fields = {
        "name": spec.name,
        "dip": spec.dip._asdict(),
        "terms": spec.terms._asdict(),
        "account": spec.account,
    }
    return msgspec.json.encode({"ticks": fields}, order="deterministic")


def from_json(data: bytes) -> TickStrategy | BarStrategy:
    """A strategy out of what :func:`to_json` made."""
    value: dict[str, Any] = msgspec.json.decode(data)
    if "bars" in value:
        return msgspec.convert(value["bars"], BarStrategy)
    fields = value["ticks"]
    return TickStrategy(
        name=fields["name"],
        dip=Dip(**fields["dip"]),
        terms=Terms(**fields["terms"]),
        account=fields["account"],
    )
