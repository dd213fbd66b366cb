"""The tables of a recorder, made as its settings ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from barograph.clock import Clock
from barograph.recorder.live.tables.behind import Behind, Keeping, Pace, Told, Work
from barograph.recorder.places import Places
from barograph.recorder.shaping import line_settings

if TYPE_CHECKING:
    from barograph.recorder.live.journal import Journal
    from barograph.settings import Settings


def tables_behind(settings: Settings, journal: Journal, clock: Clock, told: Told) -> Behind:
    """The tables behind ``journal``: in a process of their own, or on a thread where the settings say so."""
    if settings.record.second_process:
        from barograph.recorder.live.tables.process import TablesProcess

        return TablesProcess(work_of(settings), journal, clock, told)
    from barograph.recorder.live.tables.thread import TablesThread

    return TablesThread(work_of(settings), journal, clock, told)


def work_of(settings: Settings) -> Work:
    """What the settings say is to be made, and where it goes.

    Raises:
        SettingsError: two settings that do not go together, or no address of the database.
    """
    record, kept = settings.record, settings.retention
    database = settings.database if settings.store == "postgresql" else None
    keeping = Keeping(record.seal_after_s, kept.tape_days, kept.tape_gb, database)
    return Work(Places.at(settings), line_settings(settings), Pace.of(record), keeping)
