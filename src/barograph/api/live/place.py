"""How far a client is: the text that stands as the id of each message.

A place says which rows of the store and which trades of the ledger a client has had. It goes by
values, not by counts: rows made from tape position ``pos`` come in the order of their keys, and a
place names the last key. So it stays right when one of them is revised and moves on, and it means
the same in every process, for every choice of tables and symbols.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, NamedTuple, Self

import msgspec

from barograph.errors import UsageError

Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Word = Annotated[str, msgspec.Meta(max_length=256)]
_LONGEST, _SHOWN = 4_096, 40


class RowKey(NamedTuple):
    """Names a row, and orders rows: by time, then table, symbol, venue and kind (of an anomaly)."""

    ts_us: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    table: Annotated[int, msgspec.Meta(ge=0, le=9)]
    symbol: Word
    venue: Word
    kind: Word


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Which messages a client has had.

    Attributes:
        origin: the beginning of the name of the store's content; empty: nothing was there yet.
        pos: all rows made from records before it, less those that ``upto`` takes up.
        key: of the rows made from ``pos`` itself those up to this key; None: none of them.
        upto: catching up: rows from ``pos`` to here come in the order of their time. None: live.
        at: catching up: those up to this key.
        trades: completed trades up to this place in the ledger.
    """

    origin: Word = ""
    pos: Natural = 0
    key: RowKey | None = None
    upto: Natural | None = None
    at: RowKey | None = None
    trades: Natural = 0

    def text(self) -> str:
        """The id of a message.

        >>> Place.of(Place("ab12", 7).text())
        Place(origin='ab12', pos=7, key=None, upto=None, at=None, trades=0)
        """
        return base64.urlsafe_b64encode(_encoder.encode(self)).rstrip(b"=").decode()

    @classmethod
    def of(cls, text: str) -> Self:
        """The place that an id stands for.

        Raises:
            UsageError: it is no id of this stream.
        """
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        try:
            # What is longer is cut, and then no id either.
            text = text[:_LONGEST]
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            return msgspec.msgpack.decode(base64.b64decode(padded, b"-_", validate=True), type=cls)
        except (ValueError, binascii.Error, msgspec.DecodeError):
            raise UsageError(
                f"{shown!r} is no id of this stream; give the id of the last message that you have had, or "
                "since=0 with a start"
            ) from None

    def ahead_of(self, other: Place) -> bool:
        """Whether it has had anything that ``other``, which is live, has not."""
        reached = self.pos if self.upto is None else self.upto
        past = reached > other.pos or (reached == other.pos and self.upto is None and self.key is not None)
        return past or self.trades > other.trades

    def behind(self, other: Place) -> bool:
        """Whether there may be anything that ``other``, which is live, has had and it has not."""
        return self.pos < other.pos or self.upto is not None or self.trades < other.trades

    def is_of(self, origin: str) -> bool:
        """Whether it is a place in the content called ``origin``; before there was a name, in any."""
        return not self.origin or self.origin == origin

    def had(self, pos: int, key: RowKey) -> bool:
        """Whether a row made from ``pos`` is one of those before ``pos`` and ``key``."""
        return pos < self.pos or (pos == self.pos and self.key is not None and key <= self.key)


_encoder = msgspec.msgpack.Encoder()
