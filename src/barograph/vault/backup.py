"""Making one backup of the tables: what is new since the one before, or everything.

A backup is of one moment: all tables are read in one snapshot of the store. What is new is told by the
tape position that a row was made from, so revisions of older days and rows that were taken back come along.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from barograph.clock import US_PER_S, Clock
from barograph.errors import DataError, StorageBusy
from barograph.log import get_logger
from barograph.store.store import Reader, Scan, Store
from barograph.tables import COMPLETED_TRADES, SCHEMA_VERSION, TABLES
from barograph.vault.checkpoint import Checkpoint, read_checkpoint
from barograph.vault.listing import Catalogue, read_catalogue
from barograph.vault.manifest import Manifest, OwnTable, encoded, moment_id, moment_us
from barograph.vault.own import Joined, own_reader, stretch
from barograph.vault.shelf import Shelf
from barograph.vault.trades import completed_trades
from barograph.vault.unfinished import noted
from barograph.vault.writing import Writer, Wrote

if TYPE_CHECKING:
    import pyarrow as pa

_ATTEMPTS = 5
_LOOK_BACK = 4_096

log = get_logger()


@dataclass(frozen=True, slots=True)
class Source:
    """What is backed up.

    Attributes:
        data: the data directory, which holds the checkpoint and completed trades.
        joined: users' own tables.
        zone: in which their days begin.
    """

    data: Path
    store: Store
    joined: tuple[Joined, ...]
    zone: ZoneInfo


def back_up(
    source: Source, shelf: Shelf, kind: Literal["daily", "weekly"], clock: Clock, wrote: Wrote
) -> Manifest:
    """Make a backup of the tables on ``shelf``; its manifest, which is there when this returns.

    A daily has what came after the newest backup of the same content (lineage) on that shelf that can
    be restored; when there is none, everything. A weekly has everything.

    Args:
        wrote: told of each file.

    Raises:
        DataError: the store holds nothing yet.
        StorageError: the store or the shelf said no; nothing is visible of it.
        SettingsError: users' own tables that cannot be read.
    """
    catalogue = read_catalogue(shelf)
    with _snapshot(source) as (reader, checkpoint):
        now_us = clock.now_ns() // 1_000
        base = _base(catalogue, reader) if kind == "daily" else None
        begun = Manifest(
            kind=kind,
            id=_free_id(catalogue, now_us),
            made_by=_version(),
            schema_version=SCHEMA_VERSION,
            lineage=reader.lineage(),
            from_pos=base.next_pos if base else 0,
            next_pos=reader.committed(),
            follows=base.id if base else None,
            commits=commits_from(reader, checkpoint.next_pos if checkpoint else 0),
        )
        with noted(source.data, shelf, begun.folder) as scratch:
            writer = Writer(shelf, begun.folder, scratch, wrote)
            _write_tables(writer, reader, begun, completed_trades(reader, source.data))
            own = _write_own(writer, source, reader, base, now_us)
            saved = writer.whole("checkpoint", checkpoint.raw) if checkpoint else None
            made = _completed(begun, writer, own, saved)
            shelf.put_bytes(made.path, encoded(made))
    log.info("backed up", shelf=str(shelf), backup=made.folder, rows=made.rows, full=made.full)
    return made


def commits_from(reader: Reader, after: int) -> tuple[tuple[int, int], ...]:
    """The store's commits from position ``after`` on, ending at what is committed.

    When there are none the last one before is given, since it says how far the store is.
    """
    committed, back = reader.committed(), _LOOK_BACK
    found = reader.commits(after)
    while not found and after:
        after, back = max(committed - back, 0), back * 8
        found = reader.commits(after)[-1:]
    return tuple(found)


@contextmanager
def _snapshot(source: Source) -> Iterator[tuple[Reader, Checkpoint | None]]:
    """One state of the store, and a checkpoint that is not ahead of it.

    The checkpoint is read first, as the recorder replaces it at any time; the lineage is compared, as a
    rebuild replaces everything.
    """
    for _ in range(_ATTEMPTS):
        lineage, checkpoint = source.store.lineage(), read_checkpoint(source.data)
        with source.store.snapshot() as reader:
            if reader.lineage() != lineage:
                continue
            if not lineage:
                raise DataError("the tables hold nothing yet; record or replay something, then take a backup")
            if checkpoint and checkpoint.next_pos > reader.committed():
                log.warning(
                    "the checkpoint is ahead of the tables and is left out of the backup",
                    checkpoint=checkpoint.next_pos,
                    committed=reader.committed(),
                )
                checkpoint = None
            yield reader, checkpoint
            return
    raise StorageBusy("the tables are being replaced by a rebuild; take the backup when it has ended")


def _base(catalogue: Catalogue, reader: Reader) -> Manifest | None:
    """The backup to go on from: the one of this content that reaches furthest and can be restored."""
    same = [each for each in catalogue.of_rows if each.lineage == reader.lineage()]
    for each in sorted(same, key=lambda each: (each.next_pos, each.id), reverse=True):
        if not catalogue.problem(each) and _is_past_of(reader, each):
            return each
    return None


def _is_past_of(reader: Reader, base: Manifest) -> bool:
    """Whether the store has made the commit that ``base`` ends with.

    A store that was restored to an earlier moment, and then recorded something else, has not.
    """
    if base.next_pos > reader.committed() or not base.commits:
        return False
    last = base.commits[-1]
    return next((each for each in reader.commits(last[0]) if each == last), None) is not None


def _free_id(catalogue: Catalogue, now_us: int) -> str:
    """The moment's id, or that of the first second after it that no backup has."""
    taken = {path.split("/")[1] for path in catalogue.items if path.count("/") > 1}
    while (id_ := moment_id(now_us)) in taken:
        now_us += US_PER_S
    return id_


def _write_tables(writer: Writer, reader: Reader, begun: Manifest, trades: Iterator[pa.RecordBatch]) -> None:
    from_pos = begun.from_pos if begun.follows is not None else None
    for name, table in TABLES.items():
        rows = reader.scan(Scan(name, from_pos=from_pos, withdrawn=True))
        writer.table(table, rows, begun.next_pos)
    # All of them each time: no position of the tape tells which are new, and they are few.
    writer.table(COMPLETED_TRADES, trades, begun.next_pos)


def _write_own(
    writer: Writer, source: Source, reader: Reader, base: Manifest | None, now_us: int
) -> tuple[OwnTable, ...]:
    found = []
    for name, column in source.joined:
        # A table that has joined since the backup before comes whole.
        known = base is not None and name in {each.name for each in base.own}
        since, until = stretch(moment_us(base.id) if base and known else None, now_us, source.zone)
        own, rows = own_reader(reader).rows_of(name, column, since, until)
        writer.own(name, iter(rows))
        found.append(own)
    return tuple(found)


def _completed(begun: Manifest, writer: Writer, own: tuple[OwnTable, ...], saved: object) -> Manifest:
    import msgspec

    return msgspec.structs.replace(begun, files=tuple(writer.files), own=own, checkpoint=saved)


def _version() -> str:
    from barograph import __version__

    return __version__
