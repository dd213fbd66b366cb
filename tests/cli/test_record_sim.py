"""``barograph record --feed sim``: how people try the platform, without a key or a network."""

from __future__ import annotations

from typing import Any

import pytest

from barograph.recorder.warming import warm


@pytest.fixture(autouse=True)
def warmed(monkeypatch: pytest.MonkeyPatch) -> None:
    warm()
    monkeypatch.setenv("BAROGRAPH__FEEDS__SIM__EVENTS_PER_S", "100")
    monkeypatch.setenv("BAROGRAPH__FEEDS__SIM__CADENCE_S", "0.01")


def test_it_records_its_symbols_and_tells_of_them_afterwards(call: Any) -> None:
    words = ("record", "--feed", "sim", "--symbols", "BTC-USD,SOL-USD", "--duration", "1s", "--quiet")
    told = call(*words, "--json").json
    assert told["feeds"]["sim"]["stage"] == "live"
    assert told["ticks"] > 10
    assert told["tables_reach"] == told["tape_end"]
    assert {row["symbol"] for row in call("symbols", "--json").json} == {"BTC-USD", "SOL-USD"}
    [found] = [row for row in call("doctor", "--json").json if row["about"] == "simulator"]
    assert found["state"] == "ok"
    assert found["message"] == "venue sim is a simulated market: BTC-USD, SOL-USD"


def test_without_symbols_it_has_some(call: Any) -> None:
    told = call("record", "--feed", "sim", "--duration", "5s", "--quiet", "--json").json
    assert told["feeds"]["sim"]["stage"] == "live"
    assert told["quotes"] > 10
    assert "sim" in {row["feed"] for row in call("feeds", "--json").json}


def test_a_symbol_that_is_not_simulated_ends_it_with_3_and_names_those_that_are(call: Any) -> None:
    outcome = call("record", "--feed", "sim", "--symbols", "NIFTY", code=3)
    assert "'NIFTY' is not simulated" in outcome.err
    assert "BTC-USD" in outcome.err
