"""Threads for what blocks: no more than there may be, and a bounded queue."""

from __future__ import annotations

import asyncio
import threading

import pytest

from barograph.api.threads import Threads
from barograph.errors import StorageBusy

WITHIN_S = 10.0


def test_calls_beyond_the_bound_are_refused_and_taken_again_when_others_are_done() -> None:
    let_go = threading.Event()

    async def work() -> None:
        threads = Threads(count=1, waiting=1)
        held = [asyncio.ensure_future(threads.run(let_go.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        try:
            with pytest.raises(StorageBusy, match="that is the most"):
                await asyncio.wait_for(threads.run(lambda: None), WITHIN_S)
        finally:
            let_go.set()
        assert await asyncio.gather(*held) == [True, True]
        while threads.busy:
            await asyncio.sleep(0.001)
        assert await threads.run(lambda: 7) == 7
        threads.close()

    asyncio.run(work())


def test_what_raises_in_a_thread_raises_here_and_gives_its_place_back() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async def work() -> None:
        threads = Threads(count=1, waiting=0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await threads.run(fail)
            while threads.busy:
                await asyncio.sleep(0.001)
        threads.close()

    asyncio.run(work())
