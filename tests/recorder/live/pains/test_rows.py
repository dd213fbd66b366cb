"""Duplicates after a reconnect, late data silently dropped, and frames that are no frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from barograph.clock import to_us
from barograph.recorder.live.connection import MAX_FRAME_BYTES
from barograph.records import Kind
from barograph.tables import Flag
from barograph.testing import Binance, LiveMarket, serving

from ..house import recording
from .venues import (
    ALL,
    BINANCE,
    COINBASE,
    CRYPTO,
    KITE,
    KRAKEN,
    Case,
    Scene,
    everywhere,
    scene,
    settings_for,
    where,
)

KEYLESS = where(BINANCE, COINBASE, KRAKEN)
WITH_IDS = where(*(case for case in ALL if case is not KITE))


@everywhere
def test_what_comes_twice_is_stored_once(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.faults.change(duplicate_share=1.0)
        it.trade(10)
        it.faults.clear()
        it.trade(1)
        it.all_stored()
        it.house.caught_up()
        assert it.stored() == list(range(1, 12))


@everywhere
def test_duplicates_after_a_reconnect_are_dropped(case: Case, tmp_path: Path) -> None:
    """Snapshots, last trades, last packets: what a venue says again to each new connection."""
    with scene(case, tmp_path) as it:
        it.trade(10)
        for _ in range(3):
            it.cut_off("close", code=1001, reason="going away")
        it.trade(5)
        it.all_stored()
        it.pass_time(20)
        it.house.caught_up()
        assert it.stored() == list(range(1, 16))


def test_both_connections_of_an_overlap_bring_the_same_and_it_is_stored_once(tmp_path: Path) -> None:
    market = LiveMarket(("BTC-USDT", "ETH-USDT"))
    with scene(BINANCE, tmp_path, Binance(market, ping_s=0.05, messages=1_000, shutdown_s=5.0)) as it:
        it.served.act("go_away")
        it.served.connected(2)
        market.make(trades=200, quotes=400)
        it.served.do(lambda _: None)
        it.house.until(lambda: it.house.stats.tables.duplicates >= 200, what="duplicates are seen")
        for symbol in market.symbols:
            assert it.house.trade_ids(symbol) == sorted(it.made(symbol))
            quotes = it.house.rows("quotes", symbol=symbol)
            assert len({row["seq"] for row in quotes}) == len(quotes)


@WITH_IDS
def test_what_comes_in_another_order_is_stored_once(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.faults.change(reorder_share=0.5)
        it.market.make(trades=200)
        it.faults.clear()
        it.trade(1)
        it.house.until(lambda: it.house.stats.tables.ticks >= 201, what="all of them")
        it.house.caught_up()
        assert it.is_as_made()


@WITH_IDS
def test_late_trades_revise_their_minute(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.pass_time(60 - (it.clock.now_ns() / 1e9) % 60 + 5)
        minute_us = it.clock.now_ns() // 60_000_000_000 * 60_000_000
        it.trade(3, price="100")
        it.pass_time(70)
        it.trade(1, price="100")
        it.house.until(lambda: bar(it, minute_us) is not None, what="the minute is closed")
        first = bar(it, minute_us)
        assert first is not None
        assert first["trade_count"] == 3
        it.trade(1, price="107", ts_us=minute_us + 30_000_000)
        it.pass_time(2)
        it.trade(1, price="100")
        it.house.until(lambda: (bar(it, minute_us) or first)["trade_count"] == 4, what="it is revised")
        revised = bar(it, minute_us)
        assert revised is not None
        assert revised["high"] == 107.0
        assert revised["revision"] > first["revision"]
        late = [row for row in it.house.rows("ticks", symbol=it.symbol) if row["flags"] & Flag.LATE]
        assert [row["price"] for row in late] == [107.0]


def bar(it: Scene, minute_us: int) -> dict[str, Any] | None:
    rows = it.house.rows("market_microstructure", symbol=it.symbol)
    return next((row for row in rows if to_us(row["timestamp"]) == minute_us), None)


RUBBISH = [
    (case, act)
    for case in ALL
    for act in ("not_json", "wrong_types", "binary")
    # Of its binary frames no numbers can be turned into lists: a text is made, and texts are messages.
    if (case, act) != (KITE, "wrong_types")
]


@pytest.mark.parametrize(("case", "act"), RUBBISH, ids=[f"{case.name}-{act}" for case, act in RUBBISH])
def test_rubbish_is_kept_and_counted_and_ends_nothing(case: Case, act: str, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.trade(3)
        it.house.caught_up()
        on_tape = len(it.house.tape(Kind.FRAME))
        it.served.act(act)
        it.served.do(lambda _: None)
        it.trade(3)
        it.all_stored()
        assert len(it.house.tape(Kind.FRAME)) > on_tape
        it.house.until(lambda: it.house.stats.tables.rejects >= 1, what="it is counted")
        assert it.house.rows("rejects")
        assert it.house.stats.feeds[case.feed].disconnects == 0


@where(*(case for case in ALL if case is not KITE))
def test_a_frame_that_is_cut_leaves_only_a_gap_that_is_refilled(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.trade(3)
        it.cut_off("cut")
        it.trade(3)
        it.all_stored()
        assert it.house.rows("rejects") == []


@KEYLESS
def test_a_frame_that_is_too_long_costs_its_connection_and_nothing_else(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.trade(3)
        it.cut_off("huge")
        it.trade(3)
        it.all_stored()
        assert it.house.stats.journal.highest_bytes < MAX_FRAME_BYTES


def test_one_venues_rubbish_does_not_touch_the_others(tmp_path: Path) -> None:
    crypto = LiveMarket((CRYPTO.symbol, CRYPTO.other))
    pairs = LiveMarket((BINANCE.symbol, BINANCE.other))
    with serving(CRYPTO.venue(crypto)) as bad, serving(BINANCE.venue(pairs)) as good:
        settings = settings_for(CRYPTO, bad) | settings_for(BINANCE, good)
        settings["record__feeds"] = ("polygon-crypto", "binance")
        with recording(tmp_path, **settings) as house:
            house.live()
            for act in ("not_json", "wrong_types", "binary", "cut", "huge"):
                bad.act(act)
                pairs.make(trades=20)
            house.until(
                lambda: len(house.trade_ids("BTC-USDT") + house.trade_ids("ETH-USDT")) == 100,
                what="all trades",
            )
            assert house.stats.feeds["binance"].disconnects == 0
