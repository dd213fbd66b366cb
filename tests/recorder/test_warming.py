"""Kernels are compiled before they are needed: once for all who begin together."""

from __future__ import annotations

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from barograph.recorder import warming


@pytest.fixture
def stamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "warm-1"
    monkeypatch.setattr(warming, "cache_stamp", lambda: path)
    return path


def test_given_several_who_begin_together_then_one_compiles_and_the_others_wait(
    stamp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[int] = []
    both = threading.Barrier(2)

    def warm() -> bool:
        both.wait(30.0)
        warming.warm()
        return stamp.exists()

    monkeypatch.setattr(warming, "_compile", lambda: compiled.append(1))
    with ThreadPoolExecutor(2) as pool:
        assert all(one.result(60.0) for one in [pool.submit(warm) for _ in range(2)])
    warming.warm()
    assert compiled == [1]


def test_given_a_compiler_that_fails_then_it_is_told_and_tried_again_next_time(
    stamp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> None:
        raise subprocess.SubprocessError("it fell over")

    monkeypatch.setattr(warming, "_compile", failing)
    with capture_logs() as logs:
        warming.warm()
    assert "it fell over" in logs[-1]["problem"]
    assert not stamp.exists()
    monkeypatch.setattr(warming, "_compile", lambda: None)
    warming.warm()
    assert stamp.exists()


def test_what_compiles_them_runs_to_its_end_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    warming._compile()
    assert capfd.readouterr() == ("", "")
