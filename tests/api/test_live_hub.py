"""The reader that all clients share: slow clients, a store that does not answer, mistakes of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from barograph.api.live.following import News
from barograph.api.live.hub import Hub, Listener
from barograph.api.live.message import Choice, row_message
from barograph.api.live.place import Place
from barograph.api.problems import Problem
from barograph.errors import StorageError

WITHIN_S = 30.0


class Source:
    """News as they are told to come."""

    def __init__(self) -> None:
        self.next_: list[News | Exception] = []
        self.looks = 0

    def now(self) -> Place:
        return Place("one", 10)

    def look(self, place: Place) -> News | None:
        del place
        self.looks += 1
        if not self.next_:
            return None
        news = self.next_.pop(0)
        if isinstance(news, Exception):
            raise news
        return news


def news(pos: int, count: int = 1) -> News:
    row = {"symbol": "S0", "venue": "sim"}
    messages = [(row_message("bars", row, Place("one", pos)), 0) for _ in range(count)]
    return News(messages, Place("one", pos))


def run(work: Callable[[Source, Hub], Coroutine[Any, Any, None]], most: int = 3) -> None:
    source = Source()
    hub = Hub(source, most, look_s=0.001)
    asyncio.run(work(source, hub))
    assert hub.clients == 0


def test_all_who_have_joined_hear_the_same() -> None:
    async def work(source: Source, hub: Hub) -> None:
        with hub.attended():
            assert await hub.here() == Place("one", 10)
            with hub.joined(Choice()) as one, hub.joined(Choice()) as other:
                source.next_.append(news(20))
                first, second = await one.hear(WITHIN_S), await other.hear(WITHIN_S)
                assert first is not None
                assert first == second
                assert first.messages[0] is second.messages[0]
            assert hub.place == Place("one", 20)

    run(work)


def test_a_slow_client_is_dropped_with_a_reason_and_the_others_hear_on() -> None:
    slow, quick = Listener(Choice(), waiting=10), Listener(Choice(), waiting=10)

    async def work() -> None:
        for pos in range(20):
            for listener in (slow, quick):
                listener.offer(news(pos, 2))
            heard = await quick.hear(WITHIN_S)
            assert heard is not None
            assert heard.place == Place("one", pos)
        assert await slow.hear(WITHIN_S) is None

    asyncio.run(work())
    assert quick.ended is None
    assert "too slow: more than 10 messages wait" in str(slow.ended)


def test_a_store_that_does_not_answer_is_asked_again() -> None:
    async def work(source: Source, hub: Hub) -> None:
        with hub.attended():
            await hub.here()
            with hub.joined(Choice()) as listener:
                source.next_ += [StorageError("away"), StorageError("away"), news(30)]
                heard = await listener.hear(WITHIN_S)
                assert heard is not None
                assert heard.place.pos == 30

    run(work)


def test_a_store_that_does_not_answer_at_first_is_told_to_who_comes() -> None:
    async def work(source: Source, hub: Hub) -> None:
        def away() -> Place:
            raise StorageError("away")

        source.now = away  # type: ignore[method-assign]
        with hub.attended(), pytest.raises(StorageError, match="away"):
            await hub.here()
        del source.now
        with hub.attended():
            assert await hub.here() == Place("one", 10)

    run(work)


def test_a_mistake_of_ours_leaves_nobody_waiting() -> None:
    async def work(source: Source, hub: Hub) -> None:
        with hub.attended():
            await hub.here()
            with hub.joined(Choice()) as listener:
                source.next_.append(ZeroDivisionError("a bug"))
                assert await listener.hear(WITHIN_S) is None
                assert "the server's reader has ended" in str(listener.ended)
            assert await hub.here() == Place("one", 10)  # the next client starts it anew

    run(work)


def test_nobody_reads_the_store_when_nobody_listens() -> None:
    async def work(source: Source, hub: Hub) -> None:
        with hub.attended():
            await hub.here()
            while source.looks < 3:
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        looks = source.looks
        for _ in range(100):
            await asyncio.sleep(0)
        assert source.looks <= looks + 1
        assert all(task.get_name() != "live stream" for task in asyncio.all_tasks())

    run(work)


def test_no_more_come_in_than_may() -> None:
    async def work(source: Source, hub: Hub) -> None:
        del source
        with (
            hub.attended(),
            hub.attended(),
            hub.attended(),
            pytest.raises(Problem) as refused,
            hub.attended(),
        ):
            pass
        assert refused.value.status == 503
        assert "web.stream_clients" in refused.value.detail

    run(work)


def test_who_is_let_go_hears_nothing_more_and_nobody_comes_in_after() -> None:
    async def work(source: Source, hub: Hub) -> None:
        with hub.attended():
            await hub.here()
            with hub.joined(Choice()) as listener:
                hub.end("enough")
                assert await listener.hear(WITHIN_S) is None
                assert listener.ended == "enough"
                source.next_.append(news(40))
                await hub.look()
                assert await listener.hear(WITHIN_S) is None
        with pytest.raises(Problem, match="enough"), hub.attended():
            pass

    run(work)
