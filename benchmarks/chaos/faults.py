"""The faults: what they are, how often each is drawn, how long it lasts."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.chaos.house import House
from benchmarks.recorder import SYMBOLS, VENUES

CODES = (1000, 1001, 1006, 1008, 1011, 1012, 1013)
Later = Callable[[], None]


@dataclass(frozen=True)
class Fault:
    """One fault of a plan.

    Attributes:
        at_s: when, from the beginning.
        kind: its name, as it is counted.
        lasts_s: for how long; 0 for those of a moment.
        venue: which one, for those that concern one.
        fields: what else was drawn.
    """

    at_s: float
    kind: str
    lasts_s: float = 0.0
    venue: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


Draw = Callable[[random.Random, str], dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    """A kind of fault: its weight in the draw, how long it lasts, what is drawn beside."""

    weight: float
    lasts_s: tuple[float, float] = (0.0, 0.0)
    draw: Draw = lambda *_: {}


def _trades(chance: random.Random, venue: str) -> str:
    return f"{chance.choice(SYMBOLS[venue])}/trades"


# Quotes have no numbers (or none that run without holes): one that a venue keeps to itself on a living
# connection cannot be missed by anybody. So what is withheld on purpose is trades.
KINDS: dict[str, Kind] = {
    "recorder.kill": Kind(4, (0.0, 2.0)),
    "recorder.kill_at_start": Kind(2, (0.1, 2.0)),
    "recorder.stop": Kind(1, (0.0, 1.0)),
    "recorder.kill_tables": Kind(3),
    "recorder.freeze": Kind(2, (0.2, 4.0)),
    "server.kill": Kind(3, (0.2, 3.0)),
    "network.cut": Kind(3),
    "network.half_close": Kind(2),
    "network.cut_after": Kind(3, draw=lambda chance, _: {"size": chance.randint(1, 20_000)}),
    "network.stall": Kind(3, (0.3, 6.0)),
    "network.long_stall": Kind(0.3, (22.0, 35.0)),
    "network.delay": Kind(2, (1.0, 5.0), lambda chance, _: {"delay_s": chance.uniform(0.02, 0.4)}),
    "network.refuse": Kind(2, (0.5, 4.0)),
    "store.down": Kind(2, (0.5, 6.0)),
    "disk.full": Kind(3, (0.2, 4.0), lambda chance, _: {"size": chance.choice((0, 100, 5_000, 100_000))}),
    "clock.jump": Kind(
        3, (1.0, 10.0), lambda chance, _: {"seconds": chance.choice((-1, 1)) * chance.uniform(1, 90)}
    ),
    "venue.drop": Kind(2),
    "venue.close": Kind(3, draw=lambda chance, _: {"code": chance.choice(CODES)}),
    "venue.cut": Kind(2),
    "venue.not_json": Kind(1),
    "venue.wrong_types": Kind(1),
    "venue.binary": Kind(1),
    "venue.huge": Kind(0.3),
    "venue.go_away": Kind(1),
    "venue.refuse": Kind(2, (0.5, 4.0), lambda chance, _: {"refuse": chance.choice((403, 429, 500, 503))}),
    "venue.skip": Kind(
        2, (1.0, 3.0), lambda chance, venue: {"skip": {_trades(chance, venue): chance.randint(1, 20)}}
    ),
    "venue.mute": Kind(2, (1.0, 6.0), lambda chance, venue: {"mute": [_trades(chance, venue)]}),
    "venue.duplicate": Kind(2, (1.0, 5.0), lambda *_: {"duplicate_share": 0.2}),
    "venue.reorder": Kind(2, (1.0, 5.0), lambda *_: {"reorder_share": 0.2}),
    "venue.delay": Kind(1, (1.0, 4.0), lambda chance, _: {"delay_s": chance.uniform(0.05, 0.5)}),
    "venue.stall": Kind(2, (0.3, 5.0), lambda *_: {"stall": True}),
    "rest.error": Kind(2, (1.0, 6.0), lambda chance, _: {"rest_status": chance.choice((429, 500, 502, 503))}),
    "rest.limit": Kind(1, (1.0, 6.0), lambda *_: {"rest_limit": [1, 1.0]}),
    "rest.slow": Kind(1, (1.0, 5.0), lambda *_: {"rest_slow_s": 1.0}),
    "rest.lacks": Kind(1, draw=lambda chance, venue: {"symbol": chance.choice(SYMBOLS[venue])}),
}
_PLAIN = {"refuse": 0, "skip": {}, "mute": [], "duplicate_share": 0.0, "reorder_share": 0.0, "delay_s": 0.0}
_PLAIN |= {"stall": False, "rest_status": 0, "rest_limit": None, "rest_slow_s": 0.0}


def planned(seed: int, seconds: float, every_s: float) -> list[Fault]:
    """Faults within ``seconds``, one each ``every_s`` on average; the same for the same seed."""
    chance = random.Random(seed)
    names, weights = list(KINDS), [kind.weight for kind in KINDS.values()]
    plan, at_s = [], chance.expovariate(1 / every_s)
    while at_s < seconds:
        [name] = chance.choices(names, weights)
        kind, venue = KINDS[name], chance.choice(VENUES)
        plan.append(Fault(at_s, name, chance.uniform(*kind.lasts_s), venue, kind.draw(chance, venue)))
        at_s += chance.expovariate(1 / every_s)
    return plan


class Doing:
    """Does faults to a house.

    Attributes:
        stalls: times (venue, from, to; microseconds of the venues' clock) in which a server sent nothing.
    """

    def __init__(self, house: House) -> None:
        self.house = house
        self.stalls: list[tuple[str, int, int]] = []
        self._down = 0

    def do(self, fault: Fault) -> tuple[bool, Later | None]:
        """Begin a fault: whether it met anything, and what ends it."""
        room, _, name = fault.kind.partition(".")
        return getattr(self, f"_{room}")(name, fault)  # type: ignore[no-any-return]

    def _recorder(self, name: str, fault: Fault) -> tuple[bool, Later | None]:  # noqa: ARG002 - as the others
        recorder = self.house.recorder
        if name == "freeze":
            return recorder.send(signal.SIGSTOP), lambda: void(recorder.send(signal.SIGCONT))
        if name == "kill_tables":
            return recorder.kill_tables(), None
        if name == "stop":
            recorder.send(signal.SIGCONT)
            return recorder.stop(30.0), recorder.start
        met = recorder.kill()
        if name == "kill":
            return met, recorder.start
        recorder.start()

        def again() -> None:
            recorder.kill()
            recorder.start()

        return True, again

    def _server(self, name: str, fault: Fault) -> tuple[bool, Later | None]:  # noqa: ARG002 - as the others
        venue = self.house.venues[fault.venue]
        return venue.kill(), venue.start

    def _network(self, name: str, fault: Fault) -> tuple[bool, Later | None]:
        network, relay = self.house.network, self.house.network.relays[fault.venue]
        if name.endswith("stall"):
            return network.do(relay.stall, True) > 0, lambda: void(network.do(relay.stall, False))
        if name == "cut_after":
            return network.do(relay.cut_after, fault.fields["size"]) > 0, None
        if name == "delay":
            network.change(fault.venue, **fault.fields)
            return True, lambda: network.change(fault.venue, delay_s=0.0)
        if name == "refuse":
            network.change(fault.venue, refusing=True)
            network.do(relay.cut)
            return True, lambda: network.change(fault.venue, refusing=False)
        return network.do(getattr(relay, name)) > 0, None

    def _store(self, name: str, fault: Fault) -> tuple[bool, Later | None]:  # noqa: ARG002 - as the others
        if not (self.house.recorder.data / "lake").exists():
            return False, None
        self._down += 1
        if self._down == 1:
            self.house.exchange_lake()

        def back() -> None:
            self._down -= 1
            if self._down == 0:
                self.house.exchange_lake()

        return True, back

    def _disk(self, name: str, fault: Fault) -> tuple[bool, Later | None]:  # noqa: ARG002 - as the others
        return self.house.recorder.limit(fault.fields["size"]), lambda: void(self.house.recorder.limit(None))

    def _clock(self, name: str, fault: Fault) -> tuple[bool, Later | None]:  # noqa: ARG002 - as the others
        house = self.house
        house.offset.set(house.ahead_s + fault.fields["seconds"])
        return house.recorder.running, lambda: house.offset.set(house.ahead_s)

    def _venue(self, name: str, fault: Fault) -> tuple[bool, Later | None]:
        venue = self.house.venues[fault.venue]
        if name == "close":
            return venue.act(f"close:{fault.fields['code']}") > 0, None
        if not KINDS[fault.kind].lasts_s[1]:
            return venue.act(name) > 0, None
        begun_us = self.house.now_us()
        venue.faults(**fault.fields)

        def end() -> None:
            venue.faults(**{field: _PLAIN[field] for field in fault.fields})
            if name == "stall":
                self.stalls.append((fault.venue, begun_us, self.house.now_us()))

        return venue.servers is not None, end

    def _rest(self, name: str, fault: Fault) -> tuple[bool, Later | None]:
        if name != "lacks":
            return self._venue(name, fault)
        venue, symbol = self.house.venues[fault.venue], fault.fields["symbol"]
        made = venue.say("newest").get("newest", {}).get(symbol, 0)
        if not made:
            return False, None
        lack = {"symbol": symbol, "first": made + 5, "last": made + 9}
        # They are not sent either, else nobody would ask for them.
        venue.faults(rest_lacks=[lack], skip={f"{symbol}/trades": 20})
        return True, None


def void(_: Any) -> None:
    """Take what nobody asks for."""
