"""Data on standard output: as a table for people, as CSV, as JSON."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from barograph.cli.text_table import text_table

if TYPE_CHECKING:
    import pyarrow as pa

Form: TypeAlias = Literal["table", "csv", "json"]


def write(text: str) -> None:
    """``text`` to standard output, in UTF-8 whatever the machine's habit."""
    sys.stdout.buffer.write(text.encode())


def encode(value: Any) -> str:
    """``value`` as JSON: NaN as null, times as ISO-8601, whole numbers whole."""
    import msgspec

    return msgspec.json.encode(value, enc_hook=str).decode()


def write_object(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """One thing with named properties: ``name  value`` lines, or a JSON object."""
    if as_json:
        write(encode(fields) + "\n")
        return
    width = max(map(len, fields), default=0)
    write("".join(f"{name:<{width}}  {_line(value)}\n" for name, value in fields.items()))


def _line(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_line(inner)}" for name, inner in value.items()) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(map(_line, value)) or "-"
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def write_records(rows: Sequence[Mapping[str, Any]], names: Sequence[str], form: Form) -> None:
    """A list that fits in memory, all of it."""
    if form == "json":
        write(encode(rows) + "\n")
    elif form == "csv":
        write(_csv([names, *([row[name] for name in names] for row in rows)]))
    else:
        write(text_table(names, [[row[name] for name in names] for row in rows]))


def write_stream(things: Iterable[Any]) -> None:
    """A JSON list, each thing written as soon as it is there."""
    before = "["
    for thing in things:
        write(before + encode(thing))
        before = ",\n "
    write("[]\n" if before == "[" else "]\n")


def _csv(lines: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def write_batches(reader: pa.RecordBatchReader, form: Form, *, rows: int = 0) -> int:
    """Arrow batches as they come; returns how many rows were left out.

    Args:
        rows: on a terminal, stop after this many rows (0 shows all); CSV and JSON are whole.
    """
    import pyarrow as pa

    # An empty batch goes first, so that the header does not depend on there being rows.
    empty = pa.RecordBatch.from_pylist([], schema=reader.schema)
    if form == "table":
        return _write_table(chain([empty], reader), rows)
    (_write_json if form == "json" else _write_csv)(chain([empty], reader))
    return 0


def _write_json(batches: Iterable[pa.RecordBatch]) -> None:
    from barograph.cli.plain import plain_batch

    write_stream(row for batch in batches for row in plain_batch(batch).to_pylist())


def _write_csv(batches: Iterable[pa.RecordBatch]) -> None:
    import pyarrow.csv as pa_csv

    from barograph.cli.plain import plain_batch

    header = True
    for batch in batches:
        text = io.BytesIO()
        options = pa_csv.WriteOptions(include_header=header, quoting_style="needed")
        pa_csv.write_csv(plain_batch(batch), text, write_options=options)
        write(text.getvalue().decode())
        header = False


def _write_table(batches: Iterable[pa.RecordBatch], rows: int) -> int:
    from barograph.cli.plain import plain_batch

    names: list[str] = []
    shown: list[list[Any]] = []
    left = 0
    for batch in batches:
        wanted = batch if rows == 0 else batch.slice(0, max(rows - len(shown), 0))
        left += batch.num_rows - wanted.num_rows
        if wanted.num_rows or not names:
            plain = plain_batch(wanted)
            names = plain.schema.names
            shown += map(list, zip(*(column.to_pylist() for column in plain.columns), strict=True))
    write(text_table(names, shown))
    return left
