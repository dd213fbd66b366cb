"""Who trades on trades alone has no minutes made; who comes later begins with the first minute seen whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from barograph.clock import MINUTE_US, ManualClock
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.recorder.places import Places
from barograph.recorder.trading.assembling import assemble
from barograph.recorder.trading.engine import standing
from barograph.recorder.trading.market import UNKNOWN, MarketView, Minute
from barograph.recorder.trading.process import TradingProcess
from barograph.recorder.trading.reconciling import reconcile
from barograph.recorder.trading.specs import Plan
from barograph.records import Records
from barograph.store.layout import ledger_path
from barograph.tape import TapeWriter

from .driving import DIP, SETTINGS, TAPE, cross, driven, told

TICKS = Plan(ticks=(DIP,))
BOTH = Plan(ticks=(DIP,), bars=(cross(),))
END = len(TAPE)


def traded(data: Path, *stops: tuple[Plan, int, bool]) -> SqliteLedger:
    """The ledger after each plan was traded up to its position, as a replay or behind the tape's end."""
    with TapeWriter(data / "tape", clock=ManualClock()) as writer:
        for plan, stop, live in stops:
            if live:
                _begin_here(TradingProcess(data, SETTINGS, plan), writer.next_pos)
            run = TAPE.cut(writer.next_pos, stop)
            writer.append_many(run.streams, run.stream, run.recv_ns, run.kind, run.payloads)
            writer.sync()
            TradingProcess(data, SETTINGS, plan).replay()
    return SqliteLedger(ledger_path(data / "lake"), read_only=True)


def _begin_here(process: TradingProcess, pos: int) -> None:
    """New strategies begin where the others stand, as they do behind a tape that grows."""
    following = threading.Thread(target=process.follow)
    following.start()
    try:
        until = time.monotonic() + 60.0
        while process.figures.next_pos < pos:
            assert time.monotonic() < until
            time.sleep(0.002)
    finally:
        process.stop()
        following.join(60.0)
        assert not following.is_alive()


def minutes(market: MarketView, tape: Records, cut: int, stop: int) -> list[Minute]:
    found: list[Minute] = []
    while market.next_pos < stop:
        run = tape.cut(market.next_pos, min(market.next_pos + cut, stop))
        market.trades(run)
        found += [one._replace(record=0) for one in market.minutes().minutes]
    return found


@pytest.mark.parametrize("at", [1, END // 3, END // 2 + 7])
def test_minutes_that_begin_later_are_those_that_are_whole(at: int) -> None:
    whole, ticks = MarketView(SETTINGS), MarketView(SETTINGS, minutes=False)
    minutes(whole, TAPE, 500, at)
    assert minutes(ticks, TAPE, 700, at) == []
    state = ticks.state()
    assert state.bars == b""
    assert (state.intake, state.next_pos) == (whole.state().intake, at)
    late = MarketView(SETTINGS, state)
    assert late.state().since_us == UNKNOWN
    begun_us = int(TAPE.recv_ns[at]) // 1_000
    mine, all_of = minutes(late, TAPE, 300, END), minutes(whole, TAPE, 300, END)
    first_us = -(-(begun_us + SETTINGS.bars.max_ahead_us) // MINUTE_US) * MINUTE_US
    assert mine[0].ts_us == first_us
    assert [_without_quotes(one) for one in mine] == [
        _without_quotes(one) for one in all_of if one.ts_us >= first_us
    ]


def _without_quotes(one: Minute) -> Minute:
    """A quote from before is not known to who begins later."""
    return one._replace(exec_price=0.0, spread=0.0)


def test_a_checkpoint_of_ticks_alone_is_small_and_goes_on_exactly(tmp_path: Path) -> None:
    live = traded(tmp_path / "live", (TICKS, END // 3, False), (TICKS, END, False))
    stand = standing(live, SETTINGS)
    assert stand is not None
    assert stand.market.bars == b""
    alone = driven(tmp_path / "alone", TICKS)
    assert told(live) == told(alone)
    assert reconcile(tmp_path / "live", live, SETTINGS).differences == 0
    for ledger in (live, alone):
        ledger.shut()


def test_given_a_death_after_a_bar_strategy_has_begun_then_it_goes_on_from_there(tmp_path: Path) -> None:
    """Its beginning is in the ledger, no checkpoint with minutes is; meanwhile ticks alone are traded."""
    traded(tmp_path, (TICKS, END // 3, False)).shut()
    ledger = SqliteLedger(ledger_path(tmp_path / "lake"))
    places, never = Places.of(tmp_path, None), threading.Event()
    begun = assemble(BOTH, ledger, SETTINGS, places, from_start=False, stopping=never)
    assert begun is not None
    begun.main()  # and here it dies
    ledger.shut()
    ledger = traded(tmp_path, (TICKS, END // 2, False), (BOTH, END, False))
    assert {trade.strategy for trade in ledger.trades()} == {"dip", "cross"}
    assert reconcile(tmp_path, ledger, SETTINGS).differences == 0
    ledger.shut()


def test_a_strategy_that_comes_back_and_a_new_one_see_the_same_minutes(tmp_path: Path) -> None:
    three = Plan(ticks=(DIP,), bars=(cross(3, 8, "newcomer"), cross()))
    ledger = traded(tmp_path, (BOTH, END // 4, False), (TICKS, END // 3, False), (three, END, True))
    assert {trade.strategy for trade in ledger.trades()} == {"dip", "cross", "newcomer"}
    assert reconcile(tmp_path, ledger, SETTINGS).differences == 0
    ledger.shut()


@pytest.mark.parametrize("live", [True, False])
def test_a_bar_strategy_that_joins_ticks_alone_equals_its_backtest(tmp_path: Path, live: bool) -> None:
    stops: Sequence[tuple[Plan, int, bool]] = [
        (TICKS, END // 3, False),
        (BOTH, END // 2, live),
        (TICKS, END * 2 // 3, False),
        (BOTH, END, False),
    ]
    ledger = traded(tmp_path, *stops)
    strategies = {trade.strategy for trade in ledger.trades()}
    assert strategies == {"dip", "cross"}
    assert reconcile(tmp_path, ledger, SETTINGS).differences == 0
    if not live:  # then it began with the tape
        alone = driven(tmp_path / "alone", BOTH)
        assert told(ledger) == told(alone)
        alone.shut()
    else:
        entered_us = min(one.entry_ts_us for one in ledger.trades() if one.strategy == "cross")
        assert entered_us > int(TAPE.recv_ns[END // 3]) // 1_000
    ledger.shut()
