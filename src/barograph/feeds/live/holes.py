"""Trade ids that an asking was to bring, and which of them have not come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from barograph.gaps import Channel, Gap

_TOLD = 5


def unaskable(gap: Gap) -> str | None:
    """Why a venue that numbers its trades cannot be asked for ``gap``, or None if it can."""
    if gap.channel is not Channel.TRADES:
        return "no venue sends old quotes again"
    if gap.first_id is None:
        return "the venue is asked by trade ids, and none is known from before the gap"
    if gap.last_id is not None and gap.last_id < gap.first_id:
        return f"a gap from trade {gap.first_id} back to {gap.last_id} cannot be"
    return None


class Holes:
    """The ids of a gap that no page has brought yet, as ranges.

    Without a last id the gap reaches up to the highest id that any page brings.
    """

    def __init__(self, first: int, last: int | None) -> None:
        self._first = first
        self._last = last
        self._top = first - 1 if last is None else last
        self._ranges = [] if last is None else [(first, last)]

    def fill(self, ids: Iterable[int]) -> None:
        """Strike out the ids of a page; those outside of the gap do not matter."""
        found = sorted({i for i in ids if i >= self._first and (self._last is None or i <= self._last)})
        if found and found[-1] > self._top:
            self._ranges.append((self._top + 1, found[-1]))
            self._top = found[-1]
        for start, stop in _runs(found):
            self._ranges = [left for hole in self._ranges for left in _without(hole, start, stop)]

    def __len__(self) -> int:
        return sum(stop - start + 1 for start, stop in self._ranges)

    def told(self) -> str | None:
        """The ids in words, or None if all have come.

        >>> holes = Holes(5, 12)
        >>> holes.fill([5, 6, 8, 9, 10])
        >>> holes.told()
        '3 trades did not come: 7, 11 to 12'
        """
        if not self._ranges:
            return None
        parts = [f"{a}" if a == b else f"{a} to {b}" for a, b in self._ranges[:_TOLD]]
        more = ", ..." if len(self._ranges) > _TOLD else ""
        n = len(self)
        return f"{n} trade{'s' if n > 1 else ''} did not come: {', '.join(parts)}{more}"


def _runs(ids: list[int]) -> Iterator[tuple[int, int]]:
    """Runs of consecutive numbers."""
    start = previous = None
    for number in ids:
        if start is None or previous is None:
            start = number
        elif number != previous + 1:
            yield start, previous
            start = number
        previous = number
    if start is not None and previous is not None:
        yield start, previous


def _without(hole: tuple[int, int], start: int, stop: int) -> list[tuple[int, int]]:
    """What is left of ``hole`` without the ids ``start`` to ``stop``."""
    a, b = hole
    if stop < a or b < start:
        return [hole]
    return [part for part in ((a, start - 1), (stop + 1, b)) if part[0] <= part[1]]
