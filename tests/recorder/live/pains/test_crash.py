"""The recorder dies: its directory is taken as it lies there at that moment, and begun with again later."""

from __future__ import annotations

import shutil
from pathlib import Path

from barograph.clock import to_us
from barograph.records import Kind

from .venues import KITE, Case, Scene, everywhere, refillable, scene

AWAY_S = 200.0


def crashed(it: Scene, data: Path) -> Path:
    """What is on disk of a recorder that dies now."""
    it.house.caught_up()
    shutil.copytree(it.house.data, data, ignore=shutil.ignore_patterns("*.lock", "*.tmp"))
    return data


@refillable
def test_what_happened_while_it_was_dead_is_refilled_and_stands_once(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path / "first") as it:
        it.trade(10)
        it.trade(10, it.other)
        it.pass_time(20)
        data = crashed(it, tmp_path / "second")
    venue = it.served.server.venue
    for _ in range(20):
        number = it.market.trades[case.symbol].next_number
        it.market.trade(case.symbol, size=str(number))
        it.clock.advance(AWAY_S / 20)
    with scene(case, data, venue) as again:
        again.trade(5)
        again.pass_time(20)
        again.house.until(lambda: again.stored() == list(range(1, 36)), what="all of them, each once")
        assert again.repaired() == list(range(11, 31))
        assert again.house.stats.feeds[case.feed].not_refilled == 0


@everywhere
def test_coverage_tells_of_the_time_in_which_it_was_dead(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path / "first") as it:
        it.trade(10)
        it.pass_time(70)
        died_us = it.clock.now_ns() // 1_000
        data = crashed(it, tmp_path / "second")
    it.clock.advance(AWAY_S)
    with scene(case, data, it.served.server.venue) as again:
        back_us = again.clock.now_ns() // 1_000
        again.trade(5)
        again.pass_time(20)
        again.house.until(lambda: len(again.stored()) == 15, what="both lives' trades")
        again.pass_time(140)
        again.house.caught_up()
        ends = [record.payload for record in again.house.tape(Kind.CLOSE)]
        assert ends == [b'{"reason":"the process ended"}']
        dark = [
            row
            for row in again.house.coverage(case.symbol)
            if died_us < to_us(row["minute"]) and to_us(row["minute"]) + 60_000_000 < back_us
        ]
        assert len(dark) >= 2, "whole minutes lie in the outage"
        # Ids or an answer prove that nothing happened; where there are neither, it may have.
        states = {row["state"] for row in dark}
        if case is KITE:
            assert states == {"missing"}
            assert all("the process ended" in row["reason"] for row in dark)
        else:
            assert states == ({"idle"} if case.numbered else {"repaired"})
