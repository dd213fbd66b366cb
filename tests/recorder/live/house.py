"""A whole recorder in this process, on a thread of its own, beside the venue servers of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from barograph.clock import NS_PER_S, Clock
from barograph.gaps import Channel, Missing
from barograph.recorder.live.recorder import Recorder
from barograph.recorder.live.stats import Stats
from barograph.recorder.warming import warm
from barograph.records import Kind, Record
from barograph.settings import Flag, Settings
from barograph.store import Scan
from barograph.store.lake import Lake
from barograph.store.reading import read
from barograph.tape import TapeReader

QUICK = {
    "record.commit_interval_s": 0.05,
    "record.backoff_min_s": 0.02,
    "record.backoff_max_s": 0.2,
    "record.stale_after_s": 2.0,
    "bars.allowed_lateness_s": 0.0,
    "record.second_process": False,
}
"""Settings that make waits short."""


def settings_of(data: Path, **values: Any) -> Settings:
    """Settings for a test; a name's dots are written as two underscores: ``feeds__binance__url``."""
    named = QUICK | {name.replace("__", "."): value for name, value in values.items()}
    flags = [Flag("data_dir", data, "test")] + [Flag(name, value, "test") for name, value in named.items()]
    return Settings.load(environ={}, flags=flags)


@cache
def warmed() -> None:
    """Have the kernels compiled, so that no test's wait has to bear it."""
    warm()


class Shifted:
    """A clock that goes as the machine's does, from ``start_ns`` on, and leaps forward when told to.

    With it a minute of the market is over in a moment of the test.
    """

    def __init__(self, start_ns: int | None = None) -> None:
        self._shift_ns = 0 if start_ns is None else start_ns - time.time_ns()

    def now_ns(self) -> int:
        return time.time_ns() + self._shift_ns

    def advance(self, seconds: float) -> None:
        self._shift_ns += int(seconds * NS_PER_S)


class House:
    """A running recorder and what it has made so far."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.data = settings.data_dir
        self.clock = clock or Shifted()
        self.recorder = Recorder(settings, reread=self._read, clock=self.clock)
        self.final: Stats | None = None
        self.failure: BaseException | None = None
        self.wrong: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def _read(self) -> Settings:
        if self.wrong is not None:
            raise self.wrong
        return self.settings

    def _run(self) -> None:
        try:
            self.final = self.recorder.run()
        except BaseException as error:  # noqa: BLE001 - raised again in the test
            self.failure = error

    @classmethod
    def at(cls, data: Path, clock: Clock | None = None, **values: Any) -> House:
        """A house with the settings of a test, see :func:`settings_of`; not started."""
        return cls(settings_of(data, **values), clock)

    def start(self) -> None:
        warmed()
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def stop(self, within_s: float = 15.0) -> Stats:
        """End it as SIGTERM does; its figures at the end."""
        self.recorder.stop_soon()
        self._thread.join(within_s)
        assert not self._thread.is_alive(), "the recorder did not end"
        if self.failure is not None:
            raise self.failure
        assert self.final is not None
        return self.final

    def reload(self, settings: Settings | Exception) -> None:
        """What SIGHUP does once the settings have changed, or have become wrong."""
        if isinstance(settings, Exception):
            self.wrong = settings
        else:
            self.settings, self.wrong = settings, None
        self.recorder.reload_soon()

    @property
    def stats(self) -> Stats:
        return self.recorder.stats

    def until(self, condition: Callable[[], object], within_s: float = 15.0, what: str = "") -> None:
        """Wait for ``condition``; the recorder must not fail meanwhile."""
        deadline = time.monotonic() + within_s
        while not condition():
            if self.failure is not None:
                raise self.failure
            assert time.monotonic() < deadline, (
                f"not in {within_s} s: {what or condition}; {self.recorder.stats}"
            )
            time.sleep(0.01)

    def live(self, *feeds: str) -> None:
        """Wait until these feeds, or all, are recorded."""
        names = feeds or self.settings.record.feeds
        self.until(
            lambda: all(
                name in self.stats.feeds and self.stats.feeds[name].stage == "live" for name in names
            ),
            what=f"live: {names}",
        )

    @property
    def tape_end(self) -> int:
        """The position behind the last record on the tape."""
        assert self.recorder._running is not None
        return self.recorder._running._journal.next_pos

    def caught_up(self) -> None:
        """Wait until the tables have everything that is on the tape now."""
        end = self.tape_end
        self.until(lambda: self.stats.tables.next_pos >= end, what=f"tables at {end}")

    def pass_time(self, seconds: float, step_s: float = 10.0) -> None:
        """Let ``seconds`` of the house's clock go by; each step leaves a record of each connection."""
        assert isinstance(self.clock, Shifted)
        while seconds > 0:
            end = self.tape_end + sum(feed.connections for feed in self.stats.feeds.values())
            self.clock.advance(min(step_s, seconds))
            seconds -= step_s
            self._until_tape(end)

    def _until_tape(self, end: int) -> None:
        self.until(lambda: self.tape_end >= end, what="time passes")

    # What is there.

    def table(self, name: str) -> pa.Table:
        """All rows of a table, newest versions."""
        return read(Lake(self.data / "lake"), Scan(name))

    def rows(self, name: str, **where: Any) -> list[dict[str, Any]]:
        """Rows of a table as plain values, those whose columns have the given values."""
        return [
            row
            for row in self.table(name).to_pylist()
            if all(row[column] == value for column, value in where.items())
        ]

    def trade_ids(self, symbol: str) -> list[int]:
        """Trade ids of a symbol, as often as they stand in the table."""
        return sorted(row["trade_id"] for row in self.rows("ticks", symbol=symbol))

    def coverage(self, symbol: str, channel: Channel = Channel.TRADES) -> list[dict[str, Any]]:
        """A symbol's minutes, oldest first."""
        rows = self.rows("coverage", symbol=symbol, channel=str(channel))
        return sorted(rows, key=lambda row: row["minute"])

    def missing(self) -> list[Missing]:
        """How the asking for each gap ended."""
        return [msgspec.json.decode(r.payload, type=Missing) for r in self.tape(Kind.MISSING)]

    def sent(self) -> list[str]:
        """What was sent to venues, as it stands on the tape."""
        return [record.payload.decode() for record in self.tape(Kind.SENT)]

    def tape(self, *kinds: Kind) -> list[Record]:
        """The records on the tape, of some kinds only if named."""
        reader = TapeReader(self.data / "tape")
        return [record for run in reader.read() for record in run if not kinds or record.kind in kinds]


@contextmanager
def recording(data: Path, clock: Clock | None = None, **values: Any) -> Iterator[House]:
    """A recorder that runs while the block does."""
    house = House.at(data, clock, **values)
    house.start()
    try:
        yield house
    finally:
        if house.running:
            house.stop()
    if house.failure is not None:
        raise house.failure
