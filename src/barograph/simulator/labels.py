"""What is put into the market on purpose, and the labels that tell where.

Each label is one disturbance of one symbol over whole minutes. They keep apart: the market
is cut into slots and each slot has one at most. The first come after a time of quiet that
rules need to learn what is usual. The kinds have the names of the rules that look for them:

=====================  ===============================  =================================
kind                   what happens                     ``magnitude``
=====================  ===============================  =================================
``volume_spike``       many more trades                 times the usual number
``price_jump``         the price moves within a second  sigmas of a minute (usual or its own)
``spread_blowout``     bid and ask move apart           times the usual spread
``one_sided_flow``     nearly all buy, or all sell      share of the side, minus: sellers
``correlation_break``  moves against the market         times the usual correlation
``stale``              nothing comes, nothing is lost   1
=====================  ===============================  =================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from barograph.clock import MINUTE_US
from barograph.simulator.instruments import Instrument
from barograph.simulator.sessions import activity

QUIET_MINUTES = 90
"""Before the first label of a market; a third of markets that are shorter than 4.5 hours."""
_SLOT = 46
_TAIL = 5
_LEARNED = 330
"""Minutes before a correlation break: what is usual takes longer to learn than for the rest."""


@dataclass(frozen=True, slots=True)
class Label:
    """One disturbance: ``symbol`` from ``start_us`` (a whole minute) to ``end_us`` (not included)."""

    kind: str
    symbol: str
    start_us: int
    end_us: int
    magnitude: float


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How long a kind lasts in minutes and how strong it is, both drawn evenly from a range."""

    minutes: tuple[int, int]
    magnitude: tuple[float, float]
    signed: bool = False


_RECIPES = {
    "volume_spike": _Recipe((1, 2), (4.0, 8.0)),
    "price_jump": _Recipe((1, 1), (14.0, 24.0), signed=True),
    "spread_blowout": _Recipe((2, 5), (8.0, 14.0)),
    "one_sided_flow": _Recipe((2, 4), (0.985, 0.995), signed=True),
    "correlation_break": _Recipe((40, 44), (-1.0, -1.0)),
    "stale": _Recipe((14, 20), (1.0, 1.0)),
}
_COMMON = ("volume_spike", "price_jump", "spread_blowout", "one_sided_flow")
_CYCLE = (*_COMMON, *_COMMON, "stale", *_COMMON, "correlation_break")


def plan(
    rng: np.random.Generator, instruments: Sequence[Instrument], start_us: int, minutes: int
) -> list[Label]:
    """The labels of ``minutes`` from ``start_us``, in the order of time."""
    quiet = min(QUIET_MINUTES, minutes // 3)
    slots = max(minutes - quiet - _TAIL, 0) // _SLOT
    labels = []
    for slot, kind in enumerate(_kinds(rng, slots, quiet)):
        first = quiet + slot * _SLOT
        label = _label(rng, kind, instruments, start_us + first * MINUTE_US)
        if label is not None:
            labels.append(label)
    return labels


def _kinds(rng: np.random.Generator, slots: int, quiet: int) -> list[str]:
    """A kind for each slot, shuffled; correlation breaks only where enough has been learned."""
    kinds: list[str] = [_CYCLE[n % len(_CYCLE)] for n in range(slots)]
    kinds = [kinds[n] for n in rng.permutation(slots)]
    late = [n for n in range(slots) if quiet + n * _SLOT >= _LEARNED]
    for n, kind in enumerate(kinds):
        if kind == "correlation_break" and n not in late:
            free = [m for m in late if kinds[m] != "correlation_break"]
            with_ = int(rng.choice(free)) if free else n
            kinds[n], kinds[with_] = kinds[with_], kinds[n]
    return kinds


def _label(
    rng: np.random.Generator, kind: str, instruments: Sequence[Instrument], slot_us: int
) -> Label | None:
    """One label within the slot, of a symbol that is traded all through it and before; None if none is."""
    recipe = _RECIPES[kind]
    lasts = int(rng.integers(recipe.minutes[0], recipe.minutes[1] + 1))
    offset = int(rng.integers(0, _SLOT - lasts))
    magnitude = float(rng.uniform(*recipe.magnitude)) * (rng.choice((-1, 1)) if recipe.signed else 1)
    before_us = slot_us - _SLOT * MINUTE_US
    open_ = [i for i in instruments if activity(i.new_york, before_us, 2 * _SLOT).all()]
    if not open_:
        return None
    symbol = open_[int(rng.integers(len(open_)))].symbol
    start_us = slot_us + offset * MINUTE_US
    return Label(kind, symbol, start_us, start_us + lasts * MINUTE_US, round(float(magnitude), 3))
