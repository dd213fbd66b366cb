"""barograph sync and restore: words, what they print, exit codes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from barograph.cli import main


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulated minutes, replayed, with a full backup beside them."""
    data = tmp_path_factory.mktemp("recorded") / "d"
    words = ["--start", "2024-08-08T00:00", "--duration", "3m", "--symbols", "BTC-USD"]
    assert main(["simulate", *words, "--data", str(data), "--quiet"]) == 0
    assert main(["replay", "--data", str(data), "--quiet"]) == 0
    assert main(["backup", "run", "--kind", "weekly", "--data", str(data), "--quiet"]) == 0
    return data


@pytest.fixture
def home(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "home"))


def test_sync_says_what_came_then_that_nothing_is_new_then_what_is(call: Any, home: Path) -> None:
    words = ("sync", "--from", home / "backups", "--to", "laptop", "--json")
    first = call(*words).json
    assert first["rows"]["ticks"] > 10
    assert first["changed"] == first["rows"]
    assert (first["files"], first["behind"], len(first["backups"])) == (len(first["rows"]), False, 1)
    assert min(first["bytes"], first["seconds"]) > 0
    query = ("query", "SELECT count(*) AS n FROM ticks", "--json", "--data")
    assert call(*query, "laptop").json == call(*query, home).json
    again = call(*words, code=10).json
    assert (again["rows"], again["backups"]) == ({}, [])
    call(
        "simulate", "--start", "2024-08-08T00:03", "--duration", "2m", "--symbols", "ETH-USD", "--data", home
    )
    call("replay", "--data", home)
    call("backup", "run", "--kind", "daily", "--data", home)
    assert call(*words).json["rows"]["ticks"] > 0
    assert call(*query, "laptop").json == call(*query, home).json


def test_sync_says_when_the_newest_backup_is_old(call: Any, home: Path) -> None:
    (folder,) = (home / "backups" / "weekly").iterdir()
    words = ("sync", "--from", home / "backups", "--to", "laptop", "--max-age", "0.001s")
    first = call(*words, code=11)
    assert "hours old" in first.err
    assert folder.name in first.out
    call(*words, code=11)
    call(*words[:-1], "1d", code=10)


def test_sync_without_a_place_says_so(call: Any) -> None:
    assert "--from" in call("sync", code=3).err
    assert "no full backup" in call("sync", "--from", "nowhere", code=4).err


def test_restore_says_what_it_would_do_does_it_and_compares(call: Any, home: Path) -> None:
    words = ("restore", "--from", home / "backups", "--into", "new", "--json")
    plan = call(*words, "--dry-run").json
    assert plan["dry_run"]
    assert not Path("new").exists()
    done = call(*words, "--verify").json
    assert (done["next_pos"], done["backups"]) == (plan["next_pos"], plan["backups"])
    assert done["verified"]["ticks"] == done["rows"]["ticks"]
    assert done["tape_begins_anew"]
    assert "not empty" in call(*words, code=2).err
    assert call(*words, "--verify").json["verified"] == done["verified"]
    assert call("replay", "--data", "new", "--json").json["records"] == 0


def test_verifying_a_store_that_differs_ends_with_four(call: Any, home: Path) -> None:
    from barograph.store import Lake

    call("restore", "--from", home / "backups", "--into", "new")
    lake = Lake(Path("new") / "lake")
    (path,) = (lake.root / "quotes").glob("*/*.parquet")
    path.unlink()
    words = ("restore", "--from", home / "backups", "--into", "new", "--verify")
    assert "quotes: 0 rows" in call(*words, code=4).err


def test_restore_refuses_words_that_cannot_be(call: Any, home: Path) -> None:
    assert "--into" in call("restore", "--from", home / "backups", "--store", "folder", code=2).err
    before = ("restore", "--from", home / "backups", "--into", "new", "--to-time", "2020-01-01")
    assert "no full backup at or before" in call(*before, code=4).err
