"""What has come into the store and the ledger since the last look: the part that blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from barograph.api.live.history import TooMany, days_since, rows_between
from barograph.api.live.message import TABLES_OF, Choice, Message, Topic, row_message, rows_of
from barograph.api.live.place import Place, RowKey
from barograph.api.live.trades import LedgerTrades, Stamp
from barograph.clock import DAY_US
from barograph.store.lake import Lake
from barograph.store.layout import ledger_path

if TYPE_CHECKING:
    import pyarrow as pa

    from barograph.api.state import State

AT_ONCE = 5_000
"""More new rows than these are no news: each client reads them by itself, at its own pace."""
_NAME = 8
_SETTLED_NS = 200_000_000
"""A file may be written twice in one tick of its clock: what is younger is looked at again."""


@dataclass(frozen=True, slots=True)
class News:
    """What a look has found.

    Attributes:
        messages: each with the time of what it tells.
        place: after all of it.
        skipped: there was too much; ``messages`` has none of it.
        other: the tables hold another content than before.
    """

    messages: Sequence[tuple[Message, int]]
    place: Place
    skipped: bool = False
    other: bool = False


class Following:
    """Looks at one process's store, for all its clients. Used by one thread at a time."""

    def __init__(self, state: State) -> None:
        self._state = state
        data = state.where.data
        self.ledger = LedgerTrades(None if data is None else ledger_path(data / "lake"))
        self._seen: tuple[Stamp, int] | None = None

    def now(self) -> Place:
        """The place of those who have had everything.

        Raises:
            StorageError: the store does not answer.
        """
        store = self._state.market().store
        stamp = self.ledger.stamp()
        origin, pos, trades = store.lineage()[:_NAME], store.committed(), self.ledger.newest()
        self._note(stamp, trades)
        return Place(origin=origin, pos=pos, trades=trades)

    def look(self, place: Place) -> News | None:
        """What has come since ``place``, which is live; None: nothing.

        Raises:
            StorageError: the store does not answer.
        """
        store = self._state.market().store
        origin = store.lineage()[:_NAME]
        if not place.is_of(origin):
            return News((), self.now(), other=True)
        stamp, upto = self.ledger.stamp(), store.committed()
        if upto <= place.pos and self._seen == (stamp, place.trades):
            return None
        after = Place(origin=origin, pos=max(upto, place.pos), trades=place.trades)
        try:
            rows = self._rows(place, after)
            trades = self._trades(after, stamp)
        except TooMany:
            return News((), self.now(), skipped=True)
        messages = [*rows, *trades]
        for message, _ in messages:
            _ = message.sse  # here, and not where all clients wait
        return News(messages, trades[-1][0].place if trades else after)

    def _rows(self, place: Place, after: Place) -> list[tuple[Message, int]]:
        """New rows in the order of the tape."""
        found: list[tuple[int, RowKey, Topic, dict[str, object]]] = []
        if after.pos > place.pos:
            for topic in TABLES_OF:
                for rows in self._tables(topic, place.pos, after.pos):
                    found += [(pos, key, topic, row) for pos, key, row in rows_of(topic, rows)]
        if len(found) > AT_ONCE:
            raise TooMany
        found.sort(key=lambda each: each[:2])
        origin, trades = after.origin, place.trades
        return [
            (row_message(topic, row, Place(origin, pos, key, trades=trades)), key.ts_us)
            for pos, key, topic, row in found
        ]

    def _tables(self, topic: Topic, first: int, upto: int) -> list[pa.Table]:
        market, everything = self._state.market(), Choice()
        spans: list[tuple[int | None, int | None]] = [(None, None)]
        if isinstance(market.store, Lake):
            # Files of other days need not even be opened.
            spans = [(day, day + DAY_US) for day in sorted(days_since(market, topic, everything, first))]
        return [rows_between(market.store, topic, everything, (first, upto), span, AT_ONCE) for span in spans]

    def _trades(self, after: Place, stamp: Stamp) -> list[tuple[Message, int]]:
        """New trades in the order of the ledger."""
        if self._seen == (stamp, after.trades):
            return []
        found = self.ledger.between(after.trades, 2**63 - 1, AT_ONCE + 1)
        if len(found) > AT_ONCE:
            raise TooMany
        self._note(stamp, found[-1][0] if found else after.trades)
        return [
            (row_message("trades", row, Place(after.origin, after.pos, trades=number)), exit_us)
            for number, exit_us, row in found
        ]

    def _note(self, stamp: Stamp, trades: int) -> None:
        """The ledger's trades up to number ``trades`` are all that it had at ``stamp``."""
        youngest_ns = max((written_ns for _, written_ns, _ in stamp), default=0)
        is_settled = self._state.clock.now_ns() - youngest_ns > _SETTLED_NS
        self._seen = (stamp, trades) if is_settled else None
