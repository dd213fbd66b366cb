"""Slow consumers, growing memory, rows written one by one: disk and store are slow, or away."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from barograph.store.lake import Lake
from barograph.tape import TapeWriter
from barograph.testing import LiveMarket

from .venues import BINANCE, COINBASE, CRYPTO, KITE, KRAKEN, Case, Scene, everywhere, scene, where

BURST = 5_000
SLOW_BYTES = 128 << 10
"""What a server bears to have unread, here; less than a burst has."""


def slowed(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, by_s: float) -> None:
    """Have a method take so much longer, as on a device that is busy."""
    quick: Callable[..., Any] = getattr(owner, name)

    def slow(*args: Any, **more: Any) -> Any:
        time.sleep(by_s)
        return quick(*args, **more)

    monkeypatch.setattr(owner, name, slow)


def burst(it: Scene, times: int = 4) -> None:
    for _ in range(times):
        it.market.make(trades=BURST // 5, quotes=BURST * 4 // 5)
        it.served.do(lambda _: None)


def all_recorded(it: Scene) -> None:
    """Every trade is in the tables, each once, and the connection has never broken."""
    total = sum(it.market.trades[symbol].next_number - 1 for symbol in it.market.symbols)
    it.house.until(lambda: it.house.stats.tables.ticks >= total, 30, f"{total} ticks")
    assert it.is_as_made()
    assert it.house.stats.feeds[it.case.feed].disconnects == 0
    assert it.log.noted("lost") == []


def taken(it: Scene) -> None:
    """Wait until everything that was handed to the socket is off it."""
    handed = it.served.do(lambda server: sum(client.frames for client in server.connections.values()))
    it.house.until(lambda: it.house.stats.feeds[it.case.feed].frames >= handed, what="off the socket")


@where(BINANCE, COINBASE, KRAKEN, CRYPTO)
def test_a_slow_disk_does_not_make_us_a_slow_consumer(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = LiveMarket((case.symbol, case.other))
    venue = case.venue(market)
    venue.slow_bytes = SLOW_BYTES
    with scene(case, tmp_path, venue) as it:
        slowed(monkeypatch, TapeWriter, "append_many", 0.5)
        burst(it)
        taken(it)
        assert it.house.stats.journal.waiting_records > 0, "the disk is to be behind"
        monkeypatch.undo()
        all_recorded(it)


@where(BINANCE, COINBASE, KRAKEN, CRYPTO)
def test_a_slow_store_does_not_make_us_a_slow_consumer(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = LiveMarket((case.symbol, case.other))
    venue = case.venue(market)
    venue.slow_bytes = SLOW_BYTES
    with scene(case, tmp_path, venue) as it:
        slowed(monkeypatch, Lake, "commit", 1.0)
        burst(it)
        taken(it)
        it.house.until(lambda: it.house.stats.journal.waiting_records == 0, what="on the tape")
        assert it.house.stats.tables.next_pos < it.house.stats.journal.appended, "the store is to be behind"
        monkeypatch.undo()
        all_recorded(it)


@everywhere
def test_rows_are_written_in_groups(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        commits = it.house.stats.tables.commits
        burst(it)
        it.house.until(lambda: frames_are_in(it), what="all frames are in the tables")
        assert it.house.stats.tables.ticks + it.house.stats.tables.quotes > 100
        assert it.house.stats.tables.commits - commits <= 20


def frames_are_in(it: Scene) -> bool:
    handed = sum(span.count for span in it.log.spans_handed())
    return it.house.stats.tables.next_pos >= it.house.stats.journal.appended and handed > 0


@contextmanager
def store_down(data: Path) -> Iterator[None]:
    """The lake's folder is gone and a plain file stands there."""
    lake, away = data / "lake", data / "lake.away"
    away.write_bytes(b"")
    exchange(lake, away)
    try:
        yield
    finally:
        exchange(lake, away)
        away.unlink()


def exchange(one: Path, other: Path) -> None:
    """Change two names at one stroke: in between, somebody could make a lake of his own.

    renameat2(2) with RENAME_EXCHANGE, for which Python has no name.
    """
    here, swap = -100, 2
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        pytest.skip("this system cannot exchange two names at one stroke")
    if libc.renameat2(here, os.fsencode(one), here, os.fsencode(other), swap):
        raise OSError(ctypes.get_errno(), "renameat2", str(one))


@where(BINANCE, COINBASE, KRAKEN, CRYPTO)
def test_given_a_dead_store_then_recording_goes_on_and_the_tables_catch_up(
    case: Case, tmp_path: Path
) -> None:
    with scene(case, tmp_path) as it:
        burst(it, 1)
        it.house.caught_up()
        with store_down(tmp_path):
            burst(it, 1)
            it.house.until(lambda: it.house.stats.tables.problem, what="the trouble is told")
            reached = it.house.stats.tables.next_pos
            burst(it, 2)
            it.house.until(lambda: it.house.stats.journal.waiting_records == 0, what="it is on the tape")
            assert it.house.stats.tables.next_pos == reached
            assert it.house.stats.tables.tape_pos > reached
            assert it.house.stats.feeds[case.feed].stage == "live"
        all_recorded(it)
        assert it.house.stats.tables.problem == ""


@where(BINANCE)
def test_memory_stays_bounded_while_the_store_is_down(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path, record__step_records=1024) as it:
        burst(it, 4)
        it.house.caught_up()
        before = it.house.stats
        with store_down(tmp_path):
            for _ in range(12):
                burst(it, 1)
            taken(it)
            it.house.until(lambda: it.house.stats.journal.waiting_records == 0, what="it is on the tape")
            during = it.house.stats
            assert during.journal.appended - before.journal.appended >= 12 * BURST
            assert during.journal.highest_bytes < 8 << 20
            # What was made beside the recorder in this process, in the market's memory, counts too.
            assert during.rss_bytes - before.rss_bytes < 60 << 20
        it.house.until(lambda: it.house.stats.tables.next_pos >= during.journal.appended, 30, "caught up")
        all_recorded(it)


def test_at_its_end_a_recorder_whose_store_is_down_leaves_the_rest_to_the_next_start(tmp_path: Path) -> None:
    with scene(KITE, tmp_path, record__shutdown_s=2.0) as it:
        it.trade(3)
        it.house.caught_up()
        it.house.until((tmp_path / "lake").exists, what="the first rows are stored")
        with store_down(tmp_path):
            it.trade(4)
            it.house.until(lambda: it.house.stats.tables.problem, what="the trouble is told")
            begun = time.monotonic()
            stats = it.house.stop()
            assert time.monotonic() - begun < 6.0
            assert stats.tables.next_pos < stats.journal.appended
    with scene(KITE, tmp_path, it.served.server.venue) as again:
        again.house.caught_up()
        assert len(again.stored()) >= 6
