"""``barograph record``: its flags, its refusals, what it prints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from barograph.recorder.places import Places
from barograph.recorder.warming import warm
from barograph.testing import Binance, LiveMarket, Served, serving


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Binance on this machine, and the settings that lead there."""
    warm()
    with serving(Binance(LiveMarket(["BTC-USDT", "ETH-USDT"]))) as it:
        monkeypatch.setenv("BAROGRAPH__FEEDS__BINANCE__URL", it.url)
        monkeypatch.setenv("BAROGRAPH__FEEDS__BINANCE__REST_URL", it.rest_url)
        yield it


def test_without_a_feed_it_says_how_to_name_one(call: Any) -> None:
    outcome = call("record", code=2)
    assert "--feed binance --symbols BTC-USDT" in outcome.err
    assert outcome.out == ""


def test_an_unknown_feed_is_refused_with_the_nearest_one(call: Any, tmp_path: Path) -> None:
    assert "did you mean 'binance'" in call("record", "--feed", "binanse", code=2).err
    assert not (tmp_path / "data").exists()


def test_symbols_need_one_feed_to_belong_to(call: Any) -> None:
    for feeds in ([], ["--feed", "binance,kraken"], ["--feed", "binance", "kraken"]):
        assert "barograph.toml" in call("record", *feeds, "--symbols", "BTC-USDT", code=2).err


@pytest.mark.parametrize(
    ("feed", "named"),
    [("kite", "KITE_API_KEY"), ("polygon-crypto", "POLYGON_API_KEY"), ("polygon-stocks", "POLYGON_API_KEY")],
)
def test_a_feed_without_its_key_ends_with_3_and_names_the_setting(
    call: Any, feed: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KITE_API_KEY", "POLYGON_API_KEY", "MASSIVE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    symbol = "NSE:INFY" if feed == "kite" else "AAPL" if feed == "polygon-stocks" else "BTC-USD"
    assert named in call("record", "--feed", feed, "--symbols", symbol, code=3).err


def test_a_symbol_that_the_venue_lacks_ends_with_3_and_names_it(call: Any, served: Served) -> None:
    outcome = call("record", "--feed", "binance", "--symbols", "BTC-USDT,DOGE-USDT", code=3)
    assert "DOGE-USDT" in outcome.err
    assert "feeds.binance.symbols" in outcome.err


def test_for_a_duration_it_records_and_prints_a_summary(call: Any, served: Served) -> None:
    outcome = call(
        "record", "--feed", "binance", "--symbols", "BTC-USDT,ETH-USDT", "--duration", "1s", "--json"
    )
    told = outcome.json["feeds"]["binance"]
    assert (told["stage"], told["problem"], told["disconnects"]) == ("live", None, 1)
    assert outcome.json["tables_reach"] == outcome.json["tape_end"] > 0
    assert outcome.json["problem"] is None
    assert "recording" in outcome.err


def test_a_second_one_on_the_same_directory_is_refused_and_told_who_has_it(
    call: Any, served: Served, tmp_path: Path
) -> None:
    with Places.of(tmp_path / "data").lock():
        outcome = call("record", "--feed", "binance", "--symbols", "BTC-USDT", "--duration", "1s", code=75)
    assert str(os.getpid()) in outcome.err
    assert served.log.notes == [], "nothing was asked of the venue"


def test_it_is_quiet_when_told(call: Any, served: Served) -> None:
    words = ("record", "--feed", "binance", "--symbols", "BTC-USDT", "--duration", "0.5s")
    assert call(*words, "--quiet").err == ""
    assert call(*words, "--log-level", "error").err == ""


def test_started_again_it_goes_on(call: Any, served: Served) -> None:
    words = (
        "record",
        "--feed",
        "binance",
        "--symbols",
        "BTC-USDT",
        "--duration",
        "0.5s",
        "--json",
        "--quiet",
    )
    first = call(*words).json["tape_end"]
    assert call(*words).json["tape_end"] > first


def test_a_wrong_duration_is_refused_before_anything_is_opened(call: Any, tmp_path: Path) -> None:
    call("record", "--feed", "binance", "--symbols", "BTC-USDT", "--duration", "soon", code=2)
    assert not (tmp_path / "data").exists()
