"""Coinbase Exchange live.

Source: docs.cdp.coinbase.com/exchange, websocket feed (overview, channels, rate limits).

- A connection must subscribe within 5 s. ``heartbeat`` is always asked for: it comes every second for
  each product, so a quiet product can be told from a dead connection.
- There are no request numbers. Each request is answered by ``subscriptions``, the list of everything
  that the connection is subscribed to now; what it lacks is asked for again.
- One product that the venue does not know makes it ignore the whole request. The error names the
  product, so the rest is asked for without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from barograph.feeds.batch import UNREADABLE
from barograph.feeds.live import ending
from barograph.feeds.live.coinbase_refill import refill
from barograph.feeds.live.naming import read_coinbase_name, venue_names
from barograph.feeds.live.subscribing import PATIENCE_S, parts
from barograph.feeds.live.venue import (
    Action,
    Again,
    Conversation,
    Limits,
    Live,
    Plan,
    Preparing,
    Ready,
    Refilling,
    Send,
    Stop,
    Wanted,
    Warn,
)
from barograph.gaps import Channel, Gap
from barograph.settings import Settings
from barograph.settings.venues import CoinbaseSection

SETTING = "feeds.coinbase.symbols"
PRODUCTS_A_CONNECTION = 50

LIMITS = Limits(
    ready_within_s=15.0,
    silent_s=20.0,
    connects=(30, 60.0),
    sends=(5, 1.0),
    requests=(5, 1.0),
)
"""Half of the 10 public REST requests a second."""

_WAITS = {ending.POLICY: 30.0, ending.TRY_LATER: 10.0}
_LIMITED_S = 60.0
_CHANNEL = {Channel.TRADES: "matches", Channel.QUOTES: "ticker"}
_HEARTBEAT = "heartbeat"

_DATA = (b'{"type":"match"', b'{"type":"ticker"', b'{"type":"heartbeat"', b'{"type":"last_match"')
_UNKNOWN = re.compile(r"(\S+) is not a valid product")

Topic = tuple[str, str]
"""A channel's name and a product."""


class _Request(msgspec.Struct):
    type: str
    product_ids: list[str]
    channels: list[str]


class _Listed(msgspec.Struct):
    name: str
    product_ids: list[str] | None = None


class _Reply(msgspec.Struct):
    """``subscriptions`` or ``error``."""

    type: str
    channels: list[_Listed] = []
    message: str = ""
    reason: str = ""


_request = msgspec.json.encode
_reply = msgspec.json.Decoder(_Reply).decode


def coinbase(settings: Settings) -> Live:
    """Coinbase for the symbols of ``settings``.

    Raises:
        SettingsError: no symbols, or one that is not written in the canonical way.
    """
    return Coinbase(settings.feeds.coinbase)


class Coinbase:
    """The description of Coinbase; see :class:`~barograph.feeds.live.venue.Live`."""

    name = "coinbase"
    limits = LIMITS

    def __init__(self, section: CoinbaseSection) -> None:
        self._section = section
        names = venue_names(section.symbols, SETTING, '["BTC-USD", "ETH-USD"]', str, read_coinbase_name)
        self._symbols = list(names)

    def prepare(self) -> Preparing:
        """Nothing: a product that the venue does not know is named when we subscribe."""
        yield from ()

    def plans(self) -> list[Plan]:
        """Connections of at most 50 products."""
        channels = tuple(Channel(channel) for channel in self._section.channels)
        divided = enumerate(parts(self._symbols, PRODUCTS_A_CONNECTION))
        return [Plan(f"ws-{n}", self._section.url, dict.fromkeys(part, channels)) for n, part in divided]

    def conversation(self, plan: Plan) -> Conversation:
        """A new connection's talk."""
        return CoinbaseConversation(plan.wanted)

    def closed(self, code: int | None, reason: str) -> Again | Stop:
        """Again; after half a minute if we broke a rule."""
        return ending.closed(code, reason, _WAITS)

    def refused(self, status: int, body: bytes) -> Again | Stop:  # noqa: ARG002 - the status says it all
        """Again, after a minute if there were too many attempts."""
        return ending.refused(status, "feeds.coinbase.url", _LIMITED_S)

    def refill(self, gap: Gap) -> Refilling:
        """Trades by their ids, newest page first."""
        return refill(self._section.rest_url.rstrip("/"), gap)

    def calendar(self, symbol: str) -> str:  # noqa: ARG002 - the same for all
        """Always open."""
        return "24/7"


class CoinbaseConversation:
    """One connection's talk; see :class:`~barograph.feeds.live.venue.Conversation`.

    What the venue lists is compared with what is wanted, so it does not matter which request an
    answer belongs to.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = _topics(wanted)
        self._listed: set[Topic] = set()
        self._opened = False
        self._ready = False
        self._asked_ns = 0
        self._asked_again = False

    def opened(self, now_ns: int) -> Sequence[Action]:
        """Subscribe to everything."""
        self._opened = True
        return self._ask("subscribe", self._wanted, now_ns)

    def received(self, frames: Sequence[bytes], now_ns: int) -> Sequence[Action]:
        """Lists of subscriptions, and errors."""
        others = [frame for frame in frames if not frame.startswith(_DATA)]
        return [action for frame in others for action in self._heard(frame, now_ns)]

    def due(self, now_ns: int) -> Sequence[Action]:
        """Ask once more for what is not as wanted; then give up."""
        lacking = [topic for topic in self._wanted if topic not in self._listed]
        unwanted = [topic for topic in self._listed if topic not in self._wanted]
        if not self._opened or not (lacking or unwanted) or now_ns - self._asked_ns < PATIENCE_S * 1e9:
            return []
        if self._asked_again:
            return [Again(f"a subscription was not confirmed within {2 * PATIENCE_S:.0f} s")]
        actions = self._ask("unsubscribe", unwanted, now_ns) + self._ask("subscribe", lacking, now_ns)
        self._asked_again = True
        return actions

    def change(self, wanted: Wanted, now_ns: int) -> Sequence[Action]:
        """Subscribe and unsubscribe what differs."""
        before, self._wanted = self._wanted, _topics(wanted)
        if not self._opened:
            return []
        gone = [topic for topic in before if topic not in self._wanted]
        new = [topic for topic in self._wanted if topic not in before]
        return self._ask("unsubscribe", gone, now_ns) + self._ask("subscribe", new, now_ns)

    def renew(self, symbol: str, channel: Channel, now_ns: int) -> Sequence[Action]:
        """Take a channel of a product anew."""
        topic = (_CHANNEL[channel], symbol)
        if not self._opened or topic not in self._wanted:
            return []
        return self._ask("unsubscribe", [topic], now_ns) + self._ask("subscribe", [topic], now_ns)

    def _ask(self, kind: str, topics: Iterable[Topic], now_ns: int) -> list[Action]:
        """As few requests as there are different sets of channels: one, as a rule."""
        channels: dict[str, list[str]] = {}
        for channel, product in topics:
            channels.setdefault(product, []).append(channel)
        products: dict[tuple[str, ...], list[str]] = {}
        for product, of_it in channels.items():
            products.setdefault(tuple(of_it), []).append(product)
        if products:
            self._asked_ns, self._asked_again = now_ns, False
        return [Send(_request(_Request(kind, ids, list(names)))) for names, ids in products.items()]

    def _heard(self, frame: bytes, now_ns: int) -> list[Action]:
        try:
            reply = _reply(frame)
        except UNREADABLE:
            return []  # not an answer to us; the decoder rejects it, with the reason
        if reply.type == "error":
            return self._refused(reply, now_ns)
        if reply.type != "subscriptions":
            return []
        self._listed = {
            (listed.name, product) for listed in reply.channels for product in listed.product_ids or ()
        }
        if self._ready or not self._wanted or not self._listed.issuperset(self._wanted):
            return []
        self._ready = True
        return [Ready()]

    def _refused(self, reply: _Reply, now_ns: int) -> list[Action]:
        told = f"{reply.message}: {reply.reason}" if reply.reason else reply.message
        unknown = _UNKNOWN.search(reply.reason)
        if unknown is None:
            return [Warn(f"Coinbase says: {told[:200]}")]
        product = unknown[1]
        without = dict.fromkeys(topic for topic in self._wanted if topic[1] != product)
        if len(without) == len(self._wanted):
            return [Warn(f"Coinbase says: {told[:200]}")]
        self._wanted = without
        if not without:
            return [Stop(f"Coinbase knows none of the products of {SETTING}; the last was {product!r}")]
        lacking = [topic for topic in without if topic not in self._listed]
        warning = Warn(f"Coinbase does not know {product!r}; take it out of {SETTING}")
        return [warning, *self._ask("subscribe", lacking, now_ns)]


def _topics(wanted: Wanted) -> dict[Topic, None]:
    """Channels and products in the order of the symbols; the heartbeat of each last."""
    found: dict[Topic, None] = {}
    for symbol, channels in wanted.items():
        for channel in channels:
            found[_CHANNEL[channel], symbol] = None
        found[_HEARTBEAT, symbol] = None
    return found
