"""The webhook against real servers: well, failing, slow, dead; and the receiver's check as documented."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from barograph.alerts import (
    Alert,
    DeliveryFailed,
    DeliveryRefused,
    Desk,
    Receiver,
    Retries,
    Severity,
    Webhook,
)
from barograph.clock import NS_PER_S, ManualClock, SystemClock

SECRET = "very-secret"
QUICK = Retries(attempts=4, timeout_s=2.0, wait_s=0.005, longest_wait_s=0.02)
ALERT = Alert(
    "feed_stale",
    "no frames – für 120 s",
    1_723_075_200_000_000,
    "k",
    Severity.ERROR,
    "binance",
    "BTC-USDT",
    {"n": 1},
)


def deliver(url: str, retries: Retries = QUICK, secret: str | None = SECRET) -> Any:
    async def once() -> None:
        sink = Webhook(Receiver(url, secret), retries, SystemClock())
        try:
            await sink.deliver(ALERT)
        finally:
            await sink.close()

    return once()


@pytest.fixture(scope="module")
def is_genuine() -> Callable[..., bool]:
    """The function that docs/alerts.md gives to receivers."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    checked: Callable[..., bool] = names["is_genuine"]
    return checked


def test_given_a_receiver_then_the_documented_check_passes_and_any_change_fails_it(
    serve: Any, is_genuine: Callable[..., bool]
) -> None:
    async def scenario() -> None:
        async with serve(204) as server:
            await deliver(server.url)
        [post] = server.got
        assert is_genuine(SECRET, post.headers, post.body)
        assert not is_genuine("another secret", post.headers, post.body)
        assert not is_genuine(SECRET, post.headers, post.body.replace(b"120", b"121"))
        stamp = post.headers["X-Barograph-Timestamp"]
        assert not is_genuine(
            SECRET, {**post.headers, "X-Barograph-Timestamp": str(int(stamp) + 1)}, post.body
        )
        assert not is_genuine(SECRET, {}, post.body)
        assert not is_genuine(SECRET, post.headers, post.body, now=time.time() + 301)

    asyncio.run(scenario())


def test_given_an_alert_then_the_body_tells_all_of_it(serve: Any) -> None:
    async def scenario() -> None:
        async with serve(200) as server:
            await deliver(server.url)
        [post] = server.got
        assert post.headers["Content-Type"] == "application/json"
        assert json.loads(post.body) == {
            "delivery": post.headers["X-Barograph-Delivery"],
            "ts": "2024-08-08T00:00:00+00:00",
            "kind": "feed_stale",
            "message": "no frames – für 120 s",
            "ts_us": 1_723_075_200_000_000,
            "key": "k",
            "severity": "error",
            "venue": "binance",
            "symbol": "BTC-USDT",
            "detail": {"n": 1},
        }

    asyncio.run(scenario())


def test_given_no_secret_then_nothing_is_signed(serve: Any) -> None:
    async def scenario() -> None:
        async with serve(200) as server:
            await deliver(server.url, secret=None)
        assert "X-Barograph-Signature" not in server.got[0].headers

    asyncio.run(scenario())


@pytest.mark.parametrize("failing", [[500], [502, 429], [408, 503, 500]])
def test_given_failures_that_pass_then_it_is_tried_again_under_the_same_number(
    serve: Any, failing: list[int], is_genuine: Callable[..., bool]
) -> None:
    async def scenario() -> None:
        async with serve(*failing, 200) as server:
            await deliver(server.url)
        assert len(server.got) == len(failing) + 1
        assert len({post.headers["X-Barograph-Delivery"] for post in server.got}) == 1
        assert len({post.body for post in server.got}) == 1
        assert all(is_genuine(SECRET, post.headers, post.body) for post in server.got)

    asyncio.run(scenario())


def test_given_a_receiver_that_never_recovers_then_attempts_end(serve: Any) -> None:
    async def scenario() -> None:
        async with serve(503) as server:
            with pytest.raises(DeliveryFailed, match="503"):
                await deliver(server.url)
        assert len(server.got) == QUICK.attempts

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410])
def test_given_a_final_no_then_it_is_not_tried_again(serve: Any, status: int) -> None:
    async def scenario() -> None:
        async with serve(status, 200, Location="/hook/elsewhere") as server:
            with pytest.raises(DeliveryRefused, match=str(status)):
                await deliver(server.url)
        assert len(server.got) == 1

    asyncio.run(scenario())


def test_given_a_receiver_that_names_its_wait_then_it_is_obeyed(serve: Any) -> None:
    async def scenario() -> float:
        async with serve(429, 200, Retry_After="1") as server:
            began = time.perf_counter()
            await deliver(server.url)
            assert len(server.got) == 2
            return time.perf_counter() - began

    assert asyncio.run(scenario()) >= 1.0


def test_given_a_receiver_that_does_not_answer_then_patience_ends_and_it_is_tried_again(serve: Any) -> None:
    async def scenario() -> None:
        async with serve(None, 200) as server:
            await deliver(server.url, Retries(attempts=2, timeout_s=0.1, wait_s=0.005))
        assert len(server.got) == 2

    asyncio.run(scenario())


def test_given_nobody_there_then_it_fails_after_all_attempts_without_showing_the_address() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/hook/path-secret"
        with structlog.testing.capture_logs() as lines, pytest.raises(DeliveryFailed) as failed:
            asyncio.run(deliver(url))
    assert len([line for line in lines if line["event"] == "stamina.retry_scheduled"]) == QUICK.attempts - 1
    told = str(failed.value) + repr(failed.value.__cause__) + repr(lines)
    assert "path-secret" not in told
    assert SECRET not in told
    assert "path-secret" not in repr(Receiver(url, SECRET)) + repr(
        Webhook(Receiver(url, SECRET), QUICK, SystemClock())
    )


def test_given_a_dead_receiver_then_the_desk_ends_in_time_and_counts_what_was_lost(serve: Any) -> None:
    async def scenario() -> None:
        async with serve(503) as server:
            sink = Webhook(Receiver(server.url, SECRET), Retries(attempts=50, wait_s=5.0), SystemClock())
            desk = Desk([sink], 0, ManualClock(NS_PER_S))
            running = asyncio.create_task(desk.run())
            for _ in range(3):
                desk.tell(ALERT)
            await server.until(1)
            began = time.perf_counter()
            await desk.close(within_s=0.1)
            await running
            assert time.perf_counter() - began < 2
            assert desk.dropped == 3

    with structlog.testing.capture_logs() as lines:
        asyncio.run(scenario())
    assert "path-secret" not in repr(lines)


def test_given_a_receiver_that_comes_back_then_what_waited_arrives(serve: Any) -> None:
    async def scenario() -> None:
        async with serve(503, 503, 200) as server:
            desk = Desk(
                [Webhook(Receiver(server.url, SECRET), QUICK, SystemClock())], 0, ManualClock(NS_PER_S)
            )
            running = asyncio.create_task(desk.run())
            for _ in range(3):
                desk.tell(ALERT)
            await desk.close(within_s=10)
            await running
            assert desk.delivered == {"webhook": 3}
            assert len(server.got) == 5

    asyncio.run(scenario())
