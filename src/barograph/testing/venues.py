"""The venues that can be served, by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib import import_module
from typing import Any

from barograph.errors import UsageError
from barograph.testing.market import LiveMarket
from barograph.testing.venue import Venue

VENUES: dict[str, tuple[str, str, dict[str, Any], tuple[str, ...]]] = {
    "binance": ("binance", "Binance", {}, ("BTC-USDT", "ETH-USDT")),
    "binance-usdm": ("binance", "Binance", {"usdm": True}, ("BTC-USDT-PERP", "ETH-USDT-PERP")),
    "coinbase": ("coinbase", "Coinbase", {}, ("BTC-USD", "ETH-USD")),
    "kite": ("kite", "Kite", {}, ("NSE:INFY", "NSE:RELIANCE", "NSE:NIFTY 50")),
    "kraken": ("kraken", "Kraken", {}, ("BTC-USD", "ETH-USD")),
    "massive": ("massive", "Massive", {}, ("BTC-USD", "ETH-USD", "AAPL", "MSFT")),
}
"""Name: module here, what makes the venue, its arguments beside the market, symbols by default."""


def known(name: str) -> tuple[Callable[..., Venue], tuple[str, ...]]:
    """What makes the venue called ``name`` of a market, and the symbols that it trades by default.

    Raises:
        UsageError: there is none.
    """
    if name not in VENUES:
        near = difflib.get_close_matches(name, VENUES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"no venue {name!r} can be served; {hint}They are: {', '.join(sorted(VENUES))}")
    module, maker, options, symbols = VENUES[name]
    make = getattr(import_module(f"barograph.testing.{module}"), maker)

    def made(market: LiveMarket) -> Venue:
        venue: Venue = make(market, **options)
        return venue

    return made, symbols


def named_venue(name: str, market: LiveMarket) -> Venue:
    """The venue called ``name``, trading ``market``.

    Raises:
        UsageError: there is none.
    """
    return known(name)[0](market)
