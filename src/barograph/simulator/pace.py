"""Frames of the simulated market when they are due: the market in real time.

The clock and the way to wait are handed in, so that a test needs no time at all. What was
due before the first look at the clock is skipped, as a venue does not send what we missed:
begin the market at the current minute and the frames have the current time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import numpy as np

from barograph.clock import NS_PER_S, Clock
from barograph.rows import Ints
from barograph.simulator.stream import Batch

_NEVER = 2**63 - 1


class Due:
    """The frames of ``batches``, given out as their times of receipt come."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self._recv_ns: Ints = np.empty(0, dtype=np.int64)
        self._payloads: list[bytes] = []
        self.next_ns = 0
        """When the next frame is due; beyond all times when there is none."""
        self._fill()

    def _fill(self) -> None:
        while not self._payloads:
            batch = next(self._batches, None)
            if batch is None:
                self.next_ns = _NEVER
                return
            self._recv_ns, self._payloads = batch
        self.next_ns = int(self._recv_ns[0])

    @property
    def over(self) -> bool:
        """Whether all frames have been given out."""
        return self.next_ns == _NEVER

    def until(self, now_ns: int) -> Batch:
        """The frames due at or before ``now_ns`` that have not been given out."""
        times: list[Ints] = []
        payloads: list[bytes] = []
        while self.next_ns <= now_ns and not self.over:
            n = int(np.searchsorted(self._recv_ns, now_ns, side="right"))
            times.append(self._recv_ns[:n])
            payloads += self._payloads[:n]
            self._recv_ns, self._payloads = self._recv_ns[n:], self._payloads[n:]
            self._fill()
        return Batch(np.concatenate(times) if times else np.empty(0, dtype=np.int64), payloads)

    def wait_s(self, now_ns: int, cadence_s: float) -> float:
        """Seconds to wait: until the next frame is due, at least ``cadence_s``."""
        return max(cadence_s, (self.next_ns - now_ns) / NS_PER_S)


def paced(
    batches: Iterator[Batch], clock: Clock, wait: Callable[[float], None], cadence_s: float = 1.0
) -> Iterator[Batch]:
    """The frames of ``batches`` in real time, gathered for ``cadence_s`` seconds at least.

    >>> from barograph.clock import ManualClock
    >>> batch = Batch(np.array([1, 5, 3_000_000_000]), [b"missed", b"a", b"b"])
    >>> clock = ManualClock(2)
    >>> [due.payloads for due in paced(iter([batch]), clock, clock.advance)]
    [[b'a'], [b'b']]
    """
    due = Due(batches)
    due.until(clock.now_ns())
    while not due.over:
        wait(due.wait_s(clock.now_ns(), cadence_s))
        batch = due.until(clock.now_ns())
        if batch.payloads:
            yield batch


async def paced_async(
    batches: Iterator[Batch], clock: Clock, wait: Callable[[float], Awaitable[None]], cadence_s: float = 1.0
) -> AsyncIterator[Batch]:
    """As :func:`paced`, with a ``wait`` such as :func:`asyncio.sleep`."""
    due = Due(batches)
    due.until(clock.now_ns())
    while not due.over:
        await wait(due.wait_s(clock.now_ns(), cadence_s))
        batch = due.until(clock.now_ns())
        if batch.payloads:
            yield batch
