"""What stands on the tape: records, in runs.

A record is one piece of evidence: a frame as the venue sent it, what we sent, the
opening and closing of a connection, a REST answer, a clock mark, a configuration.
Its **position** is its number on the tape, counted from 0 without holes; every row
of every table names the position that it was made from.

Records travel in :class:`Records`: columns for the numbers, a list for the bytes.
A run of one is a live frame; a run of 65,536 is a replay. Both take the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Kind(IntEnum):
    """The kinds of evidence."""

    FRAME = 1
    """A frame exactly as it came from the venue."""
    SENT = 2
    """A frame that we sent, secrets redacted."""
    OPEN = 3
    """A connection was opened; the payload is JSON ``{"url": ...}``, secrets redacted."""
    CLOSE = 4
    """A connection ended; the payload is JSON ``{"reason": ...}``."""
    REST = 5
    """An HTTP answer (a refill, an instrument list): JSON ``{"url": ...}``, newline, body."""
    CLOCK = 6
    """The time passed although nothing came; the payload is empty or JSON :class:`barograph.gaps.Alive`."""
    CONFIG = 7
    """A configuration in force from here on, as JSON; on a connection, :class:`barograph.gaps.Subscribed`."""
    MISSING = 8
    """A gap that cannot be refilled, and why: JSON :class:`barograph.gaps.Missing`."""


class Stream(NamedTuple):
    """Where a record came from: a feed's name and one connection of it.

    ``connection`` is unique on the tape for each connection ever opened.
    """

    feed: str
    connection: str


class Record(NamedTuple):
    """One record, for the places where one at a time is enough."""

    pos: int
    recv_ns: int
    kind: Kind
    stream: Stream
    payload: bytes


@dataclass(frozen=True, slots=True)
class Records:
    """A run of consecutive records.

    Attributes:
        first_pos: tape position of the first; the k-th has ``first_pos + k``.
        recv_ns: int64, shape (n,): receipt times.
        kind: uint8, shape (n,): :class:`Kind`.
        stream: uint32, shape (n,): index into ``streams``.
        streams: the streams that ``stream`` indexes; numbers are stable for a tape.
        payloads: n byte strings.
    """

    first_pos: int
    recv_ns: npt.NDArray[np.int64]
    kind: npt.NDArray[np.uint8]
    stream: npt.NDArray[np.uint32]
    streams: Sequence[Stream]
    payloads: list[bytes]

    def __len__(self) -> int:
        return len(self.payloads)

    @property
    def next_pos(self) -> int:
        """The position after the last record."""
        return self.first_pos + len(self.payloads)

    def __iter__(self) -> Iterator[Record]:
        for index, payload in enumerate(self.payloads):
            yield Record(
                self.first_pos + index,
                int(self.recv_ns[index]),
                Kind(int(self.kind[index])),
                self.streams[int(self.stream[index])],
                payload,
            )

    def cut(self, start: int, stop: int) -> Records:
        """The records ``start`` to ``stop`` (indices within this run), without copying numbers."""
        return Records(
            self.first_pos + start,
            self.recv_ns[start:stop],
            self.kind[start:stop],
            self.stream[start:stop],
            self.streams,
            self.payloads[start:stop],
        )

    def of(self, feed: str) -> Frames:
        """The records of one feed, for its decoder."""
        # A tape of months has thousands of streams, a run has records of a few.
        counts = np.bincount(self.stream)
        wanted = np.zeros(len(counts), dtype=np.bool_)
        numbers = np.flatnonzero(counts).tolist()
        for number in numbers:
            wanted[number] = self.streams[number].feed == feed
        if np.count_nonzero(wanted) == len(numbers):
            every = np.arange(len(self.payloads))
            return Frames(self.first_pos, every, self.recv_ns, self.kind, self.stream, self.payloads)
        index = np.flatnonzero(wanted[self.stream])
        payloads = [self.payloads[i] for i in index.tolist()]
        return Frames(
            self.first_pos,
            index,
            self.recv_ns[index],
            self.kind[index],
            self.stream[index],
            payloads,
        )


@dataclass(frozen=True, slots=True)
class Frames:
    """The records of one feed out of a run.

    Attributes:
        first_pos: tape position of the run that ``record`` counts in.
        record: int64, shape (n,): index of each record within the run, ascending.
        recv_ns: int64, shape (n,): receipt times.
        kind: uint8, shape (n,): :class:`Kind`; control records are among them.
        stream: uint32, shape (n,): the connection's number, unique on the tape.
        payloads: n byte strings.
    """

    first_pos: int
    record: npt.NDArray[np.int64]
    recv_ns: npt.NDArray[np.int64]
    kind: npt.NDArray[np.uint8]
    stream: npt.NDArray[np.uint32]
    payloads: list[bytes]

    def __len__(self) -> int:
        return len(self.payloads)
