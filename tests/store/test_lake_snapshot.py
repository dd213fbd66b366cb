"""One state of a lake, whatever is committed, sealed, compacted, swept or cleared meanwhile."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from barograph.errors import StorageBusy
from barograph.store import Lake, Scan, read
from barograph.store.layout import snapshots_folder
from barograph.store.store import Reader
from barograph.tables import TABLES

from .making import DAY_0, DAY_1, anomaly, bar, commit, tick
from .test_lake_absorb import filled


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = Lake(tmp_path / "lake")
    yield opened
    opened.close()


def seen(reader: Reader) -> list[object]:
    wanted = [Scan(name, withdrawn=withdrawn) for name in TABLES for withdrawn in (False, True)]
    rows = [read(reader, each).to_pylist() for each in wanted]  # type: ignore[arg-type]
    return [reader.lineage(), reader.committed(), reader.commits(0), rows]


def disturb(lake: Lake) -> Iterator[str]:
    """Everything that may happen to a lake, one after the other."""
    more = [tick(DAY_0, 21), tick(DAY_1, 22)]
    lake.commit(commit(20, 25, ticks=more, market_microstructure=[bar(DAY_0, 22, revision=3)]))
    yield "commit"
    lake.compact(grace_s=-1e9)
    yield "compact"
    lake.seal(all=True, grace_s=-1e9)
    yield "seal"
    lake.commit(commit(25, 30, anomalies=[anomaly(DAY_1, 26, None, revision=4)]))
    lake.seal(all=True, grace_s=-1e9)
    yield "seal again"
    lake.clear()
    yield "clear"


@pytest.mark.parametrize("sealed", [False, True])
def test_snapshot_stays_as_it_is_whatever_happens(lake: Lake, sealed: bool) -> None:
    filled(lake)
    if sealed:
        lake.seal(all=True)
    before = seen(lake)
    with lake.snapshot() as state:
        assert seen(state) == before
        for done in disturb(lake):
            assert seen(state) == before, done
    assert os.listdir(snapshots_folder(lake.root)) == []


def test_snapshot_given_no_hard_links_copies(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(lake).seal(day=None, all=True)
    before = seen(lake)

    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    with lake.snapshot() as state:
        for done in disturb(lake):
            assert seen(state) == before, done


def test_snapshot_of_an_empty_lake_has_no_rows(lake: Lake) -> None:
    with lake.snapshot() as state:
        assert (state.lineage(), state.committed(), state.commits(0)) == ("", 0, [])
        assert read(state, Scan("ticks")).num_rows == 0  # type: ignore[arg-type]


def test_snapshot_gives_an_increment_by_position(lake: Lake) -> None:
    filled(lake).seal(all=True)
    with lake.snapshot() as state:
        wanted = Scan("anomalies", from_pos=9, withdrawn=True)
        assert read(state, wanted).column("score").to_pylist() == [None]  # type: ignore[arg-type]


def test_snapshot_of_a_dead_reader_is_swept_and_that_of_a_living_one_is_not(lake: Lake) -> None:
    filled(lake)
    program = (
        "import sys, pathlib; from barograph.store import Lake; "
        "held = Lake(pathlib.Path(sys.argv[1])).snapshot(); held.__enter__(); "
        "print('held', flush=True); input()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, lake.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == "held\n"
    lake.sweep()
    (left,) = [path for path in snapshots_folder(lake.root).iterdir() if path.is_dir()]
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdin.close()
    child.stdout.close()
    assert left.exists()
    lake.sweep()
    assert os.listdir(snapshots_folder(lake.root)) == []


def test_snapshot_of_a_lake_that_is_being_synced_says_busy(lake: Lake) -> None:
    lake.take_over("a" * 32, [(0, 5)])
    lake.absorb("ticks", [])
    with pytest.raises(StorageBusy, match="sync"), lake.snapshot():
        pass
    lake.take_over("a" * 32, [(0, 5), (5, 6)])
    with lake.snapshot() as state:
        assert state.committed() == 6


def test_lineage_is_given_once_and_to_older_lakes_when_they_are_opened(lake: Lake) -> None:
    assert lake.lineage() == ""
    lake.commit(commit(0, 5))
    name = lake.lineage()
    assert len(name) == 32
    lake.commit(commit(5, 6))
    assert Lake(lake.root).lineage() == name
    lake.close()
    (lake.root / ".hot" / "lineage").unlink()
    assert lake.lineage() == ""
    with lake.snapshot() as state:
        assert state.lineage() == lake.lineage() != name
    (lake.root / ".hot" / "lineage").unlink()
    lake.commit(commit(6, 7))
    assert lake.lineage() != ""
