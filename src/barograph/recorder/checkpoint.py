"""Where the line stands, on disk: one file, replaced whole.

A checkpoint is the line's state after the records before ``pos``. Everything the store
holds beyond it is made again from the tape, in the same commits, so losing the newest
checkpoint costs time and nothing else.
"""

from __future__ import annotations

from pathlib import Path

from barograph.disk import storage_error, sync_data, sync_directory
from barograph.log import get_logger
from barograph.snapshot import head, without_head

log = get_logger()


class Checkpoints:
    """The checkpoint file of one data directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "line.checkpoint"
        directory.mkdir(parents=True, exist_ok=True)

    def load(self) -> bytes | None:
        """The newest state, or None where there is none that can be read."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        state = without_head(raw)
        if state is None:
            log.warning("checkpoint unreadable, starting from the beginning of the tape", path=str(self.path))
        return state

    def save(self, state: bytes) -> None:
        """Replace the checkpoint; after a crash either the old or the new one is there.

        Raises:
            StorageFull: no space; the old checkpoint stays.
        """
        temporary = self.path.with_suffix(".tmp")
        try:
            with temporary.open("wb") as file:
                file.write(head(state))
                file.write(state)
                file.flush()
                sync_data(file.fileno())
            temporary.replace(self.path)
            sync_directory(self.path.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise storage_error(error, f"saving the checkpoint {self.path}") from error
