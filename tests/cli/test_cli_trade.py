"""``barograph trade``: from the command line to ledger and archive, and every word that can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

CROSS = {"family": "sma_cross", "params": {"fast": 1, "slow": 2}}


@pytest.fixture
def tape(call: Any) -> None:
    """Two hours of the simulated market."""
    call("simulate", "--duration", "2h", "--seed", "3", "--quiet")


@pytest.fixture
def cross(tmp_path: Path) -> str:
    path = tmp_path / "cross.json"
    path.write_text(json.dumps(CROSS))
    return str(path)


def dip(*more: str) -> tuple[str, ...]:
    return ("trade", "--strategy", "dip", "--drop-pct", "0.05", "--profit-pct", "0.05", *more)


@pytest.mark.usefixtures("tape")
def test_a_replay_fills_ledger_and_archive_and_reconciles(call: Any, cross: str) -> None:
    told = call(*dip("--strategy", cross, "--replay", "data", "--quiet", "--json")).json
    assert told["strategies"][0] == "dip"
    assert told["closed"] == told["archived"] > 10
    trades = call("trades", "--json").json["trades"]
    assert len(trades) == told["closed"]
    assert {trade["symbol"] for trade in trades} >= {"BTC-USD", "ETH-USD"}
    found = call("trade", "reconcile", "--json", "--quiet").json
    assert (found["differences"], found["trades"]) == (0, len(trades))
    status = call("trade", "status", "--json").json
    assert (status["state"], status["trades"], status["pending"]) == ("ended", len(trades), 0)
    rows = call(
        "query", "SELECT count(*) AS n, count(DISTINCT trade_key) AS d FROM completed_trades", "--json"
    )
    assert rows.json == [{"n": len(trades), "d": len(trades)}]


@pytest.mark.usefixtures("tape")
def test_the_same_replay_again_changes_nothing(call: Any) -> None:
    call(*dip("--replay", "data", "--quiet"))
    before = call("trades", "--json").out
    assert call(*dip("--replay", "data", "--quiet", "--json")).json["closed"] == 0
    assert call("trades", "--json").out == before


@pytest.mark.usefixtures("tape")
def test_only_symbols_that_are_asked_for_are_traded(call: Any) -> None:
    call(*dip("--replay", "data", "--symbols", "ETH-USD", "--feed", "sim", "--quiet"))
    trades = call("trades", "--json").json["trades"]
    assert {trade["symbol"] for trade in trades} == {"ETH-USD"}


@pytest.mark.usefixtures("tape")
def test_stop_is_kept_for_a_process_that_comes_later(call: Any) -> None:
    call(*dip("--replay", "data", "--quiet"))
    outcome = call("trade", "stop", "--flatten", "--json")
    assert outcome.json["action"] == "flatten"
    call("trade", "resume")


@pytest.mark.usefixtures("tape")
def test_given_a_study_s_winner_then_it_is_traded_under_its_family_and_id(call: Any, tmp_path: Path) -> None:
    best = tmp_path / "best_strategy.json"
    best.write_text(json.dumps({"strategy_id": "x", "strategy": CROSS, "select_by": "win_rate"}))
    told = call("trade", "--strategy", str(best), "--replay", "data", "--quiet", "--json").json
    [name] = told["strategies"]
    assert name.startswith("sma_cross-")
    named = call("trade", "--strategy", str(best), "--name", "mine", "--replay", "data", "--quiet", "--json")
    assert named.json["strategies"] == ["mine"]
    assert named.json["closed"] == told["closed"] > 0


@pytest.mark.usefixtures("tape")
def test_given_other_terms_for_the_same_name_then_it_ends_with_3(call: Any) -> None:
    call(*dip("--replay", "data", "--quiet"))
    outcome = call("trade", "--strategy", "dip", "--replay", "data", "--quiet", code=3)
    assert "'dip' has traded in this ledger with other terms" in outcome.err
    assert "--name" in outcome.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("trade",), 2, "nothing to trade"),
        (("trade", "--strategy", "nope.json"), 2, "there is no strategy 'nope.json'"),
        (("trade", "--strategy", "dip"), 4, "there is no tape"),
        (("trade", "--strategy", "dip", "--drop-pct", "200"), 3, "--drop-pct"),
        (("trade", "--strategy", "dip", "--replay", "nope.gz"), 2, "there is no recording nope.gz"),
        (("trade", "--strategy", "dip", "--feed", "binanse"), 2, "did you mean 'binance'?"),
        (("trade", "stop"), 4, "nothing has traded yet"),
        (("trade", "reconcile"), 4, "there is no tape"),
    ],
)
def test_what_cannot_be_is_told(call: Any, words: tuple[str, ...], code: int, message: str) -> None:
    assert message in call(*words, code=code).err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b'{"family": "\xff"}', "is not JSON"),
        (b'{"family": "rsi", "params": {}, "size": -1}', "size"),
        (b'{"family": "rsi", "params": {}, "size": NaN}', "is not JSON"),
        (b'{"family": "rsi", "params": {"window": -3}}', "window"),
        (b'{"family": "rsi", "parms": {}}', "parms"),
        (b"[]", "holds no strategy"),
    ],
)
def test_a_file_that_holds_no_strategy_is_told(
    call: Any, tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "wrong.json"
    file.write_bytes(content)
    said = call("trade", "--strategy", str(file), code=4).err
    assert str(file) in said
    assert message in said


def test_before_anybody_has_traded_there_is_nothing_to_see(call: Any) -> None:
    assert call("trade", "status", "--json").json["state"] == "never"
    assert call("trades", "--json").json == {"trades": [], "summary": []}


def test_a_recording_is_put_on_the_tape_first(call: Any, shared_data: Path) -> None:
    file = shared_data / "tapes" / "binance-spot-btcusdt_20240808.jsonl.gz"
    words = dip("--replay", str(file), "--feed", "binance", "--quiet", "--json")
    first = call(*words).json
    assert first["opened"] >= 1
    assert call(*words).json["opened"] == 0
    assert call("trade", "reconcile", "--json", "--quiet").json["differences"] == 0
