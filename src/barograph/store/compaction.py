"""Many small hot parts merged into few larger ones while a day is still being written.

A live recorder commits every quarter of a second: 345,600 parts a day and table. They are
merged in tiers by size: where :data:`FAN_IN` neighbours are about equally large, one part
with the rows of all of them, in the tape's order, takes their place. A row is so rewritten
a few times a day, and a day has some tens of parts whatever its commits were.

The merged part is named by the positions that it covers. It is complete and durable when
it gets its name; from then on the reading rule leaves out the parts that lie within it,
and these are deleted after a grace time. A crash at any point therefore leaves a lake in
which each row counts once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from barograph.disk import Lock, sync_directory
from barograph.errors import BarographError, StorageBusy
from barograph.store import durable
from barograph.store.commits import committed
from barograph.store.layout import (
    Part,
    arrange_lock,
    commit_log,
    hot_days,
    hot_folder,
    names_in,
    nested,
    part_path,
    parts,
    sealed_path,
    temporary_folder,
)
from barograph.store.parquet import HOT_LEVEL, write
from barograph.store.reading import footer_at
from barograph.store.runs import SortedFile
from barograph.store.selection import Selection
from barograph.tables import TABLES, Table

FAN_IN = 8
"""Neighbours of one tier that are merged. Few files to read against rows rewritten: at 8, a
row of a live day is written 4 to 5 times and a table has about 25 parts, at most 60."""

SMALL_BYTES = 32 * 1024
"""Parts up to this size are of the lowest tier, each next tier is :data:`FAN_IN` times larger."""

FULL_BYTES = 8 * 1024 * 1024
"""Parts from this size on (about half a million ticks) are left as they are: to rewrite them again and
again would cost a recorder of tens of thousands of frames a second more than it saves its readers."""

WORK_BYTES = 2 * FULL_BYTES
"""So much is read by one call of :func:`compact`, about; what is left waits for the next one."""

_MOST_INPUTS = 512
_MOST_DELETED = 4_096
_BATCH_ROWS = 16_384


class Compacted(NamedTuple):
    """What one call did: parts merged, parts made of them, bytes of those, old parts deleted."""

    merged: int = 0
    made: int = 0
    bytes: int = 0
    deleted: int = 0


class _Sized(NamedTuple):
    part: Part
    bytes: int


@contextmanager
def arranging(root: Path, table: Table, wait_s: float) -> Iterator[None]:
    """The right to rearrange a table's hot parts, which sealing and compaction take in turn.

    Raises:
        StorageBusy: another one still has it after ``wait_s`` seconds.
    """
    lock = Lock(arrange_lock(root, table), f"the hot parts of {table.name} are being rearranged")
    lock.acquire(wait_s)
    try:
        yield
    finally:
        lock.release()


def compact(root: Path, before_s: float) -> Compacted:
    """Merge what is due and delete what was merged before ``before_s`` (seconds since 1970).

    A table whose parts are being sealed is left alone until the next call. What is wrong with
    one table does not keep the others from being compacted; it is raised at the end.
    """
    done = Compacted()
    wrong: list[BarographError] = []
    for table in TABLES.values():
        days = hot_days(root, table)
        if not days:
            continue
        try:
            with arranging(root, table, wait_s=0.0):
                for day in days:
                    done = _compact_day(root, table, day, before_s, done)
        except (StorageBusy, FileNotFoundError):
            continue  # it is being sealed, or somebody takes its files away
        except BarographError as error:
            wrong.append(error)
    if done.made:
        let_go()
    if wrong:
        raise wrong[0]
    return done


def let_go() -> None:
    """Give memory back to the system that Arrow keeps for the next time: there is none for a while."""
    pa.default_memory_pool().release_unused()


def delete_merged(root: Path, table: Table, day: date, before_s: float) -> int:
    """Delete parts that lie within one made before ``before_s``; how many, thousands at most.

    The caller has the right to rearrange the table.
    """
    folder = hot_folder(root, table, day)
    inner = nested(names_in(folder))[1]
    made_s = {around: (folder / around).stat().st_mtime for around in {around for _, around in inner}}
    doomed = [name for name, around in inner if made_s[around] < before_s][:_MOST_DELETED]
    for name in doomed:
        (folder / name).unlink(missing_ok=True)
    return len(doomed)


def due(sizes: Sequence[int]) -> tuple[int, int] | None:
    """Which parts to merge next, as a slice of ``sizes``, which are in the tape's order; None if none.

    A part counts as of the highest tier among it and those after it, so that a small one
    between large ones goes with them. The newest (smallest) tier that is full comes first.

    >>> due([40_000] * 9 + [900] * 8), due([900] * 7)
    ((9, 17), None)
    """
    stop = len(sizes)
    highest = 0
    for index in range(len(sizes) - 1, -2, -1):
        full = index < 0 or sizes[index] >= FULL_BYTES
        tier = -1 if full else max(highest, _tier(sizes[index]))
        if full or tier > highest:
            if stop - index - 1 >= FAN_IN:
                return _bounded(sizes, index + 1, stop)
            stop = index if full else index + 1
            highest = 0 if full else tier
    return None


def _tier(size: int) -> int:
    tier = 0
    while size > SMALL_BYTES:
        size //= FAN_IN
        tier += 1
    return tier


def _bounded(sizes: Sequence[int], start: int, stop: int) -> tuple[int, int]:
    """As many from ``start`` on as may be merged at once, two at least."""
    total = 0
    for index in range(start, min(stop, start + _MOST_INPUTS)):
        total += sizes[index]
        if total >= FULL_BYTES:
            return start, max(index + 1, start + 2)
    return start, min(stop, start + _MOST_INPUTS)


def _compact_day(root: Path, table: Table, day: date, before_s: float, done: Compacted) -> Compacted:
    with durable.storage_errors("compacting", root):
        deleted = delete_merged(root, table, day, before_s)
        done = done._replace(deleted=done.deleted + deleted)
        here = _open_parts(root, table, day)
        while done.bytes < WORK_BYTES:
            chosen = due([each.bytes for each in here])
            if chosen is None:
                break
            start, stop = chosen
            inputs = here[start:stop]
            made = merge_parts(root, table, day, [each.part for each in inputs])
            here[start:stop] = [made]
            done = Compacted(done.merged + len(inputs), done.made + 1, done.bytes + made.bytes, done.deleted)
    return done


def _open_parts(root: Path, table: Table, day: date) -> list[_Sized]:
    """The committed parts of a day that are in no sealed file and in no larger part, and their sizes."""
    limit = committed(commit_log(root))
    sealed = sealed_path(root, table, day)
    upto_pos = footer_at(sealed, table).upto_pos if sealed.exists() else 0
    here = [part for part in parts(root, table, day) if upto_pos < part.next_pos <= limit]
    return [_Sized(part, _size(part)) for part in here]


def _size(part: Part) -> int:
    # A part of no records lies in none, so it must not be merged.
    return part.path.stat().st_size if part.first_pos < part.next_pos else FULL_BYTES


def merge_parts(root: Path, table: Table, day: date, inputs: Sequence[Part]) -> _Sized:
    """One part with the rows of neighbouring ``inputs``, in the tape's order, durably in place.

    Memory is bounded by two row groups, whatever the parts' sizes.
    """
    first_pos, next_pos = inputs[0].first_pos, max(part.next_pos for part in inputs)
    target = part_path(root, table, day, first_pos, next_pos)
    path = durable.temporary(temporary_folder(root), target.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(path, table, HOT_LEVEL, 0, _rows(table, inputs))
        size = path.stat().st_size
        durable.publish(path, target)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)
    return _Sized(Part(first_pos, next_pos, target), size)


def _rows(table: Table, inputs: Sequence[Part]) -> Iterator[pa.Table]:
    wanted = Selection.everything(table)
    for part in inputs:
        yield from SortedFile(part.path, table).blocks(wanted, _BATCH_ROWS)
