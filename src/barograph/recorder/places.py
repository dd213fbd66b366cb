"""Where the line reads and writes in a data directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from barograph.disk import Lock

if TYPE_CHECKING:
    from barograph.anomalies.models.registry import Registry
    from barograph.calendars import Calendar
    from barograph.clock import Clock
    from barograph.settings import Settings
    from barograph.store.opening import Location
    from barograph.store.store import Absorbing


@dataclass(frozen=True, slots=True)
class Places:
    """Where the line reads and writes.

    Attributes:
        database: where the tables are, unless they are the lake.
    """

    tape: Path
    lake: Path
    state: Path
    database: Location | None = None

    @classmethod
    def of(cls, data: Path, tables: Location | None = None) -> Places:
        """Those of the data directory ``data``; its lake, unless ``tables`` are in a database."""
        database = tables if tables is not None and tables.address is not None else None
        return cls(data / "tape", data / "lake", data / "state", database)

    @classmethod
    def at(cls, settings: Settings) -> Places:
        """Those that the settings name.

        Raises:
            SettingsError: the tables are in a database, and nothing says which.
        """
        from barograph.store.opening import Location

        return cls.of(settings.data_dir, Location.of(settings))

    def store(self, clock: Clock | None = None) -> Absorbing:
        """The store of the tables."""
        if self.database is not None:
            return self.database.open(clock)
        from barograph.store.lake import Lake

        return Lake(self.lake, clock)

    def calendar(self, name: str) -> Calendar:
        """The calendar called ``name``, with the special days of ``calendars.toml`` in the data directory."""
        from barograph.calendars import calendar, files_of

        return calendar(name, *files_of(self.tape.parent))

    @property
    def models(self) -> Registry:
        """The trained models of the data directory."""
        from barograph.anomalies.models.registry import Registry

        return Registry.of(self.tape.parent)

    def lock(self) -> Lock:
        """One writer of the tables at a time."""
        return Lock(self.state / "line.lock", f"the tables beside {self.state} are being written")
