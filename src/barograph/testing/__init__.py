"""Venue servers for tests: true to the protocol on a real socket, and as ill-behaved as asked.

A server speaks for one venue: its handshake, replies, limits, errors and close codes over a
websocket, and its REST, on one loopback port. What it trades is made by a :class:`LiveMarket`,
what goes wrong is said by :class:`Faults`, and a :class:`ServerLog` knows every event that was
made and handed over. See ``docs/testing.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barograph.testing.binance import Binance
    from barograph.testing.client import Client, Gone
    from barograph.testing.coinbase import Coinbase
    from barograph.testing.faults import Faults, Lack
    from barograph.testing.kite import Kite
    from barograph.testing.kraken import Kraken
    from barograph.testing.log import ServerLog, Span
    from barograph.testing.market import Event, LiveMarket, Quote, Trade
    from barograph.testing.massive import Account, Massive
    from barograph.testing.schedule import Fault, follow, scheduled
    from barograph.testing.server import VenueServer
    from barograph.testing.threaded import Served, serving
    from barograph.testing.venue import Answer, Asked, PlainVenue, Venue
    from barograph.testing.venues import VENUES, named_venue

_HOMES = {
    "Account": "massive",
    "Answer": "venue",
    "Asked": "venue",
    "Binance": "binance",
    "Client": "client",
    "Coinbase": "coinbase",
    "Event": "market",
    "Fault": "schedule",
    "Faults": "faults",
    "Gone": "client",
    "Kite": "kite",
    "Kraken": "kraken",
    "Lack": "faults",
    "LiveMarket": "market",
    "Massive": "massive",
    "PlainVenue": "venue",
    "Quote": "market",
    "Served": "threaded",
    "ServerLog": "log",
    "Span": "log",
    "Trade": "market",
    "VENUES": "venues",
    "Venue": "venue",
    "VenueServer": "server",
    "follow": "schedule",
    "scheduled": "schedule",
    "serving": "threaded",
    "named_venue": "venues",
}

__all__ = [
    "VENUES",
    "Account",
    "Answer",
    "Asked",
    "Binance",
    "Client",
    "Coinbase",
    "Event",
    "Fault",
    "Faults",
    "Gone",
    "Kite",
    "Kraken",
    "Lack",
    "LiveMarket",
    "Massive",
    "PlainVenue",
    "Quote",
    "Served",
    "ServerLog",
    "Span",
    "Trade",
    "Venue",
    "VenueServer",
    "follow",
    "named_venue",
    "scheduled",
    "serving",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
