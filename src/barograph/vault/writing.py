"""Rows onto a shelf: sorted Parquet files of bounded size, each counted and summed as it goes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from barograph.disk import storage_error, sync_data
from barograph.store import parquet
from barograph.store.durable import storage_errors
from barograph.tables import Table
from barograph.vault.manifest import File
from barograph.vault.shelf import Shelf

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_A_FILE = 1_048_576
"""Ticks of this number are some 12 MB: little to download again when something went wrong."""

Wrote = Callable[[str, int], None]
"""Called with a table's name and how many of its rows are on the shelf."""

Write = Callable[[Path, Iterator["pa.Table"]], int]
"""Writes blocks of rows to a new file; how many rows that were."""


class Cut:
    """Batches, given out so many rows at a time."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = (batch for batch in batches if batch.num_rows)
        self._next = next(self._batches, None)

    @property
    def more(self) -> bool:
        """Whether there are rows left."""
        return self._next is not None

    def take(self, rows: int) -> Iterator[pa.Table]:
        """The next ``rows`` rows, in blocks; fewer at the end."""
        import pyarrow as pa

        while self._next is not None and rows:
            part = self._next.slice(0, rows)
            rows -= part.num_rows
            yield pa.Table.from_batches([part])
            left = self._next.num_rows - part.num_rows
            self._next = self._next.slice(part.num_rows) if left else next(self._batches, None)


class Writer:
    """Writes the files of one backup's folder.

    Args:
        shelf, folder: where they go.
        scratch: a local folder for one file at a time.
        wrote: told after each file.

    Attributes:
        files: what has been written so far.
    """

    def __init__(self, shelf: Shelf, folder: str, scratch: Path, wrote: Wrote) -> None:
        self._shelf, self._folder, self._scratch, self._wrote = shelf, folder, scratch, wrote
        self.files: list[File] = []

    def table(self, table: Table, batches: Iterable[pa.RecordBatch], next_pos: int) -> None:
        """Rows of one of Barograph's tables, in its sort order. Tables without rows have no file."""

        def write(path: Path, blocks: Iterator[pa.Table]) -> int:
            return parquet.write(path, table, parquet.SEALED_LEVEL, next_pos, blocks)

        self._rows(table.name, table.name, batches, write)

    def own(self, name: str, batches: Iterable[pa.RecordBatch]) -> None:
        """Rows of a user's own table, in whatever columns they have."""
        self._rows(f"own/{name}", name, batches, _write_plain)

    def whole(self, name: str, content: bytes) -> File:
        """A small file; it is not among :attr:`files`."""
        self._shelf.put_bytes(f"{self._folder}/{name}", content)
        return File(name, len(content), hashlib.sha256(content).hexdigest())

    def _rows(self, folder: str, table: str, batches: Iterable[pa.RecordBatch], write: Write) -> None:
        cut, total, number = Cut(batches), 0, 0
        staged = self._scratch / "rows.parquet"
        while cut.more:
            path = f"{folder}/{number:04d}.parquet"
            with storage_errors("writing", staged):
                rows = write(staged, cut.take(ROWS_A_FILE))
            size, sha256 = summed(staged)
            self._shelf.put(f"{self._folder}/{path}", staged)
            self.files.append(File(path, size, sha256, table, rows))
            total, number = total + rows, number + 1
            self._wrote(table, total)


def summed(path: Path) -> tuple[int, str]:
    """Bytes and sha256 of a local file.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return file.tell(), digest
    except OSError as error:
        raise storage_error(error, f"reading {path}") from error


def _write_plain(path: Path, blocks: Iterator[pa.Table]) -> int:
    import pyarrow.parquet as pq

    first = next(blocks)
    rows: int = first.num_rows
    options = {"compression": "zstd", "compression_level": parquet.SEALED_LEVEL, "write_page_checksum": True}
    with path.open("wb") as file:
        with pq.ParquetWriter(file, first.schema, **options) as writer:
            writer.write_table(first)
            for block in blocks:
                writer.write_table(block)
                rows += block.num_rows
        file.flush()
        sync_data(file.fileno())
    return rows
