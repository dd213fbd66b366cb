"""Kraken live, websocket v2.

Source: docs.kraken.com, spot websocket v2 (trade, ticker, ping, status, heartbeat).

- A request for several symbols is answered for each of them, under our ``req_id``; one that Kraken
  does not have fails alone.
- ``trade`` without the snapshot: its 50 trades would reach back before the recording began, and what a
  reconnect has missed is asked for over REST, by id. ``ticker`` by ``bbo``: on each change of the
  best bid or ask; its snapshot is the quote in force and is welcome.
- ``heartbeat`` comes every second when nothing else does; when not even that came, we ``ping``.
- ``status`` tells of maintenance, on connecting and when it changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from barograph.feeds.batch import UNREADABLE
from barograph.feeds.live import ending
from barograph.feeds.live.kraken_refill import REQUESTS, refill
from barograph.feeds.live.naming import kraken_name, read_kraken_name, venue_names
from barograph.feeds.live.subscribing import Subscriber, parts
from barograph.feeds.live.venue import (
    Action,
    Again,
    Conversation,
    Limits,
    Live,
    Plan,
    Preparing,
    Refilling,
    Send,
    Stop,
    Wanted,
    Warn,
)
from barograph.gaps import Channel, Gap
from barograph.settings import Settings
from barograph.settings.venues import KrakenSection

SETTING = "feeds.kraken.symbols"
SYMBOLS_A_CONNECTION = 100
SYMBOLS_A_REQUEST = 50
PING_AFTER_S = 8.0

LIMITS = Limits(
    ready_within_s=20.0,
    silent_s=20.0,
    connects=(75, 600.0),
    sends=(5, 1.0),
    requests=REQUESTS,
)
"""Half of the 150 connections that an address may make in ten minutes."""

_WAITS = {ending.POLICY: 30.0, ending.TRY_LATER: 10.0}
_LIMITED_S = 600.0
_CHANNEL = {Channel.TRADES: "trade", Channel.QUOTES: "ticker"}

_DATA = (b'{"channel":"trade"', b'{"channel":"ticker"', b'{"channel":"heartbeat"')
_NEVER = ("not supported", "not in iso 4217")
"""What Kraken says of a symbol that it does not have."""


class _Params(msgspec.Struct, omit_defaults=True):
    channel: str
    symbol: list[str]
    event_trigger: str | None = None
    snapshot: bool | None = None


class _Request(msgspec.Struct, omit_defaults=True):
    method: str
    params: _Params | None = None
    req_id: int = 0


class _Result(msgspec.Struct):
    symbol: str = ""


class _Status(msgspec.Struct):
    system: str = ""


class _Reply(msgspec.Struct):
    """Whatever is not data: an answer, an error, a status."""

    method: str = ""
    channel: str = ""
    req_id: int | None = None
    success: bool | None = None
    error: str | None = None
    symbol: str = ""
    result: _Result | None = None
    data: Any = None


_request = msgspec.json.encode
_reply = msgspec.json.Decoder(_Reply).decode


def kraken(settings: Settings) -> Live:
    """Kraken for the symbols of ``settings``.

    Raises:
        SettingsError: no symbols, or one that is not written in the canonical way.
    """
    return Kraken(settings.feeds.kraken)


class Kraken:
    """The description of Kraken; see :class:`~barograph.feeds.live.venue.Live`."""

    name = "kraken"
    limits = LIMITS

    def __init__(self, section: KrakenSection) -> None:
        self._section = section
        example = '["BTC-USD", "ETH-EUR"]'
        names = venue_names(section.symbols, SETTING, example, kraken_name, read_kraken_name)
        self._symbols = list(names)

    def prepare(self) -> Preparing:
        """Nothing: a symbol that the venue does not have is named when we subscribe."""
        yield from ()

    def plans(self) -> list[Plan]:
        """Connections of at most 100 symbols."""
        channels = tuple(Channel(channel) for channel in self._section.channels)
        divided = enumerate(parts(self._symbols, SYMBOLS_A_CONNECTION))
        return [Plan(f"v2-{n}", self._section.url, dict.fromkeys(part, channels)) for n, part in divided]

    def conversation(self, plan: Plan) -> Conversation:
        """A new connection's talk."""
        return KrakenConversation(plan.wanted)

    def closed(self, code: int | None, reason: str) -> Again | Stop:
        """Again; after half a minute if we broke a rule."""
        return ending.closed(code, reason, _WAITS)

    def refused(self, status: int, body: bytes) -> Again | Stop:  # noqa: ARG002 - the status says it all
        """Again, after ten minutes if there were too many attempts."""
        return ending.refused(status, "feeds.kraken.url", _LIMITED_S)

    def refill(self, gap: Gap) -> Refilling:
        """Trades since the time of the last one known, up to the id of the first one known again."""
        return refill(self._section.rest_url.rstrip("/"), gap)

    def calendar(self, symbol: str) -> str:  # noqa: ARG002 - the same for all
        """Always open."""
        return "24/7"


class KrakenConversation:
    """One connection's talk; see :class:`~barograph.feeds.live.venue.Conversation`."""

    def __init__(self, wanted: Wanted) -> None:
        self._subscriber = Subscriber(_names(wanted), _split, _compose)
        self._heard_ns: int | None = None
        self._pings = 0
        self._system = "online"
        self._unknown: set[str] = set()

    def opened(self, now_ns: int) -> Sequence[Action]:
        """Subscribe to everything."""
        self._heard_ns = now_ns
        return self._subscriber.opened(now_ns)

    def received(self, frames: Sequence[bytes], now_ns: int) -> Sequence[Action]:
        """Answers, errors and the venue's status."""
        self._heard_ns = now_ns
        others = [frame for frame in frames if not frame.startswith(_DATA)]
        return [action for frame in others for action in self._heard(frame, now_ns)]

    def due(self, now_ns: int) -> Sequence[Action]:
        """Ask again for what is not confirmed; ping when nothing was heard."""
        actions = self._subscriber.due(now_ns)
        if self._heard_ns is not None and now_ns - self._heard_ns >= PING_AFTER_S * 1e9:
            self._heard_ns = now_ns
            self._pings += 1
            actions.append(Send(_request(_Request("ping", req_id=-self._pings))))
        return actions

    def change(self, wanted: Wanted, now_ns: int) -> Sequence[Action]:
        """Subscribe and unsubscribe what differs."""
        return self._subscriber.change(_names(wanted), now_ns)

    def renew(self, symbol: str, channel: Channel, now_ns: int) -> Sequence[Action]:
        """Take a channel of a symbol anew."""
        return self._subscriber.renew(_name(symbol, channel), now_ns)

    def _heard(self, frame: bytes, now_ns: int) -> list[Action]:
        try:
            reply = _reply(frame)
            if reply.channel == "status":
                return self._told(msgspec.convert(reply.data, list[_Status]))
        except UNREADABLE:
            return []  # not an answer to us; the decoder rejects it, with the reason
        if reply.method in ("subscribe", "unsubscribe") and reply.success is not None:
            return self._answered(reply, now_ns)
        if reply.error is not None:
            return [Warn(f"Kraken says: {reply.error[:200]}")]
        return []

    def _answered(self, reply: _Reply, now_ns: int) -> list[Action]:
        symbol = reply.symbol or (reply.result.symbol if reply.result else "")
        open_names = self._subscriber.open_names(reply.req_id)
        name = next((name for name in open_names if name.partition(" ")[2] == symbol), None)
        error = reply.error or ""
        # What is there already, or gone already, is as we want it.
        if reply.success or reply.method == "unsubscribe" or "already subscribed" in error.lower():
            return self._subscriber.answered(reply.req_id, now_ns, name) if name else []
        if name is None:
            return [Warn(f"Kraken has refused a request: {error[:200]}")]
        if not any(never in error.lower() for never in _NEVER):
            return [Warn(f"Kraken has refused {symbol}: {error[:200]}")]  # asked for again when due
        return self._without(symbol, error, self._subscriber.refused(reply.req_id, now_ns, name))

    def _without(self, symbol: str, error: str, actions: list[Action]) -> list[Action]:
        """Go on without a symbol that Kraken does not have; each of its channels says so."""
        if not self._subscriber.names:
            return [Stop(f"Kraken has none of the symbols of {SETTING}; it says: {error[:200]}")]
        if symbol in self._unknown:
            return actions
        self._unknown.add(symbol)
        return [
            Warn(f"Kraken says {error[:200]!r}: take {read_kraken_name(symbol)} out of {SETTING}"),
            *actions,
        ]

    def _told(self, statuses: list[_Status]) -> list[Action]:
        actions: list[Action] = []
        for status in statuses:
            if status.system and status.system != self._system:
                self._system = status.system
                actions.append(Warn(f"Kraken's status is {status.system[:100]}"))
        return actions


def _name(symbol: str, channel: Channel) -> str:
    return f"{_CHANNEL[channel]} {kraken_name(symbol)}"


def _names(wanted: Wanted) -> list[str]:
    return [_name(symbol, channel) for symbol, channels in wanted.items() for channel in channels]


def _split(names: Sequence[str]) -> list[list[str]]:
    """Requests of one channel each."""
    found: list[list[str]] = []
    for channel in _CHANNEL.values():
        found += parts([name for name in names if name.startswith(f"{channel} ")], SYMBOLS_A_REQUEST)
    return found


def _compose(subscribe: bool, names: Sequence[str], number: int) -> bytes:
    channel = names[0].partition(" ")[0]
    params = _Params(channel, [name.partition(" ")[2] for name in names])
    if channel == "ticker":
        params.event_trigger = "bbo"
    elif subscribe:
        params.snapshot = False
    return _request(_Request("subscribe" if subscribe else "unsubscribe", params, number))
