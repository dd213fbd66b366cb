"""When markets are open: sessions, holidays, and what a file of your own adds to them.

::

    nyse = calendar("XNYS")
    nyse.is_open_at(to_us(datetime(2024, 7, 3, 18, 0, tzinfo=UTC)))   # False: it closed at 17:00 UTC

``docs/calendars.md`` has the names, their rules, and the format of the file.
"""

from __future__ import annotations

from barograph.calendars.agenda import Day, Ordinary, agenda, horizon_warning, ordinary_hours
from barograph.calendars.calendar import ALWAYS_OPEN, AlwaysOpen, Calendar, Session, Sessions
from barograph.calendars.overrides import Closed, Overrides, Special, read_overrides
from barograph.calendars.registry import MARKETS, calendar, files_of, official, reasons

__all__ = [
    "ALWAYS_OPEN",
    "MARKETS",
    "AlwaysOpen",
    "Calendar",
    "Closed",
    "Day",
    "Ordinary",
    "Overrides",
    "Session",
    "Sessions",
    "Special",
    "agenda",
    "calendar",
    "files_of",
    "horizon_warning",
    "official",
    "ordinary_hours",
    "read_overrides",
    "reasons",
]
