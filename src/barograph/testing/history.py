"""What a market remembers of one symbol: numbered events, found by number or by time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

_TS = attrgetter("ts_us")


class Numbered(Protocol):
    """An event as the history needs it."""

    @property
    def number(self) -> int: ...
    @property
    def ts_us(self) -> int: ...


N = TypeVar("N", bound=Numbered)


class History(Generic[N]):
    """Events with numbers from ``first`` on without holes; the newest ``keep`` at least are held.

    Answers are lists, the oldest event first.
    """

    def __init__(self, first: int, keep: int) -> None:
        self._events: list[N] = []
        self._first = first
        self._keep = keep

    @property
    def next_number(self) -> int:
        """The number of the next event."""
        return self._first + len(self._events)

    @property
    def last(self) -> N | None:
        """The newest event."""
        return self._events[-1] if self._events else None

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: N) -> None:
        """Remember the next event."""
        self._events.append(event)
        if len(self._events) > self._keep + self._keep // 4:
            dropped = len(self._events) - self._keep
            del self._events[:dropped]
            self._first += dropped

    def restore(self, event: N) -> None:
        """Remember an event of an earlier life; the first one says where the numbers begin."""
        if not self._events:
            self._first = event.number
        if event.number == self.next_number:
            self.add(event)

    def from_number(self, number: int, limit: int) -> list[N]:
        """At most ``limit`` events numbered ``number`` and higher."""
        at = max(0, number - self._first)
        return self._events[at : at + limit]

    def before_number(self, number: int, limit: int) -> list[N]:
        """The newest ``limit`` events numbered lower than ``number``."""
        end = max(0, min(len(self._events), number - self._first))
        return self._events[max(0, end - limit) : end]

    def newest(self, limit: int) -> list[N]:
        """The newest ``limit`` events."""
        return self.before_number(self.next_number, limit)

    def after_time(self, ts_us: int, limit: int) -> list[N]:
        """At most ``limit`` events later than ``ts_us``."""
        at = bisect_right(self._events, ts_us, key=_TS)
        return self._events[at : at + limit]

    def between(self, since_us: int, until_us: int, limit: int) -> list[N]:
        """At most ``limit`` events from ``since_us`` on and before ``until_us``."""
        at = bisect_left(self._events, since_us, key=_TS)
        end = bisect_left(self._events, until_us, key=_TS)
        return self._events[at : min(end, at + limit)]
