"""The feeds that can be recorded live, by name."""

from __future__ import annotations

import difflib
from importlib import import_module

from barograph.errors import UsageError
from barograph.feeds.live.venue import Live
from barograph.settings import Settings

_MODULES = {
    "binance": ("binance", "binance"),
    "coinbase": ("coinbase", "coinbase"),
    "kite": ("kite", "kite"),
    "kraken": ("kraken", "kraken"),
    "polygon-crypto": ("massive", "crypto"),
    "polygon-stocks": ("massive", "stocks"),
    "sim": ("sim", "sim"),
}
"""Feed name: module of this package, and the function there that makes its description from settings."""

_CALENDARS = {"kite": "NSE", "polygon-stocks": "XNYS-extended"}


def names() -> tuple[str, ...]:
    """Every feed that has a live description, in alphabetical order."""
    return tuple(sorted(_MODULES))


def live(name: str, settings: Settings) -> Live:
    """The description of the feed called ``name``, for the symbols and addresses of ``settings``.

    Raises:
        UsageError: there is no such feed, or it cannot be recorded live.
        SettingsError: a key, tier or symbol is missing or wrong; the message names the setting.
    """
    if name not in _MODULES:
        near = difflib.get_close_matches(name, _MODULES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"no live feed is called {name!r}; {hint}They are: {', '.join(names())}")
    module, attribute = _MODULES[name]
    made: Live = getattr(import_module(f"barograph.feeds.live.{module}"), attribute)(settings)
    return made


def usual_calendar(name: str) -> str:
    """By whose hours the feed called ``name`` goes where its symbols are not known.

    >>> usual_calendar("kite"), usual_calendar("binance")
    ('NSE', '24/7')
    """
    return _CALENDARS.get(name, "24/7")
