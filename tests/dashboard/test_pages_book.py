"""What the page of trading reads: the same numbers that the commands print."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.servers.traded import told

from barograph.dashboard.book import Book, Held, State, book, recorded_prices, state_of, valued
from barograph.dashboard.completed import ALL, curves
from barograph.dashboard.data import Data
from barograph.dashboard.troubles import Unavailable
from barograph.paper.ledger import Item, Key
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Position, Trade, completed
from barograph.paper.prices import Seen
from barograph.paper.summary import summarise
from barograph.paper.trade_json import iso
from barograph.recorder.trading.figures import Figures
from barograph.settings import Settings

BOUGHT = Position("dip", "sim", "BTC-USD", 2.0, 100.0, 1_000_000, 0.2, "t1")


@pytest.fixture(scope="module")
def traded(traded_data: Path) -> Path:
    """Data that has been traded over, with their tables."""
    return traded_data


def test_completed_trades_are_those_of_the_command(traded: Path) -> None:
    found = read(traded)
    said = told("trades", "--data", traded)
    assert [one.trade_key for one in found.trades] == [row["trade_key"] for row in said["trades"]]
    assert len(found.trades) > 10
    assert [one._asdict() for one in summarise(found.trades)] == said["summary"]


def test_open_positions_are_worth_what_the_command_says(traded: Path) -> None:
    found = read(traded)
    values = valued(found.held, recorded_prices(Data(Settings(data_dir=traded)), found.held))
    said = told("positions", "--data", traded)
    assert said
    assert [row_of(position, value) for position, value in values] == [
        {
            name: row[name]
            for name in ("strategy", "symbol", "entry_id", "price", "price_ts", "unrealised", "held_s")
        }
        for row in said
    ]


def test_a_recorded_minute_after_the_traders_price_counts(traded: Path, tmp_path: Path) -> None:
    """The trader stopped early; the market was recorded on."""
    data = tmp_path / "data"
    shutil.copytree(traded / "lake", data / "lake")
    newest = told("query", "SELECT * FROM last_prices WHERE symbol = 'BTC-USD'", "--data", traded)[0]
    early = Position("dip", "sim", "BTC-USD", 1.0, 90.0, 1_723_075_200_000_000, 0.0, "t1")
    with ledger(data) as there:
        item = Item(Key("dip", "sim", "BTC-USD"), newest_ts_us=early.entry_ts_us, mark=91.0)
        there.open(item, early)
    found = read(data)
    (_, value), *_ = valued(found.held, recorded_prices(Data(Settings(data_dir=data)), found.held))
    assert value is not None
    assert value.price == newest["price"] != 91.0
    said = told("positions", "--data", data)[0]
    assert (value.price, value.unrealised, said["price_from"]) == (said["price"], said["unrealised"], "lake")


def test_the_curve_ends_at_the_profit_and_with_what_is_open(traded: Path) -> None:
    found = read(traded)
    values = valued(found.held, {})
    drawn = {each.name: each for each in curves(found.trades, values)}
    assert set(drawn) == {*(one.strategy for one in summarise(found.trades)), ALL}
    for one in summarise(found.trades):
        assert drawn[one.strategy].values[-1] == one.profit
        assert drawn[one.strategy].values[0] == 0.0
    together = drawn[ALL]
    assert together.is_main
    assert together.values[-1] == pytest.approx(sum(one.profit for one in found.trades))
    assert together.ends is not None
    unrealised = sum(value.unrealised for _, value in values if value is not None)
    assert together.ends[1] == pytest.approx(float(together.values[-1]) + unrealised)


def test_one_strategy_alone_is_one_curve() -> None:
    (only,) = curves([sold(110.0)], [])
    assert (only.name, only.is_main, only.ends) == ("dip", True, None)


def test_a_ledger_is_read_anew_when_it_was_written(tmp_path: Path) -> None:
    assert book(tmp_path) is None
    key = Key("dip", "sim", "BTC-USD")
    with ledger(tmp_path) as there:
        there.open(Item(key, mark=105.0, newest_ts_us=2_000_000), BOUGHT)
        found = read(tmp_path)
        assert (found.trades, found.held) == ((), (Held(BOUGHT, Seen(105.0, 2_000_000)),))
        one = sold(110.0)
        there.close(there.read(key), one)
        found = read(tmp_path)
        assert (found.trades, found.held, found.pending) == ((one,), (), 1)


def test_a_file_that_is_no_ledger_is_told_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "ledger.sqlite").write_bytes(
        b"this is no database, but long enough to be read" * 50
    )
    with pytest.raises(Unavailable) as caught:
        book(tmp_path)
    assert caught.value.remedy.startswith("barograph ")


@pytest.mark.parametrize(
    ("figures", "word", "state"),
    [
        (None, "", State.NEVER),
        (Figures(now_ns=10**9), "", State.TRADING),
        (Figures(now_ns=10**9), "resume", State.TRADING),
        (Figures(now_ns=10**9), "stop", State.HALTED),
        (Figures(now_ns=10**9, halted="flatten"), "", State.HALTED),
        (Figures(now_ns=10**9, problem="the disk is full"), "stop", State.STUCK),
        (Figures(now_ns=10**9, ended=True), "", State.ENDED),
        (Figures(now_ns=-60 * 10**9), "", State.LOST),
    ],
)
def test_the_state_of_the_process(figures: Figures | None, word: str, state: State) -> None:
    assert state_of(figures, 2 * 10**9, word) is state


def read(data: Path) -> Book:
    found = book(data)
    assert found is not None
    return found


def row_of(position: Position, value: Any) -> dict[str, Any]:
    return {
        "strategy": position.strategy,
        "symbol": position.symbol,
        "entry_id": position.entry_id,
        "price": value.price,
        "price_ts": iso(value.price_ts_us),
        "unrealised": value.unrealised,
        "held_s": value.held_s,
    }


def sold(price: float) -> Trade:
    return completed(
        BOUGHT, exit_price=price, exit_ts_us=3_000_000, exit_fee=0.2, exit_id="t9", reason="take_profit"
    )


@contextmanager
def ledger(data: Path) -> Iterator[SqliteLedger]:
    found = SqliteLedger(data / "state" / "ledger.sqlite")
    try:
        yield found
    finally:
        found.shut()
