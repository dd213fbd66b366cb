"""positions, trades: what the ledger of the data directory holds, for people and for programs."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from barograph.cli.commands import positions as positions_verb
from barograph.cli.commands import trades as trades_verb
from barograph.paper.archive import Archivist, LakeArchive
from barograph.paper.ledger import Key
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Position, completed
from barograph.store import Commit, Lake
from barograph.tables import COMPLETED_TRADES, TABLES

START_US = int(datetime(2024, 8, 8, 12, tzinfo=UTC).timestamp()) * 1_000_000
MINUTE_US = 60_000_000
PROFITS = (5.0, -2.0, 3.0)


def filled(data: Path) -> None:
    """Three trades of ``dip``, one of ``cross``; one position of each, the latter's account holds many."""
    ledger = SqliteLedger(data / "state" / "ledger.sqlite")
    dip, many = Key("dip", "sim", "BTC-USD"), Key("cross")
    for n, profit in enumerate(PROFITS):
        trade(ledger, dip, "dip", "BTC-USD", n, profit)
    trade(ledger, many, "cross", "ETH-USD", 9, 1.0)
    item = ledger.read(dip)
    ledger.open(item._replace(mark=105.0, newest_ts_us=START_US + 5 * MINUTE_US), held("dip", "BTC-USD", 3))
    ledger.open(ledger.read(many)._replace(mark=7.0), held("cross", "ETH-USD", 4))
    ledger.shut()


def held(strategy: str, symbol: str, minute: int) -> Position:
    return Position(strategy, "sim", symbol, 2.0, 100.0, START_US + minute * MINUTE_US, 0.2, f"t{minute}")


def trade(ledger: SqliteLedger, key: Key, strategy: str, symbol: str, minute: int, profit: float) -> None:
    one = held(strategy, symbol, minute)._replace(entry_id=f"e{minute}", entry_fee=0.0)
    ended = completed(
        one,
        exit_price=100.0 + profit / 2,
        exit_ts_us=START_US + (minute + 1) * MINUTE_US,
        exit_fee=0.0,
        exit_id=f"x{minute}",
        reason="signal",
    )
    ledger.open(ledger.read(key), one)
    ledger.close(ledger.read(key), ended)


def recorded(data: Path, minute: int, symbol: str, price: float) -> None:
    schema = TABLES["market_microstructure"].schema()
    row: dict[str, Any] = {f.name: None if f.nullable else 0 for f in schema}
    row |= {"timestamp": START_US + minute * MINUTE_US, "symbol": symbol, "venue": "sim", "price": price}
    lake = Lake(data / "lake")
    made = pa.Table.from_pylist([row | {"tape_pos": minute}], schema=schema)
    lake.commit(Commit(minute, minute + 1, {"market_microstructure": made}))
    lake.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    filled(tmp_path / "d")
    return tmp_path / "d"


def test_trades_are_told_newest_last_with_their_summaries(call: Any, data: Path) -> None:
    told = call("trades", "--data", data, "--json").json
    assert [one["entry_id"] for one in told["trades"]] == ["e0", "e1", "e2", "e9"]
    assert all(tuple(one) == COMPLETED_TRADES.names for one in told["trades"])
    assert told["trades"][0]["exit_ts"] == "2024-08-08T12:01:00.000000Z"
    cross, dip = told["summary"]
    assert (cross["strategy"], cross["trades"], cross["profit_factor"]) == ("cross", 1, None)
    assert (dip["trades"], dip["wins"], dip["profit"]) == (3, 2, 6.0)
    assert dip["profit_factor"] == 4.0
    assert dip["max_drawdown"] == 2.0


def test_two_equal_ledgers_print_equal_bytes(call: Any, data: Path, tmp_path: Path) -> None:
    filled(tmp_path / "again")
    first, second = (call("trades", "--data", place, "--json").out for place in (data, tmp_path / "again"))
    assert first == second


def test_trades_are_chosen_by_strategy_symbol_and_moment(call: Any, data: Path) -> None:
    def entries(*words: object) -> list[str]:
        told = call("trades", "--data", data, "--json", *words).json
        return [one["entry_id"] for one in told["trades"]]

    assert entries("--strategy", "cross") == ["e9"]
    assert entries("--symbol", "BTC-USD") == ["e0", "e1", "e2"]
    assert entries("--since", "2024-08-08T12:03") == ["e2", "e9"]
    assert entries("--limit", 1) == ["e9"]
    assert entries("--limit", 0) == ["e0", "e1", "e2", "e9"]
    assert entries("--strategy", "nobody") == []
    call("trades", "--data", data, "--limit", -1, code=2)


def test_summaries_count_what_the_limit_leaves_out(call: Any, data: Path) -> None:
    told = call("trades", "--data", data, "--strategy", "dip", "--limit", 1, "--json").json
    assert (len(told["trades"]), told["summary"][0]["trades"]) == (1, 3)


def test_trades_in_a_pipe_are_csv(call: Any, data: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(call("trades", "--data", data).out)))
    assert tuple(rows[0]) == COMPLETED_TRADES.names
    assert [float(row["profit"]) for row in rows] == [*PROFITS, 1.0]


def test_on_a_terminal_there_is_a_table_and_the_course_of_profit(
    call: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("barograph.cli.options.Common.form", lambda *_: "table")
    told = call("trades", "--data", data, "--limit", 2)
    assert "2 earlier trades" in told.err
    assert "▁▆▄█" in told.out
    assert "2024-08-08 12:03:00" in told.out
    shown = call("positions", "--data", data).out
    assert "2.0 min" in shown


def test_a_long_course_is_thinned_to_its_ends() -> None:
    values = [float(n) for n in range(1_001)]
    thinned = trades_verb._thinned(values, 60)
    assert (len(thinned), thinned[0], thinned[-1]) == (60, 0.0, 1_000.0)


def test_positions_are_worth_the_traders_last_price(call: Any, data: Path) -> None:
    cross, dip = call("positions", "--data", data, "--json").json
    assert tuple(dip) == positions_verb._COLUMNS
    assert (dip["price"], dip["price_from"]) == (105.0, "trader")
    assert dip["unrealised"] == pytest.approx(2 * 5.0 - 0.2)
    assert dip["unrealised_pct"] == pytest.approx(4.9)
    assert dip["held_s"] == 120.0
    assert (cross["strategy"], cross["price"], cross["unrealised"], cross["held_s"]) == (
        "cross",
        None,
        None,
        None,
    )


def test_a_minute_recorded_since_is_the_last_known_price(call: Any, data: Path) -> None:
    recorded(data, 5, "BTC-USD", 1.0)
    assert call("positions", "--data", data, "--strategy", "dip", "--json").json[0]["price"] == 105.0
    recorded(data, 6, "BTC-USD", 110.0)
    recorded(data, 7, "ETH-USD", 90.0)
    cross, dip = call("positions", "--data", data, "--json").json
    assert (dip["price"], dip["price_from"], dip["held_s"]) == (110.0, "lake", 180.0)
    assert cross["unrealised"] == pytest.approx(-20.2)
    assert call("positions", "--data", data, "--symbol", "ETH-USD", "--json").json == [cross]


def test_without_a_ledger_nothing_is_told_and_the_remedy(call: Any, tmp_path: Path) -> None:
    for verb, empty in (("positions", []), ("trades", {"trades": [], "summary": []})):
        told = call(verb, "--data", tmp_path, "--json")
        assert told.json == empty
        assert "barograph trade" in told.err
    assert not (tmp_path / "state").exists()


def test_with_nothing_open_that_is_said(call: Any, tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "state" / "ledger.sqlite")
    trade(ledger, Key("dip", "sim", "BTC-USD"), "dip", "BTC-USD", 0, 1.0)
    ledger.shut()
    assert "nothing is open" in call("positions", "--data", tmp_path, "--json").err


def test_archived_trades_and_positions_can_be_queried(call: Any, data: Path) -> None:
    ledger = SqliteLedger(data / "state" / "ledger.sqlite")
    Archivist(ledger, LakeArchive(data)).drain()
    ledger.shut()
    sql = "SELECT strategy, count(*) AS n, sum(profit) AS p FROM completed_trades GROUP BY ALL ORDER BY ALL"
    assert call("query", sql, "--data", data, "--json").json == [
        {"strategy": "cross", "n": 1, "p": 1.0},
        {"strategy": "dip", "n": 3, "p": 6.0},
    ]
    told = call("query", "SELECT symbol, last_price FROM positions ORDER BY 1", "--data", data, "--json").json
    assert told == [{"symbol": "BTC-USD", "last_price": 105.0}, {"symbol": "ETH-USD", "last_price": None}]
    name = call("trades", "--data", data, "--json").json["trades"][0]["trade_key"]
    file = data / "completed-trades" / "BTC-USD" / f"{name}.json"
    assert json.loads(file.read_text()) == call("trades", "--data", data, "--json").json["trades"][0]
