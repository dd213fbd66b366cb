"""Past studies, as their folders tell; half-written ones are left out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.api.house import served, settings_of

from barograph.cli import main


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real study, a small one, in a folder of studies."""
    folder = tmp_path_factory.mktemp("studies")
    walk = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, 400)))
    lines = [f"2024-01-{1 + k // 24:02d}T{k % 24:02d}:00:00,{price:.4f}" for k, price in enumerate(walk)]
    prices = folder / "prices.csv"
    prices.write_text("timestamp,price\n" + "\n".join(lines) + "\n")
    out, ledger = folder / "all" / "first", folder / "ledger"
    words = ["--data", prices, "--strategies", "10", "--quick", "--out", out, "--ledger", ledger, "--quiet"]
    assert main(["research", "run", *map(str, words)]) == 0
    return folder / "all"


def listed(data: Path, studies: Path | None) -> list[dict[str, Any]]:
    with served(settings_of(data, **({"studies": studies} if studies else {}))) as running:
        return running.rows("/v1/studies")


def test_a_study_is_told_with_its_verdict(study: Path, tmp_path: Path) -> None:
    (row,) = listed(tmp_path, study)
    told = json.loads((study / "first" / "results" / "validation_results.json").read_bytes())
    assert row["study"] == "first"
    assert row["verdict"] == told["verdict"]["headline"]
    assert row["skill"] is told["verdict"]["skill"]
    assert row["training_win_rate"] == told["training_metrics"]["win_rate"]
    assert row["validation_sharpe_ratio"] == told["validation_metrics"]["sharpe_ratio"]
    assert (row["num_strategies"], row["strategy_id"]) == (10, told["strategy_id"])
    assert row["has_report"] is True
    assert row["finished"].endswith("Z")


def test_a_folder_that_is_a_study_itself_is_told(study: Path, tmp_path: Path) -> None:
    assert [row["study"] for row in listed(tmp_path, study / "first")] == ["first"]


def test_studies_are_looked_for_beside_the_data(study: Path, tmp_path: Path) -> None:
    (tmp_path / "study").symlink_to(study / "first")
    assert [row["study"] for row in listed(tmp_path / "data", None)] == ["study"]


def test_a_study_that_is_being_made_or_broken_is_left_out(study: Path, tmp_path: Path) -> None:
    (tmp_path / "begun" / "strategies").mkdir(parents=True)
    (tmp_path / "broken" / "results").mkdir(parents=True)
    (tmp_path / "broken" / "results" / "validation_results.json").write_text('{"overfit": tr')
    (tmp_path / "older" / "results").mkdir(parents=True)
    (tmp_path / "older" / "results" / "validation_results.json").write_text('{"overfit": true}')
    (row,) = listed(tmp_path, tmp_path)
    assert (row["study"], row["overfit"], row["verdict"]) == ("older", True, None)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"strategy_id": "\xff"}', b'{"seed": 99999999999999999999}', b'{"overfit": "perhaps"}'],
)
def test_a_study_that_is_damaged_keeps_no_other_from_being_told(tmp_path: Path, content: bytes) -> None:
    for name, held in (("damaged", content), ("sound", b'{"overfit": true}')):
        (tmp_path / name / "results").mkdir(parents=True)
        (tmp_path / name / "results" / "validation_results.json").write_bytes(held)
    assert [row["study"] for row in listed(tmp_path, tmp_path)] == ["sound"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_folder_whose_name_is_no_text_is_told_as_well_as_can_be(tmp_path: Path) -> None:
    results = tmp_path / os.fsdecode(b"a\xffb") / "results"
    results.mkdir(parents=True)
    (results / "validation_results.json").write_bytes(b"{}")
    assert [row["study"] for row in listed(tmp_path, tmp_path)] == ["a\ufffdb"]
