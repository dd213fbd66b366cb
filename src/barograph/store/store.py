"""What every store can do. The lake is the first, PostgreSQL the second; one contract suite holds for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Commit:
    """Rows made from the tape's records ``first_pos`` to ``next_pos`` (the latter not included).

    Attributes:
        tables: by table name, Arrow tables in that table's schema; absent means no rows.
    """

    first_pos: int
    next_pos: int
    tables: Mapping[str, pa.Table]


@dataclass(frozen=True, slots=True)
class Scan:
    """Which rows are wanted. Times are half-open ``[start_us, end_us)``; None is no bound.

    Attributes:
        from_pos: only rows made from this tape position on; with ``withdrawn`` an increment.
        withdrawn: also rows that have been taken back.
    """

    table: str
    columns: Sequence[str] | None = None
    symbols: Sequence[str] | None = None
    venues: Sequence[str] | None = None
    start_us: int | None = None
    end_us: int | None = None
    from_pos: int | None = None
    withdrawn: bool = False


class Reader(Protocol):
    """Tables that can be read."""

    def committed(self) -> int:
        """The tape position up to which all rows are there; 0 when there are none."""
        ...

    def commits(self, after: int) -> list[tuple[int, int]]:
        """Ranges ``(first_pos, next_pos)`` of commits with ``first_pos >= after``, ascending.

        A writer that resumes from a checkpoint at ``after`` cuts its commits at the same
        places, so that what it writes again takes the place of what is there.
        """
        ...

    def lineage(self) -> str:
        """The name of this content, given when it was begun; a rebuild gives another. Empty: nothing yet."""
        ...

    def scan(self, wanted: Scan) -> Iterable[pa.RecordBatch]:
        """Rows in the table's sort order, newest version of each key only, streamed."""
        ...


class Store(Reader, Protocol):
    """Tables, written in commits that are named by the tape and read while being written."""

    def commit(self, commit: Commit) -> None:
        """Make the rows durable and visible; the same commit again changes nothing.

        Raises:
            StorageFull, StorageError: nothing of the commit is visible, or all of it.
        """
        ...

    def snapshot(self) -> AbstractContextManager[Reader]:
        """One state of all tables, which stays as it is for as long as it is held, whatever is committed."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What :meth:`Absorbing.absorb` did.

    Attributes:
        rows: rows that were given.
        changed: rows that were new, or newer than what was there.
    """

    rows: int
    changed: int


class Absorbing(Store, Protocol):
    """A store that also takes rows which another store made: restoring and syncing."""

    def absorb(self, table: str, rows: Iterable[pa.RecordBatch]) -> Absorbed:
        """Put rows in by key, durably: what is there already stays, of two versions the newer wins.

        Doing it again changes nothing. Memory is bounded whatever comes.

        Args:
            rows: in the table's schema and sort order (as a scan with ``withdrawn`` gives them).

        Raises:
            StorageError: what was put in so far may stay; do it again.
        """
        ...

    def take_over(self, lineage: str, commits: Sequence[tuple[int, int]]) -> None:
        """Count as the content called ``lineage``, committed in these ranges (the last one says how far).

        Called when all rows up to there have been absorbed.

        Raises:
            UsageError: the store has made rows of its own from a tape, or knows another lineage.
        """
        ...

    def clear(self) -> None:
        """Remove all rows, commits and the lineage, so that another lineage can be taken over."""
        ...
