"""A sync or restore that is killed at random points, and then ends: equal tables, nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.servers.recorded import with_tables

from barograph.store.postgres.address import Address
from barograph.vault.shelves.directory import DirectoryShelf

from .backed_up import backed_up, clock_at, lake
from .taking import step

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A lake and its backups: a full one and two that follow."""
    shelf, clock = DirectoryShelf(tmp_path / "shelf"), clock_at()
    home = lake(tmp_path / "home", step(0), step(1))
    backed_up(tmp_path / "home", shelf, clock=clock)
    for number in (2, 3):
        home.commit(step(number))
        backed_up(tmp_path / "home", shelf, clock=clock)
    return tmp_path


def killed(folder: Path, what: str, kills: int, *url: str) -> None:
    program = Path(__file__).with_name("sync_dying.py")
    done = subprocess.run(
        [sys.executable, program, folder, what, str(kills), "7", *url],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["wrong"] == []
    assert outcome["kills"] >= kills


def test_sync_killed_at_fifty_points_gives_equal_tables(folder: Path) -> None:
    killed(folder, "sync", 50)


def test_restore_killed_at_twenty_points_gives_equal_tables(folder: Path) -> None:
    killed(folder, "restore", 20)


def test_sync_into_a_database_killed_at_ten_points_gives_equal_tables(
    folder: Path, postgres: Address
) -> None:
    with_tables(postgres)
    killed(folder, "sync", 10, postgres.uri())
