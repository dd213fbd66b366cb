"""A store whose server may be away for a while: what was asked of it is asked again.

For a replay, which has nothing else to do meanwhile. The recorder waits in its own way,
for as long as it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeVar

import stamina

from barograph.errors import BarographError, StorageError
from barograph.store.store import Commit, Reader, Scan, Store

if TYPE_CHECKING:
    import pyarrow as pa

PATIENCE_S = 60.0
"""How long a server may be away in the middle of a replay."""

Answer = TypeVar("Answer")


def patiently(what: Callable[[], Answer], patience_s: float = PATIENCE_S) -> Answer:
    """The answer of ``what``, tried again with growing pauses while the storage says no.

    Raises:
        StorageError: it still said no after ``patience_s``; the message tells how to go on.
    """
    retried = stamina.retry_context(
        on=StorageError, attempts=None, timeout=patience_s, wait_initial=0.2, wait_max=5.0, wait_jitter=0.5
    )
    try:
        for attempt in retried:
            with attempt:
                return what()
    except StorageError as error:
        raise _gave_up(error, patience_s) from error
    raise AssertionError("the last attempt returns or raises")


def _gave_up(error: StorageError, patience_s: float) -> BarographError:
    return type(error)(
        f"{error}; tried for {patience_s:g} s. What was committed stays: see `barograph doctor`, "
        "then run the same command again, which goes on from there"
    )


class PatientStore:
    """A store that is asked again where it says no; only what a replay asks."""

    def __init__(self, store: Store, patience_s: float = PATIENCE_S) -> None:
        self._store, self._patience_s = store, patience_s

    def committed(self) -> int:
        """See :class:`~barograph.store.store.Reader`."""
        return patiently(self._store.committed, self._patience_s)

    def commits(self, after: int) -> list[tuple[int, int]]:
        """See :class:`~barograph.store.store.Reader`."""
        return patiently(lambda: self._store.commits(after), self._patience_s)

    def lineage(self) -> str:
        """See :class:`~barograph.store.store.Reader`."""
        return patiently(self._store.lineage, self._patience_s)

    def scan(self, wanted: Scan) -> Iterable[pa.RecordBatch]:
        """All rows, held in memory: a replay asks for an instrument's minute or two."""
        return patiently(lambda: list(self._store.scan(wanted)), self._patience_s)

    def commit(self, commit: Commit) -> None:
        """See :class:`~barograph.store.store.Store`."""
        patiently(lambda: self._store.commit(commit), self._patience_s)

    def snapshot(self) -> AbstractContextManager[Reader]:
        """See :class:`~barograph.store.store.Store`."""
        return self._store.snapshot()

    def close(self) -> None:
        """See :class:`~barograph.store.store.Store`."""
        self._store.close()
