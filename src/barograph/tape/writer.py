"""Writing the tape: records are appended, synced in groups, rolled into segments and sealed.

A record is *appended* when :meth:`TapeWriter.append` returns: it has been handed to the
operating system and survives the death of this process. It is *synced* when its
position is below :attr:`TapeWriter.synced_pos`: it survives a power cut.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from barograph.clock import NS_PER_S, Clock
from barograph.disk import Lock, storage_error, sync_data, sync_directory, write_all
from barograph.errors import UsageError
from barograph.records import Kind, Stream
from barograph.tape.commit import GroupCommit
from barograph.tape.layout import (
    COLUMN_BYTES,
    MAX_BODY,
    BlockHead,
    Codec,
    State,
    pack_block_head,
    pack_one,
    pack_segment_head,
    pack_streams,
)
from barograph.tape.recovery import Recovery, recover
from barograph.tape.sealing import Sealer, clean
from barograph.tape.segments import RAW, segment_path

_APPEND = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)
_LAST_KIND = max(Kind)
HOUR_S = 3600.0

Numbers = npt.NDArray[np.integer] | int


class TapeWriter:
    """The one writer of a tape; a context manager.

    Args:
        path: the tape's directory; made if it is not there.
        clock: tells when a segment's time is over.
        fsync_interval_s: how long a record may wait to be synced.
        fsync_bytes: how many bytes may wait to be synced.
        roll_bytes: a segment is rolled before it outgrows this.
        roll_interval_s: and at each multiple of this since 1970 (3600: on the hour).

    One thread appends; :meth:`sync` may be called from any.

    Raises:
        StorageBusy: another writer holds the tape; the message names its process.
        StorageError: the directory cannot be written.
        TapeCorrupt: the header of the last segment is damaged.

    Example:
        >>> with TapeWriter(Path("data/tape"), clock=SystemClock()) as tape:  # doctest: +SKIP
        ...     tape.append(Stream("sim", "sim-1"), time.time_ns(), Kind.FRAME, b"{}")
        0
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        fsync_interval_s: float = 0.2,
        fsync_bytes: int = 1 << 20,
        roll_bytes: int = 256 << 20,
        roll_interval_s: float = HOUR_S,
    ) -> None:
        self.path = Path(path)
        self._clock = clock
        self._roll_bytes = roll_bytes
        self._roll_interval_ns = int(roll_interval_s * NS_PER_S)
        self._closed = False
        self._lock = Lock(self.path / ".lock", f"the tape {self.path} is being written")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            sync_directory(self.path.parent)
            self._lock.acquire()
        except OSError as error:
            raise storage_error(error, f"opening the tape {self.path}") from error
        try:
            self._open()
        except OSError as error:
            self._lock.release()
            raise storage_error(error, f"opening the tape {self.path}") from error
        except BaseException:
            self._lock.release()
            raise
        self._commit = GroupCommit(self._fd, self.next_pos, fsync_interval_s, fsync_bytes)
        self._sealer = Sealer(self.path)
        self._sealer.seal_before(self._first_pos)

    def _open(self) -> None:
        clean(self.path)
        tail = recover(self.path)
        self.recovery: Recovery | None = tail.recovery
        self.next_pos = tail.next_pos
        # In the order of the numbers, which therefore are the streams' places.
        self._numbers = {stream: number for number, stream in enumerate(tail.streams)}
        if tail.live is None:
            self._fd = self._begin_segment(self.next_pos)
            return
        self._first_pos, self._size = int(tail.live.stem), tail.live.stat().st_size
        self._roll_at_ns = self._end_of_interval(tail.created_ns)
        self._fd = os.open(tail.live, _APPEND)
        sync_data(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def streams(self) -> Sequence[Stream]:
        """All streams of the tape, in the order of their numbers."""
        return tuple(self._numbers)

    @property
    def synced_pos(self) -> int:
        """The position after the last record that survives a power cut."""
        return self._commit.synced_pos

    def append(self, stream: Stream, recv_ns: int, kind: int, payload: bytes) -> int:
        """Append one record; return its position.

        Raises:
            StorageFull: no space; nothing of the record remains, and appending can go on when there is.
            StorageError: the disk refused, now or in a sync since the last call.
            UsageError: the payload is larger than a block can hold.
        """
        number = self._numbers.get(stream)
        if number is None or not 0 < kind <= _LAST_KIND or len(payload) > MAX_BODY - COLUMN_BYTES:
            return self.append_many([stream], 0, np.array([recv_ns], np.int64), kind, [payload])
        pos = self.next_pos
        block = pack_one(pos, self._commit.synced_pos, recv_ns, number, kind, payload)
        self._write(block, b"", 1, self._numbers)
        return pos

    def append_many(
        self,
        streams: Sequence[Stream],
        stream: Numbers,
        recv_ns: npt.NDArray[np.int64],
        kind: Numbers,
        payloads: Sequence[bytes],
    ) -> int:
        """Append n records as one block: all of them or none. Return the position of the first.

        Args:
            streams: what ``stream`` counts in.
            stream: indices into ``streams``, shape (n,), or one for all records.
            recv_ns: receipt times, shape (n,).
            kind: kinds, shape (n,), or one for all records.
            payloads: n byte strings, together below 1 GiB.

        Raises:
            StorageFull, StorageError, UsageError: as :meth:`append`.
        """
        n, pos, known = len(payloads), self.next_pos, len(self._numbers)
        if n == 0:
            return pos
        used = [stream] if isinstance(stream, int) else np.flatnonzero(np.bincount(stream)).tolist()
        new = list(dict.fromkeys(streams[i] for i in used if streams[i] not in self._numbers))
        numbers = {**self._numbers, **dict(zip(new, count(known), strict=False))} if new else self._numbers
        definitions = pack_streams(known, new)
        columns = [
            _times(recv_ns, n),
            np.fromiter(map(len, payloads), "<u4", n).tobytes(),
            _stream_numbers(stream, {i: numbers[streams[i]] for i in used}, n),
            _kinds(kind, n),
        ]
        body = b"".join([*columns, definitions, *payloads])
        if len(body) > MAX_BODY:
            raise UsageError(
                f"{n} records of {len(body)} bytes in one call; it may be {MAX_BODY}: append fewer at once"
            )
        head = BlockHead(0, 0, n, pos, self._commit.synced_pos, len(definitions), Codec.RAW)
        self._write(pack_block_head(head, body), body, n, numbers)
        return pos

    def sync(self) -> int:
        """Bring all that is appended to the disk; return :attr:`synced_pos`."""
        return self._commit.sync()

    def close(self) -> None:
        """Sync, finish sealing what was rolled, and let go of the tape. Closing twice is harmless.

        Raises:
            StorageError: the last sync failed. The tape is let go of all the same.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._commit.sync()
        finally:
            self._commit.close()
            self._sealer.close()
            os.close(self._fd)
            self._lock.release()

    def _write(self, head: bytes, body: bytes, count: int, numbers: dict[Stream, int]) -> None:
        if self._closed:
            raise UsageError(f"the tape {self.path} is closed; open it again to append")
        self._commit.check()
        size = len(head) + len(body)
        if self._size + size > self._roll_bytes or self._clock.now_ns() >= self._roll_at_ns:
            self._roll()
        try:
            write_all(self._fd, head)
            if body:
                write_all(self._fd, body)
        except OSError as error:
            self._take_back()
            raise storage_error(error, f"appending {size} bytes to {self.path}") from error
        except BaseException:
            # An interrupt between two writes: half a block must not stay before the next one.
            self._take_back()
            raise
        # Nothing is called in between, so no interrupt can part what belongs together.
        self._size += size
        self.next_pos += count
        self._numbers = numbers
        self._commit.appended(self.next_pos, size)

    def _take_back(self) -> None:
        """Cut off what was written of a block that did not fit."""
        try:
            os.ftruncate(self._fd, self._size)
        except OSError as error:
            self._commit.fail(error)

    def _roll(self) -> None:
        """Go on in a new segment. An empty one has no name to give away: it only gets more time."""
        if self.next_pos == self._first_pos:
            self._roll_at_ns = self._end_of_interval(self._clock.now_ns())
            return
        # A segment that is not the last is whole on the disk: recovery looks at the last one only.
        self._commit.sync()
        former = self._fd
        try:
            self._fd = self._begin_segment(self.next_pos)
        except OSError as error:
            raise storage_error(error, f"beginning a new segment of {self.path}") from error
        self._commit.move_to(self._fd)
        os.close(former)
        self._sealer.seal_before(self._first_pos)

    def _begin_segment(self, first_pos: int) -> int:
        """Make the segment's file, header and all, durable; return its descriptor."""
        now_ns = self._clock.now_ns()
        path = segment_path(self.path, first_pos, RAW)
        head = pack_segment_head(State.RAW, now_ns, first_pos, self.streams)
        fd = os.open(path, _APPEND | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            write_all(fd, head)
            sync_data(fd)
            sync_directory(self.path)
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        self._first_pos, self._size = first_pos, len(head)
        self._roll_at_ns = self._end_of_interval(now_ns)
        return fd

    def _end_of_interval(self, moment_ns: int) -> int:
        return (moment_ns // self._roll_interval_ns + 1) * self._roll_interval_ns


def _times(recv_ns: npt.NDArray[np.int64], n: int) -> bytes:
    if recv_ns.shape != (n,):
        raise UsageError(f"{n} payloads with receipt times of shape {recv_ns.shape}; it must be ({n},)")
    return recv_ns.astype("<i8", copy=False).tobytes()


def _stream_numbers(stream: Numbers, numbers: Mapping[int, int], n: int) -> bytes:
    """The column of the tape's stream numbers, given those of the indices in use."""
    if isinstance(stream, int):
        return numbers[stream].to_bytes(4, "little") * n
    if stream.shape != (n,):
        raise UsageError(f"{n} payloads with streams of shape {stream.shape}; it must be ({n},)")
    table = np.zeros(max(numbers) + 1, "<u4")
    table[list(numbers)] = list(numbers.values())
    return table[stream].tobytes()


def _kinds(kind: Numbers, n: int) -> bytes:
    first, last = (kind, kind) if isinstance(kind, int) else (int(kind.min()), int(kind.max()))
    if not 0 < first <= last <= _LAST_KIND:
        raise UsageError(f"kinds from {first} to {last}; they go from 1 to {_LAST_KIND}")
    if isinstance(kind, int):
        return bytes((kind,)) * n
    if kind.shape != (n,):
        raise UsageError(f"{n} payloads with kinds of shape {kind.shape}; it must be ({n},)")
    return kind.astype(np.uint8, copy=False).tobytes()
