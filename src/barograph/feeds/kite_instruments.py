"""Kite's daily list of instruments: which symbol a packet's token stands for.

``GET /instruments`` answers with CSV of some 100,000 rows; its columns that matter are
``instrument_token``, ``exchange`` and ``tradingsymbol``. Tokens of derivatives are given
out anew when a contract has expired, so the newest list counts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from barograph.errors import DecodeError
from barograph.rows import Ints

_COLUMNS = ("instrument_token", "exchange", "tradingsymbol")


def _no_ints() -> Ints:
    return np.empty(0, dtype=np.int64)


def _no_bytes() -> npt.NDArray[np.uint8]:
    return np.empty(0, dtype=np.uint8)


class Instruments(msgspec.Struct):
    """A list of instruments in little room, so that a checkpoint holding it stays cheap.

    Attributes:
        tokens: ascending, shape (n,).
        ends: where each one's symbol ends in ``names``; it begins where the last one ends.
        names: the symbols ``EXCH:TRADINGSYMBOL``, UTF-8, one after the other.
    """

    tokens: npt.NDArray[np.int64] = msgspec.field(default_factory=_no_ints)
    ends: npt.NDArray[np.int64] = msgspec.field(default_factory=_no_ints)
    names: npt.NDArray[np.uint8] = msgspec.field(default_factory=_no_bytes)

    def symbol(self, token: int) -> str | None:
        """The symbol of ``token``, or None when the list does not have it."""
        at = int(np.searchsorted(self.tokens, token))
        if at == len(self.tokens) or self.tokens[at] != token:
            return None
        begin = int(self.ends[at - 1]) if at else 0
        return self.names[begin : int(self.ends[at])].tobytes().decode()


def read_instruments(body: bytes) -> tuple[Instruments, int]:
    """The list in an answer's ``body``, and how many of its rows could not be read.

    Raises:
        DecodeError: it is not CSV with the columns that we need, or has no row.
    """
    lines = body.decode("utf-8", "replace").splitlines()
    header = next(_rows(lines[:1]), [])
    if not set(_COLUMNS) <= set(header):
        raise DecodeError(f"a list of instruments has columns {header[:12]}; it must have {_COLUMNS}")
    token_at, exchange_at, symbol_at = (header.index(column) for column in _COLUMNS)
    symbols: dict[int, str] = {}
    unread = 0
    for row in _rows(lines[1:]):
        token = row[token_at] if len(row) == len(header) else ""
        if token.isascii() and token.isdigit() and len(token) <= 10:
            symbols[int(token)] = f"{row[exchange_at]}:{row[symbol_at]}"
        else:
            unread += 1
    if not symbols:
        raise DecodeError("a list of instruments without a row that can be read")
    return _packed(symbols), unread


def _rows(lines: list[str]) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines)
    except csv.Error as error:
        raise DecodeError(f"a list of instruments that is not CSV: {error}") from error


def _packed(symbols: dict[int, str]) -> Instruments:
    tokens = sorted(symbols)
    names = [symbols[token].encode() for token in tokens]
    ends = np.cumsum([len(name) for name in names], dtype=np.int64)
    joined = np.frombuffer(b"".join(names), dtype=np.uint8).copy()
    return Instruments(np.array(tokens, dtype=np.int64), ends, joined)
