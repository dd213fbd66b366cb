"""Taking one backup into a store: each file fetched, checked against its sum, and only then its rows.

A table is taken in whole, file after file, since a cut between two files may fall among rows that are told
apart only by counting them. Files stay until their table is in, so that what was fetched is not fetched
again; what is in is noted, so that it is not taken twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from barograph.disk import storage_error
from barograph.errors import DataError
from barograph.log import get_logger
from barograph.store.store import Absorbed, Absorbing
from barograph.tables import COMPLETED_TRADES, SCHEMA_VERSION, TABLES, Table
from barograph.vault.manifest import File, Manifest, OwnTable
from barograph.vault.own_files import put_own
from barograph.vault.shelf import Shelf
from barograph.vault.state import State, StateFile
from barograph.vault.writing import summed

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 65_536

Report = Callable[[str, int, int], None]
"""Told what is going on, bytes done and bytes in all."""

log = get_logger()


@dataclass
class Came:
    """What came.

    Attributes:
        backups: folders, in their order.
        rows: given, by table.
        changed: of these the ones that were new or newer.
        bytes: of files that were fetched.
    """

    backups: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def add(self, table: str, absorbed: Absorbed) -> None:
        """Count rows of a table."""
        self.rows[table] = self.rows.get(table, 0) + absorbed.rows
        self.changed[table] = self.changed.get(table, 0) + absorbed.changed


class _Owning(Protocol):
    """A store that keeps users' own tables."""

    def restore_own(self, table: OwnTable, batches: Iterable[pa.RecordBatch]) -> int: ...


class _Trading(Protocol):
    """A store that keeps completed trades."""

    def add_trades(self, rows: pa.Table) -> None: ...


class Taker:
    """Takes backups from a shelf into a store.

    Args:
        data: the data directory, for users' own tables where the store is a lake.
        state, file: what is done already, and where that is noted.
        total: bytes that all backups to be taken have, for ``report``.
    """

    def __init__(
        self,
        shelf: Shelf,
        store: Absorbing,
        data: Path,
        state: State,
        file: StateFile,
        report: Report,
        total: int,
    ) -> None:
        self.came = Came()
        self._shelf, self._store, self._data = shelf, store, data
        self._state, self._file = state, file
        self._report, self._total = report, total
        self._done = 0
        self._began = time.monotonic()

    def take(self, manifest: Manifest, rows: bool = True) -> None:
        """Take in a backup's rows (those of Barograph's tables only if ``rows``), trades and own tables.

        Raises:
            DataError: a file is missing, is not what the manifest says, or is of a newer version.
            StorageError: the shelf or the store said no; run again.
        """
        require_known(manifest)
        if self._state.doing != manifest.folder:
            self._state.doing, self._state.done = manifest.folder, []
            self._note()
        for name, step in self._steps(manifest, rows):
            if name not in self._state.done:
                step()
                self._state.done.append(name)
                self._note()
            for file in manifest.files:
                if file.table == name:
                    (self._file.folder / file.sha256).unlink(missing_ok=True)
                    self._done += file.bytes
            self._report(manifest.folder, self._done, self._total)
        self.came.backups.append(manifest.folder)
        self.came.seconds = time.monotonic() - self._began
        log.info("took in a backup", backup=manifest.folder, store=str(self._data))

    def finish(self, manifest: Manifest) -> None:
        """Note that all of a backup is in."""
        self._state.last, self._state.lineage = manifest.id, manifest.lineage
        self._state.doing, self._state.done, self._state.anew = "", [], False
        self._note()
        for path in self._file.folder.glob("*"):
            path.unlink()

    def whole(self, path: str, file: File) -> Path:
        """A file of the shelf, here and checked.

        Raises:
            DataError: it is missing, or its bytes have changed.
        """
        return fetch(self._shelf, path, file, self._file.folder, self._count)

    def _steps(self, manifest: Manifest, rows: bool) -> Iterator[tuple[str, Callable[[], None]]]:
        own = {table.name: table for table in manifest.own}
        of_table: dict[str, list[File]] = {name: [] for name in own}
        for file in sorted(manifest.files, key=lambda file: file.path):
            of_table.setdefault(file.table, []).append(file)
        for name, files in of_table.items():
            if name in own:
                yield name, partial(self._take_own, manifest, own[name], files)
            elif name == COMPLETED_TRADES.name:
                yield name, partial(self._take_trades, manifest, files)
            elif name not in TABLES:
                raise DataError(f"{manifest.folder} has rows of a table {name!r} that nobody knows here")
            elif rows:
                yield name, partial(self._take_rows, manifest, TABLES[name], files)

    def _take_rows(self, manifest: Manifest, table: Table, files: Sequence[File]) -> None:
        self.came.add(table.name, self._store.absorb(table.name, self._rows(manifest, table, files)))

    def _take_trades(self, manifest: Manifest, files: Sequence[File]) -> None:
        import pyarrow as pa

        for batch in self._rows(manifest, COMPLETED_TRADES, files):
            cast("_Trading", self._store).add_trades(pa.Table.from_batches([batch]))
            self.came.add(COMPLETED_TRADES.name, Absorbed(batch.num_rows, 0))

    def _take_own(self, manifest: Manifest, own: OwnTable, files: Sequence[File]) -> None:
        batches = (
            batch for file in files for batch in _plain(self.whole(f"{manifest.folder}/{file.path}", file))
        )
        if hasattr(self._store, "restore_own"):
            count = cast("_Owning", self._store).restore_own(own, batches)
        else:
            count = put_own(self._data / "own", own, batches)
        self.came.add(own.name, Absorbed(count, count))

    def _rows(self, manifest: Manifest, table: Table, files: Sequence[File]) -> Iterator[pa.RecordBatch]:
        done = self._done
        for file in files:
            path = self.whole(f"{manifest.folder}/{file.path}", file)
            done += file.bytes
            yield from rows_of(path, table, file)
            self._report(f"{manifest.folder} {table.name}", done, self._total)

    def _count(self, size: int) -> None:
        self.came.files += 1
        self.came.bytes += size

    def _note(self) -> None:
        self._file.save(self._state)


def require_known(manifest: Manifest) -> None:
    """Refuse a backup of a newer version.

    Raises:
        DataError: with the remedy.
    """
    if manifest.schema_version > SCHEMA_VERSION:
        raise DataError(
            f"{manifest.folder} was made by Barograph {manifest.made_by}, whose tables have version "
            f"{manifest.schema_version}; this one knows {SCHEMA_VERSION}. Upgrade Barograph here "
            "(pip install --upgrade barograph), then run the same again"
        )


def fetch(shelf: Shelf, path: str, file: File, folder: Path, count: Callable[[int], None]) -> Path:
    """A file of the shelf in ``folder``, checked; not fetched again when it is there already.

    Raises:
        DataError: it is missing, or not as it was written.
    """
    here = folder / file.sha256
    if here.exists() and summed(here) == (file.bytes, file.sha256):
        return here
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, f"making {folder}") from error
    shelf.get(path, here)
    found = summed(here)
    if found != (file.bytes, file.sha256):
        here.unlink()
        raise DataError(
            f"{shelf}/{path} is damaged: {found[0]:,} bytes with sha256 {found[1][:12]}..., and its manifest "
            f"says {file.bytes:,} and {file.sha256[:12]}...; fetch it from another copy of the backups, or "
            "restore to a moment before it (--to-time)"
        )
    count(file.bytes)
    return here


def rows_of(path: Path, table: Table, file: File) -> Iterator[pa.RecordBatch]:
    """A file's rows in today's schema.

    Raises:
        DataError: they are not as many as the manifest says.
    """
    import pyarrow as pa

    from barograph.store.parquet import conformed, footer, opened, reading

    count = 0
    with reading(path), opened(path) as source:
        footer(source, path, table)
        for batch in source.iter_batches(_BATCH_ROWS):
            count += batch.num_rows
            yield from conformed(pa.Table.from_batches([batch]), table, table.names).to_batches()
    if count != file.rows:
        raise DataError(f"{file.path} has {count:,} rows, its manifest says {file.rows:,}")


def _plain(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(_BATCH_ROWS)
