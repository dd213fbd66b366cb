"""Invisible gaps, no refill after a reconnect, and what cannot be refilled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from barograph.clock import to_us
from barograph.gaps import Channel
from barograph.recorder.live import refiller
from barograph.testing import Lack

from .venues import KITE, Case, Scene, everywhere, numbered, refillable, scene, where

WRITTEN_S = 140.0
"""After so long every minute of before is in the ledger, also those of an outage."""


def minutes(it: Scene) -> dict[int, dict[str, Any]]:
    """Rows of coverage of the symbol's trades, by the minute's first microsecond."""
    it.house.caught_up()
    return {to_us(row["minute"]): row for row in it.house.coverage(it.symbol)}


def counted(it: Scene) -> dict[int, int]:
    """What the server made, minute for minute."""
    counts = it.log.counts_made()
    return {
        minute: n
        for (symbol, channel, minute), n in counts.items()
        if (symbol, channel) == (it.symbol, "trades")
    }


@refillable
def test_after_a_reconnect_the_gap_is_refilled(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.trade(5)
        it.all_stored()
        it.cut_off(meanwhile=lambda: it.trade(7))
        it.trade(5)
        if not case.numbered:
            it.pass_time(20)
        it.all_stored()
        lost = it.never_handed()
        assert len(lost) == 7
        assert it.repaired() == lost


@refillable
def test_after_a_refill_coverage_agrees_with_the_server_minute_for_minute(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.trade(5)
        it.pass_time(65)
        it.cut_off(meanwhile=lambda: it.trade(7))
        it.trade(5)
        it.pass_time(20)
        it.all_stored()
        it.pass_time(WRITTEN_S)
        it.house.until(lambda: minutes(it).keys() >= counted(it).keys(), what="minutes are written")
        found = {minute: minutes(it)[minute]["messages"] for minute in counted(it)}
        assert found == counted(it)
        states = [minutes(it)[minute]["state"] for minute in sorted(counted(it))]
        assert states[0] == "complete"
        assert "repaired" in states
        assert "missing" not in {row["state"] for row in minutes(it).values()}


@numbered
def test_skipped_ids_are_seen_and_refilled(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.trade(4)
        it.faults.change(skip={f"{case.symbol}/trades": 3})
        it.trade(6)
        it.all_stored()
        assert it.never_handed() == it.repaired() == [5, 6, 7]
        assert it.house.stats.feeds[case.feed].disconnects == 0
        assert it.made(channel=Channel.TRADES) == set(range(1, 11))


@numbered
def test_what_the_venue_lacks_is_recorded_as_missing_with_its_reason(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refiller, "LATER_S", 0.005)
    with scene(case, tmp_path) as it:
        it.faults.change(rest_lacks=[Lack(case.symbol, 5, 6)])
        it.trade(4)
        it.faults.change(skip={f"{case.symbol}/trades": 3})
        it.trade(6)
        it.house.until(lambda: [m for m in it.house.missing() if m.reason], what="given up")
        (missing,) = [m for m in it.house.missing() if m.reason]
        assert (missing.gap.symbol, missing.gap.first_id, missing.gap.last_id) == (case.symbol, 5, 7)
        it.pass_time(WRITTEN_S)
        assert it.stored() == [1, 2, 3, 4, 7, 8, 9, 10]
        (minute,) = {to_us(row["ts"]) // 60_000_000 for row in it.house.rows("ticks", symbol=it.symbol)}
        row = minutes(it)[minute * 60_000_000]
        assert row["state"] == "missing"
        assert "ids 5–6" in row["reason"]
        assert missing.reason in row["reason"]


@where(KITE)
def test_what_no_venue_sells_is_recorded_as_missing_with_its_reason(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.trade(5)
        it.pass_time(10)
        it.cut_off(meanwhile=lambda: it.trade(7))
        it.trade(5)
        it.pass_time(WRITTEN_S)
        it.house.until(
            lambda: any(
                row["state"] == "missing" and "no trade history" in row["reason"]
                for row in minutes(it).values()
            ),
            what="missing",
        )
        assert {m.gap.symbol for m in it.house.missing() if m.reason} == {case.symbol, case.other}


@everywhere
def test_no_gap_is_invented_where_nothing_was_lost(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.trade(5)
        it.pass_time(WRITTEN_S)
        it.trade(5)
        it.pass_time(70)
        states = [row["state"] for row in minutes(it).values()]
        assert set(states) == {"complete", "idle"}
        assert it.house.stats.feeds[case.feed].refills == 0
        assert it.house.missing() == []
