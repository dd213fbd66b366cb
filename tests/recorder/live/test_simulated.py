"""The simulated market as a live feed: beside others, over kills and absences, and as fast as asked."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from barograph.clock import NS_PER_S, NS_PER_US, SystemClock
from barograph.feeds.live.registry import live
from barograph.gaps import Subscribed
from barograph.recorder.live.connection import Closed, Shell
from barograph.recorder.live.courses import courses_at, read_courses
from barograph.recorder.live.journal import Journal
from barograph.recorder.live.runner import FeedRunner
from barograph.recorder.live.simulated import Simulated
from barograph.recorder.live.stats import FeedStage, FeedStats
from barograph.recorder.live.web import Web
from barograph.records import Kind
from barograph.settings.recording import RecordSection
from barograph.tape import TapeReader, TapeWriter
from barograph.testing import LiveMarket, serving

from .echo import on_tape, until
from .house import House, Shifted, recording, settings_of
from .pains.venues import BINANCE, settings_for

START_NS = 1_723_075_200 * NS_PER_S
FAST: dict[str, Any] = {
    "record__feeds": ("sim",),
    "feeds__sim__symbols": ("BTC-USD", "ETH-USD"),
    "feeds__sim__events_per_s": 20.0,
    "feeds__sim__cadence_s": 0.01,
}


def trades(house: House, symbol: str = "BTC-USD") -> list[dict[str, Any]]:
    """The symbol's trades on the tape."""
    events = [json.loads(record.payload) for record in house.tape(Kind.FRAME)]
    return [event for event in events if event["e"] == "trade" and event["s"] == symbol]


def numbers(house: House, symbol: str = "BTC-USD") -> list[int]:
    return [event["i"] for event in trades(house, symbol)]


def up_to_date(house: House) -> None:
    """Wait until the market has brought what is due by the house's clock."""
    now_us = house.clock.now_ns() // NS_PER_US - 2_000_000
    house.until(lambda: trades(house)[-1]["t"] > now_us, what="the market is up to date")
    house.caught_up()


def test_its_life_is_on_the_tape_as_any_venues_is(tmp_path: Path) -> None:
    with recording(tmp_path, **FAST) as house:
        house.live()
        house.until(lambda: house.stats.feeds["sim"].frames > 30, what="frames")
        stats = house.stats.feeds["sim"]
        assert (stats.symbols, stats.planned, stats.connections, stats.connects) == (2, 1, 1, 1)
        house.stop()
        kinds = [record.kind for record in house.tape()]
        assert kinds[:3] == [Kind.OPEN, Kind.CONFIG, Kind.SENT]
        assert kinds[-1] == Kind.CLOSE
        [opened], [config], [closed] = (house.tape(kind) for kind in (Kind.OPEN, Kind.CONFIG, Kind.CLOSE))
        assert opened.payload == b'{"url":"sim:?seed=1&events_per_s=20.0"}'
        assert set(msgspec.json.decode(config.payload, type=Subscribed).wanted) == {"BTC-USD", "ETH-USD"}
        assert json.loads(closed.payload) == {"reason": "the recorder was stopped", "code": 1000}
        assert house.stats.tables.next_pos == house.stats.journal.appended
        assert house.trade_ids("BTC-USD") == numbers(house)


def test_a_frame_is_received_when_its_venue_time_has_come_and_not_much_later(tmp_path: Path) -> None:
    with recording(tmp_path, **FAST) as house:
        house.live()
        house.until(lambda: len(house.tape(Kind.FRAME)) > 60, what="frames")
        for record in house.tape(Kind.FRAME):
            event = json.loads(record.payload)
            if "t" in event:
                assert 0 <= record.recv_ns - event["t"] * NS_PER_US < 2 * NS_PER_S


def test_minutes_are_made_covered_and_the_numbers_have_no_hole(tmp_path: Path) -> None:
    with recording(tmp_path, Shifted(START_NS), **FAST) as house:
        house.live()
        house.pass_time(200.0)
        up_to_date(house)
        ids = numbers(house)
        assert [later - earlier for earlier, later in pairwise(ids)] == [1] * (len(ids) - 1)
        assert len(house.rows("market_microstructure", symbol="BTC-USD")) >= 3
        covered = house.coverage("BTC-USD")
        assert {row["state"] for row in covered} == {"complete"}
        assert sum(row["messages"] for row in covered) <= len(ids)


def test_after_an_absence_new_trades_are_kept_and_the_hole_is_the_recorders_absence(tmp_path: Path) -> None:
    with recording(tmp_path, Shifted(START_NS), **FAST) as first:
        first.live()
        first.pass_time(70.0)
        up_to_date(first)
        first.stop()
        before, last_us = numbers(first), trades(first)[-1]["t"]
    with recording(tmp_path, Shifted(START_NS + 300 * NS_PER_S), **FAST) as house:
        house.live()
        house.pass_time(130.0)
        up_to_date(house)
        house.stop()
        ids = numbers(house)
        after = ids[len(before) :]
        assert after[0] - before[-1] > 1
        assert len(set(ids)) == len(ids)
        assert house.trade_ids("BTC-USD") == ids, "none was taken for one that had been there"
        hole = [row for row in house.coverage("BTC-USD") if row["state"] == "missing"]
        assert len(hole) == 5
        assert all("the recorder was stopped (1000)" in row["reason"] for row in hole)
        assert all(f"ids {before[-1] + 1}–{after[0] - 1}" in row["reason"] for row in hole)
        assert trades(house)[len(before)]["t"] - last_us > 200_000_000
        assert {told.reason for told in house.missing()} == {"the simulated market tells nothing of the past"}


def test_a_reload_follows_other_symbols_on_the_same_connection(tmp_path: Path) -> None:
    values = FAST | {"feeds__sim__events_per_s": 200.0}
    with recording(tmp_path, **values) as house:
        house.live()
        house.until(lambda: numbers(house, "ETH-USD"), what="trades of ETH-USD")
        house.reload(settings_of(tmp_path, **values | {"feeds__sim__symbols": ("BTC-USD", "SOL-USD")}))
        house.until(lambda: numbers(house, "SOL-USD"), what="trades of SOL-USD")
        at = house.tape_end
        house.until(lambda: house.tape_end > at + 100, what="more frames")
        events = [json.loads(record.payload) for record in house.tape(Kind.FRAME) if record.pos > at]
        assert {event["s"] for event in events} == {"BTC-USD", "SOL-USD"}
        assert house.stats.feeds["sim"].connects == 1
        ids = numbers(house)
        assert [later - earlier for earlier, later in pairwise(ids)] == [1] * (len(ids) - 1)


def test_another_seed_is_another_connection_and_never_beside_the_old_one(tmp_path: Path) -> None:
    with recording(tmp_path, **FAST) as house:
        house.live()
        house.until(lambda: numbers(house), what="trades")
        house.reload(settings_of(tmp_path, **FAST | {"feeds__sim__seed": 2}))
        house.until(lambda: len(house.tape(Kind.OPEN)) == 2, what="the other connection")
        end = house.tape_end
        house.until(lambda: house.tape_end > end + 100, what="frames")
        turns = [record.kind for record in house.tape(Kind.OPEN, Kind.CLOSE)]
        assert turns == [Kind.OPEN, Kind.CLOSE, Kind.OPEN]
        ids = numbers(house)
        assert ids == sorted(set(ids))
        assert house.stats.feeds["sim"].stage is FeedStage.LIVE


def test_a_symbol_that_is_not_simulated_is_told_and_the_others_are_recorded(tmp_path: Path) -> None:
    with (
        capture_logs() as logs,
        recording(tmp_path, **FAST | {"feeds__sim__symbols": ("BTC-USDT", "BTC-USD")}) as house,
    ):
        house.live()
        house.until(lambda: numbers(house), what="trades")
    assert [line["message"] for line in logs if line["event"] == "feed.notice"] == [
        (
            "take BTC-USDT out of feeds.sim.symbols: 'BTC-USDT' is not simulated; did you mean 'BTC-USD'? "
            "There are: BTC-USD, ETH-USD, SOL-USD, XRP-USD, DOGE-USD, ADA-USD, AAPL, MSFT, NVDA, SPY"
        )
    ]


def test_when_none_is_simulated_it_stops_for_good_and_says_why(tmp_path: Path) -> None:
    house = House.at(tmp_path, **FAST | {"feeds__sim__symbols": ("NIFTY",)})
    stats = house.recorder.run(duration_s=10.0)
    assert house.recorder.exit_code == 3
    assert stats.feeds["sim"].stage is FeedStage.STOPPED
    assert "'NIFTY' is not simulated" in stats.feeds["sim"].problem


def test_it_is_recorded_beside_another_feed(tmp_path: Path) -> None:
    pairs = LiveMarket(("BTC-USDT", "ETH-USDT"))
    with serving(BINANCE.venue(pairs)) as served:
        values = settings_for(BINANCE, served) | FAST | {"record__feeds": ("binance", "sim")}
        with recording(tmp_path, **values) as house:
            house.live()
            pairs.make(trades=5)
            house.until(lambda: len(house.rows("ticks", venue="binance")) == 5, what="binance's trades")
            house.until(lambda: len(house.rows("ticks", venue="sim")) > 5, what="the simulated trades")


def test_who_was_away_for_more_than_a_minute_is_cut_off_and_comes_back(tmp_path: Path) -> None:
    with recording(tmp_path, Shifted(START_NS), **FAST) as house:
        house.live()
        house.until(lambda: numbers(house), what="trades")
        assert isinstance(house.clock, Shifted)
        house.clock.advance(90.0)
        house.until(lambda: house.stats.feeds["sim"].connects == 2, what="another connection")
        house.live()
        end = house.tape_end
        house.until(lambda: house.tape_end > end + 50, what="frames")
        [closed] = house.tape(Kind.CLOSE)
        assert "behind the simulated market" in closed.payload.decode()
        assert json.loads(closed.payload)["code"] == 1008
        ids = numbers(house)
        assert len(set(ids)) == len(ids)


def test_a_file_that_cannot_be_read_is_waited_for_and_one_that_is_spoilt_is_replaced(tmp_path: Path) -> None:
    path = courses_at(tmp_path)
    path.mkdir(parents=True)
    with recording(tmp_path, **FAST) as house:
        house.until(lambda: "sim" in house.stats.feeds, what="the feed")
        house.until(lambda: house.stats.feeds["sim"].planned, what="its plan")
        assert house.stats.feeds["sim"].stage is not FeedStage.LIVE
        path.rmdir()
        path.write_bytes(b"[{]")
        house.live()
        house.until(lambda: numbers(house), what="trades")
        assert set(read_courses(path)) == {"BTC-USD", "ETH-USD"}


def test_while_the_journal_is_full_the_market_waits_and_nothing_is_lost(tmp_path: Path) -> None:
    values = FAST | {"feeds__sim__events_per_s": 1_000.0}
    described = live("sim", settings_of(tmp_path, **values))
    (tmp_path / "state").mkdir()
    clock = SystemClock()
    journal = Journal(TapeWriter(tmp_path / "tape", clock=clock), clock, 3_000)
    turned: list[bool] = []
    journal.subscribe(lambda: turned.append(journal.full))

    async def whole() -> None:
        async with Web(journal, clock, Random(1)) as asking:
            section = RecordSection(backoff_min_s=0.02)
            runner = FeedRunner(described, journal, asking, section, clock, lambda _: None, Random(1))
            task = asyncio.create_task(runner.run())
            await until(lambda: runner.stats.frames > 1_500, 15.0)
            await runner.stop(5.0)
            await task

    try:
        asyncio.run(whole())
    finally:
        journal.close(5.0)
    assert True in turned
    events = [json.loads(record.payload) for record in on_tape(tmp_path / "tape", Kind.FRAME)]
    for symbol in ("BTC-USD", "ETH-USD"):
        ids = [event["i"] for event in events if event["e"] == "trade" and event["s"] == symbol]
        assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_while_it_is_paused_nothing_comes_and_afterwards_all_of_it(tmp_path: Path) -> None:
    described = live("sim", settings_of(tmp_path, **FAST | {"feeds__sim__events_per_s": 200.0}))
    plan, clock, stats = described.plans()[0], Shifted(START_NS), FeedStats("sim")
    (tmp_path / "state").mkdir()
    journal = Journal(TapeWriter(tmp_path / "tape", clock=clock), clock, 1 << 20)

    async def whole() -> None:
        connection = Simulated(plan, Shell("sim", journal, clock, stats), lambda: None)
        running = asyncio.create_task(connection.run())
        await until(lambda: connection.opened)
        connection.send(b'{"id":1,"subscribe":["trades BTC-USD"]}')
        clock.advance(5.0)
        await until(lambda: stats.frames > 10)
        connection.pause(True)
        for _ in range(20):  # what is being brought at this moment
            await asyncio.sleep(0.001)
        before = stats.frames
        clock.advance(30.0)
        for _ in range(20):
            await asyncio.sleep(0.002)
        assert stats.frames == before
        connection.pause(False)
        await until(lambda: stats.frames > before + 100)
        connection.close(1000, "enough")
        assert await running == Closed(1000, "enough")

    try:
        asyncio.run(whole())
    finally:
        journal.close(5.0)
    events = [json.loads(record.payload) for record in on_tape(tmp_path / "tape", Kind.FRAME)][1:]
    ids = [event["i"] for event in events]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


@pytest.mark.slow
def test_killed_again_and_again_no_trade_is_doubled_and_none_is_given_anothers_number(tmp_path: Path) -> None:
    environ = os.environ | {
        "BAROGRAPH__FEEDS__SIM__EVENTS_PER_S": "50",
        "BAROGRAPH__FEEDS__SIM__CADENCE_S": "0.01",
    }
    words = ["record", "--feed", "sim", "--symbols", "BTC-USD", "--data", str(tmp_path), "--quiet"]
    for life in range(2):
        before = frames_on(tmp_path)
        process = subprocess.Popen([sys.executable, "-m", "barograph", *words], env=environ, cwd=tmp_path)
        try:
            deadline = time.monotonic() + 60.0
            while frames_on(tmp_path) < before + 40:
                assert process.poll() is None
                assert time.monotonic() < deadline, f"life {life} records nothing"
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    with recording(tmp_path, **FAST) as house:
        house.live()
        house.stop()
        ids = numbers(house)
        assert ids == sorted(set(ids))
        assert house.trade_ids("BTC-USD") == ids
        reasons = [json.loads(record.payload)["reason"] for record in house.tape(Kind.CLOSE)]
        assert reasons == ["the process ended"] * 2 + ["the recorder was stopped"]


def frames_on(data: Path) -> int:
    """Frames on the tape of ``data``, which another process may be writing."""
    if not (data / "tape").is_dir():
        return 0
    return sum(record.kind == Kind.FRAME for run in TapeReader(data / "tape").read() for record in run)
