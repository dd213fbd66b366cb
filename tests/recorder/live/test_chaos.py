"""A shortened chaos run: kills, cuts, a full disk, a dead store, wrong clocks; see benchmarks/chaos."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SECONDS = 15
SEED = 478
"""A plan in which every room is met: recorder, servers, network, store, disk, clock, venues, REST."""
LEAST = 10
"""Faults that must have met something; some two in three of those that are drawn do."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a full disk is played with prlimit, which Linux has")
def test_recorder_amid_faults_of_every_kind_keeps_every_frame_and_tells_the_truth(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "benchmarks.chaos", "--seed", str(SEED), "--minutes", str(SECONDS / 60)]
    done = subprocess.run(
        [*command, "--short", "--json", "--keep", str(tmp_path / "chaos")],
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode in (0, 1), done.stderr
    result = json.loads(done.stdout)
    assert result["wrong"] == []
    assert done.returncode == 0
    assert result["faults_survived"] >= LEAST
    assert result["recorder_starts"] >= 2
    # Five trades at a time are held back and denied for good; every other one is refilled.
    assert result["made_trades"] - result["ticks"] <= 5 * result["faults"].get("rest.lacks", 0)
    assert result["minutes"], "no minute has ended within the run, so coverage was not checked"
