"""Kill an import and its replay again and again, and judge what each death left behind.

A program of its own (``python killing.py RECORDINGS FOLDER SEED KILLS``), because it forks: a
life is a child that imports all recordings of a folder, replays them in small strides and
seals the lake's days. It is killed by SIGKILL, either when a random time is over or just before a random
step of its on the file system (its n-th open, rename, unlink...: an audit hook counts).
Before the next life everything that the dead one had reported as done must be there. When a
life ends by itself the tables and the tape are compared with those of a life in peace.

Writes FOLDER/outcome.json: kills, rounds, and what was lost or differs (must be nothing).
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from barograph.clock import SystemClock
from barograph.recorder import replay
from barograph.store import Lake, Scan
from barograph.tables import TABLES
from barograph.tape import TapeReader, TapeWriter, import_recording

ROLL_BYTES = 128 << 10
STRIDE = 64
CHECKPOINT_EVERY = 2
STEPS = ("open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.truncate", "os.rmdir")
LIVES = 20
"""So many times the mean time until a timed death is a whole life in peace."""
MOST_STEPS = 400

Say = Callable[[str, int], None]


def live(recordings: list[Path], data: Path, say: Say) -> None:
    """A whole life: import, replay, seal; each tells how far its work can no longer be lost."""
    with TapeWriter(data / "tape", clock=SystemClock(), roll_bytes=ROLL_BYTES) as tape:
        for recording in recordings:
            import_recording(tape, recording, "binance", progress=lambda *_: say("taped", tape.next_pos))
            say("taped", tape.next_pos)
    end = TapeReader(data / "tape").end
    replay(
        data,
        stride_records=STRIDE,
        checkpoint_every=CHECKPOINT_EVERY,
        progress=lambda done, of: say("replayed", end - of + done),
    )
    Lake(data / "lake").seal(all=True, grace_s=0)


def die_before_step(number: int, below: Path) -> None:
    """Let this process be killed just before its ``number``-th step below ``below``."""
    left = number

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in STEPS and arguments and str(below) in str(arguments[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def fork(life: Callable[[Say], None], step: int, below: Path) -> tuple[int, int]:
    """Begin a life; its process id and where it reports."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    os.close(reader)
    code = 1
    try:
        if step:
            die_before_step(step, below)
        life(lambda name, pos: tell(writer, f"{name} {pos}\n"))
        code = 0
    except BaseException:  # noqa: BLE001 - a forked child must never fall back into its parent's code
        traceback.print_exc()
    finally:
        os._exit(code)


def tell(descriptor: int, text: str) -> None:
    """Write to a pipe; so short a text goes whole."""
    os.write(descriptor, text.encode())


def end_of(child: int, after_s: float | None) -> int:
    """Wait for ``child``, killing it when ``after_s`` is over; how it ended."""
    handle = os.pidfd_open(child)
    if not select.select([handle], [], [], after_s)[0]:
        os.kill(child, signal.SIGKILL)
    os.close(handle)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def reported(reader: int) -> dict[str, int]:
    """The last position that a life told of each of its works."""
    with os.fdopen(reader, "rb") as file:
        words = [line.split() for line in file.read().decode().splitlines()]
    return {name: int(pos) for name, pos in words}


def lost(data: Path, told: dict[str, int]) -> list[str]:
    """Which reported work is not there."""
    taped = max(told.get("taped", 0), told.get("replayed", 0))
    there = TapeReader(data / "tape").end if taped else 0
    missing = [f"{taped - there} records of the tape"] if there < taped else []
    committed = Lake(data / "lake").committed()
    if committed < told.get("replayed", 0):
        missing.append(f"commits from {committed} to {told['replayed']}")
    return missing


def contents(data: Path) -> dict[str, Any]:
    """Everything that a data directory says: each table, and the tape's records."""
    import pyarrow as pa

    lake = Lake(data / "lake")
    said: dict[str, Any] = {
        name: pa.Table.from_batches(list(lake.scan(Scan(name))), schema=table.schema())
        for name, table in TABLES.items()
    }
    runs = TapeReader(data / "tape").read(0)
    said["tape"] = [(r.pos, r.recv_ns, r.kind, r.stream.feed, r.payload) for run in runs for r in run]
    return said


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The names of what is not the same in both."""
    return [name for name in one if one[name] != other[name]]


def one_round(
    recordings: list[Path], data: Path, random: Random, mean_s: float, outcome: dict[str, Any]
) -> None:
    """Lives on one directory, each killed, until one comes to its end by itself."""
    while True:
        by_step = random.random() < 0.5
        step = random.randrange(1, MOST_STEPS) if by_step else 0
        after_s = None if by_step else random.expovariate(1 / mean_s)
        child, reader = fork(lambda say: live(recordings, data, say), step, data)
        code = end_of(child, after_s)
        outcome["lost"] += lost(data, reported(reader))
        if code == 0:
            return
        if code != -signal.SIGKILL:
            outcome["lost"].append(f"a life that failed by itself with {code}, see standard error")
            return
        outcome["kills"] += 1


def main(recordings: list[Path], folder: Path, seed: int, kills: int) -> None:
    """Rounds until there were so many kills."""
    random = Random(seed)
    began = time.monotonic()
    for name in ("warm", "peace"):
        woken = time.monotonic()
        live(recordings, folder / name, lambda name, pos: None)
    mean_s = (time.monotonic() - woken) / LIVES
    peace = contents(folder / "peace")
    outcome: dict[str, Any] = {"kills": 0, "rounds": 0, "lost": [], "different": []}
    while outcome["kills"] < kills and not outcome["lost"]:
        data = folder / f"round-{outcome['rounds']}"
        one_round(recordings, data, random, mean_s, outcome)
        outcome["different"] += differences(peace, contents(data))
        outcome["rounds"] += 1
        shutil.rmtree(data)
    outcome["rows"] = {name: len(said) for name, said in peace.items()}
    outcome["mean_s"] = mean_s
    outcome["seconds"] = round(time.monotonic() - began, 1)
    (folder / "outcome.json").write_text(json.dumps(outcome))


if __name__ == "__main__":
    main(sorted(Path(sys.argv[1]).iterdir()), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
