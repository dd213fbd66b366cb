"""Rows as JSON, CSV and Arrow, up to a bound: an answer is whole, or it says how it was cut.

All is made before the first byte leaves the worker, so that what goes wrong at the last row is a
proper answer, too, and a header can say what the answer holds.
"""

from __future__ import annotations

import csv
import io
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from barograph.api.sandbox.asked import Answer, Form
from barograph.errors import UsageError

Cut = Literal["rows", "bytes"] | None

_LOT = 1_024
_MARK = 256
"""Bytes that are kept for what stands at the end."""


class Writer(Protocol):
    """Writes rows into pieces."""

    def head(self) -> bytes:
        """What stands before all rows."""
        ...

    def rows(self, lot: pa.RecordBatch, room: int) -> tuple[int, list[bytes]]:
        """The first rows of a lot that fit into ``room`` bytes: how many, and their pieces."""
        ...

    def tail(self, count: int, cut: Cut) -> bytes:
        """What stands after all rows."""
        ...


def written(
    form: Form, reader: pa.RecordBatchReader, most_rows: int, most_bytes: int
) -> tuple[Answer, list[bytes]]:
    """The answer to a query, and its pieces.

    Raises:
        UsageError: a value that cannot be written. What the reader raises.
    """
    names = _unique(reader.schema.names)
    schema = pa.schema([field.with_name(name) for field, name in zip(reader.schema, names, strict=True)])
    writer = _WRITERS[form](schema)
    pieces = [writer.head()]
    count, size = 0, len(pieces[0]) + _MARK
    cut: Cut = None
    for lot in _lots(reader, schema):
        fit = lot.slice(0, most_rows - count)
        taken, made = writer.rows(fit, most_bytes - size)
        pieces += made
        count, size = count + taken, size + sum(map(len, made))
        cut = "bytes" if taken < fit.num_rows else "rows" if taken < lot.num_rows else None
        if cut:
            break
    pieces.append(writer.tail(count, cut))
    return Answer(count, sum(map(len, pieces)), cut), pieces


def _lots(reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        named = pa.RecordBatch.from_arrays(batch.columns, schema=schema)
        for start in range(0, named.num_rows, _LOT):
            yield named.slice(start, _LOT)


def _unique(names: Sequence[str]) -> list[str]:
    """Names that are given twice get a number, as SQL lets two columns have one name.

    >>> _unique(["a", "b", "a"])
    ['a', 'b', 'a_2']
    """
    made: list[str] = []
    for name in names:
        new, number = name, 1
        while new in made or (number > 1 and new in names):
            number += 1
            new = f"{name}_{number}"
        made.append(new)
    return made


class _Json:
    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._comma = b""

    def head(self) -> bytes:
        columns = [{"name": field.name, "type": str(field.type)} for field in self._schema]
        return b'{"columns":%b,"rows":[' % msgspec.json.encode(columns)

    def rows(self, lot: pa.RecordBatch, room: int) -> tuple[int, list[bytes]]:
        names, made = self._schema.names, []
        for row in zip(*map(plain, lot.columns), strict=True):
            piece = self._comma + _json(dict(zip(names, row, strict=True)))
            room -= len(piece)
            if room < 0:
                break
            self._comma = b","
            made.append(piece)
        return len(made), made

    def tail(self, count: int, cut: Cut) -> bytes:
        return b'],"count":%d,"cut":%b}' % (count, msgspec.json.encode(cut))


class _Csv:
    def __init__(self, schema: pa.Schema) -> None:
        self._names = schema.names
        self._text = io.StringIO()
        self._writer = csv.writer(self._text, lineterminator="\n")

    def head(self) -> bytes:
        return self._line(self._names)

    def rows(self, lot: pa.RecordBatch, room: int) -> tuple[int, list[bytes]]:
        made = []
        for row in zip(*map(plain, lot.columns), strict=True):
            piece = self._line([_cell(value) for value in row])
            room -= len(piece)
            if room < 0:
                break
            made.append(piece)
        return len(made), made

    def tail(self, count: int, cut: Cut) -> bytes:
        del count, cut  # a header tells them: a line more would be taken for a row
        return b""

    def _line(self, cells: Sequence[str]) -> bytes:
        self._writer.writerow(cells)
        line = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return line


class _Arrow:
    def __init__(self, schema: pa.Schema) -> None:
        self._sink = io.BytesIO()
        self._stream = pa.ipc.new_stream(self._sink, schema)

    def head(self) -> bytes:
        return self._taken()

    def rows(self, lot: pa.RecordBatch, room: int) -> tuple[int, list[bytes]]:
        count = lot.num_rows
        while count and pa.ipc.get_record_batch_size(lot.slice(0, count)) > room:
            count //= 2
        if not count:
            return 0, []
        self._stream.write_batch(lot.slice(0, count))
        return count, [self._taken()]

    def tail(self, count: int, cut: Cut) -> bytes:
        del count, cut  # a header tells them
        self._stream.close()
        return self._taken()

    def _taken(self) -> bytes:
        data = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return data


_WRITERS: dict[Form, type[_Json] | type[_Csv] | type[_Arrow]] = {"json": _Json, "csv": _Csv, "arrow": _Arrow}


def plain(column: pa.Array) -> list[Any]:
    """Values that JSON has words for; times are ISO 8601.

    Raises:
        UsageError: one that has none, such as a time after the year 9999 in a list.

    >>> plain(pa.array([Decimal("3"), None])), plain(pa.array([b"ab"]))
    ([3, None], ['YWI='])
    """
    kind = column.type
    if pa.types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        column = pc.strftime(column.cast(pa.timestamp(kind.unit)), f"%Y-%m-%dT%H:%M:%S{zone}")
    elif pa.types.is_date(kind) or pa.types.is_time(kind):
        column = column.cast(pa.string())
    try:
        found: list[Any] = column.to_pylist()
        return found if _is_plain(column.type) else [_value(each) for each in found]
    except (ValueError, OverflowError, TypeError, ImportError, pa.ArrowException) as error:
        raise UsageError(
            f"a value of type {kind} cannot be written ({error}); ask for it as VARCHAR"
        ) from error


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    return any(
        is_it(kind) for is_it in (types.is_integer, types.is_floating, types.is_boolean, types.is_string)
    )


def _value(value: Any) -> Any:
    """Of what JSON has no words for, what comes near."""
    made: Any
    match value:
        case None | str() | bool() | int() | float():
            made = value
        case Decimal():
            made = int(value) if value.as_tuple().exponent == 0 else float(value)
        case bytes():
            made = b64encode(value).decode()
        case datetime() | date() | time():
            made = value.isoformat()
        case timedelta():
            made = value.total_seconds()
        case dict():
            made = {str(_value(name)): _value(inner) for name, inner in value.items()}
        case list() | tuple():
            made = [_value(inner) for inner in value]
        case _:
            made = str(value)
    return made


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case _:
            return _json(value).decode()


def _json(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (OverflowError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"a value cannot be written as JSON ({error}); ask for it as VARCHAR") from error
