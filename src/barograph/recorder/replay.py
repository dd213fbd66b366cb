"""Drive the line over a tape, from its checkpoint to the end.

A replay can be killed at any moment. What it has committed is named by tape positions,
so a replay that resumes from an older checkpoint cuts its commits at the same places
and finds them already there. Running it again over a tape that has not grown changes
nothing at all.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from barograph.bars import KERNEL_VERSION
from barograph.disk import Lock
from barograph.errors import DataError, SettingsError, TapeCorrupt
from barograph.log import get_logger
from barograph.recorder.checkpoint import Checkpoints
from barograph.recorder.line import Counts, Line, LineSettings, LineState
from barograph.recorder.recall import StoreRecall
from barograph.records import Records
from barograph.snapshot import pack, unpack
from barograph.store import Commit
from barograph.store.lake import Lake
from barograph.tape import TapeReader

STRIDE_RECORDS = 65_536
"""Records in one commit: rows for a megabyte or two of Parquet, and less than 100 MB in memory."""
CHECKPOINT_EVERY = 8
"""Commits between two checkpoints: what a crash makes a replay do again."""

log = get_logger()

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


@dataclass(frozen=True, slots=True)
class _Places:
    """Where one replay reads and writes."""

    tape: Path
    lake: Path
    state: Path

    @classmethod
    def of(cls, data: Path) -> _Places:
        return cls(data / "tape", data / "lake", data / "state")

    def lock(self) -> Lock:
        """One writer of the tables at a time."""
        return Lock(self.state / "line.lock", f"the tables beside {self.state} are being written")


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
        DataError: there is no tape.
        TapeCorrupt, StorageFull: what was committed stays; run again after the remedy.
    """
    places = _Places.of(data)
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
    places = _Places.of(data)
    aside = places.state / "rebuild"
    made = _Places(places.tape, aside / "lake", aside)
    TapeReader(places.tape)
    with places.lock():
        shutil.rmtree(aside, ignore_errors=True)
        result = _drive(made, settings or LineSettings(), stride_records, CHECKPOINT_EVERY, progress)
        _exchange(places, made)
        shutil.rmtree(aside)
    return result


def _exchange(places: _Places, made: _Places) -> None:
    """Put what was made in its place. The checkpoint goes first and comes last: a crash
    in between costs a replay, never a row."""
    old = made.state / "lake.old"
    Checkpoints(places.state).path.unlink(missing_ok=True)
    if places.lake.exists():
        places.lake.rename(old)
    made.lake.rename(places.lake)
    Checkpoints(made.state).path.replace(Checkpoints(places.state).path)


def _drive(
    places: _Places, settings: LineSettings, stride: int, checkpoint_every: int, progress: Progress | None
) -> ReplayResult:
    started = time.perf_counter()
    store = Lake(places.lake)
    checkpoints = Checkpoints(places.state)
    recall = StoreRecall(store)
    line = _resume(settings, checkpoints, recall, store.committed())
    reader = TapeReader(places.tape)
    begin, end = line.next_pos, reader.end
    if begin < reader.begin < end:
        raise DataError(
            f"the tape begins at record {reader.begin}, but the tables need it from {begin} on; "
            "put the older segments back, from a backup, and run the same command again"
        )
    unsaved = 0
    for run in _runs(reader, begin, end, stride, store.commits(begin)):
        recall.upto = run.first_pos
        tables = line.advance(run)
        if run.next_pos == end:
            recall.uncommitted = tables
            tables = _with_open_minutes(tables, line, run)
        store.commit(Commit(run.first_pos, run.next_pos, tables))
        unsaved += 1
        if unsaved == checkpoint_every or run.next_pos == end:
            checkpoints.save(pack(line.state()))
            unsaved = 0
        if progress:
            progress(run.next_pos - begin, end - begin)
    store.close()
    return ReplayResult(end - begin, line.next_pos, line.counts, time.perf_counter() - started)


def _resume(settings: LineSettings, checkpoints: Checkpoints, recall: StoreRecall, committed: int) -> Line:
    """The line as its checkpoint left it; at the tape's beginning if the store lacks what that counts on."""
    saved = checkpoints.load()
    try:
        line = _resumed(settings, saved, recall, committed)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"{checkpoints.path} was written by another version of Barograph ({error}); "
            "run `barograph rebuild` to make all tables again from the tape"
        ) from error
    recall.instruments = line.instruments
    return line


def _resumed(settings: LineSettings, saved: bytes | None, recall: StoreRecall, committed: int) -> Line:
    state = unpack(saved, LineState) if saved is not None else None
    if state is not None and state.next_pos > committed:
        log.warning("tables lost, making them again from the tape", had=state.next_pos, have=committed)
        state = None
    if state is not None:
        _require_same(settings, state)
    return Line(settings, state, recall)


def _require_same(settings: LineSettings, state: LineState) -> None:
    now = settings.shape()
    if now != state.shape or state.kernel_version != KERNEL_VERSION:
        raise SettingsError(
            "the tables were made with other settings or by another version of the kernels "
            f"(then {state.shape.decode()}, version {state.kernel_version}; "
            f"now {now.decode()}, version {KERNEL_VERSION}); "
            "put the settings back, or run `barograph rebuild` to make all tables again from the tape"
        )


def _runs(
    reader: TapeReader, begin: int, end: int, stride: int, known: list[tuple[int, int]]
) -> Iterator[Records]:
    """Runs to commit: where commits are there already, exactly those; strides elsewhere."""
    for first, after in known:
        if first > begin:
            yield from reader.read(begin, min(first, end), max_records=stride)
        if after > end:
            raise TapeCorrupt(
                f"the tables hold a commit of records {first} to {after}, but the tape ends at {end}; "
                "put the missing segments back, or run `barograph rebuild`"
            )
        yield _joined(list(reader.read(first, after, max_records=after - first)))
        begin = after
    if begin < end:
        yield from reader.read(begin, end, max_records=stride)


def _joined(runs: list[Records]) -> Records:
    """Consecutive runs as one."""
    first = runs[0]
    if len(runs) == 1:
        return first
    return Records(
        first.first_pos,
        np.concatenate([run.recv_ns for run in runs]),
        np.concatenate([run.kind for run in runs]),
        np.concatenate([run.stream for run in runs]),
        runs[-1].streams,
        [payload for run in runs for payload in run.payloads],
    )


def _with_open_minutes(tables: dict[str, pa.Table], line: Line, run: Records) -> dict[str, pa.Table]:
    """The tables of a tape's last run, with the minutes that its end leaves open."""
    name = "market_microstructure"
    rows = [table for table in (tables.get(name), line.open_minutes(run)) if table is not None]
    return tables | {name: pa.concat_tables(rows)}
