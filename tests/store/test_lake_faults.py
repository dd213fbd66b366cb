"""The lake under fire: killed at every step, on a full disk, read while it is rearranged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from barograph.errors import StorageError
from barograph.store import Lake

from ..conftest import skip_or_fail
from .making import DAY_0, DAY_1, bar, commit, tick

HERE = Path(__file__).parent
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="forks, limits and mounts are POSIX")


def program(name: str, *arguments: object, within: tuple[str, ...] = ()) -> Any:
    command = [*within, sys.executable, str(HERE / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@posix_only
def test_killed_at_every_step_it_is_all_or_nothing(tmp_path: Path) -> None:
    result = program("dying.py", tmp_path)
    assert result["wrong"] == []
    deaths = result["deaths"]
    assert deaths.pop("commit again what was compacted") >= 5
    assert all(count >= 8 for count in deaths.values()), deaths


@posix_only
@pytest.mark.parametrize("limit", [200, 10_000])
def test_given_a_file_size_limit_nothing_half_written_remains(tmp_path: Path, limit: int) -> None:
    result = program("filling.py", tmp_path / "lake", limit)
    assert (result["exact"], result["left"]) == (True, [])
    assert all("no space left" in error for error in result["errors"])
    assert len(result["errors"]) == 2


@posix_only
def test_given_a_full_disk_nothing_half_written_remains(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    alone = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
    mount = f'mount -t tmpfs -o size=2m tmpfs "{disk}"'
    if not shutil.which("unshare") or subprocess.run([*alone, mount], check=False).returncode:
        skip_or_fail("a small disk needs `unshare` and the right to mount a tmpfs")
    result = program("filling.py", disk / "lake", 0, within=(*alone, f'{mount} && exec "$@"', "sh"))
    assert (result["exact"], result["left"]) == (True, [])
    assert [error.split(":")[0] for error in result["errors"]] == ["commit", "seal"]
    assert result["made"] > 20


@posix_only
def test_given_a_file_in_its_place_the_store_is_in_trouble_and_the_tables_wait(tmp_path: Path) -> None:
    (tmp_path / "lake").write_bytes(b"no folder")
    lake = Lake(tmp_path / "lake")
    for asked in (lake.committed, lambda: lake.commits(0), lambda: lake.commit(commit(0, 1))):
        with pytest.raises(StorageError, match=r"Not a directory|File exists"):
            asked()


@pytest.mark.parametrize(("kind", "grace_s"), [("scan", 0.0), ("sql", 30.0)])
@pytest.mark.parametrize("rearranged", ["sealed", "sealed and compacted"])
def test_readers_see_no_error_and_no_half_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, grace_s: float, rearranged: str
) -> None:
    monkeypatch.setattr("barograph.store.compaction.FAN_IN", 3)
    root = tmp_path / "lake"
    command = [sys.executable, str(HERE / "watching.py"), str(root), kind]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    lake = Lake(root)
    for number in range(60):
        here = range(number * 10, number * 10 + 10)
        ticks = [tick((DAY_0, DAY_1)[pos % 2] + pos, pos, f"S{pos % 3}") for pos in here]
        bars = [bar(DAY_0, here.start, f"S{k}", revision=number) for k in range(3)]
        lake.commit(commit(here.start, here.stop, ticks=ticks, market_microstructure=bars))
        if rearranged != "sealed":
            # What a listing may miss while it is going on must still be there: not at once.
            lake.compact(grace_s=max(grace_s, 0.25))
        if number % 5 == 0:
            if rearranged == "sealed" or number % 20 == 0:
                lake.seal(all=True, grace_s=grace_s)
            # Wait until each has looked again, lest the writer be over before they start.
            assert [reader.stdout.readline() for reader in readers if reader.stdout] == ["looked\n"] * 2
    (tmp_path / "done").touch()
    answers = [json.loads(reader.communicate()[0].splitlines()[-1]) for reader in readers]
    lake.close()
    for answer in answers:
        assert answer["wrong"] == []
        assert answer["ticks"] == 600
        assert answer["looks"] > 12
