"""Cutting the tape into runs: at most so many records, at most so many bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from barograph.records import Records, Stream
from barograph.tape.blocks import Part
from barograph.tape.bodies import Ints

MAX_RECORDS = 65_536
MAX_BYTES = 32 << 20


@dataclass(slots=True)
class RunBuilder:
    """Gathers parts of the tape and hands them out as runs.

    A run is full at ``max_records``, or before the record that would take its payloads
    over ``max_bytes``; a record larger than that is a run of its own. The arrays of a run
    are its own, aligned and writable, whatever they were read from.
    """

    max_records: int
    max_bytes: int
    _parts: list[Part] = field(default_factory=list)
    _payloads: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    def add(self, part: Part, streams: Sequence[Stream]) -> Iterator[Records]:
        """Take in ``part``; yield the runs that it fills."""
        total = len(part.columns.length)
        ends = np.cumsum(part.columns.length, dtype=np.int64)
        start = 0
        while start < total:
            stop = self._fits(ends, start)
            if stop > start:
                self._take(part, start, stop, int(ends[stop - 1] - (ends[start - 1] if start else 0)))
            if stop < total or len(self._payloads) == self.max_records:
                yield from self.flush(streams)
            start = stop

    def _fits(self, ends: Ints, start: int) -> int:
        """Index of the first record of the part that does not fit into the run any more."""
        room = self.max_bytes - self._bytes + (int(ends[start - 1]) if start else 0)
        by_bytes = int(np.searchsorted(ends, room, side="right"))
        if not self._payloads:
            by_bytes = max(by_bytes, start + 1)
        return min(max(by_bytes, start), start + self.max_records - len(self._payloads), len(ends))

    def _take(self, part: Part, start: int, stop: int, size: int) -> None:
        self._parts.append(Part(part.first_pos + start, part.columns.cut(start, stop)))
        self._payloads += part.columns.payloads(start, stop)
        self._bytes += size

    def flush(self, streams: Sequence[Stream]) -> Iterator[Records]:
        """Yield what is left as a run, if anything is."""
        if not self._parts:
            return
        columns = [part.columns for part in self._parts]
        run = Records(
            self._parts[0].first_pos,
            np.concatenate([c.recv_ns for c in columns], dtype=np.int64),
            np.concatenate([c.kind for c in columns], dtype=np.uint8),
            np.concatenate([c.stream for c in columns], dtype=np.uint32),
            streams,
            self._payloads,
        )
        self._parts, self._payloads, self._bytes = [], [], 0
        yield run
