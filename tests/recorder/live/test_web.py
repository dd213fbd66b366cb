"""Asking over HTTP: within the venue's limits, with patience, and every answer on the tape."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from barograph.clock import SystemClock
from barograph.errors import NoAnswer, SettingsError
from barograph.feeds.live.venue import Limits, Preparing, Refilled, Refilling, Refused, Request, Response
from barograph.recorder.live import web as web_module
from barograph.recorder.live.journal import Journal
from barograph.recorder.live.web import Web
from barograph.records import Kind
from barograph.tape import TapeWriter

from .echo import EchoLive, Venue, listen, on_tape, until, venue

T = TypeVar("T")
FAST = Limits(requests=(1000, 1.0))


@dataclass
class Pages:
    """Answers with what is queued, the last one for ever; notes what was asked."""

    answers: list[web.Response | None]
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def page(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path_qs, (await request.read()).decode()))
        self.times.append(time.monotonic())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def answer(status: int = 200, body: str = "[]", **headers: str) -> web.Response:
    return web.Response(status=status, text=body, headers=headers)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_module, "_RETRY_S", (0.01, 0.05))


def run(
    tape: Path,
    pages: Pages,
    scenario: Callable[[Web, EchoLive, Venue], Awaitable[T]],
    patience_s: float = 5.0,
) -> T:
    async def whole() -> T:
        async with (
            venue(listen, pages.page) as it,
            Web(journal, SystemClock(), Random(1), patience_s=patience_s) as asking,
        ):
            return await scenario(asking, EchoLive(it.url, limits=FAST, rest_url=it.rest_url), it)

    journal = Journal(TapeWriter(tape, clock=SystemClock()), SystemClock(), 1 << 20)
    try:
        return asyncio.run(whole())
    finally:
        journal.close(5.0)


def test_every_answer_is_on_the_tape_before_it_is_used_and_without_secrets(tmp_path: Path) -> None:
    pages = Pages([answer(body="[1]"), answer(body="[2]")])
    seen: list[bytes] = []

    def talk(url: str) -> Preparing:
        for page in range(2):
            answer = yield Request(f"{url}/list?page={page}&api_key=secret")
            seen.append(answer.body)

    async def scenario(asking: Web, live: EchoLive, it: Venue) -> str:
        await asking.run(live, talk(it.rest_url))
        return it.rest_url

    url = run(tmp_path, pages, scenario)
    assert seen == [b"[1]", b"[2]"]
    assert [r.payload.decode() for r in on_tape(tmp_path, Kind.REST)] == [
        f'{{"url":"{url}/list?page=0&api_key=***"}}\n[1]',
        f'{{"url":"{url}/list?page=1&api_key=***"}}\n[2]',
    ]
    (stream,) = {r.stream for r in on_tape(tmp_path)}
    assert stream.feed == "echo"
    assert stream.connection.startswith("rest-")


def test_what_the_generator_returns_is_returned(tmp_path: Path) -> None:
    def talk() -> Refilling:
        return Refilled("no old data")
        yield

    async def scenario(asking: Web, live: EchoLive, it: Venue) -> Refilled:
        return await asking.run(live, talk())

    assert run(tmp_path, Pages([answer()]), scenario) == Refilled("no old data")


def test_what_the_generator_raises_is_raised(tmp_path: Path) -> None:
    async def scenario(asking: Web, live: EchoLive, it: Venue) -> None:
        live.problem = SettingsError("set feeds.echo.symbols")
        await asking.run(live, live.prepare())

    with pytest.raises(SettingsError, match=r"feeds\.echo\.symbols"):
        run(tmp_path, Pages([answer()]), scenario)


def test_a_refusal_is_thrown_in_and_may_become_the_result(tmp_path: Path) -> None:
    def talk(url: str) -> Refilling:
        try:
            yield Request(url)
        except Refused as refused:
            return Refilled(f"refused: {refused.status} {refused.body.decode()}")
        return Refilled()

    async def scenario(asking: Web, live: EchoLive, it: Venue) -> Refilled:
        return await asking.run(live, talk(it.rest_url))

    assert run(tmp_path, Pages([answer(404, "gone")]), scenario) == Refilled("refused: 404 gone")
    assert on_tape(tmp_path) == []


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404])
def test_a_final_no_is_asked_once(tmp_path: Path, status: int) -> None:
    pages = Pages([answer(status, Location="/elsewhere")])

    async def scenario(asking: Web, live: EchoLive, it: Venue) -> None:
        await asking.ask(live, Request(it.rest_url))

    with pytest.raises(Refused, match=str(status)):
        run(tmp_path, pages, scenario)
    assert len(pages.asked) == 1


@pytest.mark.parametrize("trouble", [500, 503, 429, 418, None])
def test_trouble_that_may_pass_is_asked_again(tmp_path: Path, trouble: int | None) -> None:
    bad = None if trouble is None else answer(trouble)
    pages = Pages([bad, bad, answer(body="at last")])

    async def scenario(asking: Web, live: EchoLive, it: Venue) -> Response:
        return await asking.ask(live, Request(it.rest_url))

    with capture_logs():
        assert run(tmp_path, pages, scenario) == Response(200, b"at last")
    assert len(pages.asked) == 3


def test_a_venues_wait_is_kept_by_every_request_of_the_feed(tmp_path: Path) -> None:
    pages = Pages([answer(429, **{"Retry-After": "1"}), answer()])

    async def scenario(asking: Web, live: EchoLive, it: Venue) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asking.ask(live, Request(it.rest_url + "/a")))
            await until(lambda: logs)
            group.create_task(asking.ask(live, Request(it.rest_url + "/b")))

    with capture_logs() as logs:
        run(tmp_path, pages, scenario)
    assert len(pages.asked) == 3
    assert pages.times[1] - pages.times[0] >= 0.95


def test_patience_ends_with_a_message_without_secrets(tmp_path: Path) -> None:
    async def scenario(asking: Web, live: EchoLive, it: Venue) -> None:
        await asking.ask(live, Request(it.rest_url + "/?api_key=secret"))

    with capture_logs() as logs, pytest.raises(NoAnswer, match=r"within 0\.2 s, at last: HTTP 503") as raised:
        run(tmp_path, Pages([answer(503)]), scenario, patience_s=0.2)
    assert "secret" not in str(raised.value)
    assert "secret" not in str(logs)


def test_a_wait_beyond_the_patience_is_not_waited_for(tmp_path: Path) -> None:
    pages = Pages([answer(429, **{"Retry-After": "3600"})])

    async def scenario(asking: Web, live: EchoLive, it: Venue) -> None:
        await asking.ask(live, Request(it.rest_url))

    began_s = time.monotonic()
    with capture_logs(), pytest.raises(NoAnswer):
        run(tmp_path, pages, scenario)
    assert time.monotonic() - began_s < 3
    assert len(pages.asked) == 1


def test_the_venues_limit_of_weights_is_kept(tmp_path: Path) -> None:
    pages = Pages([answer()])

    async def scenario(asking: Web, live: EchoLive, it: Venue) -> None:
        live.limits = Limits(requests=(4, 0.2))
        for _ in range(5):
            await asking.ask(live, Request(it.rest_url, weight=2))

    run(tmp_path, pages, scenario)
    spans = [pages.times[i + 2] - pages.times[i] for i in range(3)]
    assert min(spans) >= 0.15


def test_a_form_is_posted_and_headers_are_sent(tmp_path: Path) -> None:
    pages = Pages([answer()])

    async def scenario(asking: Web, live: EchoLive, it: Venue) -> None:
        await asking.ask(live, Request(it.rest_url + "/token", (("X-Key", "k"),), form=(("a", "1"),)))

    run(tmp_path, pages, scenario)
    assert pages.asked == [("POST", "/token", "a=1")]


def test_an_answer_that_is_too_long_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_module, "MAX_BODY_BYTES", 10)

    async def scenario(asking: Web, live: EchoLive, it: Venue) -> None:
        await asking.ask(live, Request(it.rest_url))

    with capture_logs(), pytest.raises(NoAnswer, match="more than 10 bytes"):
        run(tmp_path, Pages([answer(body="x" * 11)]), scenario, patience_s=0.1)


def test_a_date_is_understood_as_a_wait(tmp_path: Path) -> None:
    async def scenario(asking: Web, live: EchoLive, it: Venue) -> None:
        await asking.ask(live, Request(it.rest_url))

    far = {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}
    with capture_logs(), pytest.raises(NoAnswer):
        run(tmp_path, Pages([answer(503, **far)]), scenario)
