"""The study: its five steps, its files, and that nothing but plan, data and tries changes a byte."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

import barograph
from barograph.errors import DataError, StorageError, UsageError
from barograph.research import files, study
from barograph.research.files import Directory
from barograph.research.metrics import NAMES
from barograph.research.plan import Plan
from barograph.research.preparing import Surroundings
from barograph.research.strategy_files import decode
from barograph.research.trials import Ledger, Span, Tried
from barograph.strategies.strategy import Strategy
from barograph.strategies.trading import Costs

pytestmark = pytest.mark.slow

NO_COSTS = Costs(fee_bps=0.0)
BARS = 400


def candles(path: Path, drift: float = 0.0005, split: bool = False, days_of: str = "D") -> Path:
    """Daily candles of a random walk."""
    rng = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(rng.normal(drift, 0.01, BARS)))
    days = pd.date_range("2020-01-01", periods=BARS, freq=days_of, tz="UTC")
    lines = ["timestamp,open,high,low,close,volume" + (",split" if split else "")]
    for i, day in enumerate(days):
        open_ = close[i - 1] if i else 100.0
        high, low = max(open_, close[i]) * 1.004, min(open_, close[i]) * 0.996
        part = (",train" if i < 100 else ",validation") if split else ""
        lines.append(f"{day:%Y-%m-%d},{open_},{high},{low},{close[i]},1{part}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


@dataclass(frozen=True)
class Desk:
    """A place to do studies at."""

    folder: Path

    def around(self, out: str, ledger: str = "", **changes: Any) -> Surroundings:
        base = Surroundings(
            Directory(self.folder / out), Ledger(self.folder / (ledger or f"{out}-trials")), self.folder / out
        )
        return replace(base, **changes)

    def bytes(self, out: str) -> dict[str, bytes]:
        root = self.folder / out
        found = sorted(path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}

    def json(self, out: str, key: str) -> Any:
        return json.loads((self.folder / out / key).read_bytes())


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    candles(tmp_path / "btc.csv")
    return Desk(tmp_path)


def plan(**changes: Any) -> Plan:
    return msgspec.structs.replace(
        Plan(source="btc.csv", count=12, families=("sma_cross", "rsi"), quick=True), **changes
    )


def test_a_study_writes_exactly_its_files(desk: Desk) -> None:
    study.run(plan(), desk.around("R"))
    assert set(desk.bytes("R")) == {
        "strategies/strategies_latest.json",
        "results/training_performance.csv",
        "results/best_strategy.json",
        "results/validation_results.json",
        "plots/win_rate_histogram.png",
        "plots/performance_comparison.png",
        "report.html",
    }


def test_any_number_of_workers_a_second_run_and_single_steps_give_the_same_bytes(desk: Desk) -> None:
    whole = plan(quick=False)
    study.run(whole, desk.around("one", "ledger", workers=1))
    first = desk.bytes("one")
    study.run(whole, desk.around("two", "ledger", workers=2, now_us=9))
    assert desk.bytes("two") == first
    steps = desk.around("steps")
    study.generate(whole, steps)
    study.backtest(steps)
    study.select(steps)
    study.validate(steps)
    study.visualize(steps)
    assert desk.bytes("steps") == first


def test_every_result_carries_version_seed_and_data_hash(desk: Desk) -> None:
    found = study.run(plan(seed=7), desk.around("R")).study
    stamp = {"version": barograph.__version__, "seed": 7, "data_hash": found.data_hash}
    for key in (files.STRATEGIES, files.BEST, files.VALIDATION):
        assert stamp.items() <= desk.json("R", key).items(), key
    frame = pd.read_csv(desk.folder / "R" / files.TRAINING)
    assert list(frame.columns[-3:]) == list(stamp)
    assert frame[list(stamp)].drop_duplicates().to_dict("records") == [stamp]
    assert found.data_hash[:12].encode() in desk.bytes("R")[files.REPORT]


def test_training_performance_begins_with_the_classic_columns_and_is_the_sweep(desk: Desk) -> None:
    found = study.run(plan(), desk.around("R")).study
    frame = pd.read_csv(desk.folder / "R" / files.TRAINING)
    classic = ["strategy_id", "win_rate", "total_return", "sharpe_ratio", "max_drawdown", "num_trades"]
    assert list(frame.columns[:6]) == classic
    for name, values in found.train.metrics.items():
        np.testing.assert_array_equal(frame[name].to_numpy(dtype=float), values, err_msg=name)
    assert frame["num_trades"].dtype == np.int64
    assert tuple(frame["strategy_id"]) == found.ids


def test_the_best_in_training_is_selected_and_validated(desk: Desk) -> None:
    found = study.run(plan(select_by="sharpe_ratio"), desk.around("R")).study
    frame = pd.read_csv(desk.folder / "R" / files.TRAINING).set_index("strategy_id")
    best = desk.json("R", files.BEST)
    assert best["strategy_id"] == frame["sharpe_ratio"].idxmax() == found.id_of(found.best)
    result = desk.json("R", files.VALIDATION)
    assert list(result)[:1] == ["strategy_id"]
    assert set(result["performance_gap"]) == {"win_rate_drop", "return_drop", "sharpe_drop"}
    training, validation = result["training_metrics"], result["validation_metrics"]
    assert set(training) == set(NAMES)
    assert result["performance_gap"]["sharpe_drop"] == training["sharpe_ratio"] - validation["sharpe_ratio"]
    assert result["overfit"] is (result["selected_metric"]["relative"] > 0.15)
    assert result["honesty"]["luck"]["spa_consistent"] == found.honesty.luck.spa_consistent
    assert result["verdict"]["headline"].startswith("skill not shown: 12 tries")


@pytest.mark.parametrize("days_of", ["D", "B"])
def test_what_the_sweep_says_of_the_best_its_backtest_says_too(desk: Desk, days_of: str) -> None:
    # Of business days, a year's length is counted over the dates that the strategy was traded on.
    candles(desk.folder / "btc.csv", days_of=days_of)
    found = study.run(plan(), desk.around("R")).study
    for name, values in found.train.metrics.items():
        expected = pytest.approx(float(values[found.best]), rel=1e-9, abs=1e-12, nan_ok=True)
        assert found.best_train.metrics[name] == expected, name
    for name, values in found.validation.metrics.items():
        expected = pytest.approx(float(values[found.best]), rel=1e-9, abs=1e-12, nan_ok=True)
        assert found.best_validation.metrics[name] == expected, name


def test_training_sees_nothing_of_validation(desk: Desk) -> None:
    study.run(plan(), desk.around("R"))
    lines = (desk.folder / "btc.csv").read_text().splitlines()
    head, tail = lines[:281], lines[281:]
    tail = [",".join([line.split(",")[0], "7", "8", "6", "7", "1"]) for line in tail]
    (desk.folder / "btc.csv").write_text("\n".join(head + tail) + "\n")
    study.run(plan(), desk.around("S"))
    drop = ["version", "seed", "data_hash"]
    first, second = (pd.read_csv(desk.folder / out / files.TRAINING).drop(columns=drop) for out in "RS")
    # A year's length may be counted over all dates, which are the same here.
    pd.testing.assert_frame_equal(first, second)


def test_a_split_column_overrides_the_training_part(desk: Desk) -> None:
    candles(desk.folder / "btc.csv", split=True)
    found = study.run(plan(train=0.5), desk.around("R")).study
    assert (len(found.best_train.equity), len(found.best_validation.equity)) == (100, 300)


def test_too_little_data_is_refused_with_the_numbers(desk: Desk) -> None:
    with pytest.raises(DataError, match="400 bars give 399 for training and 1 for validation"):
        study.run(plan(train=0.999), desk.around("R"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train": 1.0}, "between 0 and 1"),
        ({"count": 0}, "at least 1"),
        ({"seed": -1}, "seed is -1"),
        ({"costs": Costs(fee_bps=-1)}, "fee_bps is -1"),
        ({"costs": Costs(cash=0)}, "cash is 0"),
        ({"accounting": "per_trade"}, "no costs"),
        ({"accounting": "per_trade", "costs": Costs(fee_bps=0.0, spread=True)}, "spread is true"),
        ({"select_by": "profit"}, "win_rate"),
        ({"families": ("nothing",)}, "nothing"),
    ],
)
def test_a_setting_out_of_bounds_is_named(desk: Desk, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        study.run(plan(**changes), desk.around("R"))


def test_short_data_has_a_verdict_and_says_what_could_not_be_told(desk: Desk) -> None:
    lines = (desk.folder / "btc.csv").read_text().splitlines()
    (desk.folder / "btc.csv").write_text("\n".join(lines[:26]) + "\n")
    found = study.run(plan(families=("coinflip",), quick=False), desk.around("R")).study
    assert found.verdict.skill is False
    assert "periods are too few" in found.verdict.headline
    assert {"luck"} <= set(found.honesty.missing)
    assert found.honesty.luck is None


# The ledger.


def test_tries_of_other_studies_count_and_repeating_a_study_does_not(desk: Desk) -> None:
    first = study.run(plan(seed=1), desk.around("A", "ledger")).study
    again = study.run(plan(seed=1), desk.around("B", "ledger")).study
    other = study.run(plan(seed=2, count=5), desk.around("C", "ledger")).study
    assert (first.tries, again.tries) == (12, 12)
    assert other.tries > 12
    assert other.tries == len({*first.ids, *other.ids})
    assert desk.json("C", files.VALIDATION)["tries"] == other.tries


def test_every_backtest_is_recorded_and_noise_is_not(desk: Desk) -> None:
    study.run(plan(quick=False), desk.around("R", "ledger"))
    rows = [row for table in Ledger(desk.folder / "ledger").rows() for row in table.to_pylist()]
    assert sorted(row["split"] for row in rows) == ["train"] * 12 + ["whole"] * 12
    assert {row["source"] for row in rows} == {"btc.csv"}
    frame = pd.read_csv(desk.folder / "R" / files.TRAINING).set_index("strategy_id")
    trained = {row["strategy_id"]: json.loads(row["metrics"]) for row in rows if row["split"] == "train"}
    assert trained[frame.index[0]]["win_rate"] == pytest.approx(frame["win_rate"].iloc[0], nan_ok=True)


def test_visualize_keeps_to_the_tries_that_the_validation_was_judged_by(desk: Desk) -> None:
    study.run(plan(seed=1), desk.around("A", "ledger"))
    before = desk.bytes("A")
    study.run(plan(seed=2), desk.around("B", "ledger"))
    study.visualize(desk.around("A", "ledger"))
    assert desk.bytes("A") == before


# Steps alone.


def test_a_step_without_the_one_before_names_it(desk: Desk) -> None:
    steps: list[tuple[Callable[..., Any], str]] = [
        (study.backtest, "generate"),
        (study.select, "generate"),
        (study.validate, "select"),
        (study.visualize, "validate"),
    ]
    for step, before in steps:
        with pytest.raises(DataError, match=f"research {before}'"):
            step(desk.around("R"))


def test_a_later_step_may_change_the_plan_and_those_after_it_keep_to_it(desk: Desk) -> None:
    around = desk.around("R")
    study.generate(plan(), around)
    study.backtest(around, lambda before: msgspec.structs.replace(before, costs=NO_COSTS))
    study.select(around, lambda before: msgspec.structs.replace(before, select_by="total_return"))
    study.validate(around)
    expected = plan(costs=NO_COSTS, select_by="total_return")
    assert decode(desk.bytes("R")[files.STRATEGIES], "").plan == expected
    study.run(expected, desk.around("S"))
    assert desk.bytes("R")[files.VALIDATION] == desk.bytes("S")[files.VALIDATION]


def test_results_of_other_strategies_are_not_selected_from(desk: Desk) -> None:
    around = desk.around("R")
    study.generate(plan(), around)
    study.backtest(around)
    study.select(around)
    study.generate(plan(families=("breakout",)), around)
    with pytest.raises(DataError, match="research backtest"):
        study.select(around)
    with pytest.raises(DataError, match="research select"):
        study.validate(around)


def test_strategies_from_elsewhere_may_lie_in_the_studys_place(desk: Desk) -> None:
    candles(desk.folder / "R" / files.PRICES)
    arrays = {f"s{k}": np.random.default_rng(k).integers(0, 2, BARS).tolist() for k in range(4)}
    Directory(desk.folder / "R").write_bytes(files.STRATEGIES, json.dumps(arrays).encode())
    around = desk.around("R")
    study.backtest(around)
    named, _ = study.select(around)
    assert named.id in arrays
    rows = list(csv.DictReader(io.StringIO((desk.folder / "R" / files.TRAINING).read_text())))
    assert [row["strategy_id"] for row in rows] == list(arrays)


# The classic demonstration.


def test_per_trade_lays_the_array_on_each_part_from_its_first_bar(desk: Desk) -> None:
    candles(desk.folder / "btc.csv", split=True)
    arrays = {f"s{k}": np.random.default_rng(k).integers(0, 2, 150).tolist() for k in range(5)}
    given = decode(json.dumps(arrays).encode(), "arrays.json").strategies
    classic = plan(accounting="per_trade", costs=NO_COSTS)
    study.run(classic, desk.around("R"), given)
    prices = pd.read_csv(desk.folder / "btc.csv")
    frame = pd.read_csv(desk.folder / "R" / files.TRAINING).set_index("strategy_id")
    for name, signals in arrays.items():
        close = prices.loc[prices["split"] == "train", "close"].to_numpy()
        returns = np.array([close[i + 1] / close[i] - 1 for i in range(99) if signals[i] == 1])
        assert frame.loc[name, "num_trades"] == len(returns)
        assert frame.loc[name, "win_rate"] == pytest.approx((returns > 0).mean())
        assert frame.loc[name, "total_return"] == pytest.approx(returns.sum())
        expected = returns.mean() / returns.std(ddof=1) * np.sqrt(252)
        assert frame.loc[name, "sharpe_ratio"] == pytest.approx(expected)
    result = desk.json("R", files.VALIDATION)
    close = prices.loc[prices["split"] == "validation", "close"].to_numpy()
    signals = arrays[result["strategy_id"]]
    returns = [close[i + 1] / close[i] - 1 for i in range(149) if signals[i] == 1]
    assert result["validation_metrics"]["total_return"] == pytest.approx(sum(returns))
    assert result["validation_metrics"]["num_trades"] == len(returns)


def test_coin_flips_are_drawn_for_per_trade_unless_families_are_named(desk: Desk) -> None:
    classic = plan(accounting="per_trade", families=None, costs=NO_COSTS)
    found = study.run(classic, desk.around("R")).study
    assert {strategy.family for strategy in found.train.strategies} == {"coinflip"}
    with pytest.raises(UsageError, match="per_trade"):
        study.run(plan(accounting="per_trade", costs=NO_COSTS), desk.around("S"))


# Skill.


def test_knowing_tomorrow_is_called_skill_and_the_ledger_takes_it_away(desk: Desk) -> None:
    close = pd.read_csv(desk.folder / "btc.csv")["close"].to_numpy()
    rng = np.random.default_rng(3)
    # Open is the close before: who decides at a close knows, one time in four, whether the next is higher.
    rises = np.r_[close[1:] > close[:-1], False].astype(int)
    seer = np.where(rng.random(BARS) < 0.75, rng.integers(0, 2, BARS), rises)
    arrays = {f"s{k}": rng.integers(0, 2, BARS).tolist() for k in range(9)} | {"seer": seer.tolist()}
    given = decode(json.dumps(arrays).encode(), "arrays.json").strategies
    free = plan(costs=NO_COSTS, select_by="sharpe_ratio")
    around = desk.around("R", "ledger")
    found = study.run(free, around, given).study
    assert found.id_of(found.best) == "seer"
    assert found.verdict.skill is True
    assert found.verdict.headline.startswith("skill shown: 10 tries do not explain")
    # Others have tried 50,000 coins on these days since.
    [counted] = around.ledger.counts()
    days = Span("btc.csv", counted.symbol, "1d", counted.range_start_us, counted.range_end_us, "elsewhere")
    coins = [Strategy(family="coinflip", params={"seed": seed}) for seed in range(50_000)]
    around.ledger.record(days, Tried(coins, "train", {}, np.zeros(len(coins))), 0)
    later = study.validate(around).study
    assert later.tries == 50_010
    assert later.honesty.luck is not None
    assert later.honesty.luck.repetitions == 10_000
    assert later.verdict.skill is False, later.verdict


def test_tries_are_counted_before_anybody_can_see_what_came_out(desk: Desk) -> None:
    (desk.folder / "R").mkdir()
    (desk.folder / "R" / "results").write_bytes(
        b""
    )  # a file where a folder has to be: nothing can be written
    with pytest.raises(StorageError, match="training_performance"):
        study.run(plan(), desk.around("R", "ledger"))
    (counted,) = Ledger(desk.folder / "ledger").counts()
    assert counted.tries == 12
