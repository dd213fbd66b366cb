"""The venues we know, by name. A module is imported when its feed is asked for, not before.

A new venue is one file that ends in ``FEED = Feed(...)``, and one line in ``_MODULES``.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module

from barograph.errors import UsageError
from barograph.feeds.feed import Feed

_MODULES = {
    "binance": ("binance", "FEED"),
    "candles": ("candles", "FEED"),
    "coinbase": ("coinbase", "FEED"),
    "kite": ("kite", "FEED"),
    "kraken": ("kraken", "FEED"),
    "polygon-crypto": ("polygon", "CRYPTO"),
    "polygon-stocks": ("polygon", "STOCKS"),
    "sim": ("sim", "FEED"),
}
"""Feed name: module of this package, and the name of its :class:`Feed` there."""


@cache
def names() -> tuple[str, ...]:
    """Every feed's name, in alphabetical order.

    >>> "binance" in names()
    True
    """
    return tuple(sorted(_MODULES))


@cache
def feed(name: str) -> Feed:
    """The feed called ``name``.

    >>> feed("binance").name
    'binance'

    Raises:
        UsageError: there is no such feed; the message has the nearest name and the list.
    """
    if name not in _MODULES:
        near = difflib.get_close_matches(name, _MODULES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"no feed is called {name!r}; {hint}The feeds are: {', '.join(names())}")
    module, attribute = _MODULES[name]
    found: Feed = getattr(import_module(f"barograph.feeds.{module}"), attribute)
    return found
