"""Die at every step of a commit, a seal, a sweep or a compaction, and judge what is left.

A program of its own (``python dying.py FOLDER``) because it forks: for each action and each
n a child does the action on a copy of the same lake and kills itself with SIGKILL just
before its n-th operation on the file system (an audit hook counts them). After each death
a fresh process must read exactly the rows from before or from after, all tables alike; then
the action is done again and the rows from after must be there, with nothing left over.

Prints JSON: deaths per action, and what was wrong (must be nothing).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import making
from making import DAY_0, DAY_1, anomaly, bar, tick

from barograph import disk
from barograph.store import (
    Commit,
    Lake,
    Scan,
    commits,
    compaction,
    durable,
    lake,
    parquet,
    read,
    sealing,
)

# What the system has been given survives the death of a process: syncing would only take time.
for module in (disk, durable, commits, compaction, lake, parquet, sealing):
    for name in ("sync_data", "sync_directory"):
        if hasattr(module, name):
            setattr(module, name, lambda _: None)

COUNTED = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.utime", "os.link"}

TABLES_USED = ("ticks", "market_microstructure", "anomalies")
FIRST = making.commit(0, 9, ticks=[tick(DAY_0, 1), tick(DAY_1, 2)], market_microstructure=[bar(DAY_0, 3)])
SECOND = making.commit(
    9,
    20,
    ticks=[tick(DAY_0 + 1, 9), tick(DAY_1 + 1, 10)],
    market_microstructure=[bar(DAY_0, 11, revision=1)],
    anomalies=[anomaly(DAY_0, 11, 5.0)],
)
THIRD = making.commit(20, 25, ticks=[tick(DAY_0 + 2, 20)], anomalies=[anomaly(DAY_0, 21, None, revision=1)])
compaction.FAN_IN = 2


def committed(root: Path, *commits: Commit) -> None:
    lake = Lake(root)
    for each in commits:
        lake.commit(each)
    lake.close()


def sealed(root: Path, grace_s: float = 600) -> None:
    Lake(root).seal(all=True, grace_s=grace_s)


def prepare_sealed_and_hot(root: Path) -> None:
    committed(root, FIRST)
    sealed(root)
    committed(root, SECOND)


def compacted(root: Path, grace_s: float) -> None:
    Lake(root).compact(grace_s=grace_s)


def prepare_compacted(root: Path) -> None:
    """Parts that lie within others, and newer ones to be merged with those."""
    committed(root, FIRST, SECOND)
    compacted(root, 600)
    committed(root, THIRD)


ACTIONS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "commit": (lambda root: committed(root, FIRST), lambda root: committed(root, SECOND)),
    "commit, first of all": (lambda root: None, lambda root: committed(root, FIRST)),
    "seal and sweep": (prepare_sealed_and_hot, lambda root: sealed(root, -1e9)),
    "compact and delete": (prepare_compacted, lambda root: compacted(root, -1e9)),
    "seal what was compacted": (prepare_compacted, lambda root: sealed(root, -1e9)),
    "commit again what was compacted": (
        lambda root: (prepare_compacted(root), compacted(root, -1e9))[0],
        lambda root: committed(root, FIRST, SECOND, THIRD),
    ),
}


def seen(root: Path) -> str:
    """All rows of all tables and the commits, as a reader finds them."""
    lake = Lake(root)
    tables = {name: read(lake, Scan(name)).to_pylist() for name in TABLES_USED}
    return json.dumps([lake.commits(0), tables], default=str, sort_keys=True)


def judge(root: Path, action: Callable[[Path], None], before: str, after: str) -> list[str]:
    wrong = []
    if seen(root) not in (before, after):
        wrong.append(f"half-done: {seen(root)}")
    action(root)
    if seen(root) != after:
        wrong.append(f"doing it again gave {seen(root)}")
    Lake(root).seal(all=True, grace_s=-1e9)
    left = [str(path) for path in (root / ".hot").rglob("*") if path.suffix in (".tmp", ".parquet")]
    left = [path for path in left if not (path.endswith(".parquet") and os.stat(path).st_nlink == 2)]
    if seen(root) != after or left:
        wrong.append(f"after sealing: {seen(root)}, left over: {left}")
    return wrong


def in_child(work: Callable[[], object]) -> tuple[bool, str]:
    """Do ``work`` in a child: whether it was killed, and what it returned as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(work() or "").encode())
        except BaseException:  # noqa: BLE001 - whatever it was, it is reported
            os.write(writing, traceback.format_exc().encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        text = answer.read().decode()
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, text


def die_at(step: int, folder: Path) -> None:
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event in COUNTED and str(folder) in str(arguments):
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def try_action(name: str, folder: Path) -> tuple[int, list[str]]:
    prepare, action = ACTIONS[name]
    base, done = folder / "base", folder / "done"
    in_child(lambda: prepare(base))
    base.mkdir(exist_ok=True)
    shutil.copytree(base, done)
    in_child(lambda: action(done))
    before, after = in_child(lambda: seen(base))[1], in_child(lambda: seen(done))[1]
    wrong = []
    for step in range(1, 1_000):
        root = folder / str(step)
        shutil.copytree(base, root)
        killed, text = in_child(lambda step=step, root=root: (die_at(step, root), action(root))[1])
        found = in_child(lambda root=root: "\n".join(judge(root, action, before, after)))[1]
        wrong += [f"{name}, step {step}: {each}" for each in (text, found) if each]
        if not killed:
            return step - 1, wrong
    return step, [*wrong, "it never ended"]


if __name__ == "__main__":
    place = Path(sys.argv[1])
    deaths, complaints = {}, []
    for number, name in enumerate(ACTIONS):
        (place / str(number)).mkdir(parents=True)
        deaths[name], bad = try_action(name, place / str(number))
        complaints += bad
    sys.stdout.write(json.dumps({"deaths": deaths, "wrong": complaints}))
