"""barograph research: the way through a study, as a person walks it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SMALL = ("--strategies", 8, "--families", "sma_cross,rsi", "--quick")


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """raw/btc_price_data.csv with a price a day."""
    rng = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, 300)))
    first = np.datetime64("2021-01-01")
    lines = ["timestamp,price", *(f"{first + i},{price}" for i, price in enumerate(close))]
    path = tmp_path / "raw" / "btc_price_data.csv"
    path.parent.mkdir()
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_study_is_told_in_plain_words(call: Any, prices: Path) -> None:
    outcome = call("research", "run", "--data", prices, *SMALL, "--out", "R")
    titles = [line[:12].strip() for line in outcome.out.splitlines() if not line.startswith(" ")]
    assert [title for title in titles if title][:5] == ["Data", "Split", "Strategies", "Selected", "Verdict"]
    told = " ".join(outcome.out.split())
    assert "btc_price_data.csv" in told
    assert "300 bars of 1d, 2021-01-01 to 2021-10-27" in told
    assert "the first 210 bars to train on, the last 90 to validate, from 2021-07-30" in told
    assert "8 (sma_cross 4, rsi 4), seed 42; 10 bps fee" in told
    assert "8 tries explain" in told or "made nothing" in told
    assert "left out by --quick" in told
    assert "report.html" in outcome.err
    assert Path("R/report.html").stat().st_size > 10_000
    assert max(map(len, outcome.out.splitlines())) <= 110


def test_the_same_in_json_with_the_default_price_file(call: Any, prices: Path) -> None:
    outcome = call("research", "run", *SMALL, "--json", "--quiet")
    assert outcome.err == ""
    found = outcome.json
    assert found["skill"] is False
    assert found["verdict"].startswith("skill not shown: ")
    assert found["num_strategies"] == found["tries"] == 8
    assert all((Path("study") / key).exists() for key in found["files"])
    result = json.loads(Path("study/results/validation_results.json").read_bytes())
    assert result["strategy_id"] == found["strategy_id"]
    assert result["settings"]["source"] == "raw/btc_price_data.csv"


def test_each_step_alone(call: Any, prices: Path) -> None:
    place = ("--out", "S")
    made = call("research", "generate", *SMALL, *place, "--json").json
    assert (made["strategies"], made["families"]) == (8, {"sma_cross": 4, "rsi": 4})
    rows = call("research", "backtest", *place, "--fee-bps", 0, "--json").json
    assert len(rows) == 8
    assert [row["win_rate"] for row in rows] == sorted((row["win_rate"] for row in rows), reverse=True)
    chosen = call("research", "select", *place, "--json").json
    assert chosen["strategy_id"] == rows[0]["strategy_id"]
    assert "Verdict" in call("research", "validate", *place).out
    written = call("research", "visualize", *place, "--json").json["written"]
    assert [Path(name).exists() for name in written] == [True, True, True]
    settings = json.loads(Path("S/strategies/strategies_latest.json").read_bytes())["settings"]
    assert settings["costs"]["fee_bps"] == 0


def test_a_step_too_early_ends_with_4_and_names_the_step_before(call: Any) -> None:
    assert "research generate'" in call("research", "backtest", "--out", "R", code=4).err
    assert "research select'" in call("research", "validate", "--out", "R", code=4).err


def test_strategies_out_of_a_file_and_the_classic_accounting(call: Any, prices: Path) -> None:
    arrays = {f"s{k}": [(i * (k + 3)) // 7 % 2 for i in range(300)] for k in range(4)}
    Path("mine.json").write_text(json.dumps(arrays))
    words = ("--strategies", "mine.json", "--accounting", "per_trade", "--quick")
    found = call("research", "run", *words, "--json").json
    assert found["strategy_id"] in arrays
    assert found["training_metrics"]["num_trades"] > 50
    rows = list(csv.DictReader(io.StringIO(Path("study/results/training_performance.csv").read_text())))
    assert [row["strategy_id"] for row in rows] == list(arrays)


def test_tries_are_counted_and_listed(call: Any, prices: Path) -> None:
    assert "nothing was tried yet" in call("research", "trials").err
    call("research", "generate", *SMALL)
    call("research", "backtest")
    [counted] = call("research", "trials", "--json").json
    assert (counted["source"], counted["tries"], counted["backtests"]) == ("btc_price_data.csv", 8, 8)
    assert counted["range_start"] == "2021-01-01T00:00:00Z"
    rows = call("research", "trials", "--list", "--json").json
    assert {row["split"] for row in rows} == {"train"}
    assert json.loads(rows[0]["strategy"])["family"] in ("sma_cross", "rsi")
    assert call("research", "trials", "--symbol", "OTHER", "--json").json == []
    assert call("research", "trials", "--ledger", "elsewhere", "--json").json == []
    header = call("research", "trials", "--list").out.splitlines()[0]
    assert header.startswith("trial_id,strategy_id,source,symbol,interval")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--strategies", "many"], "neither a number nor a file"),
        (["--strategies", "0"], "at least 1"),
        (["--data", "nowhere.csv"], "nowhere.csv"),
        (["--families", "luck"], "luck"),
        (["--select-by", "beauty"], "win_rate"),
        (["--train", "1.5"], "between 0 and 1"),
        (["--workers", "0"], "--workers is 0"),
        (["--accounting", "per_trade", "--fee-bps", "5"], "no costs"),
        (["--every", "7x"], "7x"),
    ],
)
def test_what_cannot_be_asked_gives_2(call: Any, prices: Path, words: list[str], said: str) -> None:
    few = () if "--strategies" in words else SMALL
    assert said in call("research", "run", *few, *words, code=2).err
    assert not Path("study").exists() or words[0] == "--accounting"
    assert not Path("data/trials").exists()


def test_the_data_directory_of_the_settings_holds_the_ledger(
    call: Any, prices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAROGRAPH__DATA_DIR", "elsewhere")
    call("research", "run", *SMALL, "--quiet")
    assert len(list(Path("elsewhere/trials").iterdir())) == 2


def test_real_candles(call: Any, shared_data: Path) -> None:
    file = shared_data / "candles" / "btcusd-5m-2024-08-to-11.csv.gz"
    words = (
        "--data",
        file,
        "--every",
        "4h",
        "--symbol",
        "BTC-USD",
        "--side",
        "long",
        "--side",
        "both",
        "--stops",
    )
    found = call("research", "run", *words, *SMALL, "--json", "--quiet").json
    assert found["num_strategies"] == 8
    assert found["skill"] is False
