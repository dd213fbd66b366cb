"""Turns: bounded, and fair to who has had few."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.api.problems import Problem
from barograph.api.sandbox.turns import Turns


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(1, 4), st.sets(st.integers(0, 29)))
def test_no_more_run_than_may_and_everybody_gets_a_turn(
    keys: list[str], most: int, leaving: set[int]
) -> None:
    running = 0
    had: list[int] = []

    async def one(turns: Turns, number: int, key: str) -> None:
        nonlocal running
        async with turns.turn(key):
            running += 1
            try:
                assert running <= most
                await asyncio.sleep(0)
                had.append(number)
            finally:
                running -= 1

    async def work() -> None:
        turns = Turns(most, 100, 60)
        tasks = [asyncio.ensure_future(one(turns, number, key)) for number, key in enumerate(keys)]
        await asyncio.sleep(0)
        for number in leaving & set(range(len(keys))):
            tasks[number].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
        stayed = {number for number, result in enumerate(results) if result is None}
        assert stayed == set(had)
        async with turns.turn("last"):  # all turns have come back
            pass

    run(work())


def test_who_leaves_in_the_moment_of_the_turn_does_not_have_it() -> None:
    async def work() -> None:
        turns = Turns(1, 100, 60)
        first = turns.turn("a")
        await first.__aenter__()
        second = asyncio.ensure_future(turns.turn("b").__aenter__())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await first.__aexit__(None, None, None)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        async with turns.turn("c"):  # the turn has come back
            pass

    run(work())


def test_who_has_few_running_comes_before_who_has_many() -> None:
    order: list[str] = []

    async def one(turns: Turns, key: str, free: asyncio.Event) -> None:
        async with turns.turn(key):
            order.append(key)
            await free.wait()

    async def work() -> None:
        turns, free = Turns(2, 100, 60), [asyncio.Event() for _ in range(7)]
        keys = ["greedy"] * 6 + ["modest"]
        tasks = [asyncio.ensure_future(one(turns, key, each)) for key, each in zip(keys, free, strict=True)]
        while len(order) < 2:
            await asyncio.sleep(0)
        free[0].set()
        while len(order) < 3:
            await asyncio.sleep(0)
        assert order[-1] == "modest"
        for each in free:
            each.set()
        await asyncio.gather(*tasks)

    run(work())


def test_too_many_who_wait_are_refused_and_so_is_who_waits_too_long() -> None:
    async def work() -> None:
        turns = Turns(1, 1, 0.01)
        async with turns.turn("a"):
            with pytest.raises(Problem, match="other queries took all of"):
                async with turns.turn("b"):
                    pass
            waiting = asyncio.ensure_future(turns.turn("c").__aenter__())
            await asyncio.sleep(0)
            with pytest.raises(Problem, match="which is the most"):
                async with turns.turn("d"):
                    pass
            with pytest.raises(Problem):
                await waiting

    run(work())
