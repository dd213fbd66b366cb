"""What a venue's server knows: how to talk over a websocket, how to answer over REST, how to write events.

Each venue's module is written from its documents and shares no code with the decoders, so
that the two are witnesses independent of each other. The server (``server.py``) does the
rest: sockets, fan-out, faults, the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from barograph.testing.client import Client
from barograph.testing.faults import Faults
from barograph.testing.market import Event, LiveMarket, Trade

SLOW_BYTES = 16 << 20
"""How much a client may leave unread, beyond what the kernel holds for it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A REST request.

    Attributes:
        query: of the URL, the last value of each name.
        form: of a POST's body, where it is a form.
        headers: their names in lower case.
        address: the client's IP address.
        past: the trades that the venue admits to.
    """

    method: str
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    headers: Mapping[str, str]
    address: str
    past: Past


@dataclass(frozen=True, slots=True)
class Answer:
    """What a venue answers over REST."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Past:
    """A market's old trades, less those that the faults say are lacking. Oldest first."""

    market: LiveMarket
    faults: Faults

    def from_number(self, symbol: str, number: int, limit: int) -> list[Trade]:
        """At most ``limit`` trades numbered ``number`` and higher."""
        return self._admitted(self.market.trades[symbol].from_number(number, limit))

    def before_number(self, symbol: str, number: int, limit: int) -> list[Trade]:
        """The newest ``limit`` trades numbered lower than ``number``."""
        return self._admitted(self.market.trades[symbol].before_number(number, limit))

    def newest(self, symbol: str, limit: int) -> list[Trade]:
        """The newest ``limit`` trades."""
        return self._admitted(self.market.trades[symbol].newest(limit))

    def after_time(self, symbol: str, ts_us: int, limit: int) -> list[Trade]:
        """At most ``limit`` trades later than ``ts_us``."""
        return self._admitted(self.market.trades[symbol].after_time(ts_us, limit))

    def between(self, symbol: str, since_us: int, until_us: int, limit: int) -> list[Trade]:
        """At most ``limit`` trades from ``since_us`` on and before ``until_us``."""
        return self._admitted(self.market.trades[symbol].between(since_us, until_us, limit))

    def _admitted(self, trades: list[Trade]) -> list[Trade]:
        lacks = self.faults.rest_lacks
        if not lacks:
            return trades
        return [
            trade
            for trade in trades
            if not any(
                lack.symbol == trade.symbol and lack.first <= trade.number <= lack.last for lack in lacks
            )
        ]


class Venue(Protocol):
    """One venue, as the server drives it. :class:`PlainVenue` has what most do alike.

    Attributes:
        name: the feed's name, ``"binance"``.
        market: what is traded there.
        slow_bytes: a client that leaves more bytes than this unread is disconnected (:meth:`too_slow`).
        binary: events go out in binary frames.
    """

    name: str
    market: LiveMarket
    slow_bytes: int
    binary: bool

    def door(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer | None:
        """Refuse a websocket handshake with an HTTP answer, or let it in (None)."""
        ...

    async def talk(self, client: Client, path: str, query: Mapping[str, str]) -> None:
        """Talk with a websocket client from its handshake to its end.

        Reads what it says (``client.receive()``) and keeps ``client.trades`` and
        ``client.quotes``: the canonical symbols whose events go to it from then on. Returning
        closes the connection; ``Gone`` from ``receive`` may be let through.
        """
        ...

    async def get(self, request: Asked) -> Answer:
        """Answer a REST request (a GET, or a POST where the venue has one)."""
        ...

    def seen(self, events: Sequence[Event]) -> Sequence[Event]:
        """What this venue shows of the market's events: usually all of them as they are.

        Called once a batch, before the events are logged and shared out.
        """
        ...

    def encode(self, events: Sequence[Event], client: Client) -> list[bytes]:
        """The frames of ``events``, all of which ``client`` has subscribed to, in their order."""
        ...

    def limited(self, retry_after_s: float) -> Answer:
        """What REST says to a client that asks too often."""
        ...

    def too_slow(self, client: Client) -> None:
        """Disconnect a client that does not read fast enough."""
        ...

    def go_away(self, client: Client) -> None:
        """Tell ``client``, in the venue's way, that the server is about to end, and close."""
        ...


class PlainVenue:
    """What most venues do alike; a venue inherits it and writes the rest."""

    name = ""
    slow_bytes = SLOW_BYTES
    binary = False

    def __init__(self, market: LiveMarket) -> None:
        self.market = market

    def door(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer | None:  # noqa: ARG002
        """Everybody is let in."""
        return None

    def seen(self, events: Sequence[Event]) -> Sequence[Event]:
        """Everything, as it is."""
        return events

    def too_slow(self, client: Client) -> None:
        """The connection is reset."""
        client.drop(ended="too slow")

    def go_away(self, client: Client) -> None:
        """A clean end: 1001."""
        client.close(1001, "going away")
