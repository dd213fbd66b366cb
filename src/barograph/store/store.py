"""What every store can do. The lake is the first; one contract suite holds for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    """Which rows are wanted. Times are half-open ``[start_us, end_us)``; None is no bound."""

    table: str
    columns: Sequence[str] | None = None
    symbols: Sequence[str] | None = None
    venues: Sequence[str] | None = None
    start_us: int | None = None
    end_us: int | None = None


class Store(Protocol):
    """Tables, written in commits that are named by the tape and read while being written."""

    def commit(self, commit: Commit) -> None:
        """Make the rows durable and visible; the same commit again changes nothing.

        Raises:
            StorageFull, StorageError: nothing of the commit is visible, or all of it.
        """
        ...

    def commits(self, after: int) -> list[tuple[int, int]]:
        """Ranges ``(first_pos, next_pos)`` of commits with ``first_pos >= after``, ascending.

        A writer that resumes from a checkpoint at ``after`` cuts its commits at the same
        places, so that what it writes again takes the place of what is there.
        """
        ...

    def committed(self) -> int:
        """The tape position up to which the store holds all rows; 0 when it is empty."""
        ...

    def scan(self, wanted: Scan) -> Iterable[pa.RecordBatch]:
        """Rows in the table's sort order, newest version of each key only, streamed."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
