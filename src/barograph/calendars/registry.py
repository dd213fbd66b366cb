"""Calendars by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, time
from functools import cache, lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from barograph.calendars.calendar import ALWAYS_OPEN, Calendar, Session, from_sessions
from barograph.calendars.exchange import LAST
from barograph.calendars.hours import INDIA, NEW_YORK, commodities, currency, extended, prolonged
from barograph.calendars.overrides import KNOWN_FILE, NONE, Overrides, applied, read_overrides
from barograph.calendars.tables import table
from barograph.errors import SettingsError, UsageError

_CODE = re.compile(r"[A-Z]{4}")


@dataclass(frozen=True, slots=True)
class _Derived:
    """A calendar made from another one: on the same days, at other hours."""

    base: str
    zone: ZoneInfo
    hours: Callable[[Iterable[Session]], Iterable[Session]]


_DERIVED = {
    "XNYS-extended": _Derived("XNYS", NEW_YORK, extended),
    "CDS": _Derived("XBOM", INDIA, lambda regular: currency(regular, time(17))),
    "CDS-cross": _Derived("XBOM", INDIA, lambda regular: currency(regular, time(19, 30))),
}
_WEEKLY = "MCX"
_OWN = (*_DERIVED, _WEEKLY)

MARKETS = {"NSE": "XBOM", "BSE": "XBOM", "NYSE": "XNYS", "NASDAQ": "XNYS"}
"""Calendars by the names that people say. Both exchanges of a country here keep the same days and hours."""


def calendar(name: str, overrides: Path | None = None, cache: Path | None = None) -> Calendar:
    """The calendar called ``name``.

    ``"24/7"`` costs nothing. The others may take two seconds the first time, when a process of
    its own asks ``exchange_calendars``; with a ``cache`` only the first start on a machine does.

    Args:
        name: ``"24/7"``, a market (``"NSE"``, ``"BSE"``, ``"NYSE"``, ``"NASDAQ"``), a market identifier
            code (``"XNYS"``, ``"XBOM"``), or ``"XNYS-extended"``, ``"CDS"``, ``"CDS-cross"``, ``"MCX"``.
        overrides: a TOML file of special sessions and closures; it need not exist.
        cache: a folder to keep computed tables in.

    Raises:
        UsageError: there is no such calendar.
        SettingsError: the file of overrides is wrong.
        DataError: the sessions could not be computed.
        StorageError: the cache cannot be read or written.

    >>> calendar("24/7").is_open_at(0)
    True
    """
    if name == ALWAYS_OPEN.name:
        return ALWAYS_OPEN
    name = official(name)
    return _built(name, _given(overrides), cache)


def files_of(data: Path) -> tuple[Path, Path]:
    """What a data directory has for :func:`calendar`: a file of special days, a folder of computed tables."""
    return data / "calendars.toml", data / "state" / "calendars"


def official(name: str) -> str:
    """The calendar's own name.

    >>> official("NSE"), official("24/7")
    ('XBOM', '24/7')

    Raises:
        UsageError: no calendar is called so; whether there is one of a market identifier code shows later.
    """
    own = MARKETS.get(name, name)
    if own != ALWAYS_OPEN.name and own not in _OWN and not _CODE.fullmatch(own):
        raise UsageError(
            f"no calendar is called {name!r}; write {', '.join(MARKETS)}, 24/7, or see docs/calendars.md"
        )
    return own


def reasons(name: str, overrides: Path | None = None, cache: Path | None = None) -> dict[date, str]:
    """Why days differ from ordinary ones, as far as anybody has said: names of holidays, special sessions.

    The arguments and errors are those of :func:`calendar`.
    """
    name = official(name)
    given = _given(overrides)
    if name == ALWAYS_OPEN.name:
        return {}
    base = _DERIVED[name].base if name in _DERIVED else name
    found: dict[date, str] = {}
    if name != _WEEKLY:
        found |= {holiday.day: holiday.name for holiday in table(base, cache).holidays}
    for layer in (_known(), given):
        found |= {each.day: each.reason for each in layer.closed if each.calendar in (base, name)}
        found |= {each.day: each.reason for each in layer.special if each.calendar in (base, name)}
    return found


def _given(overrides: Path | None) -> Overrides:
    """What the file says, its calendars by their own names."""
    given = NONE if overrides is None else read_overrides(overrides)
    for other in sorted(given.named()):
        if other not in MARKETS and other not in _OWN and not _CODE.fullmatch(other):
            raise SettingsError(f"{overrides}: there is no calendar {other!r}; docs/calendars.md lists them")
    return given.calling(MARKETS)


@lru_cache(maxsize=32)
def _built(name: str, overrides: Overrides, cache: Path | None) -> Calendar:
    if name == _WEEKLY:
        return from_sessions(name, applied(commodities(), overrides, name, INDIA), None, INDIA)
    derived = _DERIVED.get(name)
    base = derived.base if derived else name
    found = table(base, cache)
    zone = ZoneInfo(found.timezone)
    sessions = [Session(row.day, row.open_us, row.close_us) for row in found.rows]
    if found.known_until < LAST:
        sessions = list(prolonged(sessions, found.known_until, zone))
    for layer in (_known(), overrides):
        sessions = applied(sessions, layer, base, zone)
    if derived:
        sessions = applied(derived.hours(sessions), overrides, name, derived.zone)
    return from_sessions(name, sessions, found.known_until, zone)


@cache
def _known() -> Overrides:
    return read_overrides(KNOWN_FILE)
