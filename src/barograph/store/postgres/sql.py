"""Read-only SQL, which goes through to PostgreSQL in its own words, with its rows streamed as Arrow.

Every statement runs in a read-only transaction of its own and sees one state of all tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from barograph.clock import Clock, SystemClock
from barograph.errors import BarographError, StorageFull, UsageError
from barograph.store.postgres.address import Address
from barograph.store.postgres.connection import explained
from barograph.store.postgres.escaping import unescaped
from barograph.store.postgres.quoting import literal
from barograph.store.postgres.sessions import Readers

_QUERIES, _OTHERS = ("select", "with", "values", "table"), ("show", "explain")
_CANCELLED, _READ_ONLY = "57014", "25006"
_PREFIX = re.compile(r"^.*?ERROR:\s*", re.DOTALL)
_BLANK = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_TOKEN = re.compile(
    r"""(?P<kept>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/"""
    r"""|(?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?P=tag))|\$(?P<number>\d+)|(?P<mark>\?)""",
    re.DOTALL,
)


class PostgresSql:
    """A connection for queries, as ``barograph.store.sql.Sql`` is one over the lake.

    Args:
        statement_timeout_s: the longest time that a statement may take.
    """

    def __init__(
        self, address: Address, statement_timeout_s: float = 300.0, clock: Clock | None = None
    ) -> None:
        self._timeout_s = statement_timeout_s
        begin = (f"SET statement_timeout = {round(statement_timeout_s * 1000)}",)
        # Not as a setting of the session: a statement could change that for the next one.
        around = ("BEGIN TRANSACTION READ ONLY", "ROLLBACK")
        self._readers = Readers(address, clock or SystemClock(), begin, around, self._explained)

    def query(
        self, statement: str, parameters: Sequence[Any] = (), batch_rows: int = 65_536
    ) -> pa.RecordBatchReader:
        """Run one statement and stream its rows.

        Args:
            parameters: values for ``$1`` (and so on) or ``?`` in the statement.

        Raises:
            UsageError: it is not a single reading statement, PostgreSQL cannot make sense of it,
                or it takes longer than it may.
            StorageError: the server is away. Also while rows are streamed.
        """
        kind = kind_of(statement)
        # A line of its own for what the driver puts behind it: the statement may end in a comment.
        text = _filled(_without_end(statement), parameters) + "\n"
        schema, batches = self._readers.stream("the query", text, copy=kind in _QUERIES)
        kinds = [_plain(field) for field in schema]
        plain = pa.schema(
            [pa.field(field.name, kind.type) for field, kind in zip(schema, kinds, strict=True)]
        )
        return pa.RecordBatchReader.from_batches(plain, _streamed(batches, plain, kinds, batch_rows))

    def close(self) -> None:
        """Close all connections."""
        self._readers.close()

    def _explained(self, error: Any, doing: str) -> BarographError:
        # Once rows come, the driver's errors are Arrow's, without a state.
        state = getattr(error, "sqlstate", None) or ""
        words = _PREFIX.sub("", str(error).split("Query was:")[0]).strip()
        if "No space left" in words:
            return StorageFull(f"{doing} needs more disk on the server than there is: {words}")
        if state == _CANCELLED or "statement timeout" in words:
            return UsageError(
                f"{doing} took longer than {self._timeout_s:g} s; ask for less, or raise "
                "database.statement_timeout_s"
            )
        if state == _READ_ONLY:
            return UsageError(f"{words}; this is for reading only, to write rows elsewhere, export them")
        asked_wrong = state.startswith(("42", "22", "0A", "3F", "P0001")) and state != "42501"
        if asked_wrong or not hasattr(error, "sqlstate"):
            return UsageError(words)
        return explained(error, doing)


def kind_of(statement: str) -> str:
    """The word that a statement begins with.

    Raises:
        UsageError: it does not read.

    >>> kind_of("-- all\\n(SELECT 1)")
    'select'
    """
    start = statement
    while (rest := start[_end(_BLANK, start) :].removeprefix("(")) != start:
        start = rest
    found = re.match(r"\w+", start)
    word = found[0].lower() if found else ""
    if word not in (*_QUERIES, *_OTHERS):
        raise UsageError(
            f"{word.upper() or 'nothing'} is refused: this is for reading only (SELECT, WITH, VALUES, SHOW, "
            "EXPLAIN); to write rows elsewhere, export them"
        )
    return word


def _end(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.match(text)
    return found.end() if found else 0


def _without_end(statement: str) -> str:
    """The statement without a semicolon at its end."""
    last = None
    for found in re.finditer(rf"{_TOKEN.pattern}|(?P<end>;)|(?P<other>\S)", statement, re.DOTALL):
        is_comment = found["kept"] is not None and found["kept"].startswith(("--", "/*"))
        if not is_comment:
            last = found
    if last is not None and last["end"] is not None:
        return statement[: last.start()] + statement[last.end() :]
    return statement


def _filled(statement: str, parameters: Sequence[Any]) -> str:
    """The statement with values in the place of its marks; the driver streams no other way."""
    if not parameters:
        return statement
    used: set[int] = set()
    marks = 0

    def value(found: re.Match[str]) -> str:
        nonlocal marks
        if found["kept"] is not None:
            return found["kept"]
        marks += found["mark"] is not None
        number = marks if found["mark"] is not None else int(found["number"])
        if not 1 <= number <= len(parameters):
            raise UsageError(f"the statement asks for value {number}, and {len(parameters)} were given")
        used.add(number)
        return f"({literal(parameters[number - 1])})"

    text = _TOKEN.sub(value, statement)
    if len(used) < len(parameters):
        raise UsageError(f"{len(parameters)} values were given, and the statement asks for {len(used)}")
    return text


class _Plain:
    """How a column is handed out: the type, and what makes it of what the server sent."""

    def __init__(self, kind: pa.DataType, made: Callable[[pa.Array], pa.Array]) -> None:
        self.type, self.made = kind, made


def _plain(field: pa.Field) -> _Plain:
    """Types that every tool knows: numeric as double, json and uuid as text.

    Raises:
        UsageError: it has a type that is neither.
    """
    kind = field.type
    if pa.types.is_string(kind):
        return _Plain(kind, unescaped)
    if not isinstance(kind, pa.BaseExtensionType):
        return _Plain(kind, lambda column: column)
    if isinstance(kind, pa.OpaqueType) and kind.type_name == "numeric":
        return _Plain(pa.float64(), lambda column: pc.cast(column.storage, pa.float64()))
    if isinstance(kind, pa.UuidType):
        return _Plain(pa.string(), lambda column: pa.array([_text(each) for each in column], pa.string()))
    if pa.types.is_string(kind.storage_type):
        return _Plain(pa.string(), lambda column: column.storage)
    name = getattr(kind, "type_name", str(kind))
    raise UsageError(f"the column {field.name!r} is of type {name}: ask for it as text, {field.name}::text")


def _text(scalar: pa.Scalar) -> str | None:
    value = scalar.as_py()
    return None if value is None else str(value)


def _streamed(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, kinds: Sequence[_Plain], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        columns = [kind.made(column) for column, kind in zip(batch.columns, kinds, strict=True)]
        made = pa.RecordBatch.from_arrays(columns, schema=schema)
        for start in range(0, made.num_rows, batch_rows):
            yield made.slice(start, batch_rows)
