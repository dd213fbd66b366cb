"""A run of backups that is killed at any step: what is visible is whole, and the next run makes it good."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


STRIDE = 7
"""1 dies at every step, which takes some minutes."""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks, which this system cannot do")
def test_given_deaths_at_many_steps_then_what_is_visible_is_whole_and_the_next_run_ends_well(
    tmp_path: Path,
) -> None:
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "store", *map(Path, filter(None, sys.path)))))
    done = subprocess.run(
        [sys.executable, "-m", "tests.vault.backup_dying", str(tmp_path), str(STRIDE)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["wrong"] == []
    assert outcome["deaths"] > 30
