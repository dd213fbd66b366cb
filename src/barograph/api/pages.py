"""Where a page ends and the next begins: by the key of its last row, never by a count of rows.

Rows come in a fixed order. A cursor holds the key of the last row that was given and how many rows
with just that key were given (a frame of a venue may hold several trades that nothing tells apart).
So rows that come in between move nothing: none is given twice, and none that comes later in the order
is left out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from barograph.api.problems import Problem
from barograph.clock import to_us

if TYPE_CHECKING:
    import polars as pl

_INT64 = range(-(2**63), 2**63)
Value = str | int | float | bool | None


class Position(NamedTuple):
    """A place in the order of rows: after ``seen`` rows with the key ``key``.

    Attributes:
        key: the values of the columns that rows are sorted by; times in microseconds since 1970.
    """

    key: tuple[Value, ...]
    seen: int


def fingerprint(*words: object) -> str:
    """What a query is known by: two that are the same have the same."""
    return hashlib.blake2s(msgspec.json.encode([str(word) for word in words]), digest_size=9).hexdigest()


def cursor_of(position: Position, query: str) -> str:
    """A position as clients get it, for the query with this :func:`fingerprint`."""
    body = msgspec.json.encode([query, position.seen, *position.key])
    check = zlib.crc32(body).to_bytes(4, "big")
    return base64.urlsafe_b64encode(check + body).rstrip(b"=").decode()


def position_of(cursor: str, query: str, kinds: Sequence[tuple[type, ...]]) -> Position:
    """The position in a cursor.

    Args:
        kinds: the Python types that each of the key's values may have.

    Raises:
        Problem: 400, it is none of ours, or one of another query.
    """
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        body = data[4:]
        whole = zlib.crc32(body).to_bytes(4, "big") == data[:4]
        asked, seen, *key = msgspec.json.decode(body, type=list[Value])
    except (ValueError, binascii.Error, msgspec.DecodeError):
        whole, asked, seen, key = False, None, None, []
    if not whole:
        raise Problem(400, "this cursor is damaged; take it from `next`, or from the header Link")
    if asked != query:
        raise Problem(400, "this cursor belongs to another query; go on with the parameters it was made with")
    fits = len(key) == len(kinds) and all(map(_fits, key, kinds))
    if not fits or not isinstance(seen, int) or seen < 1:
        raise Problem(400, "this cursor was made by another version; begin again without it")
    return Position(tuple(key), seen)


def _fits(value: Value, kinds: tuple[type, ...]) -> bool:
    return type(value) in kinds and (not isinstance(value, int) or value in _INT64)


def after(frame: pl.DataFrame, sort: Sequence[str], position: Position) -> pl.DataFrame:
    """The rows of a sorted frame that come after a position. Null sorts last."""
    import polars as pl

    same, later = pl.lit(True), pl.lit(False)
    for name, value in reversed(list(zip(sort, position.key, strict=True))):
        column = pl.col(name)
        if value is None:
            equal, greater = column.is_null(), pl.lit(False)
        else:
            literal = _literal(value, frame.schema[name])
            equal, greater = column.eq_missing(literal), (column > literal) | column.is_null()
        same, later = equal & same, greater | (equal & later)
    told = frame.select(same.alias("same"), later.alias("later"))
    again = frame.filter(told["same"])
    beyond = frame.filter(told["later"])
    return beyond if again.height <= position.seen else again.slice(position.seen).vstack(beyond)


def last_position(frame: pl.DataFrame, sort: Sequence[str], before: Position | None) -> Position:
    """The position after the last row of a sorted frame, which has some; ``before`` it was another."""
    key = tuple(_plain(frame[name][-1]) for name in sort)
    seen = 1
    while seen < frame.height and tuple(_plain(frame[name][-1 - seen]) for name in sort) == key:
        seen += 1
    if before is not None and before.key == key:
        seen += before.seen
    return Position(key, seen)


class Page(NamedTuple):
    """Rows, and where to go on if there are more."""

    frames: list[pl.DataFrame]
    following: Position | None


def first_rows(
    frames: Iterable[pl.DataFrame], sort: Sequence[str], limit: int, before: Position | None
) -> Page:
    """The first ``limit`` rows of ``frames``, which come after ``before``."""
    taken: list[pl.DataFrame] = []
    left = limit
    position = before
    for frame in frames:
        if frame.is_empty():
            continue
        if not left:
            return Page(taken, position)
        part = frame.head(left)
        taken.append(part)
        left -= part.height
        position = last_position(part, sort, position)
        if part.height < frame.height:
            return Page(taken, position)
    return Page(taken, None)


def upto(frames: Iterable[pl.DataFrame], sort: Sequence[str], end: Position) -> Iterator[pl.DataFrame]:
    """The rows of ``frames`` up to a position, wherever others have come in meanwhile."""
    for frame in frames:
        beyond = after(frame, sort, end).height
        yield frame.head(frame.height - beyond)
        if beyond:
            return


def _plain(value: Any) -> Value:
    made: Value = to_us(value) if isinstance(value, datetime) else value
    return made


def _literal(value: Value, kind: pl.DataType) -> pl.Expr:
    import polars as pl

    return pl.lit(value).cast(kind)
