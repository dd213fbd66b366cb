"""Users' own tables where there is no database: one Parquet file each, ``own/<schema.table>/rows.parquet``.

They are held in memory while new rows come: such tables are small beside the recorded ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barograph.store.durable import publish, storage_errors, temporary
from barograph.vault.manifest import OwnTable

if TYPE_CHECKING:
    import pyarrow as pa


def put_own(folder: Path, table: OwnTable, batches: Iterable[pa.RecordBatch]) -> int:
    """Put rows of a table in; how many.

    With a key they take the place of rows with the same key, else of all rows of the stretch that they
    were chosen from; all of the table when that has no bounds.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / table.name / "rows.parquet"
    came = list(batches)
    new = pa.Table.from_batches(came) if came else None
    rows = [each for each in (_kept(path, table, new), new) if each is not None]
    if not rows:
        path.unlink(missing_ok=True)
        return 0
    with storage_errors("writing", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = temporary(path.parent, path.name)
        pq.write_table(pa.concat_tables(rows, promote_options="permissive"), staged, compression="zstd")
        publish(staged, path)
    return new.num_rows if new is not None else 0


def _kept(path: Path, table: OwnTable, new: pa.Table | None) -> pa.Table | None:
    """The rows of the file that stay."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists() or (table.since is None and table.until is None):
        return None
    rows = pq.read_table(path)
    if table.key:
        names = list(table.key)
        if new is None:
            return rows
        given = set(zip(*(new.column(name).to_pylist() for name in names), strict=True))
        keys = zip(*(rows.column(name).to_pylist() for name in names), strict=True)
        return rows.filter(pa.array([key not in given for key in keys]))
    times = rows.column(table.time_column).to_pylist()
    return rows.filter(pa.array([not _within(time, table) for time in times], pa.bool_()))


def _within(text: Any, table: OwnTable) -> bool:
    """Whether a time, as PostgreSQL prints it, lies in the table's stretch."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return False  # infinity, or nothing at all: in no day
    bounds = [None if each is None else datetime.fromisoformat(each) for each in (table.since, table.until)]
    if time.tzinfo is None:  # what the wall clock shows counts
        bounds = [each and each.replace(tzinfo=None) for each in bounds]
    since, until = bounds
    return (since is None or time >= since) and (until is None or time < until)
