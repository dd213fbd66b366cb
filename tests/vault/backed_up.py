"""Small data directories to back up, and backups put together again as a restore would."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
from tests.store.making import DAY_0, DAY_1, anomaly, bar, commit, tick

from barograph.clock import ManualClock, to_us
from barograph.store import Commit, Lake, Scan, read
from barograph.store.store import Store
from barograph.tables import TABLES, Table
from barograph.vault.backup import Source, back_up
from barograph.vault.listing import read_catalogue
from barograph.vault.manifest import Manifest
from barograph.vault.shelf import Shelf
from barograph.vault.shelves.directory import DirectoryShelf

DAY_S = 86_400
FIRST = commit(
    0, 9, ticks=[tick(DAY_0, 1), tick(DAY_1, 2)], market_microstructure=[bar(DAY_0, 3)],
    anomalies=[anomaly(DAY_0, 4, 5.0)],
)  # fmt: skip
SECOND = commit(
    9, 20, ticks=[tick(DAY_0 + 1, 9)], market_microstructure=[bar(DAY_0, 11, revision=1)],
    anomalies=[anomaly(DAY_0, 12, None, revision=1)],
)  # fmt: skip
THIRD = commit(20, 30, ticks=[tick(DAY_1 + 2, 20)], quotes=[], anomalies=[anomaly(DAY_1, 21, 4.0)])


def clock_at(text: str = "2026-11-18T16:00:00+00:00") -> ManualClock:
    """A clock that stands at a moment (a Wednesday)."""
    from datetime import datetime

    return ManualClock(to_us(datetime.fromisoformat(text)) * 1_000)


class LakeAtRest(Lake):
    """A lake that lets go of its lock after each commit, so that nobody has to close it."""

    def commit(self, commit: Commit) -> None:
        super().commit(commit)
        self.close()


def lake(data: Path, *commits: Commit) -> Lake:
    """The lake of a data directory, with these commits."""
    found = LakeAtRest(data / "lake")
    for each in commits:
        found.commit(each)
    return found


def source(data: Path, store: Store | None = None) -> Source:
    return Source(data, store or Lake(data / "lake"), (), ZoneInfo("UTC"))


def backed_up(
    data: Path,
    shelf: Shelf,
    kind: str = "daily",
    clock: ManualClock | None = None,
    wrote: Callable[[str, int], None] | None = None,
) -> Manifest:
    """Make a backup of the lake; the clock goes on for an hour."""
    clock = clock or clock_at()
    made = back_up(source(data), shelf, kind, clock, wrote or (lambda table, rows: None))  # type: ignore[arg-type]
    clock.advance(3_600)
    return made


def shelf_with_a_chain(data: Path) -> tuple[Shelf, list[Manifest]]:
    """A directory shelf with a full backup and two that follow."""
    shelf, clock = DirectoryShelf(data / "backups"), clock_at()
    made = []
    for each in (FIRST, SECOND, THIRD):
        lake(data, each)
        made.append(backed_up(data, shelf, clock=clock))
    return shelf, made


def put_together(shelf: Shelf, manifest: Manifest) -> dict[str, pa.Table]:
    """All rows of a backup's chain: of several versions of a row the newest."""
    chain = read_catalogue(shelf).chain(manifest)
    return {name: _together(shelf, table, chain) for name, table in TABLES.items()}


def contents(store: Store) -> dict[str, pa.Table]:
    """All rows of a store, those that were taken back too."""
    return {name: _sorted(table, read(store, Scan(name, withdrawn=True))) for name, table in TABLES.items()}


def _together(shelf: Shelf, table: Table, chain: tuple[Manifest, ...]) -> pa.Table:
    pieces = [table.schema().empty_table()]
    for manifest in chain:
        for file in manifest.files:
            if file.table == table.name:
                rows = pq.read_table(io.BytesIO(shelf.get_bytes(f"{manifest.folder}/{file.path}")))
                assert rows.num_rows == file.rows
                pieces.append(rows.cast(table.schema()))
    rows = pa.concat_tables(pieces).to_pylist()
    if table.versioned:
        newest: dict[tuple[object, ...], dict[str, object]] = {}
        for row in sorted(rows, key=lambda row: tuple(row[name] for name in table.version)):
            newest[tuple(row[name] for name in table.key)] = row
        rows = list(newest.values())
    return _sorted(table, pa.Table.from_pylist(rows, table.schema()))


def _sorted(table: Table, rows: pa.Table) -> pa.Table:
    names = [*table.sort, *(name for name in table.names if name not in table.sort)]
    return rows.sort_by([(name, "ascending") for name in names])
