"""Checkpoints and figures, put on the disk beside the work.

While much is being written a disk may take a second to say that a file is safe on it, and some time to take
back the room of a file whose place another takes. Rows and orders do not wait for that: what has been packed
is handed to a thread, and counts as saved when the disk has said so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from barograph.errors import StorageError
from barograph.log import get_logger

log = get_logger()


class Saving:
    """Saves one state at a time. For one thread; the attributes may be read by any.

    Args:
        what: is saved, for the log.

    Attributes:
        saved_pos: from where the next start would go on, as far as the disk has said.
        problem: why the newest state could not be saved; empty where it was.
    """

    def __init__(self, what: str = "the state") -> None:
        self._what = what
        self.saved_pos = 0
        self.problem = ""
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a state is still on its way to the disk."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self, save: Callable[[], None], pos: int) -> None:
        """Call ``save``, which saves the state before the record at ``pos``, once the one before is saved."""
        self.wait()
        # Not one that the process waits for at its end: a disk that hangs must not keep it.
        self._thread = threading.Thread(target=self._save, args=(save, pos), name="checkpoint", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when nothing is on its way any more."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _save(self, save: Callable[[], None], pos: int) -> None:
        try:
            save()
        except StorageError as error:
            # The older checkpoint costs the next start some time and nothing else.
            self.problem = str(error)
            log.warning(f"{self._what} could not be saved", problem=self.problem)
        else:
            self.saved_pos, self.problem = pos, ""
