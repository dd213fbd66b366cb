"""Reading the tape: any stretch of it in runs, or following it while it is written.

No lock is taken. A reader sees every record that was appended before it looked, stops
before a block that is in the middle of being written, and does not notice when a raw
segment is sealed under its feet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from barograph.errors import DataError, UsageError
from barograph.records import Records, Stream
from barograph.tape.cursor import Cursor, cut
from barograph.tape.runs import MAX_BYTES, MAX_RECORDS, RunBuilder
from barograph.tape.segments import segment_files


class TapeReader:
    """A tape to read from, while it is written or at rest.

    Args:
        path: the tape's directory.

    Raises:
        DataError: there is no such directory.

    Example:
        >>> reader = TapeReader(Path("data/tape"))  # doctest: +SKIP
        >>> sum(len(run) for run in reader.read())  # doctest: +SKIP
        93956
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        segment_files(self.path)

    @property
    def begin(self) -> int:
        """The first position that is still there; 0 unless old segments were deleted."""
        return next(iter(segment_files(self.path)), 0)

    @property
    def end(self) -> int:
        """The position after the last record. Reads the last segment once, unless it is sealed."""
        return self._look()[0]

    @property
    def streams(self) -> tuple[Stream, ...]:
        """All streams of the tape, in the order of their numbers."""
        return self._look()[1]

    def read(
        self,
        start: int = 0,
        stop: int | None = None,
        max_records: int = MAX_RECORDS,
        max_bytes: int = MAX_BYTES,
    ) -> Iterator[Records]:
        """The records from ``start`` up to and without ``stop``, in runs.

        A run holds at most ``max_records`` and, unless its only record is larger, at most
        ``max_bytes`` of payloads. ``start`` 0 means the oldest record that is still there;
        without ``stop`` the records end where the tape ended when it was reached.

        Raises:
            DataError: ``start`` lies before the oldest record or behind the end.
            TapeCorrupt: a block fails its checksum, or a segment is missing.
        """
        run = _builder(max_records, max_bytes)
        with Cursor(self.path, start) as cursor:
            while parts := cursor.advance():
                for part in parts:
                    yield from run.add(cut(part, start, stop), cursor.streams)
                if stop is not None and cursor.pos >= stop:
                    break
            else:
                self._check_reached(start, cursor)
            yield from run.flush(cursor.streams)

    def follow(
        self,
        start: int,
        wait: Callable[[], bool],
        max_records: int = MAX_RECORDS,
        max_bytes: int = MAX_BYTES,
    ) -> Iterator[Records]:
        """The records from ``start`` on, and those to come.

        Whenever there is nothing new, ``wait`` is called: it returns True once it is worth
        looking again, False to stop. ``lambda: not stopping.wait(0.05)``, with a
        ``threading.Event``, looks 20 times a second until the event is set.

        Raises:
            DataError, TapeCorrupt: as :meth:`read`.
        """
        run = _builder(max_records, max_bytes)
        with Cursor(self.path, start) as cursor:
            while True:
                if parts := cursor.advance():
                    for part in parts:
                        yield from run.add(part, cursor.streams)
                    if cursor.is_at_end:  # what is there counts now, before the next look
                        yield from run.flush(cursor.streams)
                    continue
                self._check_reached(start, cursor)
                rest = list(run.flush(cursor.streams))
                yield from rest
                if not rest and not wait():
                    return

    def _look(self) -> tuple[int, tuple[Stream, ...]]:
        # The newest segment may have no header yet: it is being made, or its maker was killed.
        for first in sorted(segment_files(self.path), reverse=True)[:2]:
            with Cursor(self.path, first) as cursor:
                while cursor.advance():
                    pass
                if cursor.pos:
                    return cursor.pos, cursor.streams
        return 0, ()

    def _check_reached(self, start: int, cursor: Cursor) -> None:
        if start > cursor.pos:
            raise DataError(
                f"{self.path}: position {start} is not on the tape, which ends at {cursor.pos}; "
                "is this the tape that the position was taken from?"
            )


def _builder(max_records: int, max_bytes: int) -> RunBuilder:
    if max_records < 1 or max_bytes < 1:
        raise UsageError(f"a run of {max_records} records and {max_bytes} bytes; both must be at least 1")
    return RunBuilder(max_records, max_bytes)
