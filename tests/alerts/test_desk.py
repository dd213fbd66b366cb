"""The desk: from any thread, once, bounded, and no sink holds up another."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
import structlog

from barograph.alerts import Alert, DeliveryRefused, Desk, LogSink, Severity, open_desk
from barograph.clock import ManualClock
from barograph.errors import SettingsError
from barograph.settings import Settings
from barograph.settings.telling import AlertsSection


def alert(key: str, **more: Any) -> Alert:
    return Alert("disk_low", f"about {key}", 1_723_075_200_000_000, key, **more)


class Notebook:
    """A sink that keeps what it gets, when its door is open."""

    def __init__(self, name: str = "notebook") -> None:
        self.name = name
        self.got: list[Alert] = []
        self.door = asyncio.Event()
        self.door.set()
        self.closed = 0

    async def deliver(self, alert: Alert) -> None:
        await self.door.wait()
        if alert.key == "refused":
            raise DeliveryRefused("no")
        if alert.key == "faulty":
            raise ZeroDivisionError
        self.got.append(alert)

    async def close(self) -> None:
        self.closed += 1

    @property
    def keys(self) -> list[str]:
        return [each.key for each in self.got]


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


def test_given_alerts_before_and_while_it_runs_then_each_sink_gets_them_in_order() -> None:
    async def scenario() -> None:
        first, second = Notebook(), Notebook("second")
        desk = Desk([first, second], 60, ManualClock())
        desk.tell(alert("a"))
        running = asyncio.create_task(desk.run())
        desk.tell(alert("b"))
        await desk_served(desk, first, second)
        await desk.close()
        await running
        assert first.keys == second.keys == ["a", "b"]
        assert (first.closed, second.closed) == (1, 1)
        assert (desk.sent, desk.dropped, desk.delivered) == (2, 0, {"notebook": 2, "second": 2})

    async def desk_served(desk: Desk, *books: Notebook) -> None:
        await until(lambda: all(len(book.got) == 2 for book in books))

    asyncio.run(scenario())


def test_given_repeats_then_the_next_one_after_the_cool_down_tells_their_number() -> None:
    async def scenario() -> None:
        book, clock = Notebook(), ManualClock()
        desk = Desk([book], 60, clock)
        running = asyncio.create_task(desk.run())
        for _ in range(5):
            desk.tell(alert("a", detail={"free": 3}))
        clock.advance(61)
        desk.tell(alert("a", detail={"free": 2}))
        await until(lambda: len(book.got) == 2)
        await desk.close()
        await running
        assert [each.detail for each in book.got] == [{"free": 3}, {"free": 2, "repeats": 4}]
        assert (desk.sent, desk.suppressed) == (2, 4)

    asyncio.run(scenario())


def test_given_many_threads_then_every_alert_arrives_and_nobody_waits_for_a_stuck_sink() -> None:
    async def scenario() -> None:
        book, stuck = Notebook(), Notebook("stuck")
        stuck.door.clear()
        desk = Desk([stuck, book], 60, ManualClock(), queue=4000)
        running = asyncio.create_task(desk.run())
        threads = [
            threading.Thread(target=lambda n=n: [desk.tell(alert(f"{n}-{i}")) for i in range(200)])
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        await until(lambda: len(book.got) == 1600)
        for thread in threads:
            thread.join()
        assert stuck.got == []
        stuck.door.set()
        await desk.close(within_s=10)
        await running
        assert sorted(stuck.keys) == sorted(book.keys)

    asyncio.run(scenario())


def test_given_a_sink_that_is_slower_than_alerts_come_then_the_oldest_are_dropped_counted_and_logged() -> (
    None
):
    async def scenario() -> None:
        book = Notebook()
        book.door.clear()
        desk = Desk([book], 60, ManualClock(), queue=3)
        running = asyncio.create_task(desk.run())
        desk.tell(alert("first"))
        await until(lambda: not desk._boxes[0]._waiting)
        for n in range(10):
            desk.tell(alert(str(n)))
        assert desk.dropped == 7
        book.door.set()
        await until(lambda: len(book.got) == 4)
        await desk.close()
        await running
        assert book.keys == ["first", "7", "8", "9"]

    with structlog.testing.capture_logs() as lines:
        asyncio.run(scenario())
    [line] = [line for line in lines if "dropped" in line["event"]]
    assert (line["count"], line["bound"], line["log_level"]) == (7, 3, "error")


def test_given_a_sink_that_refuses_or_is_faulty_then_the_others_and_the_next_are_served() -> None:
    async def scenario() -> None:
        book = Notebook()
        desk = Desk([book], 60, ManualClock())
        running = asyncio.create_task(desk.run())
        for key in ("refused", "faulty", "good"):
            desk.tell(alert(key))
        await until(lambda: book.keys == ["good"])
        await desk.close()
        await running
        assert desk.dropped == 2

    with structlog.testing.capture_logs() as lines:
        asyncio.run(scenario())
    assert [line["alert"] for line in lines] == ["refused", "faulty"]


def test_given_the_end_then_what_waits_is_delivered_and_the_end_is_bounded() -> None:
    async def scenario() -> None:
        book, stuck = Notebook(), Notebook("stuck")
        stuck.door.clear()
        desk = Desk([book, stuck], 60, ManualClock())
        running = asyncio.create_task(desk.run())
        for n in range(20):
            desk.tell(alert(str(n)))
        began = time.perf_counter()
        await desk.close(within_s=0.1)
        await asyncio.wait_for(running, 5)
        assert time.perf_counter() - began < 2
        assert len(book.got) == 20
        assert desk.dropped == 20
        desk.tell(alert("too late"))
        assert desk.dropped == 22

    with structlog.testing.capture_logs() as lines:
        asyncio.run(scenario())
    assert {line["sink"] for line in lines} == {"stuck"}


def test_given_a_loop_that_is_gone_then_telling_does_not_raise() -> None:
    desk = Desk([LogSink()], 60, ManualClock())

    async def scenario() -> None:
        running = asyncio.create_task(desk.run())
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(scenario())
    desk.tell(alert("a"))
    assert desk.dropped == 1


@pytest.mark.parametrize("severity", list(Severity))
def test_given_an_alert_then_its_log_line_has_its_severity_and_facts(severity: Severity) -> None:
    told = alert("k", severity=severity, venue="binance", symbol="BTC-USDT", detail={"free": 1})
    with structlog.testing.capture_logs() as lines:
        asyncio.run(LogSink().deliver(told))
    assert lines == [
        {
            "event": "about k",
            "log_level": severity.value,
            "alert": "disk_low",
            "at": "2024-08-08T00:00:00+00:00",
            "venue": "binance",
            "symbol": "BTC-USDT",
            "detail": {"free": 1},
        }
    ]


def test_the_settings_make_the_desk_and_an_address_that_is_none_is_refused_without_showing_it() -> None:
    clock = ManualClock()
    assert list(open_desk(Settings().alerts, clock).delivered) == ["log"]
    wanted = AlertsSection(webhook_url="https://example.org/hook-secret")  # type: ignore[arg-type]
    assert list(open_desk(wanted, clock).delivered) == ["log", "webhook"]
    with pytest.raises(SettingsError, match=r"alerts\.webhook_url") as refused:
        open_desk(AlertsSection(webhook_url="example.org/hook-secret"), clock)  # type: ignore[arg-type]
    assert "hook-secret" not in str(refused.value)
