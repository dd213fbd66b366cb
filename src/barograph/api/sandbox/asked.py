"""What goes to a worker, and what comes back: frames over its standard input and output.

A frame is a letter, four bytes of length (big-endian) and so many bytes.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Self

import msgspec

from barograph.errors import UsageError
from barograph.store.opening import Location

if TYPE_CHECKING:
    import asyncio

HEADER = struct.Struct(">cI")
QUESTION, ANSWER, PROBLEM, DATA, END, READY = b"Q", b"A", b"P", b"D", b"E", b"R"
LAKE, DATABASE = "lake", "database"
"""Kinds of workers."""
PIECE_BYTES = 256 << 10
_LONGEST = 100_000

Form = Literal["json", "csv", "arrow"]
Value = str | int | float | bool | None


class Where(msgspec.Struct, frozen=True):
    """A location, as it is told to another process."""

    data: str | None
    parameters: dict[str, str] | None = None
    password: str | None = None
    namespace: str = "public"

    @classmethod
    def of(cls, where: Location) -> Self:
        """How ``where`` is told."""
        data = None if where.data is None else str(where.data.absolute())
        if (address := where.address) is None:
            return cls(data)
        return cls(data, address.parameters, address.password, address.namespace)

    def location(self, timeout_s: float) -> Location:
        """The location itself; a database ends what takes longer than ``timeout_s``."""
        data = None if self.data is None else Path(self.data)
        if self.parameters is None:
            return Location(data)
        from barograph.store.postgres.address import Address

        return Location(data, Address(self.parameters, self.password, self.namespace), timeout_s)


def check_length(statement: str) -> None:
    """Refuse what is too long to be looked at.

    Raises:
        UsageError: it is.
    """
    if len(statement) > _LONGEST:
        raise UsageError(f"the statement has {len(statement)} characters; {_LONGEST} are the most")


class Question(msgspec.Struct, frozen=True):
    """A query, and the bounds of its answer."""

    where: Where
    sql: str
    parameters: tuple[Value, ...]
    form: Form
    seconds: float
    rows: int
    bytes: int
    memory_mb: int


class Answer(msgspec.Struct, frozen=True):
    """What stands before the bytes of an answer.

    Attributes:
        rows: how many it has.
        bytes: how long it is.
        cut: why there are not all rows: the bound that was met; None: all are there.
    """

    rows: int
    bytes: int
    cut: Literal["rows", "bytes"] | None = None


class Refusal(msgspec.Struct, frozen=True):
    """An answer that says no, as :class:`~barograph.api.problems.Problem` tells it."""

    status: int
    detail: str


def write_frame(out: BinaryIO, kind: bytes, body: bytes | memoryview = b"") -> None:
    """Write a frame, blocking."""
    out.write(HEADER.pack(kind, len(body)))
    out.write(body)


def read_frame(source: BinaryIO) -> tuple[bytes, bytes] | None:
    """Read a frame, blocking; None: nobody is there any more."""
    header = source.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    kind, length = HEADER.unpack(header)
    return kind, source.read(length)


async def next_frame(source: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read a frame.

    Raises:
        asyncio.IncompleteReadError: nobody is there any more.
    """
    kind, length = HEADER.unpack(await source.readexactly(HEADER.size))
    return kind, await source.readexactly(length)
