"""Whether a store holds exactly what its backups say: every column of every row, counted and summed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from barograph.errors import UsageError
from barograph.store.store import Reader, Scan, Store
from barograph.tables import TABLES, Table
from barograph.vault.listing import Catalogue
from barograph.vault.manifest import Manifest, moment_id
from barograph.vault.shelf import Shelf
from barograph.vault.taking import Report, fetch, rows_of

if TYPE_CHECKING:
    import pyarrow as pa


Count = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Compared:
    """One table: rows and their sum in the backups and in the store.

    Attributes:
        sha256: of all columns of all rows, those that were taken back too, in the table's order.
    """

    table: str
    rows: int
    sha256: str
    rows_stored: int
    sha256_stored: str

    @property
    def equal(self) -> bool:
        """Whether not a bit differs."""
        return (self.rows, self.sha256) == (self.rows_stored, self.sha256_stored)


def comparable(catalogue: Catalogue, store: Store, until_us: int | None = None) -> Manifest:
    """The newest backup that the store must equal: of the same content, up to the same position.

    Raises:
        UsageError: there is none.
    """
    limit = moment_id(until_us) if until_us is not None else None
    lineage, committed = store.lineage(), store.committed()
    for each in reversed(catalogue.of_rows):
        fits = (each.lineage, each.next_pos) == (lineage, committed)
        if fits and (limit is None or each.id <= limit) and not catalogue.problem(each):
            return each
    raise UsageError(
        f"the store holds the content {lineage or '(nothing)'} up to position {committed}, and no backup "
        "ends there: verify right after a restore or a sync, before more is recorded"
    )


def compare(
    shelf: Shelf, chain: Sequence[Manifest], store: Store, folder: Path, report: Report
) -> list[Compared]:
    """Compare every table of ``store`` with what a chain of backups comes to.

    Each file of the backups is fetched once more, and checked.

    Args:
        chain: from a full backup on.
        folder: for files on their way.

    Raises:
        DataError: a file of the backups is missing or damaged.
    """
    total = sum(file.bytes for each in chain for file in each.files)
    fetched = 0

    def count(size: int) -> None:
        nonlocal fetched
        fetched += size
        report("verifying", fetched, total)

    with store.snapshot() as reader:
        return [_compared(shelf, chain, reader, table, folder, count) for table in TABLES.values()]


def _compared(
    shelf: Shelf, chain: Sequence[Manifest], reader: Reader, table: Table, folder: Path, count: Count
) -> Compared:
    from barograph.store.merge import merge
    from barograph.store.runs import Run

    runs = [Run(table, _blocks(shelf, each, table, folder, count), ()) for each in chain]
    backed_up = summed_rows(
        (batch for rows in merge(runs, table, withdrawn=True) for batch in rows.to_batches()), table
    )
    stored = summed_rows(reader.scan(Scan(table.name, withdrawn=True)), table)
    return Compared(table.name, *backed_up, *stored)


def _blocks(shelf: Shelf, manifest: Manifest, table: Table, folder: Path, count: Count) -> Iterator[pa.Table]:
    import pyarrow as pa

    files = [file for file in manifest.files if file.table == table.name]
    for file in sorted(files, key=lambda file: file.path):
        path = fetch(shelf, f"{manifest.folder}/{file.path}", file, folder, count)
        try:
            for batch in rows_of(path, table, file):
                yield pa.Table.from_batches([batch])
        finally:
            path.unlink()


def summed_rows(batches: Iterable[pa.RecordBatch], table: Table) -> tuple[int, str]:
    """How many rows, and a sum of them that does not depend on how they are cut into batches."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from barograph.store.arrays import values

    sums = [[hashlib.sha256() for _ in range(3)] for _ in table.columns]
    count = 0
    for batch in batches:
        count += batch.num_rows
        for column, (valid, numbers, text) in zip(batch.columns, sums, strict=True):
            valid.update(values(column.is_valid()).tobytes())
            if pa.types.is_string(column.type):
                filled = pc.fill_null(column, "")
                numbers.update(values(pc.binary_length(filled)).tobytes())
                text.update("".join(filled.to_pylist()).encode())
            else:
                numbers.update(values(column, 0).tobytes())
    whole = hashlib.sha256(b"".join(each.digest() for column in sums for each in column))
    return count, whole.hexdigest()
