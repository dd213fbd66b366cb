"""The command line as its users have it: a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Run ``barograph WORD...`` and return what became of it; nothing is assumed of the exit code."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BAROGRAPH")}

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "barograph", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    return run


@pytest.fixture(scope="session")
def ask(cli: Cli) -> Callable[[Path, str], list[dict[str, Any]]]:
    """Rows that ``barograph query`` gives for SQL over a data directory."""

    def run(data: Path, sql: str) -> list[dict[str, Any]]:
        done = cli("query", sql, "--json", "--data", data)
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    return run
