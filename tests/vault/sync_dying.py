"""Kill a sync (or a restore) at random points, then let it end, and judge what is there.

A program of its own (``python sync_dying.py FOLDER WHAT KILLS SEED [URL]``), because it forks:
FOLDER/shelf has backups and FOLDER/home the lake that they were made of. A child is killed by SIGKILL
just before a random step of its own on the file system, or by an alarm when a random time is over. Then
the same is run to its end, and all tables must be equal to those at home. With a URL the rows go into
that database, emptied before each round.

Prints JSON: kills, and what was wrong (must be nothing).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random

from barograph import disk
from barograph.clock import SystemClock
from barograph.store import Lake, absorbing, commits, durable, lake, lineage, parquet, sealing, taking_over
from barograph.store.opening import open_at
from barograph.store.store import Absorbing
from barograph.tables import TABLES
from barograph.vault import going_on, state
from barograph.vault.comparing import summed_rows
from barograph.vault.restore import plan_restore, restore
from barograph.vault.shelves import directory
from barograph.vault.shelves.directory import DirectoryShelf
from barograph.vault.state import state_file
from barograph.vault.sync import sync

# What the system has been given survives the death of a process: syncing would only take time.
_SYNCING = (disk, commits, durable, lake, lineage, parquet, sealing, taking_over, going_on, state, directory)
for module in _SYNCING:
    for name in ("sync_data", "sync_directory"):
        if hasattr(module, name):
            setattr(module, name, lambda _: None)

STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.utime", "os.link"}
absorbing.CHUNK_ROWS = 8


def quiet(*_: object) -> None:
    """Nobody is told."""


def bring(what: str, folder: Path, data: Path, url: str | None) -> None:
    """A whole sync or restore into ``data``, or into the database."""
    shelf, store = DirectoryShelf(folder / "shelf"), open_at(url or data)
    file = state_file(data, what, url)
    try:
        if what == "sync":
            sync(shelf, store, data, file, SystemClock(), quiet, quiet)
        elif file.load() is not None or not store.lineage():
            restore(shelf, plan_restore(shelf), store, data, file, SystemClock(), quiet)
    finally:
        store.close()


def seen(store: Absorbing) -> object:
    """All rows of all tables, the position and the lineage; rows that were taken back too."""
    from barograph.store import Scan

    rows = {
        name: summed_rows(store.scan(Scan(name, withdrawn=True)), table) for name, table in TABLES.items()
    }
    return json.loads(json.dumps([rows, store.committed(), store.lineage()]))


def in_child(work: Callable[[], object], step: int = 0, below: Path = Path(), after_s: float = 0) -> object:
    """Do ``work`` in a child, to be killed: what it returned, or None when it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if step:
                die_before(step, below)
            if after_s:
                signal.setitimer(signal.ITIMER_REAL, after_s)  # by default the alarm ends a process at once
            os.write(writing, json.dumps(work()).encode())
        except BaseException:  # noqa: BLE001 - a forked child must never fall back into its parent's code
            os.write(writing, json.dumps(traceback.format_exc()).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        text = answer.read().decode()
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    return None if killed else json.loads(text)


def die_before(step: int, below: Path) -> None:
    """Let this process be killed just before its ``step``-th step below ``below``."""
    left = step

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in STEPS and arguments and str(below) in str(arguments[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def steps_of(work: Callable[[], object], below: Path) -> int:
    """How many steps a whole life takes."""
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event in STEPS and arguments and str(below) in str(arguments[0]):
            count += 1

    def counted() -> int:
        sys.addaudithook(hook)
        work()
        return count

    found = in_child(counted)
    assert isinstance(found, int), found
    return found


def main(folder: Path, what: str, kills: int, seed: int, url: str | None) -> dict[str, object]:
    random, wrong, done, rounds = Random(seed), [], 0, 0
    expected = in_child(lambda: seen(open_at(folder / "home")))

    def life(data: Path) -> None:
        bring(what, folder, data, url)

    def emptied() -> None:
        if url is not None:
            store = open_at(url)
            store.clear()
            store.close()

    steps = steps_of(lambda: life(folder / "counted"), folder / "counted")
    in_child(emptied)
    began = time.monotonic()
    in_child(lambda: life(folder / "timed"))
    life_s = time.monotonic() - began
    while done < kills and not wrong:
        in_child(emptied)
        data = folder / f"round-{rounds}"
        rounds += 1
        for _ in range(random.randrange(1, 4)):
            by_step = random.random() < 0.6 and url is None
            left = (
                in_child(lambda data=data: life(data), random.randrange(1, steps + 1), data)
                if by_step
                else in_child(lambda data=data: life(data), after_s=max(life_s * random.random(), 0.001))
            )
            done += left is None
        ended = in_child(lambda data=data: life(data))
        found = in_child(lambda data=data: seen(open_at(url or data)))
        if ended is not None or found != expected:
            wrong.append(f"round {rounds}: {ended}, {found} instead of {expected}")
        in_child(lambda data=data: Lake(data / "lake").sweep(grace_s=-1e9))
        wrong += [f"left over: {path}" for path in data.rglob("*.tmp")]
    return {"kills": done, "rounds": rounds, "steps": steps, "wrong": wrong}


if __name__ == "__main__":
    where, what, kills, seed, *rest = sys.argv[1:]
    outcome = main(Path(where), what, int(kills), int(seed), rest[0] if rest else None)
    sys.stdout.write(json.dumps(outcome))
