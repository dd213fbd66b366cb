"""What a look at the ledger may rely on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.api.house import settings_of

from barograph.api.live import session
from barograph.api.live.following import Following
from barograph.api.live.hub import Hub
from barograph.api.live.message import Choice, row_message
from barograph.api.live.place import Place
from barograph.api.live.trades import LedgerTrades
from barograph.api.state import State
from barograph.clock import ManualClock
from barograph.paper.ledger import Item, Key
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Position, Trade, completed
from barograph.store.layout import ledger_path

WRITTEN_NS = 1_700_000_000_000_000_000


def test_a_trade_written_in_the_same_tick_of_the_files_clock_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock(WRITTEN_NS + 100_000_000)
    state = State.of(settings_of(tmp_path), clock)
    ledger = SqliteLedger(ledger_path(tmp_path / "lake"))
    following = Following(state)
    monkeypatch.setattr(following.ledger, "stamp", lambda: ((1, WRITTEN_NS, 10),))
    place = following.now()
    trade = ended("A")
    ledger.write(Item(Key("dip", "sim", "A")), [trade])
    news = following.look(place)
    assert news is not None
    assert [message.data["trade_key"] for message, _ in news.messages] == [trade.trade_key]
    assert following.look(news.place) is not None, "it may be written once more in this tick"
    clock.advance(1)
    following.look(news.place)
    assert following.look(news.place) is None
    ledger.shut()
    state.close()


def test_who_has_missed_more_trades_than_are_read_at_once_is_given_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_TRADES", 2)
    path = ledger_path(tmp_path / "lake")
    ledger = SqliteLedger(path)
    for number in range(5):
        ledger.write(Item(Key("dip", "sim", f"S{number}")), [ended(f"S{number}")])
    ledger.shut()
    state = State.of(settings_of(tmp_path))
    client = session.Session(
        state, Hub(Following(state), 1), LedgerTrades(path), Choice(), Place(), lambda: None
    )
    found = []
    while client.place.trades < 5:
        found += [message.data["symbol"] for message in client._trades(5)]
    assert found == [f"S{number}" for number in range(5)]
    state.close()


def ended(symbol: str) -> Trade:
    held = Position("dip", "sim", symbol, 1.0, 100.0, 0, 0.1, "t1")
    return completed(held, exit_price=1.0, exit_ts_us=5, exit_fee=0.0, exit_id="t2", reason="signal")


def test_a_start_is_in_what_is_wanted_and_what_is_before_it_is_not() -> None:
    choice = Choice(start_us=100)
    message = row_message("trades", {"symbol": "A", "venue": "sim"}, Place())
    assert [choice.takes(message, ts_us) for ts_us in (99, 100, 101)] == [False, True, True]
