"""Read a data directory over and over while others write it, until they say that they are done.

A program of its own: ``python watching.py DATA DONE SEEN``. It asks for all minutes, and how far
ticks and quotes reach, in one statement, until the file DONE is there, then once more, with a
line on standard output after each look. SEEN (JSON) gets every different row that it was ever
shown, what each look held, and errors, which must be none.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import barograph
from barograph.errors import BarographError

LOOK = """
    select m.* exclude (timestamp, as_of), epoch_us(m.timestamp) as timestamp, epoch_us(m.as_of) as as_of,
        (select count(*) from ticks) as ticks, (select count(*) from quotes) as quotes,
        greatest((select max(tape_pos) from ticks), (select max(tape_pos) from quotes)) as reached
    from market_microstructure m
    order by m.symbol, m.venue, m.timestamp
"""
KEY = ("symbol", "venue", "timestamp")
VERSION = ("revision", "as_of", "tape_pos")
COUNTED = ("ticks", "quotes", "reached")


def look(data: Path, seen: dict[str, None]) -> dict[str, Any]:
    """Ask once: how far the rows reach, and the version of each minute; its rows go to ``seen``."""
    with barograph.connect(data) as market:
        rows = market.sql(LOOK).to_dicts()
    counts = {name: [row.pop(name) for row in rows][:1] for name in COUNTED}
    seen |= dict.fromkeys(json.dumps(row, sort_keys=True) for row in rows)
    versions = [([row[name] for name in KEY], [row[name] for name in VERSION]) for row in rows]
    return {"versions": versions} | {name: values[0] if values else 0 for name, values in counts.items()}


def faults(looks: list[dict[str, Any]]) -> list[str]:
    """What can be told to be wrong without knowing what was written."""
    found = [
        f"{name} went from {one[name]} back to {next_one[name]}"
        for one, next_one in pairwise(looks)
        for name in COUNTED
        if next_one[name] < one[name]
    ]
    for each in looks:
        keys = Counter(tuple(key) for key, _ in each["versions"])
        found += [f"minute {key} {n} times in one answer" for key, n in keys.items() if n > 1]
    return found


def main(data: Path, done: Path, seen_path: Path) -> None:
    """Look until told that the writers are done."""
    seen: dict[str, None] = {}
    looks: list[dict[str, Any]] = []
    errors: list[str] = []
    last = False
    while not last and not errors:
        last = done.exists()
        try:
            looks.append(look(data, seen))
        except BarographError as error:
            errors.append(str(error))
        sys.stdout.write(f"{len(looks)}\n")
        sys.stdout.flush()
    rows = [json.loads(row) for row in seen]
    seen_path.write_text(json.dumps({"rows": rows, "looks": looks, "errors": errors + faults(looks)}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
