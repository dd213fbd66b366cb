"""A run of backups: what is asked for or due, to the first place, then copied to the second."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import time as time_of_day
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from barograph.clock import NS_PER_US, Clock, SystemClock
from barograph.disk import Lock
from barograph.errors import BarographError, SettingsError
from barograph.log import get_logger
from barograph.vault.backup import Source, back_up
from barograph.vault.copying import mirror
from barograph.vault.listing import read_catalogue
from barograph.vault.manifest import TAPE, Kind, Manifest
from barograph.vault.own import joined
from barograph.vault.places import Place, places
from barograph.vault.pruning import UNFINISHED_US, Going, plan, prune
from barograph.vault.schedule import Due, Timetable, due
from barograph.vault.segments import back_up_tape
from barograph.vault.shelves.directory import DirectoryShelf
from barograph.vault.unfinished import remove_unfinished, scratch_folder

if TYPE_CHECKING:
    from barograph.settings import Settings

WAIT_S = 600.0
"""How long a run waits for another one to end."""

Asked = Literal["auto", "hourly-raw", "daily", "weekly"]
Stage = Callable[[str, int, int], None]

log = get_logger()


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that a run made or copied.

    Attributes:
        manifest: what it holds; None: nothing was new.
        seconds: how long it took; 0 for a copy, whose time is that of all copies.
        note: what should be known of it.
    """

    place: str
    kind: Kind
    manifest: Manifest | None
    seconds: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run did.

    Attributes:
        made: on the first place, then what was copied to the second.
        pruned: by place, what went; only of runs of what is due.
        damaged: segments of tape that were left out.
        trouble: the first error that kept something from being done; the rest was.
    """

    made: tuple[Made, ...]
    pruned: tuple[tuple[str, Going], ...]
    damaged: tuple[str, ...]
    trouble: BarographError | None


def run(
    settings: Settings,
    asked: Asked,
    where: str | None = None,
    *,
    clock: Clock | None = None,
    stage: Stage | None = None,
    wait_s: float = WAIT_S,
) -> Run:
    """Make backups as the settings say, on every place.

    Args:
        asked: one kind, or ``auto``: what is due now, new tape, and then pruning.
        where: instead of the places of the settings.
        wait_s: how long to wait for another run of this data directory.

    Raises:
        SettingsError, StorageBusy: nothing could be begun.
    """
    running = _Running(settings, places(settings, where), clock or SystemClock(), stage or _quiet)
    with locked(settings.data_dir, wait_s):
        return running.run(asked)


def due_now(settings: Settings, where: str | None = None, clock: Clock | None = None) -> Due:
    """Which backup of rows is due on the first place.

    Raises:
        SettingsError, StorageError: the place does not answer, or zone or calendar are wrong.
    """
    now_us = (clock or SystemClock()).now_ns() // NS_PER_US
    return _due(settings, places(settings, where)[0], now_us)


@contextmanager
def locked(data: Path, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the lock of who changes the backups of a data directory, waiting for it for a while.

    Raises:
        StorageBusy: another run has it, and goes on.
    """
    lock = Lock(data / "state" / "backup.lock", f"backups of {data} are being made")
    lock.acquire(wait_s)
    try:
        yield
    finally:
        lock.release()


def zone_of(settings: Settings) -> ZoneInfo:
    """The zone of ``backup.zone``.

    Raises:
        SettingsError: there is none of that name.
    """
    try:
        return ZoneInfo(settings.backup.zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(
            f"backup.zone: there is no time zone {settings.backup.zone!r}; write one such as Asia/Kolkata"
        ) from error


@dataclass(frozen=True)
class _Running:
    """The steps of one run, in their order; one that fails does not keep the next from being tried."""

    settings: Settings
    places: Sequence[Place]
    clock: Clock
    stage: Stage

    def run(self, asked: Asked) -> Run:
        made: list[Made] = []
        pruned: list[tuple[str, Going]] = []
        damaged: list[str] = []
        steps: list[Callable[[], None]] = []
        first = self.places[0]
        self._tidy(first)
        if asked == "hourly-raw" or (asked == "auto" and (self.settings.data_dir / TAPE).is_dir()):
            steps.append(lambda: damaged.extend(self._tape(first, made)))
        if asked != "hourly-raw":
            steps.append(partial(self._rows, first, asked, made))
        steps += [partial(self._copy, first, place, made) for place in self.places[1:]]
        if asked == "auto":
            steps += [partial(self._prune, place, pruned) for place in self.places]
        trouble = [error for step in steps if (error := _tried(step)) is not None]
        for error in trouble[1:]:  # the first is raised at the end
            log.error("another step of the backup failed", problem=str(error))
        return Run(tuple(made), tuple(pruned), tuple(damaged), trouble[0] if trouble else None)

    def _tidy(self, place: Place) -> None:
        """Remove what an earlier run that was killed has left."""
        shutil.rmtree(scratch_folder(self.settings.data_dir), ignore_errors=True)
        remove_unfinished(self.settings.data_dir, place.shelf)
        if isinstance(place.shelf, DirectoryShelf):
            place.shelf.tidy(self._now_us() - UNFINISHED_US)

    def _tape(self, place: Place, made: list[Made]) -> tuple[str, ...]:
        begun = time.perf_counter()
        data = self.settings.data_dir
        done = back_up_tape(data, place, self.clock, lambda n, of: self.stage("backing up the tape", n, of))
        note = "" if done.manifest else "no segment is new"
        made.append(Made(str(place), "hourly-raw", done.manifest, time.perf_counter() - begun, note))
        return done.damaged

    def _rows(self, place: Place, asked: Literal["auto", "daily", "weekly"], made: list[Made]) -> None:
        from barograph.store.opening import open_store

        begun = time.perf_counter()
        with closing(open_store(self.settings)) as store:
            if asked == "auto" and not store.lineage():
                log.info("there are no tables yet, so none are backed up")
                return
            kind = _due(self.settings, place, self._now_us()).kind if asked == "auto" else asked
            if kind is None:
                return
            source = Source(
                self.settings.data_dir, store, joined(self.settings.backup.tables), zone_of(self.settings)
            )
            wrote = _Wrote(self.stage)
            manifest = back_up(source, place.shelf, kind, self.clock, wrote)
        note = "full: there was none to go on from" if kind == "daily" and manifest.full else ""
        made.append(Made(str(place), kind, manifest, time.perf_counter() - begun, note))

    def _copy(self, first: Place, place: Place, made: list[Made]) -> None:
        def report(done: int, total: int) -> None:
            self.stage(f"copying to {place}", done, total)

        copied = mirror(self.settings.data_dir, first.shelf, place, self._now_us(), report)
        made += [Made(str(place), each.kind, each, 0.0, "copied") for each in copied]

    def _prune(self, place: Place, pruned: list[tuple[str, Going]]) -> None:
        going = plan(read_catalogue(place.shelf), place.keep_days, self._now_us())
        prune(
            place.shelf,
            going,
            lambda done, total: self.stage(f"removing old backups of {place}", done, total),
        )
        pruned += [(str(place), each) for each in going]

    def _now_us(self) -> int:
        return self.clock.now_ns() // NS_PER_US


class _Wrote:
    """Tells the stage of rows as they are written; how many there will be nobody knows."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __call__(self, table: str, rows: int) -> None:
        self._stage(f"backing up {table}", rows, rows)


def _due(settings: Settings, place: Place, now_us: int) -> Due:
    from barograph.calendars import calendar, files_of

    backup = settings.backup
    market = calendar(backup.market, *files_of(settings.data_dir))
    timetable = Timetable(market, time_of_day.fromisoformat(backup.daily_at), zone_of(settings))
    return due(timetable, read_catalogue(place.shelf).manifests, now_us)


def _tried(step: Callable[[], None]) -> BarographError | None:
    try:
        step()
    except BarographError as error:
        return error
    return None


def _quiet(_title: str, _done: int, _total: int) -> None:
    """A stage that nobody sees."""
