"""A run: faults by a seeded plan, then quiet, then the verdict."""

from __future__ import annotations

import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from barograph.clock import MINUTE_US
from benchmarks.chaos.faults import Doing, Fault, planned
from benchmarks.chaos.house import House

RECORD: dict[str, Any] = {
    "backoff_min_s": 0.1,
    "backoff_max_s": 1.0,
    "sustained_s": 2.0,
    "stale_after_s": 5.0,
    "checkpoint_interval_s": 4.0,
}
"""Less patience than is usual: what takes a minute there takes a second here."""
RATE = 300.0
LOOK_S = 0.05
RESTART_S = 2.5
"""What ended by itself is begun again after so long, as a service manager would."""
SOUND_S = 3.0
"""So long after disk and store have come back, an end by itself is no longer theirs."""
STATUS_S = 1.0
WRITTEN_S = 11.5
"""A minute's coverage is written so long after its end, at the latest: grace and a beat."""


@dataclass
class Survived:
    """What happened.

    Attributes:
        faults: those that met something, by kind.
        missed: those that met nothing: a cut of no connection.
        ended: how the recorder ended, counted.
        unexplained: ends by itself while disk and store were sound.
        promised: the highest tape position that the recorder told of.
        stop_s: how long the orderly end took; None if it was none.
        settled: whether everything was refilled and caught up in the quiet at the end.
        stalls: times in which a venue sent nothing.
    """

    faults: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    ended: dict[str, int] = field(default_factory=dict)
    unexplained: list[str] = field(default_factory=list)
    starts: int = 0
    promised: int = 0
    stop_s: float | None = None
    settled: bool = False
    stalls: list[tuple[str, int, int]] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)
    seen: list[int] = field(default_factory=list)


class Run:
    """Does a plan's faults to a house, and keeps everything that died alive again."""

    def __init__(self, house: House, tell: Callable[[str], None]) -> None:
        self.house, self.tell = house, tell
        self.survived = Survived()
        self._doing = Doing(house)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._restart_s: float | None = None
        self._sound_since = time.monotonic()
        self._noted = self._begun_us = 0
        self._diary = (house.folder / "faults.log").open("w", buffering=1)
        self._pid_figures: dict[int, Counter[str]] = {}

    def through(self, plan: list[Fault], quiet_s: float, *, to_the_minute: bool) -> Survived:
        """All of ``plan``, then quiet until everything has settled, then an orderly end."""
        house = self.house
        house.recorder.start()
        self._until(lambda: house.recorder.ready, 60.0, "the recorder has not connected")
        house.trade(house.rate)
        begun, self._begun_us = time.monotonic(), house.now_us()
        for fault in plan:
            self._at(begun + fault.at_s, partial(self._begin, fault))
        while self._due:
            self._step()
        self.tell("quiet")
        self.survived.settled = self._quiet(quiet_s, to_the_minute)
        self._end()
        return self.survived

    def _at(self, when_s: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when_s, next(self._order), what))

    def _step(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            heapq.heappop(self._due)[2]()
        self._look_after()
        time.sleep(LOOK_S)

    def _begin(self, fault: Fault) -> None:
        met, end = self._doing.do(fault)
        what = f"{fault.kind} {fault.venue} {fault.lasts_s:.1f} s {fault.fields}"
        self._diary.write(f"{datetime.now(UTC):%H:%M:%S.%f}  {what}{'' if met else ' (met nothing)'}\n")
        (self.survived.faults if met else self.survived.missed)[fault.kind] += 1
        if end is not None:
            self._at(time.monotonic() + fault.lasts_s, end)

    def _look_after(self) -> None:
        """What a service manager does: begin again what has ended by itself."""
        house, now = self.house, time.monotonic()
        if house.recorder.full_bytes is not None or house.lake_is_down:
            self._sound_since = now
        running = house.recorder.running
        for how in house.recorder.ends[self._noted :]:
            self._noted += 1
            if "itself" in how and now - self._sound_since > SOUND_S:
                self.survived.unexplained.append(f"{how}, life {house.recorder.starts}")
        if running:
            self._restart_s = None
        elif self._restart_s is None:
            self._restart_s = now + RESTART_S
        elif now >= self._restart_s:
            house.recorder.start()
        self._figure()

    def _figure(self) -> None:
        """Note what the status file says, life by life."""
        status = self.house.recorder.status
        if not status:
            return
        feeds = status["feeds"].values()
        self._pid_figures[status["pid"]] = Counter(
            {
                name: sum(feed[name] for feed in feeds)
                for name in ("connects", "refills", "refilled", "not_refilled")
            }
        )
        self.survived.promised = max(self.survived.promised, status["tables"]["next_pos"])

    def _until(self, condition: Callable[[], bool], within_s: float, what: str) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} within {within_s:g} s; see {self.house.folder}")
            self._step()

    def _quiet(self, within_s: float, to_the_minute: bool) -> bool:
        """Trade on until nothing is open, then stop trading and let the last minute be written."""
        house, settled = self.house, True
        deadline, calm_since = time.monotonic() + within_s, None
        while calm_since is None or time.monotonic() - calm_since < 3.0:
            if not house.recorder.settled:
                calm_since = None
            elif calm_since is None:
                calm_since = time.monotonic()
            if time.monotonic() > deadline:
                settled = False
                break
            self._step()
        house.trade(0)
        # The last minute that was traded in, or at least the first one.
        minute_us = house.now_us() if to_the_minute else self._begun_us
        written_us = minute_us - minute_us % MINUTE_US + MINUTE_US + round(WRITTEN_S * 1e6)
        end_us = max(house.now_us() + 1_500_000, written_us)
        while house.now_us() < end_us:
            self._step()
        return settled

    def _end(self) -> None:
        house, survived = self.house, self.survived
        self._figure()
        begun = time.monotonic()
        if house.recorder.stop(30.0):
            survived.stop_s = time.monotonic() - begun
        house.recorder.running  # noqa: B018 - notes the end
        survived.ended, survived.starts = dict(Counter(house.recorder.ends)), house.recorder.starts
        survived.stalls, survived.seen = self._doing.stalls, house.recorder.seen
        survived.figures = sum(self._pid_figures.values(), Counter())


def chaos(
    folder: Path,
    seconds: float,
    seed: int,
    tell: Callable[[str], None],
    *,
    every_s: float,
    short: bool = False,
) -> Survived:
    """A run of so many seconds in ``folder``."""
    ahead_s = _ahead_s() if short else 0.0
    with House(folder, RATE, ahead_s, **RECORD) as house:
        plan = planned(seed, seconds, every_s)
        return Run(house, tell).through(plan, 30.0 if short else 120.0, to_the_minute=not short)


def _ahead_s() -> float:
    """How far to put the clocks ahead, so that a short run has a full minute's end in its middle."""
    return (38.0 - time.time() % 60) % 60
