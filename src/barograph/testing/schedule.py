"""Faults by a seeded plan: which, when and for how long.

>>> [fault.what for fault in scheduled(seed=7, seconds=60, faults=4)]
['not_json', 'duplicate', 'stall', 'close']
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import msgspec

from barograph.testing.server import VenueServer

ONCE = ("drop", "close", "cut", "not_json", "wrong_types", "binary", "go_away")
"""Faults of a moment: ``acts.ACTS`` without the huge frame."""
LASTING = (
    "stall",
    "mute",
    "refuse",
    "skip",
    "duplicate",
    "reorder",
    "delay",
    "rest_error",
    "rest_limit",
    "lie",
)
"""Faults that last for some seconds."""
_CODES = (1000, 1001, 1006, 1008, 1011, 1012, 1013)


class Fault(msgspec.Struct, frozen=True):
    """One fault of a plan.

    Attributes:
        at_s: when, from the plan's beginning.
        what: of :data:`ONCE` or :data:`LASTING`.
        lasts_s: for how long; 0 for those of a moment.
        fields: of ``Faults`` while it lasts, or the act's options.
    """

    at_s: float
    what: str
    lasts_s: float = 0.0
    fields: dict[str, Any] = msgspec.field(default_factory=dict)


def scheduled(
    seed: int,
    seconds: float,
    faults: int,
    *,
    kinds: Sequence[str] = (*ONCE, *LASTING),
    symbols: Sequence[str] = (),
    longest_s: float = 3.0,
) -> list[Fault]:
    """A plan of ``faults`` faults within ``seconds``, in the order of time; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - a plan that can be repeated, no secret
    times = sorted(chance.uniform(0, seconds) for _ in range(faults))
    return [_drawn(chance, at_s, chance.choice(kinds), symbols, longest_s) for at_s in times]


def _drawn(chance: random.Random, at_s: float, what: str, symbols: Sequence[str], longest_s: float) -> Fault:
    if what in ONCE:
        return Fault(at_s, what, 0.0, {"code": chance.choice(_CODES)} if what == "close" else {})
    name = chance.choice(symbols) if symbols else "*"
    fields: dict[str, dict[str, Any]] = {
        "stall": {"stall": True},
        "mute": {"mute": [name]},
        "refuse": {"refuse": chance.choice((403, 429, 500, 503))},
        "skip": {"skip": {name: chance.randint(1, 20)}},
        "duplicate": {"duplicate_share": 0.2},
        "reorder": {"reorder_share": 0.2},
        "delay": {"delay_s": chance.uniform(0.05, 0.5)},
        "rest_error": {"rest_status": chance.choice((500, 502, 503))},
        "rest_limit": {"rest_limit": [1, 1.0]},
        "lie": {"lie_s": chance.choice((3_600.0, 86_400.0))},
    }
    return Fault(at_s, what, chance.uniform(0.1, longest_s), fields[what])


async def follow(server: VenueServer, plan: Sequence[Fault]) -> None:
    """Do what the plan says, when it says, and end with nothing wrong. Each fault is noted in the log."""
    async with asyncio.TaskGroup() as group:
        for fault in plan:
            group.create_task(_happen(server, fault))


async def _happen(server: VenueServer, fault: Fault) -> None:
    await asyncio.sleep(fault.at_s)
    if fault.what in ONCE:
        server.act(fault.what, **fault.fields)
        return
    server.log.note(server.market.clock.now_ns(), "fault", act=fault.what, lasts_s=fault.lasts_s)
    before = msgspec.to_builtins(type(server.faults)())
    server.faults.change(**fault.fields)
    await asyncio.sleep(fault.lasts_s)
    server.faults.change(**{name: before[name] for name in fault.fields})
