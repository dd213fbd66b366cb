"""A thread of its own that archives: trading never waits for the archive, and outlives its troubles."""

from __future__ import annotations

import threading
from typing import Self

from barograph.log import get_logger
from barograph.paper.archive import Archivist

log = get_logger()


class Archiving:
    """Drains an :class:`~barograph.paper.archive.Archivist` until it is stopped; a context manager.

    A failure is told once and tried again: after twice ``every_s``, then twice as long each time, up to
    ``longest_s``. Nothing is lost by it: what the archive does not have stays pending in the ledger.

    Args:
        every_s: between two looks at the ledger when nobody rings.
        gather_s: from a ring to the look: trades that come close together go into one file, and one sync.
        longest_s: between two tries when the archive says no.

    Attributes:
        archived: trades that the archive was given and the ledger was told of.
        failures: tries that failed.
        trouble: why the last one failed; empty when it did not.
    """

    def __init__(
        self, archivist: Archivist, every_s: float = 1.0, longest_s: float = 60.0, gather_s: float = 0.5
    ) -> None:
        self._archivist = archivist
        self._every_s = every_s
        self._gather_s = gather_s
        self._longest_s = longest_s
        self._bell = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="archiving", daemon=True)
        self.archived = 0
        self.failures = 0
        self.trouble = ""

    def start(self) -> None:
        """Begin; what an earlier process has left pending comes first."""
        self._thread.start()

    def ring(self) -> None:
        """There are new trades: do not wait for the next look. After a failure the pause is kept."""
        self._bell.set()

    def stop(self, patience_s: float = 60.0) -> None:
        """Archive what is pending, once more, and end."""
        self._end.set()
        self._bell.set()
        if self._thread.is_alive():
            self._thread.join(patience_s)
        if self._thread.is_alive():
            log.warning(
                "the archive takes too long; what it lacks stays in the ledger for the next start",
                waited_s=patience_s,
            )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        wait_s = self._every_s
        while True:
            last = self._end.is_set()
            self._bell.clear()
            fine = self._drained()
            if last:
                return
            wait_s = self._every_s if fine else min(2.0 * wait_s, self._longest_s)
            if (self._bell if fine else self._end).wait(wait_s):
                self._end.wait(self._gather_s)

    def _drained(self) -> bool:
        try:
            self.archived += self._archivist.drain()
        except Exception as error:  # noqa: BLE001 - whatever it is, trading goes on and the user is told
            self._failed(error)
            return False
        if self.trouble:
            log.warning("trades are archived again", after_failures=self.failures)
            self.trouble = ""
        return True

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        if not self.trouble:
            log.error(
                "trades cannot be archived; they stay in the ledger and it is tried again",
                why=str(error),
                kind=type(error).__name__,
            )
        self.trouble = str(error) or type(error).__name__
