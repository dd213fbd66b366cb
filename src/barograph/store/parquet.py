"""How rows become Parquet and come back in today's schema.

Encodings were measured on recorded Binance trades and on a million simulated ones
(docs/lake.md): delta for times and ids, dictionaries for everything else, zstd over
all. Byte-stream-split and plain floats were larger for both prices and sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from barograph.errors import StoreCorrupt
from barograph.tables import SCHEMA_VERSION, Column, Table, arrow_type

ROW_GROUP = 65_536
"""Rows in a row group: one symbol's day then costs a few of them and not the file."""

HOT_LEVEL = 1
SEALED_LEVEL = 3
"""zstd levels: a hot part lives for minutes, a sealed file for years."""

_UPTO = "barograph.upto_pos"
_VERSION = "barograph.schema_version"
_REMEDY = "make it again from the tape with `barograph rebuild`"


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file says about itself.

    Attributes:
        upto_pos: a sealed file contains all rows made from records before it; 0 in a part.
        current: its columns are exactly those of today's schema.
    """

    upto_pos: int
    current: bool
    rows: int


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


@contextmanager
def writing(sink: Any, table: Table, level: int, upto_pos: int) -> Iterator[pq.ParquetWriter]:
    """A writer of ``table`` into ``sink``, whose footer will say ``upto_pos``."""
    with pq.ParquetWriter(sink, table.schema(), **written_as(table, level)) as writer:
        yield writer
        writer.add_key_value_metadata({_UPTO: str(upto_pos), _VERSION: str(SCHEMA_VERSION)})


def encoded(table: Table, rows: pa.Table) -> pa.Buffer:
    """``rows`` as the bytes of a hot part: the same rows give the same bytes."""
    sink = pa.BufferOutputStream()
    with writing(sink, table, HOT_LEVEL, 0) as writer:
        writer.write_table(rows, row_group_size=ROW_GROUP)
    return sink.getvalue()


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
    return Footer(int(about.get(_UPTO.encode(), b"0")), current, file.metadata.num_rows)


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
    zero = b"" if pa.types.is_string(field.type) else 0
    return pa.repeat(pa.scalar(zero).cast(field.type), count)


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
