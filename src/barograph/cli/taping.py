"""Opening the tape for writing, as the settings have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from barograph.settings import Settings
    from barograph.tape import TapeWriter


def open_tape(settings: Settings) -> TapeWriter:
    """The writer of the data directory's tape; a context manager."""
    from barograph.clock import SystemClock
    from barograph.tape import TapeWriter

    return TapeWriter(
        settings.data_dir / "tape",
        clock=SystemClock(),
        fsync_interval_s=settings.tape.fsync_interval_s,
        fsync_bytes=settings.tape.fsync_bytes,
        roll_bytes=settings.tape.roll_bytes,
        roll_interval_s=settings.tape.roll_interval_s,
    )
