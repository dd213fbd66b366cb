"""A simulated week through the recorder's journal, line, store and housekeeping, as fast as it goes.

    python -m benchmarks.week [--days 7] [--json]

What stands between a socket and the tables runs as in ``barograph record``, by a clock that
shows the time of the newest frame: segments roll each hour, days are sealed, hot parts merged. Memory is
read after the first simulated hour, then after each day; it must end within a tenth of where it began.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from barograph.clock import NS_PER_S
from barograph.recorder import LineSettings
from barograph.recorder.live.follower import Findings, Follower, Pace
from barograph.recorder.live.housekeeping import Chores, Housekeeper
from barograph.recorder.live.journal import Journal
from barograph.recorder.resuming import Places
from barograph.records import Kind, Stream
from barograph.settings import Settings
from barograph.simulator import Market, frames
from barograph.store.lake import Lake
from barograph.tape import TapeWriter

START_US = 1_723_075_200_000_000
HOUR_NS = 3600 * NS_PER_S
DAY_NS = 24 * HOUR_NS
AHEAD = 200_000
"""Records that the tape may be ahead of the tables: the week's tables are made in the week."""
STREAM = Stream("sim", "sim-week")


class NewestFrame:
    """The clock of the simulated week."""

    def __init__(self, now_ns: int) -> None:
        self.reached_ns = now_ns

    def now_ns(self) -> int:
        return self.reached_ns


def rss_mb() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def recorder(data: Path, clock: NewestFrame) -> Iterator[tuple[Journal, Follower]]:
    """Everything behind the sockets."""
    places, record = Places.of(data), Settings().record
    lake = Lake(places.lake, clock)
    journal = Journal(TapeWriter(places.tape, clock=clock), clock, record.buffer_mb << 20)
    nobody = Findings(lambda _: None, lambda _: None, lambda _: None)
    follower = Follower(places, LineSettings(), Pace.of(record), lake, journal, clock, nobody)
    keeper = Lake(places.lake, clock)

    def seal(before: date) -> None:
        keeper.seal(before=before, grace_s=0)

    housekeeper = Housekeeper(
        Chores(keeper.compact, seal, lambda: None), clock, seal_after_s=record.seal_after_s, tidy_s=2.0
    )
    follower.start()
    housekeeper.start()
    yield journal, follower
    journal.close(60)
    if not follower.finish(journal.next_pos, 600):
        raise RuntimeError(f"the tables did not reach the tape's end: {follower.stats}")
    housekeeper.stop(60)


def measure(days: float) -> dict[str, Any]:
    """The week: frames, seconds, memory."""
    clock = NewestFrame(START_US * 1000)
    market = Market(7, Settings().simulator.symbols, start_us=START_US, minutes=int(days * 24 * 60))
    marks: dict[str, float] = {}
    count, begun = 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="barograph-week-") as name:
        data = Path(name)
        with recorder(data, clock) as (journal, follower):
            journal.put(STREAM, clock.now_ns(), Kind.OPEN, b'{"url":"sim"}')
            for batch in frames(market):
                for recv_ns, payload in zip(batch.recv_ns.tolist(), batch.payloads, strict=True):
                    journal.put(STREAM, recv_ns, Kind.FRAME, payload)
                count += len(batch.payloads)
                clock.reached_ns = int(batch.recv_ns[-1])
                while count - follower.stats.next_pos > AHEAD or journal.full:
                    time.sleep(0.01)
                _mark(marks, clock.reached_ns - START_US * 1000)
        marks["end"] = rss_mb()
        elapsed = time.monotonic() - begun
        files = sum(1 for file in data.rglob("*") if file.is_file())
        size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
        minutes = follower.stats.bars
    return {
        "days": days,
        "frames": count,
        "seconds": elapsed,
        "frames_per_s": count / elapsed,
        "bars": minutes,
        "rss_mb": marks,
        "end_to_first_hour": marks["end"] / marks["hour 1"],
        "files": files,
        "megabytes": size / 1e6,
    }


def _mark(marks: dict[str, float], since_ns: int) -> None:
    """Note the memory after the first hour and after each day."""
    for name, due_ns in [("hour 1", HOUR_NS), *((f"day {n}", n * DAY_NS) for n in range(1, 8))]:
        if since_ns >= due_ns and name not in marks:
            marks[name] = rss_mb()
            sys.stderr.write(f"{name}: {marks[name]:.0f} MB\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    print(json.dumps(measure(given.days), indent=None if given.json else 2))


if __name__ == "__main__":
    main()
