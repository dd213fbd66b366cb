"""Strategies by the hundred, drawn at random: what a study chooses from."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterator, Sequence, Sized
from typing import NamedTuple

import numpy as np

from barograph.errors import UsageError
from barograph.strategies.families import FAMILIES, Family, check
from barograph.strategies.strategy import Side, Strategy

LONGEST = 200
"""Bars of the longest window that is drawn."""

STOPS = (None, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1)
"""Stop losses and profit targets that are drawn."""

_BATCH = 256
_IDLE = 16
"""Batches without anything new, after which all members are counted out."""

_COUNTABLE = 1_000_000


def generate(
    n: int,
    seed: int,
    families: Sequence[str] | None = None,
    *,
    sides: Sequence[Side] = ("long",),
    stops: bool = False,
    longest: int = LONGEST,
) -> tuple[Strategy, ...]:
    """``n`` strategies, no two the same, spread evenly over families; for the same arguments the same.

    A family with fewer members than its share gives all that it has, and the others give more. Each family
    draws for itself: its first members depend neither on ``n`` nor on the other families.

    Args:
        n: how many.
        seed: of the generator, 0 or more.
        families: names; None: all that trade on prices alone.
        sides: to draw from.
        stops: whether a stop loss and a profit target are drawn too, or none.
        longest: bars of the longest window that is drawn; take a fraction of the data's length.

    Raises:
        UsageError: a family that cannot be drawn from, or fewer than ``n`` distinct strategies.

    >>> [str(strategy) for strategy in generate(2, seed=42, families=["sma_cross"])]
    ['sma_cross(fast=29, slow=31)', 'sma_cross(fast=23, slow=144)']
    """
    if n < 1 or seed < 0:
        raise UsageError(
            f"{n} strategies with seed {seed} cannot be drawn; n is at least 1, a seed 0 or more"
        )
    if longest < 2:
        raise UsageError(f"the longest window is {longest}, it must be at least 2 bars")
    chosen = _chosen(families)
    drawing = {family.name: _members(family, seed, sides, stops, longest) for family in chosen}
    drawn: dict[str, list[Strategy]] = {name: [] for name in drawing}
    missing = n
    while missing and drawing:
        for place, name in enumerate(list(drawing)):
            share = missing // len(drawn) + (place < missing % len(drawn))
            got = list(itertools.islice(drawing[name], share))
            drawn[name] += got
            if len(got) < share:
                del drawing[name]
        missing = n - sum(map(len, drawn.values()))
    if missing:
        counts = ", ".join(f"{name} {len(found)}" for name, found in drawn.items())
        raise UsageError(
            f"there are only {n - missing} distinct strategies of those asked for ({counts}), not {n}; "
            f"ask for fewer, add families or sides, allow stops, or windows longer than {longest} bars"
        )
    return tuple(itertools.chain.from_iterable(drawn.values()))


def _chosen(families: Sequence[str] | None) -> list[Family]:
    if families is None:
        return [family for family in FAMILIES.values() if family.usual]
    if not families:
        raise UsageError(f"no families are named; there are {', '.join(FAMILIES)}")
    able = [family.name for family in FAMILIES.values() if family.drawable]
    wrong = [name for name in families if name not in able]
    if wrong:
        reason = "needs what only you can give it" if wrong[0] in FAMILIES else "is no family"
        raise UsageError(f"{wrong[0]!r} {reason}; strategies can be drawn from {', '.join(able)}")
    return [FAMILIES[name] for name in dict.fromkeys(families)]


def _members(
    family: Family, seed: int, sides: Sequence[Side], stops: bool, longest: int
) -> Iterator[Strategy]:
    """Distinct members in random order, until there are no more."""
    spans = [parameter.count(longest) for parameter in family.parameters]
    if min(spans, default=1) < 1:
        return
    make = _Maker(family, tuple(dict.fromkeys(sides)), STOPS if stops else (None,))
    spans += [len(make.sides), len(make.levels), len(make.levels)]
    # Every family has its own stream of random numbers.
    rng = np.random.default_rng((seed, zlib.crc32(family.name.encode())))
    seen: set[bytes] = set()
    for picked in _picks(rng, spans, seen):
        member = make(picked)
        if member is not None and member.json not in seen:
            seen.add(member.json)
            yield member


def _picks(rng: np.random.Generator, spans: list[int], found: Sized) -> Iterator[list[int]]:
    """Places in the grid of parameters at random; once no more is found that way, all there are."""
    before, idle = -1, 0
    while idle < _IDLE:
        idle, before = idle + 1 if len(found) == before else 0, len(found)
        yield from rng.integers(0, spans, size=(_BATCH, len(spans))).tolist()
    if math.prod(spans) <= _COUNTABLE:
        for place in rng.permutation(math.prod(spans)):
            yield [int(k) for k in np.unravel_index(place, spans)]


class _Maker(NamedTuple):
    """Makes a family's member out of its place in the grid."""

    family: Family
    sides: tuple[Side, ...]
    levels: tuple[float | None, ...]

    def __call__(self, picked: list[int]) -> Strategy | None:
        """The member; None where its parameters do not go together."""
        *places, side, stop_loss, take_profit = picked
        drawn = zip(self.family.parameters, places, strict=True)
        params = {parameter.name: value for parameter, k in drawn if (value := parameter.nth(k)) is not None}
        if self.family.refuse(params):
            return None
        return check(
            Strategy(
                family=self.family.name,
                params=params,
                side=self.sides[side],
                stop_loss=self.levels[stop_loss],
                take_profit=self.levels[take_profit],
            )
        )
