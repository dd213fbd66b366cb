"""Die at every step of a run of backups, and judge what is left.

A program of its own (``python backup_dying.py FOLDER STRIDE``) because it forks: for each STRIDE-th n a
child makes backups of the same data directory, of its tape and its tables, copies them to a second place,
removes old ones, and kills itself with SIGKILL just before its n-th operation on the file system. After
each death everything that is visible on both places must be whole; the next run must end well, leave
nothing behind and have everything that the store has.

Prints JSON: how many deaths, and what was wrong (must be nothing).
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from tests.store.dying import die_at, in_child
from tests.vault.backed_up import FIRST, SECOND, clock_at, contents, lake, put_together

from barograph import disk
from barograph.records import Kind, Stream
from barograph.settings import Flag, Settings
from barograph.store import Lake, durable, parquet
from barograph.tape import TapeWriter
from barograph.vault import writing
from barograph.vault.listing import read_catalogue
from barograph.vault.running import Run, run
from barograph.vault.shelves import directory
from barograph.vault.verifying import verify

# What the system has been given survives the death of a process: syncing would only take time.
for module in (disk, durable, parquet, directory, writing):
    for name in ("sync_data", "sync_directory"):
        if hasattr(module, name):
            setattr(module, name, lambda _: None)

PLACES = ("near", "far")


def settings(root: Path) -> Settings:
    flags = {"data_dir": root / "data", "backup.to": root / "near", "backup.remote": root / "far"}
    given = {**{name: str(value) for name, value in flags.items()}, "backup.keep_remote_days": "3"}
    return Settings.load(None, {}, [Flag(name, value, name) for name, value in given.items()])


def prepare(root: Path) -> None:
    """A full backup of long ago on both places, and what has come since."""
    lake(root / "data", FIRST)
    for _ in range(3):
        with TapeWriter(root / "data" / "tape", clock=clock_at(), roll_bytes=64 * 1024) as tape:
            tape.append(Stream("sim", "c"), 0, Kind.FRAME, bytes(70_000))
    made = run(settings(root), "weekly", clock=clock_at("2026-11-01T16:00:00+00:00"))
    assert made.trouble is None
    lake(root / "data", SECOND)


def act(root: Path, at: str = "2026-11-15T16:00:00+00:00") -> Run:
    """A Sunday's run: a weekly, the tape, copies, and the old weekly goes."""
    made = run(settings(root), "auto", clock=clock_at(at))
    assert made.trouble is None, made.trouble
    return made


def judge(root: Path) -> list[str]:
    wrong = []
    for place in PLACES:
        found = read_catalogue(directory.DirectoryShelf(root / place))
        wrong += [f"{place}: {found.problem(each)}" for each in found.manifests if found.problem(each)]
        wrong += [f"{place}: nothing full is left"] * (not any(each.full for each in found.of_rows))
        wrong += [f"{place}: {why}" for why in found.damaged.values()]
    act(root, "2026-11-15T17:00:00+00:00")
    store = Lake(root / "data" / "lake")
    for place in PLACES:
        shelf = directory.DirectoryShelf(root / place)
        found = read_catalogue(shelf)
        wrong += [f"{place}, again: {why}" for why in verify(shelf, (), lambda done, total: None).problems]
        newest = found.of_rows[-1]
        if put_together(shelf, newest) != contents(store):
            wrong.append(f"{place}: {newest.folder} is not the store")
        if len(found.segments) != 2:
            wrong.append(f"{place}: {len(found.segments)} segments")
    state = root / "data" / "state"
    wrong += [f"left over: {path}" for path in state.glob("backup*") if path.name != "backup.lock"]
    return wrong


def main(folder: Path, stride: int) -> dict[str, object]:
    base = folder / "base"
    _, told = in_child(lambda: prepare(base))
    wrong = [told] if told else []
    deaths = 0
    for step in range(1, 2_000, stride):
        root = folder / str(step)
        shutil.copytree(base, root)
        killed, text = in_child(lambda step=step, root=root: (die_at(step, root), act(root), "")[2])
        found = in_child(lambda root=root: "\n".join(judge(root)))[1]
        wrong += [f"step {step}: {each}" for each in (text, found) if each]
        shutil.rmtree(root)
        if not killed or len(wrong) > 5:
            return {"deaths": deaths, "wrong": wrong}
        deaths += 1
    return {"deaths": deaths, "wrong": [*wrong, "it never ended"]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
