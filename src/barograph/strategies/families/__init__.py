"""Families of strategies: one small file each, and the table that holds them.

A :class:`~barograph.strategies.strategy.Strategy` names its family; what it means is found here. Before it
is traded it goes through :func:`check`, which completes it: two strategies that do the same are then equal,
and counted as one try.

>>> from barograph.strategies.strategy import Strategy
>>> str(check(Strategy(family="sma_cross", params={"fast": 5})))
'sma_cross(fast=5, slow=50)'
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from barograph.errors import UsageError
from barograph.rows import Floats
from barograph.strategies.families.bollinger import BOLLINGER
from barograph.strategies.families.breakout import BREAKOUT
from barograph.strategies.families.coinflip import COINFLIP
from barograph.strategies.families.dip import DIP
from barograph.strategies.families.ema_cross import EMA_CROSS
from barograph.strategies.families.family import LONGEST, Family, Parameter, on_side
from barograph.strategies.families.macd import MACD
from barograph.strategies.families.mean_reversion import MEAN_REVERSION
from barograph.strategies.families.momentum import MOMENTUM
from barograph.strategies.families.python import PYTHON
from barograph.strategies.families.rsi import RSI
from barograph.strategies.families.signals import SIGNALS
from barograph.strategies.families.sma_cross import SMA_CROSS
from barograph.strategies.prices import Prices
from barograph.strategies.rules import Condition, Indicator, Rules
from barograph.strategies.strategy import Strategy, VolatilityFilter

__all__ = ["FAMILIES", "Family", "Parameter", "check", "external", "register", "rules"]

_FAMILIES = {
    family.name: family
    for family in (
        SMA_CROSS,
        EMA_CROSS,
        RSI,
        BOLLINGER,
        BREAKOUT,
        MOMENTUM,
        MACD,
        MEAN_REVERSION,
        DIP,
        SIGNALS,
        COINFLIP,
        PYTHON,
    )
}

FAMILIES: Mapping[str, Family] = MappingProxyType(_FAMILIES)
"""Every family by its name."""


def register(family: Family) -> Family:
    """Add a family of one's own, for this process.

    Raises:
        UsageError: there is another one of that name.
    """
    if _FAMILIES.setdefault(family.name, family) is not family:
        raise UsageError(f"there is a family {family.name!r} already; give yours another name")
    return family


def family_of(strategy: Strategy) -> Family:
    """The family that ``strategy`` names.

    Raises:
        UsageError: there is none of that name.
    """
    family = FAMILIES.get(strategy.family)
    if family is None:
        raise UsageError(f"there is no family {strategy.family!r}; there are {', '.join(FAMILIES)}")
    return family


def check(strategy: Strategy) -> Strategy:
    """``strategy`` in the one form in which it is hashed, stored and traded: complete, and within all bounds.

    Raises:
        UsageError: naming the parameter, its value and its bounds.
    """
    family = family_of(strategy)
    _within("stop_loss", strategy.stop_loss, 1.0)
    _within("take_profit", strategy.take_profit, 1.0 if strategy.side != "long" else math.inf)
    _within("size", strategy.size, math.nextafter(1.0, 2.0))
    complete = msgspec.structs.replace(
        strategy,
        params=family.complete(strategy.params),
        size=float(strategy.size),
        stop_loss=family.stop_loss if strategy.stop_loss is None else float(strategy.stop_loss),
        take_profit=family.take_profit if strategy.take_profit is None else float(strategy.take_profit),
        volatility_filter=_checked_filter(strategy.volatility_filter),
    )
    return family.settled(complete)


def rules(strategy: Strategy) -> Rules:
    """The conditions on which ``strategy`` trades, with its volatility filter, for the sides that it holds.

    Stops, targets and size are not part of them; those of the family itself are filled in by :func:`check`.

    Raises:
        UsageError: as :func:`check`.
    """
    family = family_of(strategy)
    found = on_side(family.rules(family.complete(strategy.params)), strategy.side)
    calm = _conditions(strategy.volatility_filter)
    if not calm:
        return found
    return found._replace(
        enter_long=found.enter_long and found.enter_long + calm,
        enter_short=found.enter_short and found.enter_short + calm,
    )


def external(strategy: Strategy, bars: Prices, first: int = 0) -> Floats | None:
    """One value a bar for a family that trades on an array, ``Indicator("signal", 0)``; None for others.

    Args:
        strategy: checked; defaults may be left out.
        bars: all of the data, or a piece of it where the family is ``by_bar``.
        first: the place of the first of ``bars`` in the data.

    Raises:
        UsageError: the family is unknown, or cannot work on a piece; the user's function is not there.
        DataError: the user's function fails or returns no positions.
    """
    family = family_of(strategy)
    if family.external is None:
        return None
    if first and not family.by_bar:
        raise UsageError(f"{family.name} needs all bars from the first, these begin at bar {first}")
    # Not checked: it may be long, and is asked for piece by piece.
    defaults = {p.name: p.default for p in family.parameters if p.default is not None}
    complete = msgspec.structs.replace(strategy, params=defaults | strategy.params)
    return family.external(complete, bars, first)


def _within(name: str, value: float | None, below: float) -> None:
    if value is not None and not 0 < value < below:
        bounds = "above 0" if math.isinf(below) else "above 0 and below 1"
        if name == "size":
            bounds = "above 0 and at most 1"
        raise UsageError(f"{name} is {value!r}, it must be {bounds} (0.05 = 5 %)")


def _checked_filter(filter_: VolatilityFilter | None) -> VolatilityFilter | None:
    if filter_ is None:
        return None
    low, high = filter_.above, filter_.below
    if not 2 <= filter_.window <= LONGEST:
        raise UsageError(
            f"volatility_filter: window is {filter_.window}, it must be from 2 to {LONGEST} bars"
        )
    if low is None and high is None:
        raise UsageError("volatility_filter: neither below nor above is given; give one of them")
    for name, value in (("below", high), ("above", low)):
        if value is not None and not 0 <= value < math.inf:
            raise UsageError(f"volatility_filter: {name} is {value}, it must be 0 or more (0.01 = 1 % a bar)")
    if low is not None and high is not None and low >= high:
        raise UsageError(f"volatility_filter: above must be less than below, they are {low} and {high}")
    return VolatilityFilter(
        window=int(filter_.window),
        below=None if high is None else float(high),
        above=None if low is None else float(low),
    )


def _conditions(filter_: VolatilityFilter | None) -> tuple[Condition, ...]:
    filter_ = _checked_filter(filter_)
    if filter_ is None:
        return ()
    volatility = Indicator("volatility", filter_.window)
    below = () if filter_.below is None else (Condition(volatility, "below", filter_.below),)
    return below if filter_.above is None else (*below, Condition(volatility, "above", filter_.above))
