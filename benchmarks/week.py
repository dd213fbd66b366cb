"""A simulated week through the recorder's journal, line, store and housekeeping, as fast as it goes.

    python -m benchmarks.week [--days 7] [--json]

The market is made in a process of its own and comes through a pipe. What stands
between a socket and the tables runs as in ``barograph record``, by a clock that
shows the time of the newest frame: segments roll each hour, days are sealed, hot parts merged. Memory is
read after the first simulated hour, then after each day, and at the end; it must end within a tenth of
where it began. The hour goes by in a second here, so each reading waits until the tables
have caught up and the housekeeper has been round, as they have after any true hour. What was highest between
two readings stands beside them.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from barograph.recorder.live.memory import keep_few_arenas, one_allocator

one_allocator()  # As ``barograph record`` does: before Arrow is loaded.

from barograph.clock import NS_PER_S
from barograph.recorder import LineSettings
from barograph.recorder.live.follower import Findings, Follower, Pace
from barograph.recorder.live.housekeeping import GIVE_BACK_EVERY, Chores, Housekeeper
from barograph.recorder.live.journal import Journal
from barograph.recorder.places import Places
from barograph.records import Kind, Stream
from barograph.settings import Settings
from barograph.simulator import Batch, Market, frames
from barograph.store.lake import Lake
from barograph.tape import TapeWriter

START_US = 1_723_075_200_000_000
HOUR_NS = 3600 * NS_PER_S
DAY_NS = 24 * HOUR_NS
AHEAD = 200_000
"""Records that the tape may be ahead of the tables: the week's tables are made in the week."""
WAITING_BYTES = 4 << 20
"""Of frames before the tape: a socket would wait as well."""
BATCH = 500
"""Frames taken at once."""
STREAM = Stream("sim", "sim-week")


class NewestFrame:
    """The clock of the simulated week."""

    def __init__(self, now_ns: int) -> None:
        self.reached_ns = now_ns

    def now_ns(self) -> int:
        return self.reached_ns


ROUND_S = 1.0
"""Between two rounds of the housekeeper, as in a recorder."""


class Readings:
    """Memory at quiet moments, and the highest in between."""

    def __init__(self) -> None:
        self.quiet: dict[str, float] = {}
        self.highest: dict[str, float] = {}
        self._highest = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def due(self, since_ns: int) -> str | None:
        """The reading that is due after ``since_ns`` of the week, if there is one."""
        marks = [("hour 1", HOUR_NS), *((f"day {n}", n * DAY_NS) for n in range(1, 8))]
        return next((name for name, at in marks if since_ns >= at and name not in self.quiet), None)

    def take(self, name: str) -> None:
        """Note the memory under ``name``."""
        self.quiet[name], self.highest[name], self._highest = rss_mb(), self._highest, 0.0
        sys.stderr.write(f"{name}: {self.quiet[name]:.0f} MB, until then {self.highest[name]:.0f} at most\n")

    def close(self) -> None:
        """Watch no longer."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self._highest = max(self._highest, rss_mb())


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
        Chores(keeper.compact, seal, lambda: None),
        clock,
        seal_after_s=record.seal_after_s,
        compact_s=ROUND_S,
        tidy_s=2 * ROUND_S,
    )
    follower.start()
    housekeeper.start()
    yield journal, follower
    journal.close(60)
    if not follower.finish(journal.next_pos, 600):
        raise RuntimeError(f"the tables did not reach the tape's end: {follower.stats}")
    housekeeper.stop(60)


def frames_of_another_process(days: float) -> Iterator[Batch]:
    """The market's frames; making them costs this process nothing but the reading."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    market = context.Process(target=_market, args=(days, sending), daemon=True)
    market.start()
    sending.close()
    try:
        while True:
            yield Batch(*receiving.recv())
    except EOFError:
        market.join()


def _market(days: float, sending: Connection) -> None:
    market = Market(7, Settings().simulator.symbols, start_us=START_US, minutes=int(days * 24 * 60))
    for batch in frames(market, BATCH):
        sending.send((batch.recv_ns, batch.payloads))


def measure(days: float) -> dict[str, Any]:
    """The week: frames, seconds, memory."""
    keep_few_arenas()
    clock = NewestFrame(START_US * 1000)
    readings = Readings()
    count, elapsed = 0, 0.0
    with tempfile.TemporaryDirectory(prefix="barograph-week-") as name:
        data = Path(name)
        with recorder(data, clock) as (journal, follower):
            journal.put(STREAM, clock.now_ns(), Kind.OPEN, b'{"url":"sim"}')
            begun = time.monotonic()
            for batch in frames_of_another_process(days):
                for recv_ns, payload in zip(batch.recv_ns.tolist(), batch.payloads, strict=True):
                    journal.put(STREAM, recv_ns, Kind.FRAME, payload)
                count += len(batch.payloads)
                clock.reached_ns = int(batch.recv_ns[-1])
                while count - follower.stats.next_pos > AHEAD or journal.stats.waiting_bytes > WAITING_BYTES:
                    time.sleep(0.01)
                if due := readings.due(clock.reached_ns - START_US * 1000):
                    _caught_up(follower, 1 + count)
                    elapsed += time.monotonic() - begun
                    _quiet()
                    readings.take(due)
                    begun = time.monotonic()
            _caught_up(follower, 1 + count)
            elapsed += time.monotonic() - begun
            _quiet()
            readings.take("end")
        readings.close()
        files = sum(1 for file in data.rglob("*") if file.is_file())
        size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
        minutes = follower.stats.bars
    return {
        "days": days,
        "frames": count,
        "seconds": elapsed,
        "frames_per_s": count / elapsed,
        "bars": minutes,
        "rss_mb": readings.quiet,
        "highest_rss_mb": readings.highest,
        "end_to_first_hour": readings.quiet["end"] / readings.quiet["hour 1"],
        "files": files,
        "megabytes": size / 1e6,
    }


def _caught_up(follower: Follower, end: int) -> None:
    while follower.stats.next_pos < end:
        time.sleep(0.01)


def _quiet() -> None:
    """Two rounds in which memory is given back."""
    time.sleep(2 * GIVE_BACK_EVERY * ROUND_S)


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
