"""Whose turn it is: so many at once, and of those who wait the one who has the fewest running."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from barograph.api.problems import Problem

AGAIN_S = 5


class Turns:
    """A bounded number of turns, and a bounded number of those who wait for one.

    Args:
        most: turns at once.
        waiting: so many may wait; more are refused.
        patience_s: how long anybody waits.
    """

    def __init__(self, most: int, waiting: int, patience_s: float) -> None:
        self.most, self._most_waiting, self._patience_s = most, waiting, patience_s
        self._running: Counter[str] = Counter()
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Have a turn. Callers of one ``key`` share their chances.

        Raises:
            Problem: 503, too many wait, or it took too long.
        """
        await self._come(key)
        try:
            yield
        finally:
            self._go(key)

    async def _come(self, key: str) -> None:
        if self._running.total() < self.most:
            self._running[key] += 1
            return
        if len(self._waiting) >= self._most_waiting:
            raise _busy(f"{self.most} queries run and {len(self._waiting)} wait, which is the most")
        mine = (key, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        try:
            # Not wait_for: until Python 3.12 it forgets a cancellation that comes with the turn.
            async with asyncio.timeout(self._patience_s):
                await asyncio.shield(mine[1])
        except TimeoutError:
            self._leave(mine)
            raise _busy(f"other queries took all of {self._patience_s:g} s") from None
        except asyncio.CancelledError:
            self._leave(mine)
            raise

    def _leave(self, mine: tuple[str, asyncio.Future[None]]) -> None:
        """Wait no more; a turn that was just given goes to the next."""
        if mine in self._waiting:
            self._waiting.remove(mine)
        else:
            self._go(mine[0])

    def _go(self, key: str) -> None:
        self._running[key] -= 1
        self._running += Counter()  # forgets those who have none
        if self._waiting:
            following = min(self._waiting, key=lambda each: self._running[each[0]])
            self._waiting.remove(following)
            self._running[following[0]] += 1
            following[1].set_result(None)


def _busy(reason: str) -> Problem:
    return Problem(503, f"{reason}; ask again in a moment", {"Retry-After": str(AGAIN_S)})
