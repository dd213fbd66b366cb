"""Gaps are asked for once each, one at a time; what will not come is said on the tape."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from barograph.alerts.alert import Alert
from barograph.clock import SystemClock
from barograph.feeds.live.venue import Limits
from barograph.gaps import Channel, Gap, Missing
from barograph.recorder.live import refiller as refiller_module
from barograph.recorder.live import web as web_module
from barograph.recorder.live.journal import Journal
from barograph.recorder.live.refiller import NO_OLD_QUOTES, Refiller
from barograph.recorder.live.stats import FeedStats
from barograph.recorder.live.web import Web
from barograph.records import Kind
from barograph.tape import TapeWriter

from .echo import EchoLive, listen, on_tape, until, venue

GAP = Gap("echo", "BTC-USD", Channel.TRADES, 1_000_000, 2_000_000, 11, 19, "ids skipped")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_module, "_RETRY_S", (0.001, 0.005))
    monkeypatch.setattr(refiller_module, "_RETRY_S", (0.001, 0.005))


class House:
    """A refiller against a venue whose pages the test writes."""

    def __init__(self, tape: Path) -> None:
        self.tape = tape
        self.stats = FeedStats("echo")
        self.alerts: list[Alert] = []
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.status, self.body = 200, ""

    async def page(self, request: web.Request) -> web.Response:
        self.asked.append(request.query_string)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        return web.Response(status=self.status, text=self.body)

    def run(self, scenario: Callable[[Refiller], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with (
                venue(listen, self.page) as it,
                Web(journal, SystemClock(), Random(1), patience_s=0.05) as asking,
            ):
                live = EchoLive(it.url, limits=Limits(requests=(1000, 1.0)), rest_url=it.rest_url)
                refiller = Refiller(
                    live, asking, journal, SystemClock(), self.stats, self.alerts.append, Random(1)
                )
                async with asyncio.TaskGroup() as group:
                    task = group.create_task(refiller.run())
                    await scenario(refiller)
                    task.cancel()

        journal = Journal(TapeWriter(self.tape, clock=SystemClock()), SystemClock(), 1 << 20)
        try:
            with capture_logs():
                asyncio.run(whole())
        finally:
            journal.close(5.0)

    def missing(self) -> list[Missing]:
        return [msgspec.json.decode(r.payload, type=Missing) for r in on_tape(self.tape, Kind.MISSING)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "tape")


def test_a_gap_is_asked_for_and_its_answer_is_on_the_tape(house: House) -> None:
    async def scenario(refiller: Refiller) -> None:
        refiller.ask(GAP)
        assert house.stats.gaps_open == 1
        await until(lambda: house.stats.refilled)

    house.run(scenario)
    assert house.asked == ["from=11&to=19"]
    assert len(on_tape(house.tape, Kind.REST)) == 1
    assert house.missing() == []
    assert (house.stats.gaps_open, house.stats.refills, house.stats.refilled) == (0, 1, 1)


def test_the_same_gap_told_again_and_again_is_asked_for_once(house: House) -> None:
    async def scenario(refiller: Refiller) -> None:
        for _ in range(5):
            refiller.ask(GAP)
        await until(lambda: house.stats.refilled)
        for _ in range(5):
            refiller.ask(replace_times(GAP))

    house.run(scenario)
    assert len(house.asked) == 1
    assert house.stats.gaps_open == 0


def replace_times(gap: Gap) -> Gap:
    return msgspec.structs.replace(gap, first_us=gap.first_us + 1, cause="told again")


def test_gaps_are_asked_for_one_at_a_time(house: House) -> None:
    async def scenario(refiller: Refiller) -> None:
        for n in range(10):
            refiller.ask(msgspec.structs.replace(GAP, symbol=f"S{n}-USD"))
        await until(lambda: house.stats.refilled == 10)

    house.run(scenario)
    assert house.most_at_once == 1


def test_what_the_venue_still_does_not_have_after_some_time_is_missing_with_its_reason_and_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refiller_module, "LATER_S", 0.01)
    house.body = "the venue keeps one day of trades"

    async def scenario(refiller: Refiller) -> None:
        refiller.ask(GAP)
        await until(lambda: house.stats.not_refilled)
        refiller.ask(GAP)

    house.run(scenario)
    assert house.missing() == [Missing(GAP, "the venue keeps one day of trades")]
    (alert,) = house.alerts
    assert (alert.kind, alert.venue, alert.symbol) == ("gap_not_refilled", "echo", "BTC-USD")
    assert "one day of trades" in alert.message
    assert len(house.asked) == refiller_module.ANSWERS


def test_a_trade_that_its_venue_knows_a_moment_later_is_filled(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refiller_module, "LATER_S", 0.01)
    house.body = "ids 5 to 6 are not in the answer"

    async def scenario(refiller: Refiller) -> None:
        refiller.ask(GAP)
        await until(lambda: house.asked)
        house.body = ""
        await until(lambda: house.stats.refilled)

    house.run(scenario)
    assert house.missing() == []
    assert house.alerts == []


def test_a_refusal_is_missing(house: House) -> None:
    house.status = 403

    async def scenario(refiller: Refiller) -> None:
        refiller.ask(GAP)
        await until(lambda: house.stats.not_refilled)

    house.run(scenario)
    assert house.missing() == [Missing(GAP, "the venue refused with HTTP 403")]


def test_a_venue_that_does_not_answer_is_asked_some_times_over_before_it_is_missing(house: House) -> None:
    house.status = 503

    async def scenario(refiller: Refiller) -> None:
        refiller.ask(GAP)
        await until(lambda: house.stats.not_refilled)

    house.run(scenario)
    assert house.stats.refills == refiller_module.TRIES
    assert house.missing() == [Missing(GAP, f"no answer in {refiller_module.TRIES} attempts")]


def test_a_venue_that_comes_back_in_time_fills_the_gap(house: House) -> None:
    house.status = 503

    async def scenario(refiller: Refiller) -> None:
        refiller.ask(GAP)
        await until(lambda: house.stats.refills >= 2)
        house.status = 200
        await until(lambda: house.stats.refilled)

    house.run(scenario)
    assert house.missing() == []


def test_old_quotes_are_missing_at_once_without_asking_or_alarm(house: House) -> None:
    gap = msgspec.structs.replace(GAP, channel=Channel.QUOTES)

    async def scenario(refiller: Refiller) -> None:
        refiller.ask(gap)
        refiller.ask(gap)

    house.run(scenario)
    assert house.missing() == [Missing(gap, NO_OLD_QUOTES)]
    assert house.asked == []
    assert house.alerts == []


def test_a_gap_that_answers_do_not_fill_is_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refiller_module, "SETTLE_S", 0.0)

    async def scenario(refiller: Refiller) -> None:
        for n in range(1, 4):
            refiller.ask(GAP)
            await until(lambda n=n: house.stats.refilled == n)
        refiller.ask(GAP)
        refiller.ask(GAP)

    house.run(scenario)
    assert len(house.asked) == 3
    assert [it.reason for it in house.missing()] == ["the venue has answered 3 times and it still stands"]


def test_a_question_about_a_mute_symbol_may_be_asked_for_ever(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refiller_module, "SETTLE_S", 0.0)
    question = msgspec.structs.replace(GAP, last_id=None)

    async def scenario(refiller: Refiller) -> None:
        for n in range(1, 7):
            refiller.ask(question)
            await until(lambda n=n: house.stats.refills == n and not house.stats.gaps_open)
            house.body = "the venue has no old trades"

    house.run(scenario)
    assert [ended for ended in house.missing() if ended.reason] == []
    assert house.alerts == []


def test_an_answer_of_an_unforeseen_form_ends_its_gap_and_not_the_refilling(house: House) -> None:
    class Odd(EchoLive):
        def refill(self, gap: Gap):  # type: ignore[no-untyped-def]
            if gap.symbol == "BTC-USD":
                raise KeyError("result")
            return super().refill(gap)

    async def scenario(refiller: Refiller) -> None:
        live = refiller.live
        assert isinstance(live, EchoLive)
        refiller.live = Odd(live.url, limits=live.limits, rest_url=live.rest_url)
        refiller.ask(GAP)
        refiller.ask(msgspec.structs.replace(GAP, symbol="ETH-USD"))
        await until(lambda: house.stats.refilled)

    house.run(scenario)
    assert [it.reason for it in house.missing()] == ["the answer could not be used (KeyError)"]


def test_more_gaps_than_may_wait_are_given_up_with_that_reason(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refiller_module, "MOST_WAITING", 2)

    async def scenario(refiller: Refiller) -> None:
        for n in range(3):
            refiller.ask(msgspec.structs.replace(GAP, symbol=f"S{n}-USD"))
        await until(lambda: house.stats.refilled == 2)

    house.run(scenario)
    (missing,) = house.missing()
    assert missing.gap.symbol == "S2-USD"
    assert "more than 2 gaps" in missing.reason
