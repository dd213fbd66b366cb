"""Die at every step of absorbing, taking over and clearing, and judge what is left.

A program of its own (``python dying_absorbing.py FOLDER``), see ``dying.py``: a child is killed just before
its n-th step on the file system; what it leaves must be whole days, and doing the same again must give
exactly the rows of the lake that they came from. Prints JSON as that one does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import dying
from dying import FIRST, SECOND, THIRD, committed

from barograph.store import Lake, Scan, absorbing, lineage, read, snapshots, taking_over

for module in (lineage, snapshots, taking_over):
    if hasattr(module, "sync_directory"):
        module.sync_directory = lambda _: None

NAME = "c" * 32
absorbing.CHUNK_ROWS = 2


def source(root: Path) -> Lake:
    """The lake that the rows come from, beside those that they go to."""
    return Lake(root.parent / "source")


def absorbed(root: Path, from_pos: int = 0) -> None:
    other, lake = source(root), Lake(root)
    for name in ("ticks", "anomalies"):
        lake.absorb(name, other.scan(Scan(name, from_pos=from_pos, withdrawn=True)))
    lake.take_over(NAME, [each for each in other.commits(0) if each[0] >= from_pos])


def cleared(root: Path) -> None:
    lake = Lake(root)
    lake.clear()
    lake.take_over(NAME, [])


def prepared(root: Path) -> None:
    """A lake that has the first commit, taken over."""
    lake = Lake(root)
    for name, rows in FIRST.tables.items():
        lake.absorb(name, rows.to_batches())
    lake.take_over(NAME, [(0, 9)])


ACTIONS: dict[str, tuple[Callable[[Path], object], Callable[[Path], None]]] = {
    "absorb into nothing": (lambda root: None, absorbed),
    "absorb an increment": (prepared, lambda root: absorbed(root, 9)),
    "clear": (lambda root: committed(root, FIRST, SECOND), cleared),
}


def judge(root: Path, action: Callable[[Path], None], before: str, after: str) -> list[str]:
    """Half of the days may be new; what a reader sees must be readable, and completed by doing it again."""
    del before
    wrong = []
    for name in dying.TABLES_USED:
        rows = read(Lake(root), Scan(name)).to_pylist()
        if len(rows) != len({str(row) for row in rows}):
            wrong.append(f"{name} has rows twice")
    action(root)
    if dying.seen(root) != after:
        wrong.append(f"doing it again gave {dying.seen(root)} instead of {after}")
    Lake(root).sweep(grace_s=-1e9)
    left = [str(path) for path in (root / ".hot").rglob("*.tmp")]
    return [*wrong, f"left over: {left}"] if left else wrong


if __name__ == "__main__":
    dying.ACTIONS, dying.judge = ACTIONS, judge
    deaths, complaints = {}, []
    for number, name in enumerate(ACTIONS):
        place = Path(sys.argv[1]) / str(number)
        place.mkdir(parents=True)
        dying.in_child(lambda place=place: committed(place / "source", FIRST, SECOND, THIRD))
        deaths[name], bad = dying.try_action(name, place)
        complaints += bad
    sys.stdout.write(json.dumps({"deaths": deaths, "wrong": complaints}))
