"""Read a lake again and again while others write it (``python watching.py ROOT KIND``).

Each commit of the writer has 10 ticks and a new version of bars; this program checks that
it never sees a part of a commit, nor less than before. It ends after a last look when
``ROOT/../done`` exists. Prints a line for each look, then JSON: looks, ticks seen, what was wrong.
"""

# ruff: noqa: T201 - it speaks to its parent through its output

from __future__ import annotations

import json
import sys
from pathlib import Path

from barograph.store import Lake, Scan, Sql, read

TICKS_PER_COMMIT = 10


class Scanning:
    """One table at a time, so only each table by itself must be whole."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def look(self) -> tuple[int, int]:
        versions = read(self._lake, Scan("market_microstructure")).column("revision").to_pylist()
        ticks = read(self._lake, Scan("ticks")).column("tape_pos").to_pylist()
        assert len(set(ticks)) == len(ticks), "ticks seen twice"
        assert len(versions) <= 3, f"several versions of a bar: {versions}"
        return len(ticks), max(versions, default=-1)


class Querying:
    """Both tables in one query, so they must be of one state."""

    def __init__(self, lake: Lake) -> None:
        self._sql = Sql(lake)

    def look(self) -> tuple[int, int]:
        query = """SELECT (SELECT count(*) FROM ticks), (SELECT count(DISTINCT tape_pos) FROM ticks),
            (SELECT count(*) FROM market_microstructure), (SELECT max(revision) FROM market_microstructure)"""
        row = self._sql.query(query).read_all().to_pylist()[0]
        ticks, distinct, bars, revision = row.values()
        assert ticks == distinct, f"{ticks} ticks, {distinct} different"
        assert bars <= 3, f"{bars} bars"
        newest = -1 if revision is None else revision
        assert ticks in (0, (newest + 1) * TICKS_PER_COMMIT), f"{ticks} ticks with revision {newest}"
        return ticks, newest


def main(root: Path, kind: str) -> dict[str, object]:
    lake = Lake(root)
    watcher = Querying(lake) if kind == "sql" else Scanning(lake)
    wrong: list[str] = []
    looks, last = 0, (0, -1)
    over = False
    while not over and not wrong:
        over = (root.parent / "done").exists()
        try:
            seen = watcher.look()
            assert seen >= last and seen[0] % TICKS_PER_COMMIT == 0, f"{seen} after {last}"  # noqa: PT018
            last = seen
        except Exception as error:  # noqa: BLE001 - whatever it was, it is reported
            wrong.append(f"{type(error).__name__}: {error}")
        looks += 1
        print("looked", flush=True)
    return {"looks": looks, "ticks": last[0], "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
