"""Where trading would go on from: at once, or put on the disk beside the work."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from barograph.recorder.saving import Saving
from barograph.recorder.trading.engine import Engine
from barograph.tape.segments import sync_tape

EVERY_S = (10.0, 60.0)
"""From one checkpoint to the next, at least and at most: so much is read again after a crash."""
SHARE = 0.001
"""Of the time that orders may wait for a checkpoint to be taken: a large one is taken more rarely."""


def pause_s(took_s: float) -> float:
    """Until the next checkpoint, after one for which orders waited so long.

    >>> pause_s(0.001), pause_s(0.03), pause_s(2.0)
    (10.0, 30.0, 60.0)
    """
    return min(max(took_s / SHARE, EVERY_S[0]), EVERY_S[1])


class Checkpoints:
    """Checkpoints of whoever trades over the tape at ``tape``. For one thread."""

    def __init__(self, tape: Path) -> None:
        self._tape = tape
        self._saving = Saving()

    @property
    def problem(self) -> str:
        """Why the newest one could not be saved; empty where it was."""
        return self._saving.problem

    def save(self, engine: Engine) -> None:
        """Return when a new process would go on from here.

        Raises:
            StorageError: disk or ledger said no.
        """
        self._saving.wait()
        self._put(engine, engine.stand())

    def begin(self, engine: Engine) -> None:
        """Save where it stands beside the work; nothing while the one before is on its way to the disk."""
        if not self._saving.busy:
            self._saving.begin(partial(self._put, engine, engine.stand()), engine.next_pos)

    def wait(self) -> None:
        """Return when nothing is on its way any more."""
        self._saving.wait()

    def _put(self, engine: Engine, standing: bytes) -> None:
        # A checkpoint that outlives the records before it would be gone on from with others.
        sync_tape(self._tape)
        engine.note(standing)
