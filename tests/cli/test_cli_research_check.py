"""``barograph research check`` through the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

STRATEGIES = """
import polars as pl

def honest(bars, window=20):
    return (bars["close"] > bars["close"].rolling_mean(window)).fill_null(False).cast(pl.Float64)

def peeking(bars, window=20):
    z = (bars["close"] - bars["close"].mean()) / bars["close"].std()
    return (z < -0.5).cast(pl.Float64)

def fussy(bars):
    if len(bars) < 30:
        raise ValueError("too short for me")
    return honest(bars)
"""


@pytest.fixture
def strategies(tmp_path: Path) -> Path:
    """A file of strategies, beside 600 hourly prices."""
    closes = 100 * np.exp(np.cumsum(np.random.default_rng(4).normal(0, 0.01, 600)))
    rows = [f"{1_704_067_200 + 3_600 * k},{close}" for k, close in enumerate(closes.tolist())]
    (tmp_path / "prices.csv").write_text("\n".join(["timestamp,close", *rows]) + "\n")
    path = tmp_path / "mine.py"
    path.write_text(STRATEGIES)
    return path


def test_given_an_honest_strategy_it_passes(call: Any, strategies: Path) -> None:
    outcome = call("research", "check", "mine.py:honest", "--data", "prices.csv")
    assert "no look-ahead was found" in outcome.out
    assert "depends on where the data begins for" in outcome.out


def test_given_a_leak_its_bar_and_column_are_named(call: Any, strategies: Path) -> None:
    outcome = call("research", "check", "mine.py:peeking", "--data", "prices.csv", code=4)
    assert "looks ahead" in outcome.out
    assert "the signal changes when close of later bars changes" in outcome.out
    assert "(2024-01-" in outcome.out


def test_given_json_the_report_is_an_object(call: Any, strategies: Path) -> None:
    report = call("research", "check", "mine.py:peeking", "--data", "prices.csv", "--json", code=4).json
    assert report["honest"] is False
    assert report["leak"]["columns"] == ["close"]
    assert report["bars"] == 600
    assert report["words"]


def test_given_arguments_they_reach_the_strategy(call: Any, strategies: Path) -> None:
    report = call(
        "research", "check", "mine.py:honest", "--data", "prices.csv", "--args", "window=7", "--json"
    ).json
    assert report["honest"]
    assert report["warm_up"]["bars"] < 7
    bad = call("research", "check", "mine.py:honest", "--data", "prices.csv", "--args", "window", code=2)
    assert "is not NAME=VALUE" in bad.err


def test_given_errors_on_short_data_they_are_shown(call: Any, strategies: Path) -> None:
    outcome = call("research", "check", "mine.py:fussy", "--data", "prices.csv", code=4)
    assert "failed on 1 bars" in outcome.out
    assert "too short for me" in outcome.out


def test_given_fewer_bars_only_the_last_are_taken(call: Any, strategies: Path) -> None:
    words = (
        "research",
        "check",
        "mine.py:honest",
        "--data",
        "prices.csv",
        "--bars",
        100,
        "--points",
        8,
        "--json",
    )
    report = call(*words).json
    assert report["bars"] == 100
    assert len(report["cuts"]) <= 9


@pytest.mark.parametrize("function", ["mine.py:nothing", "nowhere.py:f", "mine"])
def test_given_no_such_function_it_says_so(call: Any, strategies: Path, function: str) -> None:
    assert "python:" in call("research", "check", function, "--data", "prices.csv", code=2).err


def test_given_the_bundled_index_a_strategy_is_checked(call: Any, strategies: Path) -> None:
    pytest.importorskip("arch")
    assert call("research", "check", "mine.py:peeking", "--json", code=4).json["bars"] == 5_000
