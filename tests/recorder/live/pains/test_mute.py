"""Connected but mute; and quiet, which is something else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from barograph.clock import NS_PER_S
from barograph.gaps import Channel

from .venues import BINANCE, KITE, STOCKS, Case, Scene, everywhere, scene, where

HABITS = 60
"""Trades after which it is known how a symbol usually goes."""


def heard_again(it: Scene) -> bool:
    """Trade once more: did it come? Between the end of the old subscription and the new one none does."""
    it.trade(1)
    return max(it.made()) in it.log.numbers_handed(it.symbol, Channel.TRADES)


@everywhere
def test_connected_but_mute_is_noticed_and_subscribed_anew(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.trade(HABITS)
        it.trade(HABITS, it.other)
        it.house.caught_up()
        asked = len(it.house.sent())
        it.faults.change(mute={case.symbol})
        it.trade(3)
        for _ in range(6):
            it.trade(1, it.other)
            it.house.caught_up()  # else a moment of ours would be seconds of the symbol's silence
            it.pass_time(1)
        it.house.until(lambda: len(it.house.sent()) > asked, what="subscribed anew")
        it.faults.clear()
        it.house.until(lambda: heard_again(it), what="its trades come again")
        if case.old_trades:
            it.all_stored()
            assert it.repaired() == it.never_handed() != []
        it.all_stored(it.other)
        assert it.repaired(it.other) == []
        assert it.house.stats.feeds[case.feed].disconnects == 0


@everywhere
def test_given_few_trades_and_long_silence_then_nothing_is_called_stale(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.house.until(lambda: it.house.stats.feeds[case.feed].stage == "live", what="subscribed")
        it.trade(10)
        it.house.caught_up()
        asked = len(it.house.sent())
        it.pass_time(100)
        it.house.caught_up()
        assert len(it.house.sent()) == asked
        stats = it.house.stats.feeds[case.feed]
        assert (stats.disconnects, stats.refills, stats.stage) == (0, 0, "live")


@where(BINANCE)
def test_a_symbol_is_judged_by_its_own_habits(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        for _ in range(HABITS):
            it.trade(1)
            it.pass_time(10)
        it.house.caught_up()
        asked = len(it.house.sent())
        it.pass_time(20)
        it.house.caught_up()
        assert len(it.house.sent()) == asked, "twice as long as usual is nothing"
        it.pass_time(120)
        it.house.until(lambda: len(it.house.sent()) > asked, what="subscribed anew")


@where(BINANCE)
def test_tables_that_were_held_up_do_not_make_a_symbol_mute(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.trade(HABITS)
        it.house.caught_up()
        asked = len(it.house.sent())
        lake, away = it.house.data / "lake", it.house.data / "away"
        lake.rename(away)
        lake.write_bytes(b"no store")
        it.trade(1)
        it.house.until(lambda: it.house.stats.tables.problem, what="the store is missed")
        for _ in range(10):
            it.trade(1)
            it.pass_time(1)
        lake.unlink()
        away.rename(lake)
        it.house.caught_up()
        it.all_stored()
        assert len(it.house.sent()) == asked
        assert it.repaired() == []


CLOSES = {STOCKS.name: "2026-11-19T01:00:00Z", KITE.name: "2026-11-18T10:00:00Z"}
"""When the market closes: the extended session in New York, the regular one in India."""


@where(STOCKS, KITE)
def test_a_market_that_has_closed_is_neither_mute_nor_missing(case: Case, tmp_path: Path) -> None:
    close = datetime.fromisoformat(CLOSES[case.name])
    with scene(replace(case, start=(close - timedelta(seconds=25)).isoformat(), beats=True), tmp_path) as it:
        it.clock.advance(close.timestamp() - it.clock.now_ns() / NS_PER_S - 2)
        it.trade(HABITS)
        it.house.caught_up()
        asked, sent = len(it.house.sent()), it.house.stats.alerts_sent
        time_goes_by(it, 20)
        assert len(it.house.sent()) == asked
        it.cut_off("close", code=1001)
        it.house.until(lambda: len(it.house.sent()) == 2 * asked, what="everything is asked for once more")
        time_goes_by(it, 20)
        assert len(it.house.sent()) == 2 * asked
        assert it.house.stats.alerts_sent == sent
        assert it.house.stats.feeds[case.feed].refills == 0
        after = [row["state"] for row in it.house.coverage(it.symbol) if row["minute"] > close]
        assert set(after) == {"closed"}


def time_goes_by(it: Scene, tens_of_seconds: int) -> None:
    """Time passes; the other symbol's quotes show that the connection is alive."""
    for _ in range(tens_of_seconds):
        it.clock.advance(10)
        it.market.quote(it.other)
        it.served.do(lambda _: None)
        it.house.caught_up()
