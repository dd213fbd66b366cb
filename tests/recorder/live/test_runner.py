"""A feed's life on real loopback sockets: from the preparation over every kind of trouble to the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from barograph.alerts.alert import Alert
from barograph.clock import SystemClock
from barograph.errors import SettingsError
from barograph.feeds.live.venue import Limits
from barograph.gaps import Channel, Gap, Subscribed
from barograph.recorder.live import web as web_module
from barograph.recorder.live.journal import Journal
from barograph.recorder.live.runner import FeedRunner
from barograph.recorder.live.stats import FeedStage
from barograph.recorder.live.web import Web
from barograph.records import Kind, Record
from barograph.settings.recording import RecordSection
from barograph.tape import TapeWriter

from .echo import BOTH, READY, EchoLive, Talk, Venue, no_page, on_tape, until, venue

SETTINGS = RecordSection(backoff_min_s=0.02, backoff_max_s=0.2, sustained_s=30.0)
LIMITS = Limits(overlap_s=0.05, connects=(1000, 1.0), requests=(1000, 1.0))
ETH = {"ETH-USD": BOTH}

Page = Callable[[web.Request], Awaitable[web.Response]]
Script = Callable[[Talk, Venue], Awaitable[None]]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_module, "_RETRY_S", (0.001, 0.005))


async def confirm(talk: Talk, it: Venue) -> None:
    """Take the subscription, confirm it, and listen on."""
    await subscribed(talk, it)
    while (frame := await talk.read()) is not None:
        it.heard.append(frame)


async def subscribed(talk: Talk, it: Venue) -> None:
    frame = await talk.read()
    assert frame is not None
    it.heard.append(frame)
    await talk.say(READY)


class House:
    """A runner against a scripted venue."""

    def __init__(self, tape: Path) -> None:
        self.tape = tape
        self.alerts: list[Alert] = []
        self.logs: list[object] = []
        self.runner: FeedRunner
        self.live: EchoLive
        self.venue: Venue
        self.journal: Journal

    def run(
        self,
        script: Script,
        scenario: Callable[[], Awaitable[None]],
        page: Page = no_page,
        limits: Limits = LIMITS,
        settings: RecordSection = SETTINGS,
        patience_s: float = 0.05,
        **live: object,
    ) -> None:
        async def whole() -> None:
            async with (
                venue(script, page) as self.venue,
                Web(self.journal, SystemClock(), Random(1), patience_s=patience_s) as asking,
            ):
                self.live = EchoLive(self.venue.url, limits=limits, **live)  # type: ignore[arg-type]
                self.runner = FeedRunner(
                    self.live,
                    self.journal,
                    asking,
                    settings,
                    SystemClock(),
                    self.alerts.append,
                    Random(1),
                )
                async with asyncio.timeout(20), asyncio.TaskGroup() as group:
                    task = group.create_task(self.runner.run())
                    await scenario()
                    await self.runner.stop(5.0)
                    assert task.done()

        writer = TapeWriter(self.tape, clock=SystemClock())
        self.journal = Journal(writer, SystemClock(), 1 << 20)
        try:
            with capture_logs() as self.logs:
                asyncio.run(whole())
        finally:
            self.journal.close(5.0)

    async def ready(self) -> None:
        await until(lambda: self.runner.stats.stage is FeedStage.LIVE)

    def records(self, *kinds: Kind) -> list[Record]:
        return [r for r in on_tape(self.tape, *kinds) if not r.stream.connection.startswith("rest-")]

    def frames(self) -> list[bytes]:
        return [r.payload for r in self.records(Kind.FRAME) if r.payload != READY]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "tape")


def test_a_feeds_whole_life_is_on_the_tape(house: House) -> None:
    async def script(talk: Talk, it: Venue) -> None:
        await subscribed(talk, it)
        await talk.say(b"one", b"two")
        assert await talk.read() is None

    async def scenario() -> None:
        assert house.runner.stats.stage is FeedStage.STARTING
        await house.ready()
        await until(lambda: house.runner.stats.frames == 3)
        stats = house.runner.stats
        assert (stats.symbols, stats.planned, stats.connections, stats.connects) == (1, 1, 1, 1)

    house.run(script, scenario)
    assert [r.kind for r in house.records()] == [
        Kind.OPEN,
        Kind.CONFIG,
        Kind.SENT,
        *[Kind.FRAME] * 3,
        Kind.CLOSE,
    ]
    assert len({r.stream for r in house.records()}) == 1
    (config,) = house.records(Kind.CONFIG)
    assert msgspec.json.decode(config.payload, type=Subscribed).wanted == {"BTC-USD": BOTH}
    (close,) = house.records(Kind.CLOSE)
    assert msgspec.json.decode(close.payload) == {"reason": "the recorder was stopped", "code": 1000}
    assert house.runner.stats.connections == 0
    assert house.alerts == []


def test_no_secret_is_on_the_tape_or_in_the_log(house: House) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="[]")

    async def script(talk: Talk, it: Venue) -> None:
        await subscribed(talk, it)
        if talk.number == 1:
            talk.cut()
        await talk.read()

    async def scenario() -> None:
        house.runner.live.rest_url = house.venue.rest_url  # type: ignore[attr-defined]
        await until(lambda: house.runner.stats.connects == 2)
        await house.ready()

    house.run(script, scenario, page)
    assert any(b"secret-1" in frame for frame in house.venue.heard)
    everything = b"".join(r.payload for r in on_tape(house.tape)) + repr(house.logs).encode()
    assert b"secret" not in everything
    assert b"***" in everything
    assert on_tape(house.tape, Kind.REST)


@pytest.mark.parametrize("how", ["clean", "cut", "again", "fail"])
def test_a_lost_connection_is_made_again_within_a_second(house: House, how: str) -> None:
    lost: list[float] = []

    async def script(talk: Talk, it: Venue) -> None:
        await subscribed(talk, it)
        await talk.say(b"data %d" % talk.number)
        if talk.number > 1:
            assert await talk.read() is None
            return
        await until(lambda: house.runner.stats.frames == 2)
        lost.append(time.monotonic())
        if how == "clean":
            await talk.close(1001, b"restart")
        elif how == "cut":
            talk.cut()
        else:
            await talk.say(how.encode())
            await talk.read()

    async def scenario() -> None:
        await until(lambda: house.runner.stats.connects == 2 and house.runner.stats.frames >= 4)
        await house.ready()
        assert time.monotonic() - lost[0] < 1.0

    house.run(script, scenario, settings=replace_section(backoff_min_s=0.5))
    assert [frame for frame in house.frames() if frame.startswith(b"data")] == [b"data 1", b"data 2"]
    assert len({r.stream for r in house.records()}) == 2
    assert len(house.records(Kind.CLOSE)) == 2
    assert house.venue.most_open == 1


def replace_section(**values: object) -> RecordSection:
    return SETTINGS.model_copy(update=values)


def test_a_final_no_stops_the_feed_with_its_message_and_one_alert(house: House) -> None:
    async def script(talk: Talk, it: Venue) -> None:
        await talk.say(b"stop")
        await talk.read()

    async def scenario() -> None:
        await until(lambda: house.runner.stats.stage is FeedStage.STOPPED)

    house.run(script, scenario, plan_wanted={"a": {"BTC-USD": BOTH}, "b": ETH})
    assert house.runner.stats.problem == "set feeds.echo.key"
    assert [(a.kind, a.venue, a.message) for a in house.alerts] == [
        ("feed_stopped", "echo", "set feeds.echo.key")
    ]
    assert house.runner.stats.connections == 0


def test_a_refused_handshake_is_tried_again_or_final_as_the_venue_means_it(house: House) -> None:
    async def scenario() -> None:
        house.venue.refuse = [503, 429, 401]
        await until(lambda: house.runner.stats.stage is FeedStage.STOPPED)

    async def script(talk: Talk, it: Venue) -> None:
        await talk.read()

    house.run(script, scenario)
    assert house.venue.refuse == []
    assert house.runner.stats.problem == "feeds.echo.key is wrong"


def test_a_wrong_setting_stops_the_feed_before_it_connects(house: House) -> None:
    async def scenario() -> None:
        await until(lambda: house.runner.stats.stage is FeedStage.STOPPED)

    house.run(confirm, scenario, problem=SettingsError("feeds.echo.symbols has no such symbol: X"))
    assert house.runner.stats.problem == "feeds.echo.symbols has no such symbol: X"
    assert house.venue.talks == []
    assert [a.kind for a in house.alerts] == ["feed_stopped"]


def test_what_must_be_asked_first_is_asked_until_the_venue_answers(house: House) -> None:
    asked: list[str] = []

    async def page(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=200 if house.venue.refuse == [200] else 503, text="[]")

    async def scenario() -> None:
        house.runner.live.rest_url = house.venue.rest_url  # type: ignore[attr-defined]
        await until(lambda: house.runner.stats.problem)
        assert "no answer" in house.runner.stats.problem
        house.venue.refuse = [200]
        await until(lambda: len(asked) and house.runner.stats.planned)
        house.venue.refuse = []
        await house.ready()

    house.run(confirm, scenario, page)
    assert house.runner.stats.problem == ""
    assert on_tape(house.tape, Kind.REST)[0].pos < on_tape(house.tape, Kind.OPEN)[0].pos


def test_before_the_venue_cuts_the_next_connection_overlaps(house: House) -> None:
    async def script(talk: Talk, it: Venue) -> None:
        await subscribed(talk, it)
        if talk.number == 1:
            await talk.say(b"replace")
        while await talk.read() is not None:
            pass

    async def scenario() -> None:
        await until(lambda: house.runner.stats.connects == 2)
        await until(lambda: house.runner.stats.disconnects == 1)
        assert house.runner.stats.stage is FeedStage.LIVE

    house.run(script, scenario)
    assert house.venue.most_open == 2
    first, second = house.records(Kind.OPEN)
    closes = house.records(Kind.CLOSE)
    assert closes[0].stream == first.stream
    assert closes[0].pos > second.pos
    assert "maintenance" in closes[0].payload.decode()


def test_a_reload_touches_only_the_connections_that_change(house: House) -> None:
    async def scenario() -> None:
        await house.ready()
        changed = replace(
            house.live,
            plan_wanted={"a": {"BTC-USD": BOTH}, "b": ETH | {"SOL-USD": BOTH}, "d": {"XRP-USD": BOTH}},
        )
        assert await house.runner.reload(changed)
        await until(lambda: house.runner.stats.disconnects == 1 and house.runner.stats.connections == 3)
        await until(lambda: any(b"unsubscribe" in frame for frame in house.venue.heard))
        stats = house.runner.stats
        assert (stats.planned, stats.symbols, stats.connects) == (3, 4, 4)
        assert stats.stage is FeedStage.LIVE

    house.run(confirm, scenario, plan_wanted={"a": {"BTC-USD": BOTH}, "b": ETH, "c": {"ADA-USD": BOTH}})
    configs = [r for r in house.records(Kind.CONFIG) if "SOL-USD" in msgspec.json.decode(r.payload)["wanted"]]
    assert [r.stream.connection.rsplit("-", 1)[0] for r in configs] == ["b"]
    closed_first = house.records(Kind.CLOSE)[0]
    assert closed_first.stream.connection.startswith("c-")


def test_a_reload_that_cannot_be_prepared_changes_nothing_and_is_told(house: House) -> None:
    async def scenario() -> None:
        await house.ready()
        broken = replace(house.live, problem=SettingsError("no such symbol: X"), plan_wanted={})
        assert not await house.runner.reload(broken)
        assert house.runner.stats.stage is FeedStage.LIVE

    house.run(confirm, scenario)
    assert [(a.kind, "no such symbol: X" in a.message) for a in house.alerts] == [("feed_not_reloaded", True)]
    assert len(house.venue.talks) == 1


def test_a_mute_symbol_is_subscribed_anew_once_however_often_it_is_told(house: House) -> None:
    async def scenario() -> None:
        await house.ready()

        def tell() -> None:
            for _ in range(3):
                house.runner.renew("ETH-USD", Channel.TRADES)
                house.runner.renew("NO-SUCH", Channel.TRADES)

        thread = threading.Thread(target=tell)
        thread.start()
        await asyncio.to_thread(thread.join)
        await until(lambda: any(b"renew" in frame for frame in house.venue.heard))

    house.run(confirm, scenario, plan_wanted={"a": {"BTC-USD": BOTH}, "b": ETH})
    assert [frame for frame in house.venue.heard if b"renew" in frame] == [
        b'{"renew":"ETH-USD","channel":"trades"}'
    ]


def test_a_gap_told_by_another_thread_is_refilled(house: House) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="" if request.path == "/trades" else "[]")

    async def scenario() -> None:
        await house.ready()
        house.live.rest_url = house.venue.rest_url
        await asyncio.to_thread(
            house.runner.ask, Gap("echo", "BTC-USD", Channel.TRADES, 1, 2, 10, 12, "ids skipped")
        )
        await until(lambda: house.runner.stats.refilled == 1)

    house.run(confirm, scenario, page)
    (rest,) = on_tape(house.tape, Kind.REST)
    assert b"from=10&to=12" in rest.payload


def test_a_bug_in_one_feed_is_told_and_the_feed_comes_back(house: House) -> None:
    class Odd(EchoLive):
        fails = 1

        def plans(self):  # type: ignore[no-untyped-def]
            if self.fails:
                self.fails -= 1
                raise KeyError("a bug")
            return super().plans()

    async def scenario() -> None:
        house.runner.live = Odd(house.live.url, limits=LIMITS)
        await until(lambda: house.alerts)
        await house.ready()

    house.run(confirm, scenario)
    assert [a.kind for a in house.alerts] == ["feed_failed"]
    assert "KeyError" in house.alerts[0].message


def test_what_the_venue_tells_is_logged_once(house: House) -> None:
    async def script(talk: Talk, it: Venue) -> None:
        await subscribed(talk, it)
        await talk.say(b"warn", b"warn", b"last")
        await talk.read()

    async def scenario() -> None:
        await until(lambda: house.runner.stats.frames == 4)
        await until(lambda: "feed.notice" in repr(house.logs))

    house.run(script, scenario)
    assert repr(house.logs).count("maintenance at noon") == 1


def test_a_venue_that_does_not_answer_the_goodbye_does_not_hold_the_end_up(house: House) -> None:
    async def script(talk: Talk, it: Venue) -> None:
        await subscribed(talk, it)
        await forever.wait()

    forever: asyncio.Event

    async def scenario() -> None:
        nonlocal began_s
        await house.ready()
        began_s = time.monotonic()
        await house.runner.stop(0.05)
        assert time.monotonic() - began_s < 1.0
        forever.set()

    began_s = 0.0
    forever = asyncio.Event()
    house.run(script, scenario)
    assert len(house.records(Kind.CLOSE)) == 1


def test_stopping_does_not_wait_for_an_answer_to_what_is_asked_first(house: House) -> None:
    asked = asyncio.Event()

    async def page(request: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def scenario() -> None:
        house.runner.live.rest_url = house.venue.rest_url  # type: ignore[attr-defined]
        await asked.wait()
        began_s = time.monotonic()
        await house.runner.stop(10.0)
        assert time.monotonic() - began_s < 1.0

    house.run(confirm, scenario, page, patience_s=10.0)
    assert house.venue.talks == []


def test_while_the_journal_is_full_sockets_wait_and_nothing_is_lost(house: House) -> None:
    async def script(talk: Talk, it: Venue) -> None:
        await subscribed(talk, it)
        for n in range(2000):
            await talk.say(b"%5d" % n + b"x" * 5000)
        while await talk.read() is not None:
            pass

    async def scenario() -> None:
        await until(lambda: house.journal.full)
        await until(lambda: house.runner.stats.frames > 2000, 20.0)

    house.run(script, scenario)
    assert [int(frame[:5]) for frame in house.frames()] == list(range(2000))
    assert house.journal.stats.highest_bytes < 4 << 20


def test_a_stopped_feed_refuses_a_reload(house: House) -> None:
    async def scenario() -> None:
        await until(lambda: house.runner.stats.stage is FeedStage.STOPPED)
        assert not await house.runner.reload(house.live)

    house.run(confirm, scenario, problem=SettingsError("wrong"))
