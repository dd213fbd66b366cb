"""Data that has been traded over, and studies: what the pages of strategies show; by the real commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

DIP = (
    "--strategy",
    "dip",
    "--drop-pct",
    "0.5",
    "--lookback-s",
    "600",
    "--profit-pct",
    "0.6",
    "--stop-pct",
    "2",
)
CROSS = {"id": "cross", "family": "sma_cross", "params": {"fast": 5, "slow": 20}}
REVERT = {"id": "revert", "family": "rsi", "params": {"window": 14, "oversold": 30, "overbought": 70}}
STUDIES = {
    "crosses": ("--data", "arch:nasdaq", "--strategies", "50", "--families", "sma_cross", "--quick"),
    "sp500": ("--data", "arch:sp500", "--strategies", "50"),
}
"""In the order in which they are made: pages show the newest first."""


def barograph(*words: object) -> str:
    """Run a command; what it wrote."""
    command = [sys.executable, "-m", "barograph", *map(str, words)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def told(*words: object) -> Any:
    """Run a command with ``--json``; what it says."""
    return json.loads(barograph(*words, "--json"))


def trade(data: Path) -> None:
    """Trade three strategies over what is on the tape of ``data``."""
    rules = data.parent / "rules.json"
    rules.write_text(json.dumps([CROSS, REVERT]))
    barograph("trade", *DIP, "--strategy", rules, "--feed", "sim", "--replay", data, "--quiet")


def study(folder: Path, name: str) -> Path:
    """A small study of real prices below ``folder``; its own folder."""
    out = folder / name
    ledger = folder.parent / "trials"
    barograph("research", "run", *STUDIES[name], "--out", out, "--ledger", ledger, "--quiet")
    return out
