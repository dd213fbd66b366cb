"""Special sessions and closures that no library knows yet, from a TOML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, time
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from barograph.calendars.calendar import Session
from barograph.calendars.hours import session
from barograph.errors import SettingsError


class Special(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session: all specials of a day stand in place of that day's ordinary sessions.

    ``open`` and ``close`` are on the exchange's wall clock.
    """

    calendar: str
    day: date
    open: time
    close: time
    reason: str


class Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A day without any session."""

    calendar: str
    day: date
    reason: str


class Overrides(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file's content."""

    special: tuple[Special, ...] = ()
    closed: tuple[Closed, ...] = ()

    def named(self) -> set[str]:
        """The calendars that the file speaks of."""
        return {entry.calendar for entry in self.special} | {entry.calendar for entry in self.closed}

    def calling(self, names: Mapping[str, str]) -> Overrides:
        """The same with calendars renamed as ``names`` says."""
        special = (replace(each, calendar=names.get(each.calendar, each.calendar)) for each in self.special)
        closed = (replace(each, calendar=names.get(each.calendar, each.calendar)) for each in self.closed)
        return Overrides(tuple(special), tuple(closed))


NONE = Overrides()
KNOWN_FILE = Path(__file__).with_name("special.toml")
"""Special sessions that are published and that exchange_calendars lacks; part of the package."""


def read_overrides(path: Path) -> Overrides:
    """The overrides in the file at ``path``; none where there is no file.

    Raises:
        SettingsError: it cannot be read, is not of the format, or contradicts itself.
    """
    try:
        found = msgspec.toml.decode(path.read_bytes(), type=Overrides)
    except FileNotFoundError:
        return NONE
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the calendar file {path} cannot be read: {error}; docs/calendars.md has its format"
        ) from error
    closed = {(entry.calendar, entry.day) for entry in found.closed}
    for entry in found.special:
        if entry.open >= entry.close:
            raise SettingsError(
                f"{path}: {entry.calendar} {entry.day} opens at {entry.open}, not before it closes"
            )
        if (entry.calendar, entry.day) in closed:
            raise SettingsError(f"{path}: {entry.calendar} {entry.day} has a special session and is closed")
    return found


def applied(
    sessions: Iterable[Session], overrides: Overrides, calendar: str, zone: ZoneInfo
) -> list[Session]:
    """``sessions`` with what ``overrides`` say of ``calendar``."""
    special = [entry for entry in overrides.special if entry.calendar == calendar]
    changed = {entry.day for entry in special}
    changed |= {entry.day for entry in overrides.closed if entry.calendar == calendar}
    kept = [part for part in sessions if part.day not in changed]
    return kept + [session(entry.day, entry.open, entry.close, zone) for entry in special]
