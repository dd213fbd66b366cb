"""Rows out of the house: CSV, Parquet or Arrow, streamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa

from barograph.errors import UsageError
from barograph.store.durable import storage_errors, temporary

FORMATS = ("csv", "parquet", "arrow")
"""What :func:`export` can write.

``arrow`` is Arrow's file format in a file and its stream format on a stream.
"""


class _Writer(Protocol):
    def write_batch(self, batch: pa.RecordBatch) -> None: ...

    def close(self) -> None: ...


def export(
    batches: pa.RecordBatchReader | Iterable[pa.RecordBatch],
    target: Path | str | IO[bytes],
    format: str,  # noqa: A002 - the command's flag has this name
    schema: pa.Schema | None = None,
) -> int:
    """Write rows to a file or to a binary stream, never holding more than a batch; how many rows.

    A file appears under its name when it is whole. Times in CSV are ISO 8601 in UTC.

    Args:
        format: one of :data:`FORMATS`.
        schema: of the batches; needed where they may be none and are not a reader.

    Raises:
        UsageError: unknown format, or no such folder.
        StorageFull, StorageError: what the disk said; the file is not there.
    """
    if format not in FORMATS:
        raise UsageError(f"cannot export as {format!r}; one of: {', '.join(FORMATS)}")
    if isinstance(batches, pa.RecordBatchReader):
        schema = batches.schema
    if isinstance(target, (str, Path)):
        with _whole_file(Path(target)) as file:
            return _write(batches, file, format, schema)
    return _write(batches, target, "arrow stream" if format == "arrow" else format, schema)


def _write(batches: Iterable[pa.RecordBatch], sink: IO[bytes], form: str, schema: pa.Schema | None) -> int:
    rows = 0
    writer: _Writer | None = None if schema is None else _writer(sink, form, schema)
    try:
        for batch in batches:
            writer = writer or _writer(sink, form, batch.schema)
            writer.write_batch(batch)
            rows += batch.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows


def _writer(sink: IO[bytes], form: str, schema: pa.Schema) -> Any:
    if form == "csv":
        from pyarrow import csv

        return csv.CSVWriter(sink, schema)
    if form == "parquet":
        from pyarrow import parquet

        return parquet.ParquetWriter(sink, schema, compression="zstd")
    return pa.ipc.new_file(sink, schema) if form == "arrow" else pa.ipc.new_stream(sink, schema)


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[bytes]]:
    if not path.parent.is_dir():
        raise UsageError(f"no folder {path.parent} to export into; make it first")
    staged = temporary(path.parent, path.name)
    with storage_errors("exporting to", path):
        try:
            with staged.open("wb") as file:
                yield file
            staged.replace(path)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
