"""Accounts that several strategies share, warming up, and beginning in the middle of a tape."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from barograph.clock import MINUTE_US, ManualClock
from barograph.errors import UsageError
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.recorder import replay
from barograph.recorder.checkpoint import Checkpoints
from barograph.recorder.places import Places
from barograph.recorder.trading.assembling import Recorded, assemble
from barograph.recorder.trading.bar_part import BarPart
from barograph.recorder.trading.beginning import at_present, at_start, begun
from barograph.recorder.trading.engine import Parts
from barograph.recorder.trading.market import MarketView, Minute
from barograph.recorder.trading.specs import BarStrategy, Market, Member, Plan
from barograph.records import Records
from barograph.strategies.families import check
from barograph.strategies.guard import Bounds
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import Costs
from barograph.tape import TapeReader, TapeWriter

from .driving import SETTINGS, TAPE, cross, driven, engine_of, told

FAST = check(Strategy(family="sma_cross", params={"fast": 2, "slow": 5}))
SLOW = check(Strategy(family="sma_cross", params={"fast": 3, "slow": 8}))
MEMBERS = tuple(
    Member(name, strategy, "sim", symbol)
    for name, strategy in (("fast", FAST), ("slow", SLOW))
    for symbol in ("BTC-USD", "ETH-USD")
)


def shared(**bounds: object) -> Plan:
    costs, held = Costs(cash=1_000.0, fee_bps=1.0), Bounds(**bounds)  # type: ignore[arg-type]
    return Plan(bars=(BarStrategy(name="account", members=MEMBERS, costs=costs, bounds=held),))


def test_strategies_that_share_cash_never_commit_more_than_there_is(tmp_path: Path) -> None:
    ledger = driven(tmp_path / "ledger", shared())
    trades, positions = told(ledger)
    assert {(t.strategy, t.symbol) for t in trades} >= {("fast", "BTC-USD"), ("fast", "ETH-USD")}
    (item,) = ledger.items()
    assert item.key == ("account", "", "")
    edges = sorted({t.entry_ts_us for t in [*trades, *positions]})
    for ts_us in edges:
        held = [t for t in trades if t.entry_ts_us <= ts_us < t.exit_ts_us]
        held += [p for p in positions if p.entry_ts_us <= ts_us]
        assert sum(abs(p.quantity) * p.entry_price for p in held) < 1_000.0 * 1.2
    ledger.shut()


def test_a_shared_account_is_the_same_however_the_tape_is_cut(tmp_path: Path) -> None:
    whole = driven(tmp_path / "whole", shared())
    cut = driven(tmp_path / "cut", shared(), cuts=range(0, len(TAPE), 61), deaths=(2_000, 5_500, 9_000))
    assert told(whole) == told(cut)
    assert len(told(whole)[0]) > 5
    whole.shut()
    cut.shut()


def test_bounds_of_an_account_hold_live(tmp_path: Path) -> None:
    ledger = driven(tmp_path / "ledger", shared(cash_per_entry=100.0, max_holding_bars=3))
    trades, positions = told(ledger)
    assert trades
    for one in [*trades, *positions]:
        assert abs(one.quantity) * one.entry_price <= 100.0
    for trade in trades:
        assert trade.exit_ts_us - trade.entry_ts_us <= 3 * MINUTE_US
    assert "time" in {trade.reason for trade in trades}
    ledger.shut()


def test_given_strategies_that_share_and_no_symbols_then_it_is_refused() -> None:
    with pytest.raises(UsageError, match="each needs its symbol"):
        BarStrategy(name="account", members=(Member("a", FAST), Member("b", SLOW)))


# -- on a tape that has been recorded for a while ----------------------------------------------------------


def write(data: Path, run: Records) -> None:
    with TapeWriter(data / "tape", clock=ManualClock()) as tape:
        tape.append_many(run.streams, run.stream, run.recv_ns, run.kind, run.payloads)


def first_minutes(market: MarketView, upto: int) -> list[Minute]:
    market.trades(TAPE.cut(market.next_pos, upto))
    return [one._replace(record=0) for one in market.minutes().minutes]


def checkpointed(data: Path, pos: int) -> None:
    """As a recorder that died there leaves it: tables and checkpoint up to ``pos``, the tape longer."""
    write(data, TAPE.cut(0, pos))
    replay(data, SETTINGS)
    with TapeWriter(data / "tape", clock=ManualClock()) as tape:
        rest = TAPE.cut(pos, len(TAPE))
        tape.append_many(rest.streams, rest.stream, rest.recv_ns, rest.kind, rest.payloads)


def test_begun_at_the_present_minutes_are_those_of_a_market_that_saw_it_all(tmp_path: Path) -> None:
    pos = len(TAPE) // 2
    checkpointed(tmp_path, pos)
    saved = Checkpoints(tmp_path / "state").load()
    replay(tmp_path, SETTINGS)  # the tables catch up
    Checkpoints(tmp_path / "state").save(saved or b"")
    reader = TapeReader(tmp_path / "tape")
    market = at_present(SETTINGS, Places.of(tmp_path), reader, threading.Event())
    assert market is not None
    assert pos <= market.next_pos < len(TAPE)
    all_seen = at_start(SETTINGS, reader)
    first_minutes(all_seen, market.next_pos)
    mine, theirs = first_minutes(market, len(TAPE)), first_minutes(all_seen, len(TAPE))
    assert len(mine) > 50
    assert np.array_equal(np.array(mine), np.array(theirs), equal_nan=True)


def test_given_no_checkpoint_then_trading_begins_with_the_tape(tmp_path: Path) -> None:
    write(tmp_path, TAPE)
    ledger, stopping = SqliteLedger(tmp_path / "ledger"), threading.Event()
    places = Places.of(tmp_path)
    found = assemble(Plan(bars=(cross(),)), ledger, SETTINGS, places, from_start=False, stopping=stopping)
    assert found is not None
    assert found.main().next_pos == 0
    assert [one.pos for one in begun(ledger)] == [0]
    ledger.shut()


def test_tables_that_hold_the_future_change_no_decision(tmp_path: Path) -> None:
    """A replay from the start, of a directory whose tables are finished, must not warm up with what comes."""
    write(tmp_path, TAPE)
    replay(tmp_path, SETTINGS)
    ledger, places = SqliteLedger(tmp_path / "ledger"), Places.of(tmp_path)
    plan = Plan(bars=(cross(), *shared().bars))
    found = assemble(plan, ledger, SETTINGS, places, from_start=True, stopping=threading.Event())
    assert found is not None
    engine = found.main()
    engine.advance(TAPE)
    engine.note(engine.stand())
    alone = driven(tmp_path / "alone", plan)
    assert told(ledger) == told(alone)
    ledger.shut()
    alone.shut()


def test_history_stays_what_it_was_when_it_was_first_read(tmp_path: Path) -> None:
    write(tmp_path, TAPE)
    replay(tmp_path, SETTINGS)
    ledger, places = SqliteLedger(tmp_path / "ledger"), Places.of(tmp_path)
    recorded_ones = Recorded(places, ledger, "cross")
    before_us = int(TAPE.recv_ns[len(TAPE) // 2]) // 1_000
    first = recorded_ones("sim", "BTC-USD", before_us)
    assert first is not None
    assert first.ts_us[-1] < before_us
    assert len(first) > 20
    later = recorded_ones("sim", "BTC-USD", before_us + 10**12)
    assert later is not None
    assert np.array_equal(later.ts_us, first.ts_us)
    assert Recorded(None, ledger, "other")("sim", "BTC-USD", before_us) is None
    ledger.shut()


def test_a_warm_account_decides_at_its_first_bar(tmp_path: Path) -> None:
    """With history the averages are known at once; without it is silent for as many bars as they need."""
    pos = len(TAPE) // 2
    write(tmp_path, TAPE)
    replay(tmp_path, SETTINGS)
    plan, places = Plan(bars=(cross(2, 20),)), Places.of(tmp_path)
    entries = {}
    for name, known in (("warm", places), ("cold", None)):
        ledger = SqliteLedger(tmp_path / name)
        engine = engine_of(ledger, Plan(ticks=(), bars=(cross(2, 20, "none"),)))
        engine.advance(TAPE.cut(0, pos))
        part = BarPart(plan.bars[0], Market(), engine.market, ledger, Recorded(known, ledger, "cross"))
        engine.parts = Parts(on_minutes=(part,))
        engine.advance(TAPE.cut(pos, len(TAPE)))
        mine = [t for t in [*told(ledger)[0], *told(ledger)[1]] if t.strategy == "cross"]
        entries[name] = min(t.entry_ts_us for t in mine)
        ledger.shut()
    assert entries["warm"] < entries["cold"]
