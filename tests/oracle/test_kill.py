"""Two hundred deaths: whatever the moment, nothing that was told is lost and nothing differs."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

KILLS = 200
SEED = 20_240_809
EVERY = 14
"""Every so manieth line of the recording: seven minutes, across midnight, in 2,950 lines."""
FILES = 6
DRIVER = Path(__file__).with_name("killing.py")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks, and waits for a child by its handle")
def test_killed_at_any_moment_then_resumed_is_as_never_killed(recordings: Path, tmp_path: Path) -> None:
    source = tmp_path / "recordings"
    source.mkdir()
    with gzip.open(recordings / "binance-spot-btcusdt_20240808.jsonl.gz", "rt") as file:
        lines = list(islice(file, 0, None, EVERY))
    for number in range(FILES):
        part = lines[number * len(lines) // FILES : (number + 1) * len(lines) // FILES]
        (source / f"{number}.txt").write_text("".join(part))

    command = [sys.executable, str(DRIVER), str(source), str(tmp_path), str(SEED), str(KILLS)]
    subprocess.run(command, check=True)
    outcome = json.loads((tmp_path / "outcome.json").read_text())

    assert outcome["lost"] == []
    assert outcome["different"] == []
    assert outcome["kills"] >= KILLS
    assert outcome["rounds"] >= 2
    assert outcome["rows"]["market_microstructure"] == 7
    assert outcome["rows"]["ticks"] > 500
