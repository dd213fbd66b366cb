"""Read a data directory over and over while others write it, until they say that they are done.

A program of its own: ``python watching.py DATA DONE SEEN``. It asks for all minutes and counts
ticks and quotes until the file DONE is there, then once more, with a line on standard output
after each look. SEEN (JSON) gets every different row that it was ever shown, how often it asked,
and errors, which must be none.
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

SQL = "select * exclude (timestamp, as_of), epoch_us(timestamp) as timestamp, epoch_us(as_of) as as_of"
MINUTES = f"{SQL} from market_microstructure order by symbol, venue, timestamp"
COUNTS = "select (select count(*) from ticks) as ticks, (select count(*) from quotes) as quotes"


def look(data: Path) -> tuple[list[dict[str, Any]], tuple[int, int]]:
    """All minutes, and how many ticks and quotes there are."""
    with barograph.connect(data) as market:
        (counts,) = market.sql(COUNTS).to_dicts()
        return market.sql(MINUTES).to_dicts(), (counts["ticks"], counts["quotes"])


def main(data: Path, done: Path, seen_path: Path) -> None:
    """Look until told that the writers are done."""
    seen: dict[str, None] = {}
    errors: list[str] = []
    counts = [(0, 0)]
    looks, last = 0, False
    while not last and not errors:
        last = done.exists()
        try:
            rows, count = look(data)
        except BarographError as error:
            errors.append(str(error))
            continue
        looks += 1
        counts.append(count)
        keys = Counter((row["symbol"], row["venue"], row["timestamp"]) for row in rows)
        errors += [f"minute {key} {n} times in one answer" for key, n in keys.items() if n > 1]
        errors += [f"rows went away: {a} to {b}" for a, b in pairwise(counts) if b < a]
        sys.stdout.write(f"{looks}\n")
        sys.stdout.flush()
        seen |= dict.fromkeys(json.dumps(row, sort_keys=True) for row in rows)
    answer = {
        "looks": looks,
        "errors": errors,
        "rows": [json.loads(row) for row in seen],
        "counts": counts[-1],
    }
    seen_path.write_text(json.dumps(answer))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
