"""Rows as messages: JSON that is made once, whoever gets it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from barograph.api.live.place import Place, RowKey
from barograph.tables import ANOMALIES, MARKET_MICROSTRUCTURE, Table

Topic = Literal["bars", "anomalies", "trades"]
"""What can be asked for."""

TOPICS: tuple[Topic, ...] = ("bars", "anomalies", "trades")
TABLES_OF: dict[Topic, Table] = {"bars": MARKET_MICROSTRUCTURE, "anomalies": ANOMALIES}
"""The tables of the store whose rows are streamed; a row's key has the table's place herein."""

_TYPES = {"bars": "bar", "anomalies": "anomaly", "trades": "trade"}


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        type: ``bar``, ``anomaly``, ``trade``; ``ready``, ``heartbeat``, ``reset``, ``end``.
        place: what a client has had with it.
        data: the row, or what is to be told.
        topic: what it belongs to; None: it is for everybody.
    """

    type: str
    place: Place
    data: Mapping[str, Any]
    topic: Topic | None = None

    @cached_property
    def id(self) -> str:
        """The place as text."""
        return self.place.text()

    @cached_property
    def json(self) -> bytes:
        """``{"type": ..., "id": ..., "data": {...}}``."""
        return msgspec.json.encode({"type": self.type, "id": self.id, "data": self.data})

    @cached_property
    def sse(self) -> bytes:
        """The same as an event of Server-Sent Events."""
        return b"event: %b\nid: %b\ndata: %b\n\n" % (self.type.encode(), self.id.encode(), self.json)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a client wants; None: all of them.

    Attributes:
        start_us: nothing before this time, of minutes and anomalies their own, of trades the exit's.
    """

    topics: frozenset[Topic] = frozenset(TOPICS)
    symbols: frozenset[str] | None = None
    venues: frozenset[str] | None = None
    start_us: int | None = None

    def takes(self, message: Message, ts_us: int) -> bool:
        """Whether a message about something at ``ts_us`` is wanted."""
        if message.topic is None:
            return True
        data = message.data
        return (
            message.topic in self.topics
            and (self.symbols is None or data["symbol"] in self.symbols)
            and (self.venues is None or data["venue"] in self.venues)
            and (self.start_us is None or ts_us >= self.start_us)
        )


def row_message(topic: Topic, row: Mapping[str, Any], place: Place) -> Message:
    """A row as a message."""
    return Message(_TYPES[topic], place, row, topic)


def rows_of(topic: Topic, rows: pa.Table) -> Iterator[tuple[int, RowKey, dict[str, Any]]]:
    """Rows as plain values, each with its tape position and key, in the order given."""
    table = TABLES_OF[topic]
    number = list(TABLES_OF).index(topic)
    named = {name: _plain(rows.column(name)) for name in table.names}
    times = pc.cast(rows.column(table.time), pa.int64()).to_pylist()
    kinds = named.get("kind") or [""] * rows.num_rows
    keys = map(RowKey, times, [number] * len(times), named["symbol"], named["venue"], kinds)
    values = zip(*named.values(), strict=True)
    for pos, key, row in zip(named["tape_pos"], keys, values, strict=True):
        yield pos, key, dict(zip(named, row, strict=True))


def _plain(column: pa.ChunkedArray) -> Sequence[Any]:
    """Values for JSON: times as ISO 8601 with microseconds, as the API's other answers have them."""
    if pa.types.is_timestamp(column.type):
        # Without the zone, for which some systems have no words.
        column = pc.strftime(column.cast(pa.timestamp("us")), "%Y-%m-%dT%H:%M:%SZ")
    found: list[Any] = column.to_pylist()
    return found
