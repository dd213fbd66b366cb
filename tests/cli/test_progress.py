"""Progress on standard error: when it shows, and that it never reaches the data."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from barograph.cli import progress as module
from barograph.cli.logs import colour, configure
from barograph.cli.progress import progress, stages


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")


def work(quiet: bool = False) -> None:
    with progress("replaying", quiet=quiet) as report:
        for done in range(4):
            report(done, 3)


def test_quick_work_leaves_no_trace(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_terminal(monkeypatch)
    work()
    assert capsys.readouterr() == ("", "")


def test_long_work_shows_a_bar_on_standard_error_only(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_terminal(monkeypatch)
    monkeypatch.setattr(module, "PATIENCE_S", -1.0)
    work()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "replaying" in captured.err
    work(quiet=True)
    assert capsys.readouterr() == ("", "")
    with stages(quiet=False) as stage:
        stage("recording", 1, 2)
        stage("building", 1, 2)
    assert "building" in capsys.readouterr().err


def test_where_standard_error_is_no_terminal_nothing_is_drawn(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", -1.0)
    work()
    assert capsys.readouterr() == ("", "")


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_terminal(monkeypatch)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colour()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour()


def test_log_lines_go_to_standard_error_from_their_level_on(capsys: Any) -> None:
    import json

    import structlog

    configure("warning", "json")
    structlog.get_logger().info("unheard")
    structlog.get_logger().warning("disk nearly full", free_mb=12)
    captured = capsys.readouterr()
    assert captured.out == ""
    line = json.loads(captured.err)
    assert (line["event"], line["level"], line["free_mb"]) == ("disk nearly full", "warning", 12)
    structlog.reset_defaults()
