"""Reconnect storms, clients that give up for ever, and those that do not know when to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from barograph.clock import NS_PER_S
from barograph.recorder.live import running
from barograph.recorder.live.backoff import Backoff
from barograph.recorder.live.stats import FeedStage
from barograph.testing import Account, Binance, Kite, LiveMarket, Massive, Served, Venue, serving

from ..house import House, recording
from .venues import (
    BINANCE,
    COINBASE,
    CRYPTO,
    KEY,
    KITE,
    KRAKEN,
    STOCKS,
    Case,
    Scene,
    everywhere,
    scene,
    settings_for,
    where,
)

SEED = 0
MIN_S, MAX_S, SUSTAINED_S = 0.02, 5.0, 0.5
FAILURES = 6
SLACK_S = 0.7
"""How much later than it was meant to come an attempt may come on a busy machine."""


def dropped(it: Scene) -> float:
    """Cut the connection; how many seconds later the next one came."""
    it.cut_off()
    cut, opened = it.log.noted("fault")[-1], it.log.noted("opened")[-1]
    return (opened.at_ns - cut.at_ns) / NS_PER_S


def brings_data_for(it: Scene, seconds: float) -> None:
    it.trade(1)
    it.all_stored()  # from here on: who has just come back may take a while to its first trade
    begun = it.market.clock.now_ns()
    while it.market.clock.now_ns() - begun < seconds * NS_PER_S:
        it.trade(1)
        it.all_stored()


@where(BINANCE, COINBASE, KRAKEN, CRYPTO)
def test_reconnects_back_off_with_jitter_and_only_sustained_data_resets_it(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "random", SimpleNamespace(Random=lambda: Random(SEED)))
    backoff = Backoff(MIN_S, MAX_S, SUSTAINED_S, Random(SEED))
    drawn = [backoff.failed() for _ in range(FAILURES + 1)]
    assert drawn[-1] > MIN_S + SLACK_S, "another seed is needed: the last wait must tell"
    waits = {"record__backoff_min_s": MIN_S, "record__backoff_max_s": MAX_S}
    with scene(case, tmp_path, **waits, record__sustained_s=SUSTAINED_S) as it:
        waited = [dropped(it) for _ in range(FAILURES)]
        for wait_s, drawn_s in zip(waited, drawn, strict=False):
            assert drawn_s <= wait_s <= drawn_s + SLACK_S
        brings_data_for(it, SUSTAINED_S + 0.2)
        assert dropped(it) <= MIN_S + SLACK_S


@everywhere
def test_it_never_gives_up(case: Case, tmp_path: Path) -> None:
    market = LiveMarket((case.symbol, case.other), clock=case.clock())
    with serving(case.venue(market)) as first:
        port, settings = first.server.port, settings_for(case, first)
        with recording(tmp_path, market.clock, **settings) as house:
            house.live()
            first.do(lambda server: server.spawn(server.stop()))
            house.until(lambda: house.stats.feeds[case.feed].stage == "degraded", what="it is noticed")
            hang_up(house, port, times=4)
            with serving(case.venue(market), port) as second:
                it = Scene(case, second, house, market.clock)  # type: ignore[arg-type]
                second.connected(1)
                house.live()
                it.trade(3)
                house.until(lambda: len(it.stored()) == 3, what="it goes on")


def hang_up(house: House, port: int, times: int) -> None:
    """Stand where the venue was and hang up on whoever calls; before and after, nobody is there."""
    with socket.create_server(("127.0.0.1", port), reuse_port=False) as listener:
        listener.settimeout(0.05)
        for _ in range(times):
            house.until(lambda: _hung_up(listener), what="another attempt")


def _hung_up(listener: socket.socket) -> bool:
    try:
        caller, _ = listener.accept()
    except TimeoutError:
        return False
    caller.close()
    return True


def stopped(house: House, case: Case) -> str:
    """Why the feed has stopped, once it has."""
    house.until(
        lambda: case.feed in house.stats.feeds and house.stats.feeds[case.feed].stage is FeedStage.STOPPED,
        what="stopped",
    )
    return house.stats.feeds[case.feed].problem


def massive(**options: object) -> Callable[[LiveMarket], Venue]:
    return lambda market: Massive(market, {KEY: Account()}, **options)  # type: ignore[arg-type]


def strangers(market: LiveMarket) -> Venue:
    return Massive(market, {"another-key": Account()})


def yesterdays(market: LiveMarket) -> Venue:
    return Kite(market, apps={KEY: "secret"}, access_token="another token")


STOPS = {
    "polygon-crypto, wrong key": (CRYPTO, strangers, "POLYGON_API_KEY"),
    "polygon-stocks, wrong key": (STOCKS, strangers, "POLYGON_API_KEY"),
    "polygon-crypto, too many connections": (CRYPTO, massive(connections=0), "connection"),
    "kite, token refused": (KITE, yesterdays, "barograph login kite"),
}


@pytest.mark.parametrize("name", STOPS)
def test_a_close_that_means_stop_is_not_tried_again(name: str, tmp_path: Path) -> None:
    case, venue, told = STOPS[name]
    with serving(venue(LiveMarket((case.symbol, case.other), clock=case.clock()))) as served:
        house = House.at(tmp_path, served.market.clock, **settings_for(case, served))
        house.start()
        house.until(lambda: not house.running, what="all feeds have stopped, so it ends")
        assert told in stopped(house, case)
        assert house.recorder.exit_code == 3
        assert len(served.log.noted("opened")) + len(served.log.noted("refused")) <= 1


def test_a_token_that_expires_while_recording_stops_kite_at_the_next_connection(tmp_path: Path) -> None:
    with scene(KITE, tmp_path) as it:
        it.trade(2)
        venue = it.served.server.venue
        assert isinstance(venue, Kite)
        it.served.do(lambda _: venue.sessions.expire())
        it.served.act("drop")
        assert "barograph login kite" in stopped(it.house, KITE)
        assert len(it.log.noted("refused")) == 1


def test_a_place_that_the_venue_does_not_serve_stops_the_feed(tmp_path: Path) -> None:
    with scene(BINANCE, tmp_path) as it:
        it.faults.change(refuse=451)
        it.served.act("drop")
        assert "feeds.binance.url" in stopped(it.house, BINANCE)
        assert len(it.log.noted("refused")) == 1


def test_the_venues_cut_is_forestalled_by_an_overlap(tmp_path: Path) -> None:
    """A ``serverShutdown`` notice: the next connection is there before this one goes."""
    market = LiveMarket(("BTC-USDT", "ETH-USDT"))
    venue = Binance(market, ping_s=0.05, messages=1_000, shutdown_s=3.0)
    with scene(BINANCE, tmp_path, venue) as it:
        it.trade(2)
        it.served.act("go_away", connection=1)
        it.house.until(lambda: it.opened() == 2, what="the next connection")
        it.served.connected(2)
        it.trade(3)
        it.served.until(lambda: 1 not in it.served.server.connections)
        it.trade(2)
        it.all_stored()
        assert it.repaired() == []
        assert it.never_handed() == []
        assert it.log.numbers_handed("BTC-USDT", "trades", 1) & it.log.numbers_handed("BTC-USDT", "trades", 2)  # type: ignore[arg-type]


def test_one_feed_that_cannot_go_on_does_not_stop_the_others(tmp_path: Path) -> None:
    bad = LiveMarket((CRYPTO.symbol, CRYPTO.other))
    with (
        serving(strangers(bad)) as other,
        serving(BINANCE.venue(LiveMarket(("BTC-USDT", "ETH-USDT")))) as good,
    ):
        settings = settings_for(CRYPTO, other) | settings_for(BINANCE, good)
        settings["record__feeds"] = ("polygon-crypto", "binance")
        with recording(tmp_path, **settings) as house:
            stopped(house, CRYPTO)
            assert_goes_on(house, good)
        assert house.recorder.exit_code == 0


def test_one_feed_that_cannot_begin_does_not_stop_the_others(tmp_path: Path) -> None:
    with serving(BINANCE.venue(LiveMarket(("BTC-USDT", "ETH-USDT")))) as good:
        settings = settings_for(BINANCE, good) | {"record__feeds": ("kite", "binance")}
        with recording(tmp_path, **settings) as house:
            assert_goes_on(house, good)
            assert house.stats.feeds["kite"].stage is FeedStage.STOPPED
            assert (
                "KITE_API_KEY" in house.stats.feeds["kite"].problem
                or "feeds.kite" in house.stats.feeds["kite"].problem
            )


def assert_goes_on(house: House, served: Served) -> None:
    house.live("binance")
    for _ in range(3):
        served.market.trade("BTC-USDT")
    house.until(lambda: len(house.trade_ids("BTC-USDT")) == 3, what="the other feed's trades")
