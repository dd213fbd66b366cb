"""Group commit: one fsync for all that was appended since the last one.

Appending never waits for the disk. A thread syncs ``interval_s`` after the first record
that is not synced, or as soon as ``max_bytes`` are waiting; ``sync`` does so at once.
"""

from __future__ import annotations

import threading

from barograph.disk import storage_error, sync_data
from barograph.errors import StorageError


class GroupCommit:
    """Syncs the live segment behind its writer.

    Attributes:
        appended_pos: the position after the last record appended.
        synced_pos: the position after the last record that survives a power cut.
    """

    def __init__(self, fd: int, pos: int, interval_s: float, max_bytes: int) -> None:
        self.appended_pos = pos
        self.synced_pos = pos
        self._fd = fd
        self._interval_s = interval_s
        self._max_bytes = max_bytes
        self._waiting_bytes = 0
        self._failure: OSError | None = None
        self._closing = False
        self._one_at_a_time = threading.Lock()
        self._something = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tape-sync", daemon=True)
        self._thread.start()

    def appended(self, pos: int, size: int) -> None:
        """Take note that ``size`` bytes were written, up to ``pos``."""
        # In this order: a sync either sees the position or has cleared the event before.
        self.appended_pos = pos
        if not self._something.is_set():
            self._something.set()
        self._waiting_bytes += size
        if self._waiting_bytes >= self._max_bytes and not self._hurry.is_set():
            self._hurry.set()

    def fail(self, error: OSError) -> None:
        """Let nothing more be appended or synced: what is on the disk is not known any more."""
        self._failure = error

    def check(self) -> None:
        """Raise what the last sync ended with.

        After a failed sync the system may call pages clean that never reached the disk, so
        trying again proves nothing: the tape has to be opened anew, which reads it back.
        """
        if self._failure is not None:
            raise storage_error(self._failure, "bringing the tape to the disk") from self._failure

    def sync(self) -> int:
        """Bring all that is appended to the disk; return ``synced_pos``.

        Raises:
            StorageError: the disk refused.
        """
        with self._one_at_a_time:
            self.check()
            # Before the position is read: what is appended from here on sets the event again.
            self._something.clear()
            self._hurry.clear()
            self._waiting_bytes = 0
            if self._closing:
                self._something.set()
            pos = self.appended_pos
            if pos > self.synced_pos:
                try:
                    sync_data(self._fd)
                except OSError as error:
                    self.fail(error)
                    self.check()
                self.synced_pos = pos
            return pos

    def move_to(self, fd: int) -> None:
        """Go on with the file ``fd``; all of the former one must be synced."""
        with self._one_at_a_time:
            self._fd = fd

    def close(self) -> None:
        """Sync what is left and stop the thread."""
        self._closing = True
        self._hurry.set()
        self._something.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            self._something.wait()
            self._hurry.wait(self._interval_s)
            try:
                self.sync()
            except StorageError:
                # Kept in _failure: the next append, sync or close raises it to the writer's owner.
                return
