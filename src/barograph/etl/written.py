"""What a batch leaves behind: files that are whole or not there, and a record of what they were made from.

::

    derived/<source>/<table>/date=YYYY-MM-DD/<symbol>.parquet
    derived/<source>/made/date=YYYY-MM-DD/<symbol>.json

The same rows give the same bytes: nothing in them depends on when or where they were written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from barograph.disk import read_json
from barograph.errors import StoreCorrupt
from barograph.etl.batches import Batch
from barograph.store.durable import publish, stage, storage_errors, temporary
from barograph.tables import MARKET_MICROSTRUCTURE, TABLES

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_LEVEL = 3
_GROUP = 65_536
_MADE = "made"


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A table of a batch.

    Attributes:
        stamp: of all that it was made from: rows, settings, code.
        rows: how many; with none there is no file.
        bytes, sha256: of the file.
        flagged: rows by flag; of rejects, lines by kind.
    """

    stamp: str
    rows: int
    bytes: int
    sha256: str
    flagged: dict[str, int] = {}


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch has made so far, by table."""

    batch: str
    source: str
    tables: dict[str, Written] = {}


def path_of(folder: Path, table: str, batch: Batch) -> Path:
    """Where the file of a batch's table is."""
    return folder / batch.file_in(table, "parquet")


def record_of(folder: Path, batch: Batch, source: str) -> Record:
    """What the batch has made; an empty record where it has made nothing.

    Raises:
        StoreCorrupt: the record cannot be read.
    """
    path = folder / batch.file_in(_MADE, "json")
    try:
        known = read_json(path, Record, f"reading {path}")
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"{path} cannot be read: {error}; delete it and run the batch again") from error
    return known or Record(batch=batch.id, source=source)


def keep_record(folder: Path, batch: Batch, record: Record) -> None:
    """Put the record in place of the one before."""
    path = folder / batch.file_in(_MADE, "json")
    _put(path, msgspec.json.format(msgspec.json.encode(record, order="deterministic"), indent=1) + b"\n")


def is_there(folder: Path, table: str, batch: Batch, known: Written | None, stamp: str) -> bool:
    """Whether the table was made from just this and its file is as it was left."""
    if known is None or known.stamp != stamp:
        return False
    path = path_of(folder, table, batch)
    if not known.rows:
        return not path.exists()
    return path.exists() and path.stat().st_size == known.bytes


def write(
    folder: Path, table: str, batch: Batch, rows: pl.DataFrame, stamp: str, flagged: Mapping[str, int]
) -> Written:
    """Write a batch's table, or take away an older file when there are no rows now."""
    path = path_of(folder, table, batch)
    if rows.is_empty():
        with storage_errors("removing", path):
            path.unlink(missing_ok=True)
        return Written(stamp=stamp, rows=0, bytes=0, sha256="")
    data = _encoded(table, rows)
    _put(path, data)
    digest = hashlib.sha256(data).hexdigest()
    return Written(stamp=stamp, rows=rows.height, bytes=len(data), sha256=digest, flagged=dict(flagged))


def _put(path: Path, data: bytes | memoryview) -> None:
    staged = temporary(path.parent, path.name)
    with storage_errors("writing", path):
        stage(staged, memoryview(data))
        publish(staged, path)


def _encoded(table: str, rows: pl.DataFrame) -> memoryview:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    made = rows.to_arrow().cast(_schema(table, rows))
    pq.write_table(
        made, sink, compression="zstd", compression_level=_LEVEL, row_group_size=_GROUP, store_schema=False
    )
    return memoryview(sink.getvalue())


def _schema(table: str, rows: pl.DataFrame) -> pa.Schema:
    """The types of docs/tables.md for the columns that it knows, and those of ``rows`` for others."""
    import pyarrow as pa

    known = TABLES.get(table, MARKET_MICROSTRUCTURE).schema() if table != "rejects" else pa.schema([])
    found = rows.to_arrow().schema
    fields = []
    for name in rows.columns:
        if name in known.names:
            fields.append(pa.field(name, known.field(name).type))
        else:
            kind = found.field(name).type
            fields.append(pa.field(name, pa.string() if pa.types.is_large_string(kind) else kind))
    return pa.schema(fields)
