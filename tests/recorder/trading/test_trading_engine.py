"""The engine: the same ledger however the tape is cut and whoever dies; what a person says counts once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barograph.clock import MINUTE_US
from barograph.errors import SettingsError, UsageError
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Position, Trade
from barograph.recorder.trading.account import is_bar
from barograph.recorder.trading.control import apply_at, heard, say
from barograph.recorder.trading.market import MarketView
from barograph.recorder.trading.specs import BarStrategy, Market, Member, Plan, from_json, to_json
from barograph.records import Records
from barograph.strategies.strategy import Strategy

from .driving import DIP, PLAN, SETTINGS, TAPE, cross, drive, driven, engine_of, told

LATENESS_US = SETTINGS.bars.allowed_lateness_us
Told = tuple[list[Trade], list[Position]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Told:
    ledger = driven(tmp_path_factory.mktemp("undisturbed") / "ledger")
    found = told(ledger)
    ledger.shut()
    return found


def test_every_strategy_trades_on_this_tape(undisturbed: Told) -> None:
    trades, _ = undisturbed
    assert {trade.strategy for trade in trades} == {"dip", "cross", "both_sides"}
    assert {trade.venue for trade in trades} >= {"sim"}
    assert {trade.reason for trade in trades} >= {"signal", "take_profit", "stop_loss"}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cutting_and_any_deaths_give_the_same_ledger(
    data: st.DataObject, undisturbed: Told, tmp_path_factory: pytest.TempPathFactory
) -> None:
    places = st.lists(st.integers(1, len(TAPE) - 1), max_size=12)
    cuts, deaths = data.draw(places, label="cuts"), data.draw(places, label="deaths")
    ledger = driven(tmp_path_factory.mktemp("cut") / "ledger", cuts=cuts, deaths=deaths)
    assert told(ledger) == undisturbed
    ledger.shut()


def test_runs_of_few_records_give_the_same_ledger(undisturbed: Told, tmp_path: Path) -> None:
    ledger = driven(tmp_path / "ledger", cuts=range(0, len(TAPE), 37))
    assert told(ledger) == undisturbed


def test_a_decision_is_never_filled_when_its_bar_closes(undisturbed: Told) -> None:
    for trade in undisturbed[0]:
        if trade.strategy == "dip":
            continue
        for ts_us in (trade.entry_ts_us, trade.exit_ts_us):
            assert ts_us % MINUTE_US != 0
        assert trade.entry_ts_us % MINUTE_US == LATENESS_US


def versions(tape: Records) -> dict[tuple[str, str], dict[int, int]]:
    """Of each symbol the first version of each minute that can be traded on, by its start."""
    market = MarketView(SETTINGS)
    market.trades(tape)
    found: dict[tuple[str, str], dict[int, int]] = {}
    for one in market.minutes().minutes:
        if is_bar(one):
            where = (market.venues[one.instrument], market.symbols[one.instrument])
            found.setdefault(where, {})[one.ts_us] = one.version
    return found


def test_every_order_names_the_version_of_the_bar_that_it_was_decided_on(undisturbed: Told) -> None:
    """That is the record which closed the bar before the one it is filled in."""
    known, compared = versions(TAPE), 0
    for trade in undisturbed[0]:
        if trade.strategy == "dip":
            continue
        minutes = known[trade.venue, trade.symbol]
        sides = [(trade.entry_id, trade.bar_version), (trade.exit_id, trade.exit_bar_version)]
        for event, version in sides:
            if version is None:
                continue
            filled_us = int(event.removeprefix("b"))
            assert version == minutes[max(ts_us for ts_us in minutes if ts_us < filled_us)]
            compared += 1
    assert compared > 20


def test_a_bar_is_closed_before_an_order_on_it_is_filled(undisturbed: Told) -> None:
    for trade in undisturbed[0]:
        if trade.strategy == "dip":
            assert trade.bar_version is None
            continue
        assert trade.bar_version is not None
        assert int(TAPE.recv_ns[trade.bar_version]) // 1_000 >= trade.entry_ts_us - LATENESS_US
        assert (trade.exit_bar_version is None) == (trade.reason == "stop_loss")


def test_a_word_from_before_the_first_record_counts_for_accounts_that_come_later(tmp_path: Path) -> None:
    members = tuple(
        Member(symbol, cross().members[0].strategy, "sim", symbol) for symbol in ("BTC-USD", "ETH-USD")
    )
    plan = Plan(ticks=(DIP,), bars=(cross(), BarStrategy(name="account", members=members)))
    halted, free = (SqliteLedger(tmp_path / name) for name in ("halted", "free"))
    apply_at(halted, [], say(halted, "stop", 1), 0)
    for ledger in (halted, free):
        drive(ledger, plan)
    assert told(halted) == ([], [])
    assert {one.strategy for one in told(free)[0]} == {"dip", "cross", "BTC-USD", "ETH-USD"}
    halted.shut()
    free.shut()


def test_given_other_terms_under_the_same_name_then_it_is_refused(tmp_path: Path) -> None:
    ledger = driven(tmp_path / "ledger", Plan(bars=(cross(),)))
    with pytest.raises(SettingsError, match="'cross' has traded in this ledger with other terms"):
        engine_of(ledger, Plan(bars=(cross(2, 6),)))
    with pytest.raises(SettingsError, match="other terms"):
        engine_of(ledger, Plan(bars=(cross(),), market=Market(symbols=("BTC-USD",))))
    ledger.shut()


def test_only_wanted_symbols_are_traded(tmp_path: Path) -> None:
    plan = Plan(ticks=(DIP,), bars=(cross(),), market=Market(venues=("sim",), symbols=("ETH-USD",)))
    ledger = driven(tmp_path / "ledger", plan)
    assert {(t.venue, t.symbol) for t in told(ledger)[0]} == {("sim", "ETH-USD")}
    ledger.shut()


def test_a_strategy_that_comes_later_begins_where_the_others_stand(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger")
    half = len(TAPE) // 2
    engine = engine_of(ledger, Plan(ticks=(DIP,)))
    engine.advance(TAPE.cut(0, half))
    engine.note(engine.stand())
    drive(ledger, PLAN)
    begun_us = int(TAPE.recv_ns[half]) // 1_000
    mine = [trade for trade in told(ledger)[0] if trade.strategy == "cross"]
    assert mine
    assert min(trade.entry_ts_us for trade in mine) > begun_us - 2 * MINUTE_US
    ledger.shut()


def stop_at(ledger: SqliteLedger, pos: int, action: str, plan: Plan = PLAN) -> None:
    """A process that trades up to ``pos`` and hears something there."""
    engine = engine_of(ledger, plan)
    engine.advance(TAPE.cut(engine.next_pos, pos))
    word = say(ledger, action, 1)  # type: ignore[arg-type]
    assert heard(ledger) == word
    engine.tell(apply_at(ledger, [], word, pos)[-1])
    engine.note(engine.stand())


def test_given_flatten_then_everything_is_left_and_nothing_entered(tmp_path: Path, undisturbed: Told) -> None:
    held_at = max(trade.entry_ts_us for trade in undisturbed[0] if trade.strategy == "cross")
    pos = int((TAPE.recv_ns < (held_at + MINUTE_US) * 1_000).sum())
    ledger = SqliteLedger(tmp_path / "ledger")
    stop_at(ledger, pos, "flatten")
    drive(ledger)
    trades, positions = told(ledger)
    assert not positions
    said_us = int(TAPE.recv_ns[pos]) // 1_000
    late = [trade for trade in trades if trade.exit_ts_us > said_us + 2 * MINUTE_US]
    assert not late
    assert "flatten" in {trade.reason for trade in trades}
    assert all(trade.entry_ts_us <= said_us + MINUTE_US for trade in trades)
    ledger.shut()


def test_given_a_death_after_a_word_then_it_counts_where_it_did(tmp_path: Path) -> None:
    pos = len(TAPE) // 2
    whole, broken = SqliteLedger(tmp_path / "whole"), SqliteLedger(tmp_path / "broken")
    for ledger, deaths in ((whole, ()), (broken, (pos, pos + 1_000, pos + 5_000))):
        stop_at(ledger, pos, "stop")
        drive(ledger, deaths=deaths)
    assert told(whole) == told(broken)
    last = max(position.entry_ts_us for position in [*told(whole)[0], *told(whole)[1]])
    assert last < int(TAPE.recv_ns[pos]) // 1_000 + 2 * MINUTE_US
    whole.shut()
    broken.shut()


def test_a_spec_comes_back_from_json_as_it_was() -> None:
    for spec in PLAN.strategies:
        assert from_json(to_json(spec)) == spec


def test_given_nothing_or_two_of_one_name_then_there_is_no_plan() -> None:
    with pytest.raises(UsageError, match="nothing to trade"):
        Plan()
    with pytest.raises(UsageError, match="two strategies are called 'cross'"):
        Plan(bars=(cross(), cross(3, 9)))


def test_given_a_family_that_needs_all_bars_then_it_cannot_be_traded_as_they_come() -> None:
    with pytest.raises(UsageError, match="'mine' is of the family 'signals', which needs all bars at once"):
        Member("mine", Strategy(family="signals", params={"signals": "0110"}))
