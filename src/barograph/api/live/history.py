"""Rows made between two positions of the tape, in the order of their own time, in bounded pieces.

Who was away for a month, or begins with last year, is given what was missed day by day: the
tape's order would need all of it in memory at once. A place in it (:class:`Place` with ``upto``)
can be taken up like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from barograph.api.live.message import TABLES_OF, Choice, Message, Topic, row_message, rows_of
from barograph.api.live.place import Place
from barograph.clock import DAY_US, MINUTE_US, day_start_us
from barograph.store.lake import Lake
from barograph.store.store import Reader, Scan

if TYPE_CHECKING:
    from barograph.market import Market

ROWS = 5_000
"""Rows of a piece, about: more are read in shorter pieces, down to a minute."""

_TOLD_LATER = {"bars": "market_microstructure", "anomalies": "anomaly_versions"}
_DAYS = """
    SELECT DISTINCT floor(extract(epoch FROM {time}) / 86400)::bigint AS day FROM {table} WHERE tape_pos >= $1
"""


class TooMany(Exception):
    """More rows than were asked for at once."""


def rows_between(
    store: Reader,
    topic: Topic,
    choice: Choice,
    pos: tuple[int, int],
    times: tuple[int | None, int | None],
    most: int,
) -> pa.Table:
    """Rows of a topic made from positions ``pos``, at ``times``; both half-open.

    Raises:
        TooMany: there are more than ``most``.
        StorageError: the store does not answer.
    """
    table = TABLES_OF[topic]
    first, upto = pos
    wanted = Scan(
        table.name,
        None,
        None if choice.symbols is None else sorted(choice.symbols),
        None if choice.venues is None else sorted(choice.venues),
        *times,
        from_pos=first,
        withdrawn=True,
    )
    found, count = [], 0
    for batch in store.scan(wanted):
        rows = batch.filter(pc.less(batch.column("tape_pos"), upto))
        count += rows.num_rows
        if count > most:
            raise TooMany
        found.append(rows)
    return pa.Table.from_batches(found, table.schema())


def days_since(market: Market, topic: Topic, choice: Choice, pos: int) -> set[int]:
    """The beginnings of the UTC days that have rows of a topic made from ``pos`` on; perhaps more days.

    Raises:
        StorageError: the store does not answer.
    """
    table, store = TABLES_OF[topic], market.store
    if isinstance(store, Lake):
        wanted = Scan(table.name, start_us=choice.start_us, from_pos=pos)
        found = {
            day_start_us(day.day) for day in store.days(wanted) if day.parts or day.footer.upto_pos > pos
        }
    else:
        query = _DAYS.format(time=f'"{table.time}"', table=_TOLD_LATER[topic])
        days = market.stream(query, [pos]).read_all().column("day").to_pylist()
        found = {day * DAY_US for day in days}
    start_us = choice.start_us
    return found if start_us is None else {day for day in found if day + DAY_US > start_us}


@dataclass(frozen=True, slots=True)
class Piece:
    """Some messages of the past, and the place after all of them."""

    messages: Sequence[Message]
    place: Place


class History:
    """What a client at ``place`` has missed of minutes and anomalies, up to ``place.upto``.

    Its methods block. Each :meth:`piece` may be asked for in another thread, one at a time.
    """

    def __init__(self, market: Market, choice: Choice, place: Place) -> None:
        assert place.upto is not None
        self._market, self._choice, self._place = market, choice, place
        self._topics = [topic for topic in TABLES_OF if topic in choice.topics]
        self._upto = place.upto
        self._span_us = DAY_US
        self._days: list[int] | None = None
        self._from_us = max(
            filter(None, (choice.start_us, place.at.ts_us if place.at else None)), default=None
        )

    def piece(self) -> Piece | None:
        """The next messages, perhaps none; None: that was all.

        Raises:
            StorageError: the store does not answer.
        """
        days = self._left()
        if not days:
            return None
        start_us = max(days[0], self._from_us) if self._from_us is not None else days[0]
        end_us = min(start_us - start_us % self._span_us + self._span_us, days[0] + DAY_US)
        try:
            messages = self._messages(start_us, end_us)
        except TooMany:
            self._span_us //= 2
            return Piece((), self._place)
        self._from_us = end_us
        if end_us >= days[0] + DAY_US:
            days.pop(0)
        if messages:
            self._place = messages[-1].place
        return Piece(messages, self._place)

    def _left(self) -> list[int]:
        """The days that are still to come."""
        if self._days is None:
            found: set[int] = set()
            for topic in self._topics:
                found |= days_since(self._market, topic, self._choice, self._place.pos)
            since_us = self._from_us
            self._days = sorted(day for day in found if since_us is None or day + DAY_US > since_us)
        return self._days

    def _messages(self, start_us: int, end_us: int) -> list[Message]:
        most = ROWS if end_us - start_us > MINUTE_US else 2**62
        between, times = (self._place.pos, self._upto), (start_us, end_us)
        tables = {
            topic: rows_between(self._market.store, topic, self._choice, between, times, most)
            for topic in self._topics
        }
        made = list(self._made(tables))
        made.sort(key=lambda message: message.place.at or ())
        for message in made:
            _ = message.json  # here, and not where all clients wait
        return made

    def _made(self, tables: dict[Topic, pa.Table]) -> Iterator[Message]:
        place = self._place
        for topic, rows in tables.items():
            for pos, key, row in rows_of(topic, rows):
                if not place.had(pos, key) and (place.at is None or key > place.at):
                    yield row_message(topic, row, msgspec.structs.replace(place, at=key))
