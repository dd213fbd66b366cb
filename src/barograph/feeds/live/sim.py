"""The simulated market live (``barograph.simulator``): no socket, no key, never closed.

It is talked with as a venue is, so that everything behind treats it as one: a connection is opened, asks for
channels of symbols, is answered, and brings frames. Only the connection is another one
(``recorder/live/simulated.py``), which its address says: ``sim:`` and what the market depends on.

==========================================  ====================================================
``{"id":1,"subscribe":["trades BTC-USD"]}``  we ask; ``unsubscribe`` likewise
``{"e":"done","id":1}``                      answered, for all names that were not refused
``{"e":"refused","id":1,"name":..,"why":..}``  one name cannot be had
==========================================  ====================================================

A change of the address makes another plan, not another connection beside the old one: two of them would
give the same numbers to different trades.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode
from zlib import crc32

import msgspec

from barograph.errors import SettingsError
from barograph.feeds.batch import UNREADABLE
from barograph.feeds.live.subscribing import Subscriber
from barograph.feeds.live.venue import (
    Action,
    Again,
    Conversation,
    Limits,
    Live,
    Plan,
    Preparing,
    Refilled,
    Refilling,
    Stop,
    Wanted,
    Warn,
)
from barograph.gaps import Channel, Gap
from barograph.settings import Settings

SETTING = "feeds.sim.symbols"
SCHEME = "sim:"
COURSES = "state/simulator.json"
"""Within the data directory: where symbols were left."""

LIMITS = Limits(ping_s=None, connects=(60, 60.0), sends=(50, 1.0), history=False)

_DATA = (b'{"e":"trade"', b'{"e":"quote"')
_NO_HISTORY = "the simulated market tells nothing of the past"


class _Reply(msgspec.Struct):
    e: str
    id: int
    name: str = ""
    why: str = ""


_reply = msgspec.json.Decoder(_Reply).decode


def sim(settings: Settings) -> Live:
    """The simulated market for the symbols of ``settings``.

    Raises:
        SettingsError: no symbols.
    """
    return Sim(settings)


class Sim:
    """The description of the simulated market; see :class:`~barograph.feeds.live.venue.Live`."""

    name = "sim"
    limits = LIMITS

    def __init__(self, settings: Settings) -> None:
        section = settings.feeds.sim
        if not section.symbols:
            raise SettingsError(f'{SETTING} is empty; set it, as in symbols = ["BTC-USD", "ETH-USD"]')
        channels = tuple(Channel(channel) for channel in section.channels)
        self._wanted = dict.fromkeys(section.symbols, channels)
        asked = {"seed": str(section.seed), "cadence_s": f"{section.cadence_s:g}"}
        if section.events_per_s is not None:
            asked["events_per_s"] = f"{section.events_per_s:g}"
        asked["courses"] = str(settings.data_dir.absolute() / COURSES)
        self._url = f"{SCHEME}?{urlencode(asked)}"

    def prepare(self) -> Preparing:
        """Nothing: a symbol that is not simulated is named when we subscribe."""
        yield from ()

    def plans(self) -> list[Plan]:
        """One connection for all, called by its address."""
        return [Plan(f"market-{crc32(self._url.encode()):08x}", self._url, self._wanted)]

    def conversation(self, plan: Plan) -> Conversation:
        """A new connection's talk."""
        return SimConversation(plan.wanted)

    def closed(self, code: int | None, reason: str) -> Again | Stop:
        """Again: it was too slow to read, or its file cannot be kept."""
        return Again(reason or f"closed ({code})")

    def refused(self, status: int, body: bytes) -> Again | Stop:  # noqa: ARG002 - there is no handshake
        """Again; nothing answers like that here."""
        return Again(f"HTTP {status}", wait_s=10.0)

    def refill(self, gap: Gap) -> Refilling:  # noqa: ARG002 - the same for all
        """Nothing is told of the past."""
        yield from ()
        return Refilled(_NO_HISTORY, final=True)

    def calendar(self, symbol: str) -> str:
        """Pairs are traded around the clock, shares in New York's regular hours."""
        return "24/7" if "-" in symbol else "XNYS"


class SimConversation:
    """One connection's talk; see :class:`~barograph.feeds.live.venue.Conversation`."""

    def __init__(self, wanted: Wanted) -> None:
        self._subscriber = Subscriber(_names(wanted), _whole, _compose)
        self._refused: set[str] = set()

    def opened(self, now_ns: int) -> Sequence[Action]:
        """Subscribe to everything."""
        return self._subscriber.opened(now_ns)

    def received(self, frames: Sequence[bytes], now_ns: int) -> Sequence[Action]:
        """Answers."""
        others = [frame for frame in frames if not frame.startswith(_DATA)]
        return [action for frame in others for action in self._heard(frame, now_ns)]

    def due(self, now_ns: int) -> Sequence[Action]:
        """Ask again for what is not confirmed."""
        return self._subscriber.due(now_ns)

    def change(self, wanted: Wanted, now_ns: int) -> Sequence[Action]:
        """Subscribe and unsubscribe what differs."""
        return self._subscriber.change(_names(wanted), now_ns)

    def renew(self, symbol: str, channel: Channel, now_ns: int) -> Sequence[Action]:
        """Take a channel of a symbol anew."""
        return self._subscriber.renew(_name(symbol, channel), now_ns)

    def _heard(self, frame: bytes, now_ns: int) -> list[Action]:
        try:
            reply = _reply(frame)
        except UNREADABLE:
            return []  # not an answer to us; the decoder rejects it, with the reason
        if reply.e == "done":
            return self._subscriber.answered(reply.id, now_ns)
        if reply.e == "refused" and reply.name in self._subscriber.open_names(reply.id):
            return self._without(reply, now_ns)
        return []

    def _without(self, reply: _Reply, now_ns: int) -> list[Action]:
        actions = self._subscriber.refused(reply.id, now_ns, reply.name)
        if not self._subscriber.names:
            return [Stop(f"nothing of {SETTING} can be had: {reply.why}")]
        symbol = reply.name.partition(" ")[2]
        if symbol in self._refused:
            return actions
        self._refused.add(symbol)
        return [Warn(f"take {symbol} out of {SETTING}: {reply.why}"), *actions]


def _name(symbol: str, channel: Channel) -> str:
    return f"{channel} {symbol}"


def _names(wanted: Wanted) -> list[str]:
    return [_name(symbol, channel) for symbol, channels in wanted.items() for channel in channels]


def _whole(names: Sequence[str]) -> list[list[str]]:
    """All in one request."""
    return [list(names)] if names else []


def _compose(subscribe: bool, names: Sequence[str], number: int) -> bytes:
    return msgspec.json.encode({"id": number, "subscribe" if subscribe else "unsubscribe": list(names)})
