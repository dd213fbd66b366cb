"""The machine's timetable: when recording starts and stops, when backups are due, as systemd units.

* ``timetable.py``: the times of a market, worked out from its calendar.
* ``today.py``: whether there is a session today, and why not.
* ``house.py``: how Barograph is run on this machine.
* ``units.py``, ``sandbox.py``: the units, as text.
* ``installing.py``: putting them where systemd looks, and saying what changed.
"""

from __future__ import annotations

from barograph.scheduling.house import House
from barograph.scheduling.installing import Change, install, next_commands
from barograph.scheduling.timetable import Timetable, timetable
from barograph.scheduling.today import Today, session_today
from barograph.scheduling.units import Unit, units

__all__ = [
    "Change",
    "House",
    "Timetable",
    "Today",
    "Unit",
    "install",
    "next_commands",
    "session_today",
    "timetable",
    "units",
]
