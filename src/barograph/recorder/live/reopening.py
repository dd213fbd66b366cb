"""The tape as the journal needs it: one that goes on after a failed sync.

After a failed fsync a :class:`~barograph.tape.TapeWriter` takes nothing more, and rightly so: the
system may call pages clean that never reached the disk, and a second fsync then succeeds
without having written anything (Rebello and others, "Can Applications Recover from fsync
Failures?", USENIX ATC 2020). So the tape is opened anew, which reads it back, and then:

- what it lacks, since some file systems fall back to what the disk has, is appended again under
  the same positions: blocks are kept here until they are synced;
- what it has is written over itself, which makes the pages dirty, so that the next sync is a true one.

Positions never change, so a reader behind the journal need not know.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from barograph.disk import storage_error, sync_data, write_all
from barograph.errors import StorageError
from barograph.log import get_logger
from barograph.records import Stream
from barograph.tape import TapeWriter
from barograph.tape.segments import RAW, segment_files

_CHUNK = 1 << 20

log = get_logger()


@dataclass(frozen=True, slots=True)
class Block:
    """Records that are appended together; columns as :meth:`TapeWriter.append_many` takes them."""

    streams: Sequence[Stream]
    stream: npt.NDArray[np.int64]
    recv_ns: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int64]
    payloads: list[bytes]
    size: int

    def __len__(self) -> int:
        return len(self.payloads)

    def cut(self, start: int, stop: int) -> Block:
        """The records ``start`` to ``stop``."""
        payloads = self.payloads[start:stop]
        return Block(
            self.streams,
            self.stream[start:stop],
            self.recv_ns[start:stop],
            self.kind[start:stop],
            payloads,
            sum(map(len, payloads)),
        )


class ReopeningTape:
    """Appends blocks; opens the tape anew when its writer cannot go on.

    Args:
        writer: the tape's writer; owned from here on.
        reopen: opens the same tape again; None: a failed sync is final, which the errors say.
        keep_bytes: blocks that are not synced are kept up to about this much.
    """

    def __init__(self, writer: TapeWriter, reopen: Callable[[], TapeWriter] | None, keep_bytes: int) -> None:
        self.writer = writer
        self.next_pos = writer.next_pos
        self._reopen = reopen
        self._keep_bytes = keep_bytes
        self._kept: deque[tuple[int, Block]] = deque()
        self._kept_size = 0
        self._sound = True

    def append(self, block: Block) -> None:
        """Append ``block``, all of it or nothing.

        Raises:
            StorageFull, StorageError: not now. The same call may succeed later.
        """
        if not self._sound and self._reopen is not None:
            self._open_anew(self._reopen)
        try:
            self._append(block)
        except StorageError:
            self._sound = self._can_go_on()
            raise
        self._keep(block)
        self.next_pos = self.writer.next_pos

    def close(self) -> None:
        """Sync and let go of the tape.

        Raises:
            StorageError: the last sync failed.
        """
        self.writer.close()

    def _append(self, block: Block) -> None:
        self.writer.append_many(block.streams, block.stream, block.recv_ns, block.kind, block.payloads)

    def _can_go_on(self) -> bool:
        """Whether the writer only lacked space. One whose sync has failed says so again."""
        try:
            self.writer.sync()
        except StorageError:
            return False
        return True

    def _keep(self, block: Block) -> None:
        self._kept.append((self.next_pos, block))
        self._kept_size += block.size
        synced = self.writer.synced_pos
        # A disk that does not finish its syncs must not fill the memory: the oldest go.
        while self._kept and (
            self._kept[0][0] + len(self._kept[0][1]) <= synced or self._kept_size > self._keep_bytes
        ):
            self._kept_size -= self._kept.popleft()[1].size

    def _open_anew(self, reopen: Callable[[], TapeWriter]) -> None:
        with suppress(StorageError):  # the error that brought us here
            self.writer.close()
        self.writer = reopen()
        try:
            _write_over(self.writer.path)
        except OSError as error:
            raise storage_error(error, f"writing the end of {self.writer.path} again") from error
        lacking = self.next_pos - self.writer.next_pos
        self._append_again()
        self._sound = True
        log.warning("tape.reopened", path=str(self.writer.path), appended_again=lacking)

    def _append_again(self) -> None:
        """Append what the tape has lost of what is kept."""
        for first, block in self._kept:
            skip = self.writer.next_pos - first
            if skip < 0:
                log.error("tape.lost", first_pos=self.writer.next_pos, records=-skip)
            if skip < len(block):
                self._append(block.cut(max(skip, 0), len(block)))


def _write_over(tape: Path) -> None:
    """Write the last segment of ``tape`` over itself, so that the next sync has something to do."""
    files = segment_files(tape)
    last = files[max(files)]
    if last.suffix != RAW:
        return
    with last.open("r+b", buffering=0) as file:
        at = 0
        while chunk := file.read(_CHUNK):
            os.lseek(file.fileno(), at, os.SEEK_SET)
            write_all(file.fileno(), chunk)
            at += len(chunk)
        sync_data(file.fileno())
