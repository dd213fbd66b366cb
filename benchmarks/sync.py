"""A laptop follows a recorder: how long a day's ticks take to come, into a lake and into PostgreSQL.

    python -m benchmarks.sync [--rows 1000000] [--json]

A lake with two days of ticks of 20 symbols; a full backup after the first day, which is synced before, and
a daily after the second. What is timed is the sync of the second day: fetching, checksums, merging or
loading, from one folder to another on this disk. The same sync once more has nothing to do.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import structlog

from barograph.clock import DAY_US, ManualClock, SystemClock
from barograph.store import Commit, Lake
from barograph.store.postgres import PostgresStore
from barograph.store.store import Absorbing
from barograph.vault.backup import Source, back_up
from barograph.vault.shelves.directory import DirectoryShelf
from barograph.vault.state import state_file
from barograph.vault.sync import Synced, sync
from benchmarks.postgres import ticks

if TYPE_CHECKING:
    from tests.servers.postgres import Server

NOON_NS = 1_795_000_000_000_000_000


def quiet(*_: object) -> None:
    """Nobody is told."""


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def backed_up(folder: Path, rows: int) -> DirectoryShelf:
    """The shelf with a full backup of the first day; the second one waits in ``folder/second``."""
    first, second = DirectoryShelf(folder / "first"), DirectoryShelf(folder / "second")
    clock = ManualClock(NOON_NS)
    with closing(Lake(folder / "home" / "lake")) as lake:
        source = Source(folder / "home", lake, (), ZoneInfo("UTC"))
        for day in range(2):
            table = ticks(rows, day, day * rows)
            lake.commit(Commit(day * rows, (day + 1) * rows, {"ticks": table}))
            for shelf in (first, second)[day:]:
                back_up(source, shelf, "daily", clock, quiet)
            clock.advance(DAY_US / 1e6)
    return first


def synced(shelf: DirectoryShelf, store: Absorbing, data: Path) -> Synced:
    file = state_file(data, "sync", None)
    return sync(shelf, store, data, file, SystemClock(), quiet, quiet)


def measured(folder: Path, store: Absorbing, data: Path) -> dict[str, float]:
    """The first day, the second day, and nothing."""
    first, second = DirectoryShelf(folder / "first"), DirectoryShelf(folder / "second")
    full_s, _ = timed(lambda: synced(first, store, data))
    day_s, done = timed(lambda: synced(second, store, data))
    nothing_s, nothing = timed(lambda: synced(second, store, data))
    assert done.came.changed["ticks"] == done.came.rows["ticks"]
    assert not nothing.came.backups
    return {
        "first_day_s": full_s,
        "second_day_s": day_s,
        "nothing_new_s": nothing_s,
        "rows": done.came.rows["ticks"],
        "bytes": done.came.bytes,
    }


def both(rows: int, running: Server) -> dict[str, dict[str, float]]:
    """Into a lake, and into a new database of a server that runs."""
    from barograph.store.postgres.connection import connect
    from barograph.store.postgres.migrating import migrate
    from barograph.store.postgres.server import detect

    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backed_up(folder, rows)
        with closing(Lake(folder / "laptop" / "lake")) as lake:
            found["lake"] = measured(folder, lake, folder / "laptop")
        address = running.create()
        with closing(connect(address)) as connection:
            migrate(connection, address.namespace, detect(connection).timescaledb)
        with closing(PostgresStore(address)) as database:
            found["postgresql"] = measured(folder, database, folder / "desk")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="ticks a day")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    from tests.servers.postgres import server

    with server(fsync="on", shared_buffers="'128MB'") as running:
        found = both(options.rows, running)
    if options.json:
        print(json.dumps(found))
        return
    for kind, figures in found.items():
        print(kind, ", ".join(f"{name} {value:,.2f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
