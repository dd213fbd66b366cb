"""The command line, called in this process or as the real executable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from barograph.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a call gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests neither see nor leave a barograph.toml or data directory of anybody's."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("BAROGRAPH__", "POLYGON_", "MASSIVE_")):
            monkeypatch.delenv(name)


@pytest.fixture
def call(capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    """``call("query", "SELECT 1", "--json")`` in this process; no failure unless ``code`` says so."""

    def run(*words: object, code: int = 0) -> Outcome:
        returned = main([str(word) for word in words])
        captured = capfdbinary.readouterr()
        outcome = Outcome(returned, captured.out.decode(), captured.err.decode())
        assert outcome.code == code, outcome.err
        return outcome

    return run


@pytest.fixture
def execute() -> Call:
    """The same through a process of its own."""

    def run(
        *words: object, code: int = 0, stdin: str | None = None, env: dict[str, str] | None = None
    ) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "barograph", *map(str, words)],
            capture_output=True,
            input=stdin,
            text=True,
            encoding="utf-8",
            env=os.environ | (env or {}),
            check=False,
        )
        outcome = Outcome(done.returncode, done.stdout, done.stderr)
        assert outcome.code == code, outcome.err
        return outcome

    return run
