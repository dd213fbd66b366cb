"""Fill a disk while committing and sealing, and judge what is left.

A program of its own (``python filling.py FOLDER LIMIT``): commits of about 20 kB each until
the lake says StorageFull, then sealing; LIMIT is the size a file may have (0: the disk
itself is small). Prints JSON: commits made, errors met, whether the rows are exactly those
of the commits made, and the temporary files left (must be none).
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from making import DAY_0, rows, tick

from barograph.errors import StorageFull
from barograph.store import Commit, Lake, Scan, read

COUNT = 2_000


def noise(number: int) -> Commit:
    """Rows that do not compress."""
    random = np.random.default_rng(number)
    table = rows("ticks", tick(DAY_0, 0)).take(pa.array(np.zeros(COUNT, dtype=np.int64)))
    for name, values in {
        "price": random.random(COUNT),
        "tape_pos": np.arange(number * COUNT, (number + 1) * COUNT),
    }.items():
        table = table.set_column(table.column_names.index(name), table.schema.field(name), pa.array(values))
    return Commit(number * COUNT, (number + 1) * COUNT, {"ticks": table})


def main(root: Path, limit: int) -> dict[str, object]:
    lake = Lake(root)
    lake.commit(noise(0))
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    made, errors = 1, []
    try:
        while made < 1_000:
            lake.commit(noise(made))
            made += 1
    except StorageFull as error:
        errors.append(f"commit: {error}")
    try:
        lake.seal(all=True)
    except StorageFull as error:
        errors.append(f"seal: {error}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    found = sorted(read(lake, Scan("ticks")).column("tape_pos").to_pylist())
    return {
        "made": made,
        "errors": errors,
        "exact": found == list(range(made * COUNT)) and len(lake.commits(0)) == made,
        "left": [str(path) for path in root.rglob("*.tmp")],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
