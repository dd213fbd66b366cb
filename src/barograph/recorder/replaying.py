"""Drive the line over a tape, from its checkpoint to the end.

A replay can be killed at any moment. What it has committed is named by tape positions,
so a replay that resumes from an older checkpoint cuts its commits at the same places
and finds them already there. Running it again over a tape that has not grown changes
nothing at all.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from barograph.errors import DataError
from barograph.recorder.checkpoint import Checkpoints
from barograph.recorder.line import Counts, LineSettings
from barograph.recorder.recall import StoreRecall
from barograph.recorder.resuming import Places, resume, runs, with_open_minutes
from barograph.snapshot import pack
from barograph.store import Commit, Store
from barograph.store.lake import Lake
from barograph.store.traded import carry_trades
from barograph.tape import TapeReader

STRIDE_RECORDS = 65_536
"""Records in one commit: rows for a megabyte or two of Parquet, and less than 100 MB in memory."""
CHECKPOINT_EVERY = 8
"""Commits between two checkpoints: what a crash makes a replay do again."""

Progress = Callable[[int, int], None]
"""Called with records done and records in all."""


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What one replay did.

    Attributes:
        records: records that were read; 0 when the tables were up to date.
        next_pos: tape position that the tables now reach.
        counts: rows made, by table, and what was dropped or not understood.
        seconds: how long it took.
    """

    records: int
    next_pos: int
    counts: Counts
    seconds: float


def replay(
    data: Path,
    settings: LineSettings | None = None,
    *,
    stride_records: int = STRIDE_RECORDS,
    checkpoint_every: int = CHECKPOINT_EVERY,
    progress: Progress | None = None,
) -> ReplayResult:
    """Bring the tables of the data directory ``data`` up to the end of its tape.

    Args:
        data: the data directory; ``data/tape`` is read, ``data/lake`` written.
        settings: what shapes rows; must be what the tables so far were made with.
        stride_records: records in one commit, at the most.
        checkpoint_every: commits between two checkpoints.
        progress: called after each commit.

    Raises:
        SettingsError: the tables were made with other settings; ``barograph rebuild`` helps.
        StorageBusy: another process is writing the tables.
        DataError: there is no tape, or an anomaly model that it names is not there.
        TapeCorrupt, StorageFull: what was committed stays; run again after the remedy.
    """
    places = Places.of(data)
    TapeReader(places.tape)  # before anything is made in a directory that is none of ours
    with places.lock():
        return _drive(places, settings or LineSettings(), stride_records, checkpoint_every, progress)


def rebuild(
    data: Path,
    settings: LineSettings | None = None,
    *,
    stride_records: int = STRIDE_RECORDS,
    progress: Progress | None = None,
) -> ReplayResult:
    """Make every table again from the whole tape, then put it in the old one's place.

    The old tables can be read until the new ones are whole.
    """
    places = Places.of(data)
    aside = places.state / "rebuild"
    made = Places(places.tape, aside / "lake", aside)
    TapeReader(places.tape)
    with places.lock():
        shutil.rmtree(aside, ignore_errors=True)
        result = _drive(made, settings or LineSettings(), stride_records, CHECKPOINT_EVERY, progress)
        _exchange(places, made)
        shutil.rmtree(aside)
    return result


def _exchange(places: Places, made: Places) -> None:
    """Put what was made in its place. The checkpoint goes first and comes last: a crash
    in between costs a replay, never a row. Completed trades, of which the tape knows
    nothing, go along."""
    old = made.state / "lake.old"
    Checkpoints(places.state).path.unlink(missing_ok=True)
    carry_trades(places.lake, made.lake)
    if places.lake.exists():
        places.lake.rename(old)
    made.lake.rename(places.lake)
    Checkpoints(made.state).path.replace(Checkpoints(places.state).path)


def _drive(
    places: Places, settings: LineSettings, stride: int, checkpoint_every: int, progress: Progress | None
) -> ReplayResult:
    with closing(Lake(places.lake)) as store:
        return _drive_into(store, places, settings, stride, checkpoint_every, progress)


def _drive_into(
    store: Store,
    places: Places,
    settings: LineSettings,
    stride: int,
    checkpoint_every: int,
    progress: Progress | None,
) -> ReplayResult:
    started = time.perf_counter()
    checkpoints = Checkpoints(places.state)
    recall = StoreRecall(store)
    line = resume(settings, places, recall, store.committed())
    reader = TapeReader(places.tape)
    begin, end = line.next_pos, reader.end
    if begin < reader.begin < end:
        raise DataError(
            f"the tape begins at record {reader.begin}, but the tables need it from {begin} on; "
            "put the older segments back, from a backup, and run the same command again"
        )
    unsaved = 0
    for run in runs(reader, begin, end, stride, store.commits(begin)):
        recall.upto = run.first_pos
        tables = line.advance(run)
        if run.next_pos == end:
            recall.uncommitted = tables
            tables = with_open_minutes(tables, line, run)
        store.commit(Commit(run.first_pos, run.next_pos, tables))
        unsaved += 1
        if unsaved == checkpoint_every or run.next_pos == end:
            checkpoints.save(pack(line.state()))
            unsaved = 0
        if progress:
            progress(run.next_pos - begin, end - begin)
    return ReplayResult(end - begin, line.next_pos, line.counts, time.perf_counter() - started)
