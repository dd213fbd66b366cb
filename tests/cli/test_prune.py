"""tape prune: asked for, shown before, and never what the tables need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from barograph.cli import main
from barograph.disk import Lock


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty simulated minutes of one symbol on a tape of several segments, replayed."""
    data = tmp_path_factory.mktemp("made") / "d"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAROGRAPH__TAPE__ROLL_BYTES", "65536")
        words = ["--data", str(data), "--quiet"]
        for start in ("00:00", "00:10", "00:20", "00:30"):
            begin = ["--start", f"2024-08-08T{start}", "--duration", "10m", "--symbols", "BTC-USD"]
            assert main(["simulate", *begin, *words]) == 0
        assert main(["replay", *words]) == 0
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    import shutil

    return Path(shutil.copytree(made, tmp_path / "d"))


def segments(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "tape").iterdir() if path.suffix in (".sealed", ".tape"))


def test_given_a_dry_run_then_it_tells_and_deletes_nothing(call: Any, data: Path) -> None:
    before = segments(data)
    assert len(before) > 3
    told = call("tape", "prune", "--keep-days", 1, "--dry-run", "--data", data, "--json").json
    assert (told["dry_run"], told["deleted"]) == (True, before[:-1])
    assert segments(data) == before


def test_given_a_yes_then_the_oldest_go_and_the_tables_stay(call: Any, data: Path) -> None:
    ticks = "SELECT count(*) AS n FROM ticks"
    before, rows = segments(data), call("query", ticks, "--data", data).out
    told = call("tape", "prune", "--keep-days", 1, "--yes", "--data", data, "--json").json
    assert (told["deleted"], segments(data)) == (before[:-1], before[-1:])
    assert "dry_run" not in told
    assert call("tape", "verify", "--data", data, "--json").json["sound"]
    assert call("query", ticks, "--data", data).out == rows
    assert call("status", "--data", data, "--json").json["tape"]["begin"] == told["begin"] > 0
    assert call("replay", "--data", data, "--json").json["records"] == 0
    assert "put the older segments back" in call("rebuild", "--yes", "--data", data, code=4).err
    assert call("query", ticks, "--data", data).out == rows, "a rebuild that refuses leaves the tables"


def test_given_nobody_who_agrees_then_nothing_is_deleted(execute: Any, data: Path) -> None:
    before = segments(data)
    assert "--yes" in execute("tape", "prune", "--keep-days", "1", "--data", data, stdin="", code=2).err
    assert segments(data) == before


def test_the_settings_say_how_much_when_no_flag_does(call: Any, data: Path, monkeypatch: Any) -> None:
    assert "retention.tape_days" in call("tape", "prune", "--data", data, code=2).err
    assert "--keep-days" in call("tape", "prune", "--keep-days", 0, "--data", data, code=2).err
    monkeypatch.setenv("BAROGRAPH__RETENTION__TAPE_GB", "0.0000001")
    told = call("tape", "prune", "--dry-run", "--data", data, "--json").json
    assert told["deleted"] == segments(data)[:-1]
    assert call("tape", "prune", "--keep-gb", 5, "--dry-run", "--data", data, "--json").json["deleted"] == []


def test_given_tables_that_hold_nothing_then_everything_is_kept(call: Any, data: Path) -> None:
    (data / "state" / "line.checkpoint").unlink()
    told = call("tape", "prune", "--keep-days", 1, "--yes", "--data", data, "--json").json
    assert told["deleted"] == []
    assert "up to 0 only" in told["kept_because"]


def test_given_settings_that_need_a_rebuild_then_it_is_refused(
    call: Any, data: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("BAROGRAPH__BARS__SPIKE_WINDOW", "30")
    before = segments(data)
    assert "barograph rebuild" in call("tape", "prune", "--keep-days", 1, "--yes", "--data", data, code=3).err
    assert segments(data) == before


def test_beside_a_recorder_it_works_and_beside_a_rebuild_it_is_refused(call: Any, data: Path) -> None:
    words = ("tape", "prune", "--keep-days", 1, "--yes", "--data", data)
    with Lock(data / "state" / "line.lock", "the tables are being written"):
        (data / "state" / "rebuild").mkdir()
        before = segments(data)
        assert "being written" in call(*words, code=75).err
        assert segments(data) == before
        (data / "state" / "rebuild").rmdir()
        call(*words)
    assert segments(data) == before[-1:]
