from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.clock import NS_PER_S, ManualClock
from barograph.simulator import Batch, Market, frames, paced, paced_async

START_US = 1_723_075_200_000_000


def batches(*times_s: list[float]) -> Iterator[Batch]:
    for times in times_s:
        recv_ns = np.array([int(time * NS_PER_S) for time in times], dtype=np.int64)
        yield Batch(recv_ns, [str(time).encode() for time in times])


def test_frames_come_when_they_are_due_and_what_was_missed_does_not() -> None:
    clock = ManualClock(2 * NS_PER_S)
    got = []
    for batch in paced(batches([1.0, 2.0, 2.5], [3.0, 3.2], [9.0]), clock, clock.advance):
        got.append((clock.now_ns() / NS_PER_S, batch.payloads))
        assert batch.recv_ns[-1] <= clock.now_ns()
    assert got == [(3.0, [b"2.5", b"3.0"]), (4.0, [b"3.2"]), (9.0, [b"9.0"])]


def test_nothing_to_send_ends_at_once() -> None:
    clock = ManualClock(5 * NS_PER_S)
    assert list(paced(batches(), clock, clock.advance)) == []
    assert list(paced(batches([1.0], [2.0]), clock, clock.advance)) == []
    assert clock.now_ns() == 5 * NS_PER_S


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.floats(0, 50), min_size=1, max_size=5), max_size=5),
    st.floats(0, 20),
    st.floats(0.01, 10),
)
def test_each_later_frame_comes_once_and_in_order(
    parts: list[list[float]], now: float, cadence: float
) -> None:
    times = sorted(time for part in parts for time in part)
    sizes = [len(part) for part in parts]
    ends = np.cumsum(sizes).tolist()
    cut = [times[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    clock = ManualClock(int(now * NS_PER_S))
    got = [p for batch in paced(batches(*cut), clock, clock.advance, cadence) for p in batch.payloads]
    assert got == [str(time).encode() for time in times if int(time * NS_PER_S) > int(now * NS_PER_S)]


def test_the_market_in_real_time_is_the_market() -> None:
    market = Market(4, ["BTC-USD"], start_us=START_US, minutes=3)
    clock = ManualClock(START_US * 1_000)
    got = [p for batch in paced(frames(market), clock, clock.advance) for p in batch.payloads]
    assert got == [p for batch in frames(market) for p in batch.payloads]
    assert clock.now_ns() > (START_US + 170 * 10**6) * 1_000


def test_async_is_as_sync() -> None:
    async def run() -> list[bytes]:
        clock = ManualClock(2 * NS_PER_S)

        async def wait(seconds: float) -> None:
            clock.advance(seconds)

        parts = batches([1.0, 2.5], [3.0, 9.0])
        return [p async for batch in paced_async(parts, clock, wait) for p in batch.payloads]

    assert asyncio.run(run()) == [b"2.5", b"3.0", b"9.0"]
