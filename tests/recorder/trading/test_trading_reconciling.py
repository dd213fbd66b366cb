"""Reconciling: a ledger that is what the tape says, one that is not, and what hindsight would change."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from barograph.clock import ManualClock
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.recorder import replay
from barograph.recorder.trading import process as module
from barograph.recorder.trading.process import TradingProcess
from barograph.recorder.trading.reconciling import reconcile
from barograph.recorder.trading.specs import Market, Plan
from barograph.store.layout import ledger_path
from barograph.tape import TapeWriter

from .driving import DIP, PLAN, SETTINGS, TAPE, cross, drive, driven, engine_of, told
from .test_trading_accounts import shared
from .test_trading_engine import stop_at

ALL = Plan(ticks=PLAN.ticks, bars=(*PLAN.bars, *shared().bars))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with TapeWriter(tmp_path / "tape", clock=ManualClock()) as tape:
        tape.append_many(TAPE.streams, TAPE.stream, TAPE.recv_ns, TAPE.kind, TAPE.payloads)
    return tmp_path


@pytest.fixture
def ledger(data: Path) -> Iterator[SqliteLedger]:
    found = SqliteLedger(ledger_path(data / "lake"))
    yield found
    found.shut()


def test_what_the_process_has_done_is_what_the_tape_says(data: Path) -> None:
    TradingProcess(data, SETTINGS, ALL).replay()
    ledger = SqliteLedger(ledger_path(data / "lake"), read_only=True)
    report = reconcile(data, ledger, SETTINGS)
    assert (report.differences, report.from_pos, report.to_pos) == (0, 0, len(TAPE))
    assert report.trades == len(list(ledger.trades())) > 50
    assert report.revised is None
    ledger.shut()


def test_so_it_is_after_deaths_and_words(data: Path, ledger: SqliteLedger) -> None:
    stop_at(ledger, len(TAPE) // 3, "flatten")
    drive(ledger, deaths=(len(TAPE) // 2, len(TAPE) - 100), cuts=range(0, len(TAPE), 777))
    report = reconcile(data, ledger, SETTINGS)
    assert (report.differences, report.to_pos) == (0, len(TAPE))


def test_a_ledger_that_has_gone_on_since_its_checkpoint_agrees_as_well(
    data: Path, ledger: SqliteLedger
) -> None:
    engine = engine_of(ledger)
    engine.advance(TAPE.cut(0, len(TAPE) // 2))
    engine.note(engine.stand())
    engine.advance(TAPE.cut(len(TAPE) // 2, len(TAPE) - 500))
    report = reconcile(data, ledger, SETTINGS)
    assert (report.differences, report.to_pos) == (0, len(TAPE) // 2)


@pytest.mark.parametrize(
    ("statement", "what", "field"),
    [
        (
            "UPDATE trades SET exit_price = exit_price * 1.0000001 WHERE strategy = 'dip'",
            "trade",
            "exit_price",
        ),
        ("UPDATE trades SET quantity = 1.0 WHERE strategy = 'cross'", "trade", "quantity"),
        ("DELETE FROM trades WHERE strategy = 'cross'", "trade", ""),
    ],
)
def test_given_a_ledger_that_was_tampered_with_then_it_is_told(
    data: Path, ledger: SqliteLedger, statement: str, what: str, field: str
) -> None:
    drive(ledger)
    path = ledger_path(data / "lake")
    with sqlite3.connect(path) as connection:
        count = connection.execute(statement).rowcount
        assert count > 0
    connection.close()
    report = reconcile(data, ledger, SETTINGS)
    mine = [row for row in report.rows if (row.what, row.field) == (what, field)]
    assert len(mine) == count


def test_late_trades_that_revised_bars_are_told_and_are_no_differences(data: Path) -> None:
    plan = Plan(bars=(cross(),), market=Market(venues=("sim",)))
    TradingProcess(data, SETTINGS, plan).replay()
    replay(data, SETTINGS)
    ledger = SqliteLedger(ledger_path(data / "lake"), read_only=True)
    report = reconcile(data, ledger, SETTINGS)
    assert report.differences == 0
    assert report.revised
    for one in report.revised:
        assert one.minute_us is not None
    made = {trade.trade_key for trade in ledger.trades()}
    assert {one.trade_key for one in report.revised if one.live} <= made
    ledger.shut()


def test_a_ledger_that_never_traded_has_nothing_to_compare(data: Path, ledger: SqliteLedger) -> None:
    assert reconcile(data, ledger, SETTINGS).trades == 0


def test_replayed_twice_from_nothing_ledger_and_archive_are_equal(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        folder = tmp_path / name
        with TapeWriter(folder / "tape", clock=ManualClock()) as tape:
            tape.append_many(TAPE.streams, TAPE.stream, TAPE.recv_ns, TAPE.kind, TAPE.payloads)
        TradingProcess(folder, SETTINGS, Plan(ticks=(DIP,), bars=(cross(),))).replay()
        ledger = SqliteLedger(ledger_path(folder / "lake"), read_only=True)
        files = sorted((folder / "completed-trades").rglob("*.json"))
        archive = {str(path.relative_to(folder)): path.read_bytes() for path in files}
        trades = list(ledger.trades())
        assert {path.stem for path in files} == {trade.trade_key for trade in trades}
        found.append((trades, [item.positions for item in ledger.items()], archive))
        ledger.shut()
    assert found[0] == found[1]


def test_replayed_again_nothing_changes(data: Path) -> None:
    plan = Plan(ticks=(DIP,), bars=(cross(),))
    first = TradingProcess(data, SETTINGS, plan).replay()
    again = TradingProcess(data, SETTINGS, plan).replay()
    assert first.opened > 0
    assert (again.opened, again.closed, again.next_pos) == (0, 0, first.next_pos)


def test_a_strategy_that_a_later_replay_brings_trades_from_the_start(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPLAY_RECORDS", 2_000)
    TradingProcess(data, SETTINGS, Plan(ticks=(DIP,))).replay()
    both = Plan(ticks=(DIP,), bars=(cross(),))
    stopped = TradingProcess(data, SETTINGS, both)
    stopped.replay(lambda done, _all: stopped.stop() if done else None)  # killed, in effect, on its way
    TradingProcess(data, SETTINGS, both).replay()
    ledger, alone = SqliteLedger(ledger_path(data / "lake")), driven(tmp_path / "alone", both)
    assert told(ledger) == told(alone)
    assert reconcile(data, ledger, SETTINGS).differences == 0
    ledger.shut()
    alone.shut()
