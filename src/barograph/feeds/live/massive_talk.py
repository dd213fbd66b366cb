"""What is said with Massive on one connection.

Source: massive.com/docs/websocket, and how the vendor's client behaves (PyPI ``massive``).

===================  =============================================================
``connected``        the venue speaks first; then we send the key
``auth_success``     then we subscribe; every name is confirmed by a ``success``
``auth_failed``      a wrong key stays wrong: the feed stops
``max_connections``  another program uses the key; may come long after the success,
                     and close code 1008 follows: the feed stops, or the two would
                     throw each other out for ever
not authorized       the plan does not include it: the feed stops
close 1008 alone     too slow a reader: connect again, after a while
any other close      connect again
===================  =============================================================

Statuses are events like any other and may stand behind data in one array, so all frames are
searched for the word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from barograph.clock import NS_PER_S
from barograph.feeds.batch import UNREADABLE
from barograph.feeds.live.venue import Action, Again, Ready, Send, Stop, Wanted, Warn
from barograph.gaps import Channel

KEY = "feeds.polygon.api_key (POLYGON_API_KEY)"
_NAMES_A_FRAME = 500
_CONFIRMED_WITHIN_NS = 5 * NS_PER_S
_MOST_TOLD = 100
_REFUSED_PLAN = re.compile(
    r"not.?authori[sz]ed|not entitled|upgrade|(?:don't|do not) have (?:access|permission)|doesn't include",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What differs between crypto and stocks.

    Attributes:
        name: the last part of the address, and the plan's name.
        kinds: the event that brings each channel.
        ticker: what REST puts before a symbol, of which the hyphens are taken out.
        symbol: what a canonical symbol looks like.
    """

    feed: str
    name: str
    kinds: dict[Channel, str]
    ticker: str
    symbol: re.Pattern[str]
    example: str
    calendar: str

    @property
    def tier(self) -> str:
        """The setting that has the account's plan, and its variable."""
        return f"feeds.polygon.tier_{self.name} (POLYGON_TIER_{self.name.upper()})"


CRYPTO = Cluster(
    feed="polygon-crypto",
    name="crypto",
    kinds={Channel.TRADES: "XT", Channel.QUOTES: "XQ"},
    ticker="X:",
    symbol=re.compile(r"[A-Z0-9]+-[A-Z0-9]+"),
    example="BTC-USD",
    calendar="24/7",
)
STOCKS = Cluster(
    feed="polygon-stocks",
    name="stocks",
    kinds={Channel.TRADES: "T", Channel.QUOTES: "Q"},
    ticker="",
    symbol=re.compile(r"[A-Za-z][A-Za-z0-9.]*"),
    example="AAPL",
    calendar="XNYS-extended",
)


def evicted(feed: str) -> str:
    """What to tell when another program has taken our place."""
    return (
        f"{feed}: the venue allows no further connection (max_connections): another program uses the same "
        f"key on this cluster. Stop that one, or get a key of its own for this one, {KEY}; then start again"
    )


def beyond_plan(cluster: Cluster, said: str) -> str:
    """What to tell when the venue says that the plan does not include something."""
    return (
        f"{cluster.feed}: the account's plan does not include this ({said}); check {cluster.tier}, and leave "
        "out of feeds.polygon.channels what the plan has not: stock trades come with developer, "
        "quotes with advanced"
    )


class _Login(Send):
    """The frame with the key, which must not be seen in a log."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Send(<the key>)"


class _Event(msgspec.Struct):
    """Of an event, what a status has."""

    ev: str = ""
    status: str = ""
    message: str = ""


_events = msgspec.json.Decoder(list[_Event])


class Talk:
    """What is said on one connection; see :class:`~barograph.feeds.live.venue.Conversation`."""

    def __init__(self, cluster: Cluster, key: str, wanted: Wanted, on_evicted: Callable[[], None]) -> None:
        self._on_evicted = on_evicted
        self._cluster = cluster
        self._key = key
        self._names = names(cluster, wanted)
        self._waiting: set[str] = set()
        self._asked_ns = 0
        self._authenticated = self._confirmed = self._ready = False
        self._told: set[str] = set()

    def opened(self, now_ns: int) -> list[Action]:  # noqa: ARG002 - the venue speaks first
        return []

    def received(self, frames: Sequence[bytes], now_ns: int) -> list[Action]:
        # One search over all frames is twice as fast as one search in each.
        if b'"status"' not in b"".join(frames):
            return []
        actions: list[Action] = []
        for frame in frames:
            if b'"status"' in frame:
                for event in _statuses(frame):
                    actions += self._status(event, now_ns)
        return actions

    def due(self, now_ns: int) -> list[Action]:
        """Names that are not confirmed in time are told of; they do not keep the others waiting."""
        if not self._waiting or not self._confirmed or now_ns - self._asked_ns < _CONFIRMED_WITHIN_NS:
            return []
        missing = ", ".join(sorted(self._waiting)[:20])
        said = Warn(f"{self._cluster.feed}: {len(self._waiting)} subscriptions are not confirmed: {missing}")
        self._waiting.clear()
        return [said, *self._ready_now()]

    def change(self, wanted: Wanted, now_ns: int) -> list[Action]:
        before, self._names = self._names, names(self._cluster, wanted)
        if not self._authenticated:
            return []
        gone = [name for name in before if name not in self._names]
        self._waiting.difference_update(gone)
        new = [name for name in self._names if name not in before]
        return [*_sends("unsubscribe", gone), *self._subscribe(new, now_ns)]

    def renew(self, symbol: str, channel: Channel, now_ns: int) -> list[Action]:
        name = f"{self._cluster.kinds[channel]}.{symbol}"
        if not self._authenticated or name not in self._names:
            return []
        return [*_sends("unsubscribe", [name]), *self._subscribe([name], now_ns)]

    def _status(self, event: _Event, now_ns: int) -> Iterable[Action]:
        status, message = event.status.lower(), event.message
        if status == "connected":
            said = msgspec.json.encode({"action": "auth", "params": self._key})
            return () if self._authenticated else (_Login(said),)
        if status == "auth_success" or (status == "success" and message == "authenticated"):
            self._authenticated = True
            return self._subscribe(self._names, now_ns)
        if status == "success":
            return self._success(message)
        return self._bad(status, message)

    def _subscribe(self, wanted: Iterable[str], now_ns: int) -> Iterable[Action]:
        asked = list(wanted)
        self._waiting.update(asked)
        self._asked_ns = now_ns
        return _sends("subscribe", asked)

    def _success(self, message: str) -> Iterable[Action]:
        what, _, subscribed = message.partition(":")
        if what.strip() != "subscribed to":
            return ()
        self._confirmed = True
        self._waiting.difference_update(re.split(r"[,\s]+", subscribed.strip()))
        return () if self._waiting else self._ready_now()

    def _ready_now(self) -> Iterable[Action]:
        first, self._ready = not self._ready, True
        return (Ready(),) if first else ()

    def _bad(self, status: str, message: str) -> Iterable[Action]:
        feed, said = self._cluster.feed, message.replace(self._key, "***")[:300]
        if status == "max_connections":
            self._on_evicted()
            return (Stop(evicted(feed)),)
        if _REFUSED_PLAN.search(f"{status} {message}"):
            return (Stop(beyond_plan(self._cluster, said)),)
        if status == "auth_failed" or "authentication failed" in message.lower():
            return (Stop(f"{feed}: the venue does not accept the key ({said}); check {KEY}"),)
        if status == "auth_timeout":
            return (Again(f"the venue did not see the key in time ({said})"),)
        return self._warn_once(f"{feed}: {status}: {said}")

    def _warn_once(self, message: str) -> Iterable[Action]:
        """The venue may repeat an error for every name; nobody reads more than the first hundred."""
        if message in self._told or len(self._told) >= _MOST_TOLD:
            return ()
        self._told.add(message)
        return (Warn(message),)


def names(cluster: Cluster, wanted: Wanted) -> dict[str, None]:
    """What to subscribe to, as the venue calls it, in order.

    >>> list(names(STOCKS, {"AAPL": (Channel.TRADES, Channel.QUOTES)}))
    ['T.AAPL', 'Q.AAPL']
    """
    return dict.fromkeys(
        f"{cluster.kinds[channel]}.{symbol}" for symbol, channels in wanted.items() for channel in channels
    )


def _sends(action: str, wanted: Sequence[str]) -> Iterator[Send]:
    for begin in range(0, len(wanted), _NAMES_A_FRAME):
        params = ",".join(wanted[begin : begin + _NAMES_A_FRAME])
        yield Send(msgspec.json.encode({"action": action, "params": params}))


def _statuses(frame: bytes) -> list[_Event]:
    """The statuses in a frame; of one that cannot be read none: its decoder rejects it."""
    try:
        return [event for event in _events.decode(frame) if event.ev == "status"]
    except UNREADABLE:
        return []
