"""What a family of strategies is: its name, its parameters, and the conditions on which it trades.

A new family is one small file that makes a :class:`Family`, and a line in ``families/__init__.py``. Users
add theirs with :func:`~barograph.strategies.families.register`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from barograph.errors import UsageError
from barograph.rows import Floats
from barograph.strategies.prices import Prices
from barograph.strategies.rules import Rules
from barograph.strategies.strategy import Side, Strategy, Value

LONGEST = 100_000
"""Bars that a window may have at most."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: what it means and which values it takes.

    Attributes:
        name: key in ``Strategy.params``.
        about: what it means, in a few words, with its unit.
        default: taken where it is not given; None: it must be given.
        low, high: bounds, both allowed; of text they mean nothing.
        kind: whole number, real number, or text.
        drawn: (first, last, step) of the values that ``generate`` draws from; None: the default only.
        share: above 0: the last one is this part of the longest window, instead of ``drawn``'s.
    """

    name: str
    about: str
    default: Value | None
    low: float = -math.inf
    high: float = math.inf
    kind: Literal["whole", "real", "text"] = "real"
    drawn: tuple[float, float, float] | None = None
    share: float = 0.0

    def count(self, longest: int) -> int:
        """How many values ``generate`` draws from, with windows of at most ``longest`` bars."""
        if self.drawn is None:
            return 1
        first, last, step = self.drawn
        last = math.floor(longest * self.share) if self.share else last
        return max(math.floor((last - first) / step + 1e-9) + 1, 0)

    def nth(self, k: int) -> Value | None:
        """The k-th of them, ascending.

        >>> real("exit", "level", 0.0, -1.0, 1.0, (-0.5, 1.0, 0.1)).nth(8)
        0.3
        """
        if self.drawn is None:
            return self.default
        first, _, step = self.drawn
        if self.kind == "whole":
            return int(first) + k * int(step)
        # As a person would write it: 0.3, not 0.30000000000000004.
        return round(first + step * k, 9)

    def checked(self, value: object) -> Value:
        """``value`` in the one form in which it is stored.

        Raises:
            UsageError: another type, or out of bounds; the message lacks only the family's name.
        """
        if self.kind == "text":
            if isinstance(value, str):
                return value
            raise UsageError(f"{self.name} is {value!r}, it must be a text: {self.about}")
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not self.low <= value <= self.high
        ):
            raise UsageError(f"{self.name} is {value!r}, it must be {self.bounds}: {self.about}")
        if self.kind == "real":
            return float(value)
        if value != int(value):
            raise UsageError(f"{self.name} is {value!r}, it must be {self.bounds}: {self.about}")
        return int(value)

    @property
    def bounds(self) -> str:
        """In words.

        >>> window("fast", "short average", 10).bounds
        'a whole number from 2 to 100000'
        """
        if self.kind == "text":
            return "a text"
        noun = "a whole number" if self.kind == "whole" else "a number"
        if math.isinf(self.low) and math.isinf(self.high):
            return noun
        return f"{noun} from {self.low:.9g} to {self.high:.9g}"


def window(
    name: str, about: str, default: int, *, low: int = 2, drawn: int = 0, share: float = 1.0
) -> Parameter:
    """A number of bars; drawn from ``drawn`` (default: ``low``) up to ``share`` of the longest window."""
    return Parameter(name, about, default, low, LONGEST, "whole", (drawn or low, 0, 1), share)


def real(
    name: str, about: str, default: float, low: float, high: float, drawn: tuple[float, float, float]
) -> Parameter:
    """A number with bounds, drawn from (first, last, step)."""
    return Parameter(name, about, default, low, high, "real", drawn)


Params = Mapping[str, Value]


def _fits(params: Params) -> str:  # noqa: ARG001
    return ""


def _as_is(strategy: Strategy) -> Strategy:
    return strategy


@dataclass(frozen=True, slots=True)
class Family:
    """A family of strategies.

    Attributes:
        name: as in ``Strategy.family``.
        about: its rule in one sentence, for a long position.
        parameters: all that it takes.
        rules: ``rules(params)`` for both sides, of parameters that are complete and within their bounds.
            Sides that a strategy does not hold are left out afterwards.
        refuse: why a combination of values makes no sense; "" where it does.
        external: for families that trade on an array: ``external(strategy, bars, first)`` is one value a bar;
            ``first`` is the place of the first bar in the data.
        by_bar: whether a bar's external value hangs on that bar alone, so that it can be made in pieces.
        settled: gives a checked strategy what else belongs to its identity.
        open_params: whether parameters are allowed that are not described here.
        drawable: whether ``generate`` can draw members.
        usual: whether it does so when no families are named.
        stop_loss, take_profit: for strategies that have none.
    """

    name: str
    about: str
    parameters: tuple[Parameter, ...]
    rules: Callable[[Params], Rules]
    refuse: Callable[[Params], str] = _fits
    external: Callable[[Strategy, Prices, int], Floats] | None = None
    by_bar: bool = True
    settled: Callable[[Strategy], Strategy] = _as_is
    open_params: bool = False
    drawable: bool = True
    usual: bool = True
    stop_loss: float | None = None
    take_profit: float | None = None

    def complete(self, params: Params) -> dict[str, Value]:
        """``params`` with defaults, each within its bounds, in the family's own order.

        Raises:
            UsageError: one is missing, unknown, or out of its bounds, or they do not go together.
        """
        known = {parameter.name for parameter in self.parameters}
        unknown = [name for name in params if name not in known]
        if unknown and not self.open_params:
            names = ", ".join(parameter.name for parameter in self.parameters) or "none"
            raise UsageError(f"{self.name} has no parameter {unknown[0]!r}; it takes {names}")
        try:
            done = {p.name: p.checked(params.get(p.name, p.default)) for p in self.parameters}
        except UsageError as error:
            raise UsageError(f"{self.name}: {error}") from None
        done |= {name: params[name] for name in unknown}
        reason = self.refuse(done)
        if reason:
            raise UsageError(f"{self.name}: {reason}")
        return done


def on_side(rules: Rules, side: Side) -> Rules:
    """``rules`` without the sides that are not held."""
    if side == "long":
        return Rules(rules.enter_long, rules.exit_long, level=rules.level)
    if side == "short":
        return Rules((), (), rules.enter_short, rules.exit_short, rules.level)
    return rules
