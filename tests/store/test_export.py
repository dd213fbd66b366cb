"""Rows into files and streams of each format, and back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from barograph.errors import StorageError, UsageError
from barograph.store.export import FORMATS, export

from .making import DAY_0, rows, tick

TICKS = rows("ticks", *(tick(DAY_0 + pos, pos, "a,\"b'\n" if pos % 2 else "é") for pos in range(10)))


def back(data: bytes, form: str, stream: bool) -> pa.Table:
    source = pa.BufferReader(data)
    if form == "csv":
        convert = csv.ConvertOptions(column_types=TICKS.schema, strings_can_be_null=True)
        parse = csv.ParseOptions(newlines_in_values=True)
        return csv.read_csv(source, convert_options=convert, parse_options=parse).cast(TICKS.schema)
    if form == "parquet":
        return pq.read_table(source).cast(TICKS.schema)
    return (pa.ipc.open_stream(source) if stream else pa.ipc.open_file(source)).read_all()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("stream", [True, False])
def test_export_comes_back_the_same(tmp_path: Path, form: str, stream: bool) -> None:
    path, sink = tmp_path / "out", io.BytesIO()
    count = export(TICKS.to_batches(max_chunksize=3), sink if stream else path, form)
    assert count == 10
    assert back(sink.getvalue() if stream else path.read_bytes(), form, stream).equals(TICKS)


@pytest.mark.parametrize("form", FORMATS)
def test_export_of_no_rows_has_the_columns(tmp_path: Path, form: str) -> None:
    path = tmp_path / "out"
    reader = pa.RecordBatchReader.from_batches(TICKS.schema, iter(()))
    assert export(reader, path, form) == 0
    assert export([], path, form, schema=TICKS.schema) == 0
    assert back(path.read_bytes(), form, stream=False).schema.names == TICKS.schema.names


def failing() -> Iterator[pa.RecordBatch]:
    yield from TICKS.to_batches()
    raise StorageError("the source gave up")


@pytest.mark.parametrize("form", FORMATS)
def test_export_that_fails_leaves_what_was_there(tmp_path: Path, form: str) -> None:
    path = tmp_path / "out"
    path.write_text("older")
    with pytest.raises(StorageError, match="gave up"):
        export(failing(), path, form)
    assert [each.name for each in tmp_path.iterdir()] == ["out"]
    assert path.read_text() == "older"


def test_export_given_an_unknown_format_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="csv, parquet, arrow"):
        export([], tmp_path / "out", "xlsx")


def test_export_into_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        export(TICKS.to_batches(), tmp_path / "nowhere" / "out.csv", "csv")
