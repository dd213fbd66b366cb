"""Taking the line up again where a process left it: its places on disk, its checkpoint, its commits.

A replay and the live process begin alike. The line goes back to its last checkpoint; the
store has seen more since, in commits named by tape positions; the line makes those runs
again, cut at the same places, and finds them there already.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pyarrow as pa

from barograph.bars import KERNEL_VERSION
from barograph.errors import SettingsError, TapeCorrupt
from barograph.log import get_logger
from barograph.recorder.checkpoint import Checkpoints
from barograph.recorder.line import Line, LineState
from barograph.recorder.places import Places
from barograph.recorder.recall import StoreRecall
from barograph.recorder.shaping import LineSettings
from barograph.records import Records
from barograph.snapshot import unpack
from barograph.tape import TapeReader

log = get_logger()


def resume(settings: LineSettings, places: Places, recall: StoreRecall, committed: int) -> Line:
    """The line as its checkpoint left it; at the tape's beginning if the store lacks what that counts on.

    Raises:
        SettingsError: the checkpoint is of another version, or was made with other settings.
    """
    checkpoints = Checkpoints(places.state)
    saved = checkpoints.load()
    try:
        line = _resumed(settings, saved, recall, committed, places)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"{checkpoints.path} was written by another version of Barograph ({error}); "
            "run `barograph rebuild` to make all tables again from the tape"
        ) from error
    recall.instruments = line.instruments
    return line


def _resumed(
    settings: LineSettings,
    saved: bytes | None,
    recall: StoreRecall,
    committed: int,
    places: Places,
) -> Line:
    state = unpack(saved, LineState) if saved is not None else None
    if state is not None and state.next_pos > committed:
        log.warning("tables lost, making them again from the tape", had=state.next_pos, have=committed)
        state = None
    if state is not None:
        _require_same(settings, state)
    return Line(settings, state, recall, places.calendar, places.models.rule)


def _require_same(settings: LineSettings, state: LineState) -> None:
    now = settings.shape()
    if now != state.shape or state.kernel_version != KERNEL_VERSION:
        raise SettingsError(
            "the tables were made with other settings or by another version of the kernels "
            f"(then {state.shape.decode()}, version {state.kernel_version}; "
            f"now {now.decode()}, version {KERNEL_VERSION}); "
            "put the settings back, or run `barograph rebuild` to make all tables again from the tape"
        )


def runs(
    reader: TapeReader, begin: int, end: int, stride: int, known: list[tuple[int, int]]
) -> Iterator[Records]:
    """Runs to commit: where commits are there already, exactly those; strides elsewhere.

    Raises:
        TapeCorrupt: the tape ends before a commit does.
    """
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


def _joined(parts: list[Records]) -> Records:
    """Consecutive runs as one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return Records(
        first.first_pos,
        np.concatenate([run.recv_ns for run in parts]),
        np.concatenate([run.kind for run in parts]),
        np.concatenate([run.stream for run in parts]),
        parts[-1].streams,
        [payload for run in parts for payload in run.payloads],
    )


def with_open_minutes(tables: dict[str, pa.Table], line: Line, run: Records) -> dict[str, pa.Table]:
    """The tables of a tape's last run, with the minutes that its end leaves open."""
    name = "market_microstructure"
    rows = [table for table in (tables.get(name), line.open_minutes(run)) if table is not None]
    return tables | {name: pa.concat_tables(rows)}
