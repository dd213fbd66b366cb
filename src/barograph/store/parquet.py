"""How rows become Parquet and come back in today's schema.

Encodings were measured on recorded Binance trades and on a million simulated ones
(docs/lake.md): delta for times and ids, dictionaries for everything else, zstd over
all. Byte-stream-split and plain floats were larger for both prices and sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from barograph.disk import sync_data
from barograph.errors import StoreCorrupt
from barograph.store.arrays import dtype_of, numbers, texts
from barograph.tables import SCHEMA_VERSION, Column, Table, arrow_type

ROW_GROUP = 65_536
"""Rows in a row group: one symbol's day then costs a few of them and not the file."""

HOT_GROUP = 16_384
"""Rows in a row group of merged hot parts, which the recorder writes beside its work: less memory."""

QUICK = 0
HOT_LEVEL = 1
SEALED_LEVEL = 3
"""zstd levels: a hot part lives for minutes, a sealed file for years. ``QUICK`` stands for lz4."""

QUICK_ROWS = 8_192
"""A commit of so many rows is written quickly: when there are many such, they are soon merged."""

_UPTO = "barograph.upto_pos"
_VERSION = "barograph.schema_version"
_EDITION = "barograph.edition"
_REMEDY = "make it again from the tape with `barograph rebuild`"


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file says about itself.

    Attributes:
        upto_pos: a sealed file contains all rows made from records before it; 0 in a part.
        current: its columns are exactly those of today's schema.
        edition: tells files of a day apart that hold the same positions: rows of another store came.
        series: symbol and venue of all its rows, where it tells that these are the same in each.
    """

    upto_pos: int
    current: bool
    rows: int
    edition: str = ""
    series: tuple[str, str] | None = None


@cache
def written_as(table: Table, level: int) -> dict[str, Any]:
    """The Parquet writer's options for ``table``."""
    delta = [column.name for column in table.columns if column.type in ("time", "int64")]
    return {
        "compression": "zstd",
        "compression_level": level,
        "use_dictionary": [name for name in table.names if name not in delta],
        "column_encoding": dict.fromkeys(delta, "DELTA_BINARY_PACKED"),
        "store_schema": False,
        "write_page_checksum": True,
    }


@cache
def written_quickly_as(table: Table) -> dict[str, Any]:
    """The options for a part of few rows, which is soon merged: half the time, half as large again."""
    return {
        "compression": "lz4",
        "use_dictionary": False,
        "store_schema": False,
        "write_page_checksum": True,
        "write_statistics": [name for name in (table.time, "symbol", "venue") if name in table.names],
    }


@contextmanager
def writing(
    sink: Any, table: Table, level: int, upto_pos: int, edition: str = ""
) -> Iterator[pq.ParquetWriter]:
    """A writer of ``table`` into ``sink``, whose footer will say ``upto_pos`` and ``edition``."""
    options = written_as(table, level) if level else written_quickly_as(table)
    with pq.ParquetWriter(sink, table.schema(), **options) as writer:
        yield writer
        about = {_UPTO: str(upto_pos), _VERSION: str(SCHEMA_VERSION)}
        writer.add_key_value_metadata(about | ({_EDITION: edition} if edition else {}))


def encoded(table: Table, rows: pa.Table) -> pa.Buffer:
    """``rows`` as the bytes of a hot part: the same rows give the same bytes."""
    sink = pa.BufferOutputStream()
    with writing(sink, table, HOT_LEVEL if rows.num_rows > QUICK_ROWS else QUICK, 0) as writer:
        writer.write_table(rows, row_group_size=ROW_GROUP)
    return sink.getvalue()


def write(
    path: Path, table: Table, level: int, upto_pos: int, blocks: Iterable[pa.Table], edition: str = ""
) -> int:
    """Write blocks of rows to a new file in even row groups, and sync it; how many rows.

    No more than a row group and a block is in memory.
    """
    group = HOT_GROUP if level == HOT_LEVEL else ROW_GROUP
    rows = 0
    pending: list[pa.Table] = []
    with path.open("wb") as file:
        with writing(file, table, level, upto_pos, edition) as writer:
            for block in blocks:
                rows += block.num_rows
                pending = _write_whole_groups(writer, [*pending, block], group)
            if pending:
                writer.write_table(pa.concat_tables(pending), row_group_size=group)
        file.flush()
        sync_data(file.fileno())
    return rows


def _write_whole_groups(writer: pq.ParquetWriter, pending: list[pa.Table], group: int) -> list[pa.Table]:
    """Write as many full row groups as there are; what is left."""
    count = sum(block.num_rows for block in pending)
    whole = count - count % group
    if not whole:
        return pending
    rows = pa.concat_tables(pending)
    writer.write_table(rows.slice(0, whole), row_group_size=group)
    # Take a copy: a slice would hold on to all that has been written.
    return [rows.slice(whole).combine_chunks()] if count > whole else []


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn a failure to read ``path`` into ``StoreCorrupt``; a lost file passes through."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise StoreCorrupt(f"{path} cannot be read: {reason}; {_REMEDY}") from error


def opened(path: Path) -> pq.ParquetFile:
    """The file at ``path``, held open: what replaces it later does not change what is read."""
    with reading(path):
        return pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)


def footer(file: pq.ParquetFile, path: Path, table: Table) -> Footer:
    """What ``file`` says about itself, after its columns have been found fit.

    Raises:
        StoreCorrupt: a column's type cannot be read as today's.
    """
    schema = file.schema_arrow
    for column in table.columns:
        index = schema.get_field_index(column.name)
        if index >= 0:
            _fit(schema.field(index).type, column, path)
    about = file.metadata.metadata or {}
    current = schema.remove_metadata().equals(table.schema())
    upto_pos, edition = about.get(_UPTO.encode(), b"0"), about.get(_EDITION.encode(), b"")
    rows, series = file.metadata.num_rows, _series(file.metadata)
    return Footer(int(upto_pos), current, rows, edition.decode(), series)


def extremes(group: pq.RowGroupMetaData, name: str) -> tuple[Any, Any]:
    """The smallest and largest value of a column as far as the file tells, times in microseconds."""
    for index in range(group.num_columns):
        column = group.column(index)
        if column.path_in_schema == name:
            known = column.statistics
            if known is None or not known.has_min_max:
                return None, None
            return _least_and_most(known)
    return None, None


def _least_and_most(known: pq.Statistics) -> tuple[Any, Any]:
    if known.logical_type.type != "TIMESTAMP":
        return known.min, known.max
    # As they are in the file: PyArrow makes datetimes of them, and loads pandas for it.
    scale = 1_000 if "milliseconds" in str(known.logical_type) else 1
    return known.min_raw * scale, known.max_raw * scale


def _series(about: pq.FileMetaData) -> tuple[str, str] | None:
    groups = [about.row_group(index) for index in range(about.num_row_groups)]
    symbols, venues = (
        {value for group in groups for value in extremes(group, name)} for name in ("symbol", "venue")
    )
    if len(symbols) == len(venues) == 1 and None not in symbols | venues:
        return symbols.pop(), venues.pop()
    return None


def conformed(rows: pa.Table, table: Table, names: Sequence[str]) -> pa.Table:
    """``rows`` with exactly the columns ``names``, in today's types.

    A column that an older file lacks is null, or zero, false or empty where null is not
    allowed; columns unknown today are dropped.
    """
    schema = table.schema()
    columns = []
    for name in names:
        field = schema.field(name)
        if name in rows.column_names:
            columns.append(rows.column(name).cast(field.type))
        else:
            columns.append(pa.chunked_array([absent(field, rows.num_rows)]))
    return pa.table(columns, schema=pa.schema([schema.field(name) for name in names]))


def absent(field: pa.Field, count: int) -> pa.Array:
    """``count`` values that stand for a column which did not exist yet."""
    if field.nullable:
        return pa.nulls(count, field.type)
    if pa.types.is_string(field.type):
        return texts([""] * count)
    return numbers(np.zeros(count, dtype_of(field.type)), field.type)


def null_columns(rows: pa.Table, table: Table) -> list[str]:
    """Columns of ``rows`` that hold null although they must not."""
    return [c.name for c in table.columns if not c.nullable and rows.column(c.name).null_count]


def _fit(found: pa.DataType, column: Column, path: Path) -> None:
    wanted = arrow_type(column.type)
    if pa.types.is_dictionary(found):
        found = found.value_type
    if found != wanted and not _widens(found, wanted):
        raise StoreCorrupt(
            f"{path}: column {column.name} is {found}, where {wanted} is wanted; if another tool wrote the "
            f"file, take it away; else {_REMEDY}"
        )


def _widens(found: pa.DataType, wanted: pa.DataType) -> bool:
    kinds = pa.types
    if kinds.is_signed_integer(found) and kinds.is_signed_integer(wanted):
        return bool(found.bit_width <= wanted.bit_width)
    if kinds.is_floating(found) and kinds.is_floating(wanted):
        return bool(found.bit_width <= wanted.bit_width)
    if kinds.is_large_string(found) and kinds.is_string(wanted):
        return True
    coarser = kinds.is_timestamp(found) and kinds.is_timestamp(wanted) and found.unit in ("s", "ms", "us")
    return bool(coarser and found.tz is not None)


def verify(path: Path) -> None:
    """Read all of the file at ``path``, checksums included.

    Raises:
        StoreCorrupt: it cannot be read.
    """
    with reading(path), opened(path) as file:
        for _ in file.iter_batches(ROW_GROUP):
            pass
