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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from barograph.errors import DataError
from barograph.recorder.checkpoint import Checkpoints
from barograph.recorder.line import Counts
from barograph.recorder.patience import PATIENCE_S, PatientStore
from barograph.recorder.places import Places
from barograph.recorder.recall import StoreRecall
from barograph.recorder.resuming import resume, runs, with_open_minutes
from barograph.recorder.shaping import LineSettings
from barograph.snapshot import pack
from barograph.store import Commit, Store
from barograph.store.traded import carry_trades
from barograph.tape import TapeReader

if TYPE_CHECKING:
    from barograph.store.opening import Location

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
    tables: Location | None = None,
    stride_records: int = STRIDE_RECORDS,
    checkpoint_every: int = CHECKPOINT_EVERY,
    progress: Progress | None = None,
    patience_s: float = PATIENCE_S,
) -> ReplayResult:
    """Bring the tables of the data directory ``data`` up to the end of its tape.

    Args:
        data: the data directory; ``data/tape`` is read, ``data/lake`` written.
        settings: what shapes rows; must be what the tables so far were made with.
        tables: where the tables are; None: they are the directory's lake.
        stride_records: records in one commit, at the most.
        checkpoint_every: commits between two checkpoints.
        progress: called after each commit.
        patience_s: how long a database may be away before this gives up.

    Raises:
        SettingsError: the tables were made with other settings; ``barograph rebuild`` helps.
        StorageBusy: another process is writing the tables.
        DataError: there is no tape, or an anomaly model that it names is not there.
        TapeCorrupt, StorageError: what was committed stays; run again after the remedy.
    """
    places = Places.of(data, tables)
    TapeReader(places.tape)  # before anything is made in a directory that is none of ours
    with places.lock(), closing(_store(places, patience_s)) as store:
        return _drive(store, places, settings or LineSettings(), stride_records, checkpoint_every, progress)


def rebuild(
    data: Path,
    settings: LineSettings | None = None,
    *,
    tables: Location | None = None,
    stride_records: int = STRIDE_RECORDS,
    progress: Progress | None = None,
) -> ReplayResult:
    """Make every table again from the whole tape, then put it in the old one's place.

    The old tables can be read until the new ones are whole.
    """
    places = Places.of(data, tables)
    aside = places.state / "rebuild"
    TapeReader(places.tape)
    with places.lock():
        shutil.rmtree(aside, ignore_errors=True)
        made = Places(places.tape, aside / "lake", aside, _begun_anew(places.database))
        with closing(_store(made, PATIENCE_S)) as store:
            result = _drive(
                store, made, settings or LineSettings(), stride_records, CHECKPOINT_EVERY, progress
            )
        _exchange(places, made)
        shutil.rmtree(aside)
    return result


def _begun_anew(database: Location | None) -> Location | None:
    """Where a rebuild makes its tables in a database; what a killed one left is gone."""
    if database is None:
        return None
    from barograph.store.postgres.rebuilding import begin

    assert database.address is not None
    return replace(database, address=begin(database.address))


def _exchange(places: Places, made: Places) -> None:
    """Put what was made in its place. The checkpoint goes first and comes last: a crash
    in between costs a replay, never a row. Completed trades, of which the tape knows
    nothing, go along."""
    Checkpoints(places.state).path.unlink(missing_ok=True)
    if places.database is None:
        old = made.state / "lake.old"
        carry_trades(places.lake, made.lake)
        if places.lake.exists():
            places.lake.rename(old)
        made.lake.rename(places.lake)
    else:
        from barograph.store.postgres.rebuilding import finish

        assert places.database.address is not None
        finish(places.database.address)
    Checkpoints(made.state).path.replace(Checkpoints(places.state).path)


def _store(places: Places, patience_s: float) -> Store:
    """The store, asked again while its server is away; a disk that says no is believed at once."""
    store = places.store()
    return store if places.database is None else PatientStore(store, patience_s)


def _drive(
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
    if begin < reader.begin <= end:  # also when a tape that was begun anew is still empty
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
