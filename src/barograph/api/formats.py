"""Rows as JSON, CSV and Arrow, frame by frame, so that an answer is never whole in memory.

Times are ISO 8601 in UTC, to the microsecond; null is ``null`` in JSON and nothing in CSV. NaN and
infinity, which JSON has no word for, are null there.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Protocol

import msgspec

from barograph.api.problems import Problem

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

ISO = "%Y-%m-%dT%H:%M:%S%.6fZ"
SENT_BYTES = 1 << 18
"""Bytes that are sent at once, at most. The server copies them once more: so few go through memory that it
has already, where pages that are asked of the system would take longer than the copying."""

BATCH_ROWS = 1_024
"""Rows of one of Arrow's batches, on average, at least: where files hold fewer, they are put together."""

Part = bytes | memoryview


class Form(StrEnum):
    """What an answer is written in; ``?format=`` has these names."""

    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"


MEDIA_TYPES = {
    Form.JSON: "application/json",
    Form.CSV: "text/csv",
    Form.ARROW: "application/vnd.apache.arrow.stream",
}
CONTENT_TYPES = {**MEDIA_TYPES, Form.CSV: "text/csv; charset=utf-8"}


def chosen(accept: str | None, format_: Form | None) -> Form:
    """The form that a request wants: ``?format=`` before the header ``Accept``; of equals JSON first.

    Raises:
        Problem: 406, none that there is.

    >>> chosen("text/csv;q=0.5, application/vnd.apache.arrow.stream", None)
    <Form.ARROW: 'arrow'>
    """
    if format_ is not None:
        return format_
    if not accept:
        return Form.JSON
    weights = _weights(accept)
    rated = [(_weight(weights, MEDIA_TYPES[form]), form) for form in Form]
    best = max(weight for weight, _ in rated)
    if best <= 0:
        raise Problem(406, f"Accept: {accept[:200]} is none of {', '.join(MEDIA_TYPES.values())}")
    return next(form for weight, form in rated if weight == best)


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether the header ``Accept-Encoding`` asks for gzip; ``*`` is no asking.

    >>> takes_gzip("br, gzip;q=0.8"), takes_gzip("gzip;q=0"), takes_gzip(None)
    (True, False, False)
    """
    return dict(_weights(accept_encoding or "")).get("gzip", 0.0) > 0


def _weights(header: str) -> list[tuple[str, float]]:
    found = []
    for part in header.split(","):
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        weight = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        try:
            found.append((name, min(max(float(weight), 0.0), 1.0)))
        except ValueError:
            found.append((name, 0.0))
    return found


def _weight(weights: Sequence[tuple[str, float]], media_type: str) -> float:
    """How much a media type is wanted: by its own name before its family's before ``*/*``."""
    family = f"{media_type.partition('/')[0]}/*"
    for wanted in (media_type, family, "*/*"):
        for name, weight in weights:
            if name == wanted:
                return weight
    return 0.0


class Writer(Protocol):
    """Writes one answer, piece by piece."""

    def begin(self) -> bytes:
        """What comes before all rows."""
        ...

    def rows(self, frame: pl.DataFrame, number: int) -> Sequence[Part]:
        """Some rows, at least one: the piece with this number, from 0. Several threads may write pieces."""
        ...

    def end(self, following: str | None) -> bytes:
        """What comes after all rows; ``following`` is the cursor of the next page, where there is one."""
        ...


def writer(form: Form, schema: pa.Schema) -> Writer:
    """A writer of rows with these columns."""
    return _WRITERS[form](schema)


def whole(form: Form, schema: pa.Schema, frames: Iterable[pl.DataFrame], following: str | None) -> bytes:
    """A small answer at once."""
    made = writer(form, schema)
    filled = (frame for frame in frames if frame.height)
    rows = chain.from_iterable(made.rows(frame, number) for number, frame in enumerate(filled))
    return b"".join([made.begin(), *rows, made.end(following)])


def small_parts(parts: Iterable[Part]) -> Iterator[Part]:
    """The same bytes, no more than ``SENT_BYTES`` at once.

    >>> [len(part) for part in small_parts([b"a" * SENT_BYTES, b"b" * (SENT_BYTES + 1)])]
    [262144, 262144, 1]
    """
    for part in parts:
        view = memoryview(part)
        for begin in range(0, len(view), SENT_BYTES):
            yield view[begin : begin + SENT_BYTES]


class Gzip:
    """Compresses the pieces of an answer; quick rather than small."""

    def __init__(self) -> None:
        self._made = zlib.compressobj(1, zlib.DEFLATED, 31)

    def piece(self, parts: Iterable[Part]) -> bytes:
        """What can be sent of the answer so far."""
        return b"".join(map(self._made.compress, parts))

    def end(self) -> bytes:
        """The rest."""
        return self._made.flush()


class _Json:
    def __init__(self, schema: pa.Schema) -> None:
        del schema  # an empty list needs no columns

    def begin(self) -> bytes:
        return b'{"rows":['

    def rows(self, frame: pl.DataFrame, number: int) -> Sequence[Part]:
        text = io.BytesIO()
        _with_text_times(frame).write_json(text)
        content = text.getbuffer()
        if number == 0:
            return [content[1:-1]]
        content[0] = ord(",")  # in place of the bracket, rather than to copy it all
        return [content[:-1]]

    def end(self, following: str | None) -> bytes:
        return b'],"next":' + msgspec.json.encode(following) + b"}"


class _Csv:
    def __init__(self, schema: pa.Schema) -> None:
        self._names = schema.names

    def begin(self) -> bytes:
        return ",".join(self._names).encode() + b"\n"

    def rows(self, frame: pl.DataFrame, number: int) -> Sequence[Part]:
        del number
        text = io.BytesIO()
        _with_text_times(frame).write_csv(text, include_header=False)
        return [text.getbuffer()]

    def end(self, following: str | None) -> bytes:
        del following  # the header Link tells it
        return b""


class _Arrow:
    """Arrow's stream, message by message: the schema, a batch each, the end."""

    _END = b"\xff\xff\xff\xff\x00\x00\x00\x00"  # a continuation without any message

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema

    def begin(self) -> bytes:
        made: bytes = self._schema.serialize().to_pybytes()
        return made

    def rows(self, frame: pl.DataFrame, number: int) -> Sequence[Part]:
        del number
        table = arrow(frame, self._schema)
        if frame.height < BATCH_ROWS * frame.n_chunks():
            table = table.combine_chunks()
        return [memoryview(batch.serialize()) for batch in table.to_batches()]

    def end(self, following: str | None) -> bytes:
        del following  # the header Link tells it
        return self._END


_WRITERS: dict[Form, type[_Json] | type[_Csv] | type[_Arrow]] = {
    Form.JSON: _Json,
    Form.CSV: _Csv,
    Form.ARROW: _Arrow,
}


def arrow(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """A frame in the types of ``schema``, whose columns it has."""
    import polars as pl

    return frame.to_arrow(compat_level=pl.CompatLevel.newest()).cast(schema)


def _with_text_times(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    return frame.with_columns(pl.col(times).dt.to_string(ISO)) if times else frame
