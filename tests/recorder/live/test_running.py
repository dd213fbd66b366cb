"""A whole recorder from its start to its end: supervision, reloads, what the line finds, exit codes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from barograph.errors import SettingsError, StorageBusy, UsageError
from barograph.gaps import Channel, Gap
from barograph.recorder.live import running
from barograph.recorder.live.runner import FeedRunner
from barograph.recorder.live.stats import FeedStage
from barograph.records import Kind
from barograph.testing import LiveMarket, Served, serving

from .house import House, recording, settings_of
from .pains.venues import BINANCE, COINBASE, KITE, scene, settings_for


def test_for_a_duration_then_it_ends_by_itself_with_0(tmp_path: Path) -> None:
    with serving(BINANCE.venue(LiveMarket(("BTC-USDT", "ETH-USDT")))) as served:
        house = House.at(tmp_path, **settings_for(BINANCE, served))
        begun = time.monotonic()
        stats = house.recorder.run(duration_s=0.5)
        assert 0.5 <= time.monotonic() - begun < 5.0
        assert house.recorder.exit_code == 0
        assert stats.feeds["binance"].connects == 1
        assert stats.tables.next_pos == stats.journal.appended
        assert stats.journal.waiting_records == 0


def test_told_to_stop_before_it_runs_then_it_ends_at_once(tmp_path: Path) -> None:
    with serving(BINANCE.venue(LiveMarket(("BTC-USDT", "ETH-USDT")))) as served:
        house = House.at(tmp_path, **settings_for(BINANCE, served))
        house.recorder.stop_soon()
        begun = time.monotonic()
        house.recorder.run()
        assert time.monotonic() - begun < 5.0


def test_without_feeds_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--feed"):
        House.at(tmp_path).recorder.run()


def test_when_no_feed_can_begin_the_first_ones_problem_is_raised(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="KITE_API_KEY"):
        House.at(tmp_path, record__feeds=("kite",), feeds__kite__symbols=("NSE:INFY",)).recorder.run()
    assert not (tmp_path / "tape").exists()


def test_a_second_one_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    with scene(BINANCE, tmp_path) as it:
        with pytest.raises(StorageBusy):
            House.at(tmp_path, **settings_for(BINANCE, it.served)).recorder.run()
        it.trade(2)
        it.all_stored()


def test_the_next_start_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    with scene(BINANCE, tmp_path) as it:
        it.trade(5)
        it.all_stored()
        first = it.house.stop()
    with scene(BINANCE, tmp_path, it.served.server.venue) as again:
        again.trade(5)
        again.house.until(lambda: len(again.stored()) == 10, what="both runs' trades")
        assert again.house.stats.tables.next_pos > first.tables.next_pos
        assert [r.kind for r in again.house.tape(Kind.OPEN, Kind.CLOSE)] == [Kind.OPEN, Kind.CLOSE, Kind.OPEN]


def test_a_bug_in_one_feed_begins_it_again_and_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "RESTART_S", 0.05)
    run, bad = FeedRunner.run, [ZeroDivisionError("a bug")]

    async def sometimes(runner: FeedRunner) -> None:
        if runner.live.name == "coinbase" and bad:
            raise bad.pop()
        await run(runner)

    monkeypatch.setattr(FeedRunner, "run", sometimes)
    pairs, products = LiveMarket(("BTC-USDT", "ETH-USDT")), LiveMarket(("BTC-USD", "ETH-USD"))
    with serving(BINANCE.venue(pairs)) as one, serving(COINBASE.venue(products)) as other:
        settings = settings_for(BINANCE, one) | settings_for(COINBASE, other)
        settings["record__feeds"] = ("binance", "coinbase")
        with recording(tmp_path, **settings) as house:
            house.live()
            assert not bad
            assert house.stats.alerts_sent == 1
            assert house.stats.feeds["binance"].connects == 1
            pairs.make(trades=5)
            products.make(trades=5)
            house.until(lambda: house.stats.tables.ticks == 10, what="both feeds' trades")


def reloaded(house: House, served: Served, *symbols: str) -> None:
    names = settings_for(BINANCE, served) | {"feeds__binance__symbols": symbols}
    house.reload(settings_of(house.data, **names))


def test_a_reload_of_broken_settings_changes_nothing(tmp_path: Path) -> None:
    with scene(BINANCE, tmp_path) as it, capture_logs() as logs:
        it.house.reload(SettingsError("record.feedz: there is no such setting"))
        it.house.until(lambda: any("not reloaded" in line["event"] for line in logs), what="it is told")
        it.trade(2)
        it.all_stored()
        assert it.opened() == 1


def test_a_reload_with_a_symbol_that_the_venue_lacks_is_refused_and_told(tmp_path: Path) -> None:
    with scene(BINANCE, tmp_path) as it:
        sent = it.house.stats.alerts_sent
        reloaded(it.house, it.served, "BTC-USDT", "DOGE-USDT")
        it.house.until(lambda: it.house.stats.alerts_sent > sent, what="it is told")
        it.trade(2)
        it.all_stored()
        assert it.house.stats.feeds["binance"].stage is FeedStage.LIVE


def test_gaps_of_feeds_that_are_not_recorded_now_are_nobodys(tmp_path: Path) -> None:
    with scene(BINANCE, tmp_path) as it:
        assert it.house.recorder._running is not None
        it.house.recorder._running._mute([Gap("kraken", "BTC-USD", Channel.TRADES, 1, 2, 3, 4)])
        it.trade(2)
        it.all_stored()


def test_all_feeds_stopped_then_it_ends_with_3(tmp_path: Path) -> None:
    market = LiveMarket((KITE.symbol, KITE.other), clock=KITE.clock())
    with serving(KITE.venue(market)) as served:
        wrong = {"feeds__kite__access_token": "yesterdays"}
        house = House.at(tmp_path, market.clock, **settings_for(KITE, served) | wrong)
        stats = house.recorder.run()
        assert house.recorder.exit_code == SettingsError.exit_code
        assert stats.feeds["kite"].stage is FeedStage.STOPPED
