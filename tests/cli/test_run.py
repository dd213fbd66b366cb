"""Exit codes, messages and streams, whatever the verb."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from barograph import __version__
from barograph.cli import main
from barograph.cli.app import app
from barograph.errors import DataError, SettingsError, StorageBusy, UsageError

HEAVY = ("pydantic", "numpy", "pyarrow", "polars", "duckdb", "numba", "pandas", "structlog", "msgspec")


def loaded_after(statement: str) -> set[str]:
    script = f"{statement}\nimport sys\nprint(chr(10).join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_the_overview_is_there_before_the_parser_is() -> None:
    loaded = loaded_after("from barograph.cli import main\nassert main(['--help']) == 0")
    assert loaded.isdisjoint((*HEAVY, "cyclopts", "rich"))


def test_help_of_a_verb_imports_nothing_heavy() -> None:
    loaded = loaded_after("from barograph.cli import main\nassert main(['tape', '--help']) == 0")
    assert loaded.isdisjoint(HEAVY)
    assert "cyclopts" in loaded


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_the_overview_lists_what_the_parser_knows(execute: Any, words: list[str]) -> None:
    listed = [line.split()[0] for line in execute(*words).out.splitlines() if line.startswith("  ")]
    assert sorted(listed) == sorted(name for name in app if not name.startswith("-"))


def test_import_barograph_imports_nothing_heavy() -> None:
    assert loaded_after("import barograph").isdisjoint((*HEAVY, "cyclopts", "rich"))


def test_version_and_help_are_data(execute: Any) -> None:
    assert execute("--version").out.strip() == __version__
    shown = execute("--help")
    assert "replay" in shown.out
    assert shown.err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["qury", "x"], "query"),
        (["query", "SELECT 1", "--jsn"], "--json"),
        (["feeds", "--log-level", "loud"], "loud"),
        (["bars"], "SYMBOL"),
    ],
)
def test_wrong_words_give_2_and_a_hint_on_stderr(call: Any, words: list[str], said: str) -> None:
    outcome = call(*words, code=2)
    assert said in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("ask otherwise"), 2),
        (SettingsError("set otherwise"), 3),
        (DataError("data is broken"), 4),
        (StorageBusy("busy"), 75),
        (PermissionError(13, "Permission denied", "/nowhere"), 75),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("a bug"), 1),
    ],
)
def test_every_error_ends_in_its_exit_code(
    call: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("barograph.settings.Settings.load", fail)
    outcome = call("config", "show", code=code)
    assert outcome.out == ""
    assert ("Traceback" in outcome.err) == (code == 1)
    assert ("please report" in outcome.err) == (code == 1)
    if code not in (1, 130):
        assert str(error) in outcome.err


def test_debug_shows_the_traceback(call: Any, tmp_path: Path) -> None:
    quiet = call("config", "show", "--config", tmp_path / "absent.toml", code=3)
    assert "Traceback" not in quiet.err
    assert "Traceback" in call("config", "show", "--config", tmp_path / "absent.toml", "--debug", code=3).err


@pytest.mark.parametrize("words", [["version"], ["config", "show"], ["completion", "zsh"]])
def test_a_reader_that_closes_the_pipe_is_no_failure(tmp_path: Path, words: list[str]) -> None:
    # Little output fails when it is flushed at the end, much when it is written: both are quiet.
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "barograph", *words, "--quiet"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONUNBUFFERED": ""},
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_main_takes_the_process_arguments(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["barograph", "--version"])
    assert main() == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_knows_the_verbs(call: Any, shell: str) -> None:
    script = call("completion", shell).out
    assert "replay" in script
    if shell == "bash":  # a script takes a second to make, and how it is written asks for no shell
        assert call("completion", shell, "--json").json == {"shell": shell, "script": script}
