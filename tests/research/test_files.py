"""The files of a study, and the place they go to."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from barograph.errors import DataError, StorageError
from barograph.research import files
from barograph.research.files import Directory, Stamp
from barograph.research.outcome import Sweep
from barograph.research.plan import Plan
from barograph.research.strategy_files import Named
from barograph.strategies.strategy import Strategy

STAMP = Stamp("0.1", 42, "ab" * 32)


def sweep(**metrics: list[float]) -> Sweep:
    none = np.zeros((0, 2))
    columns = {name: np.array(values) for name, values in metrics.items()}
    return Sweep((), columns, none, np.zeros(2), np.zeros(0, np.int64), 1, np.zeros(0))


def both() -> list[Named]:
    return [
        Named('odd, "id"', Strategy(family="rsi")),
        Named("b", Strategy(family="dip", params={"window": 5})),
    ]


def written(**changes: list[float]) -> bytes:
    values = {"sharpe_ratio": [0.1, math.nan], "win_rate": [0.1 + 0.2, 1.0], "num_trades": [3.0, math.nan]}
    rest = {"total_return": [1e-9, -1.0], "max_drawdown": [0.0, -0.5]}
    return files.training_csv(both(), sweep(**values, **rest, **changes), STAMP)


def test_a_csv_is_read_by_pandas_without_options_to_the_last_bit() -> None:
    frame = pd.read_csv(io.BytesIO(written(cagr=[1 / 3, 2 / 3])))
    assert frame["strategy_id"].tolist() == ['odd, "id"', "b"]
    assert frame["win_rate"].tolist() == [0.1 + 0.2, 1.0]
    assert frame["cagr"].tolist() == [1 / 3, 2 / 3]
    assert frame["sharpe_ratio"].isna().tolist() == [False, True]
    assert frame["strategy"].tolist() == ["rsi()", "dip(window=5)"]
    assert frame[["version", "seed", "data_hash"]].iloc[1].tolist() == [0.1, 42, "ab" * 32]


def test_a_csv_is_read_back_as_it_was() -> None:
    training = files.read_training(written())
    assert training.ids == ['odd, "id"', "b"]
    assert training.data_hash == "ab" * 32
    np.testing.assert_array_equal(training.metrics["num_trades"], [3, math.nan])
    np.testing.assert_array_equal(training.metrics["win_rate"], [0.1 + 0.2, 1.0])


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"strategy_id,win_rate\nx,high\n", b"\xff\xfe"])
def test_another_csv_is_refused_with_what_makes_it_again(data: bytes) -> None:
    with pytest.raises(DataError, match="research backtest"):
        files.read_training(data)


def test_json_has_null_where_nothing_is_defined_and_whole_counts() -> None:
    metrics = {"win_rate": 0.5, "profit_factor": math.inf, "num_trades": 12.0, "sharpe_ratio": math.nan}
    value = json.loads(files.best_json(both()[1], metrics, Plan(source="x"), 2, STAMP))
    assert value["training_metrics"] == {
        "win_rate": 0.5,
        "profit_factor": None,
        "num_trades": 12,
        "sharpe_ratio": None,
    }
    assert isinstance(value["training_metrics"]["num_trades"], int)
    assert value["strategy"] == {"family": "dip", "params": {"window": 5}}


@pytest.mark.parametrize("data", [b"{", b"[]", b"{}"])
def test_a_best_strategy_without_an_id_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="research select"):
        files.best_id(data)


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    place = Directory(tmp_path / "R")
    with pytest.raises(FileNotFoundError):
        place.read_bytes("results/x.json")
    with pytest.raises(DataError, match="research select"):
        files.read(place, files.BEST)
    place.write_bytes("results/x.json", b"one")
    place.write_bytes("results/x.json", b"two")
    assert place.read_bytes("results/x.json") == b"two"
    assert [path.name for path in (tmp_path / "R" / "results").iterdir()] == ["x.json"]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "R").write_text("a file")
    with pytest.raises(StorageError, match="R"):
        Directory(tmp_path / "R").write_bytes("results/x.json", b"one")
