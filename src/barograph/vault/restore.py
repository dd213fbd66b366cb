"""Everything back from backups: tables, tape and the line's state, as of a moment.

The tables come first, then the segments of tape, the checkpoint last: a recorder or replay that starts then
goes on where the backup was taken, and makes from the tape what the tables lack. Until all is back the
store refuses to be recorded into. A restore that was cut short goes on when it is run again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from barograph.clock import Clock
from barograph.errors import DataError, UsageError
from barograph.log import get_logger
from barograph.store.durable import storage_errors
from barograph.store.store import Absorbing
from barograph.tape.segments import segment_files
from barograph.vault.chain import restorable, unfinished_after
from barograph.vault.checkpoint import checkpoint_path
from barograph.vault.going_on import Tape, put_checkpoint, put_tape
from barograph.vault.listing import read_catalogue
from barograph.vault.manifest import File, Manifest, moment_id
from barograph.vault.shelf import Shelf
from barograph.vault.state import State, StateFile
from barograph.vault.taking import Came, Report, Taker, require_known

log = get_logger()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore takes.

    Attributes:
        chain: a full backup and those that follow it.
        tape: segments, ascending.
        left_out: newer folders of backups that have no manifest: interrupted, or damaged.
    """

    chain: tuple[Manifest, ...]
    tape: tuple[File, ...]
    left_out: tuple[str, ...]

    @property
    def last(self) -> Manifest:
        """The backup whose state is restored."""
        return self.chain[-1]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.bytes for each in self.chain for file in each.files) + sum(
            file.bytes for file in self.tape
        )


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did; see :class:`~barograph.vault.going_on.Tape` for the tape."""

    plan: Plan
    came: Came
    tape: Tape


def plan_restore(shelf: Shelf, until_us: int | None = None) -> Plan:
    """What a restore to a moment (now, when None) takes.

    Raises:
        DataError: there is no full backup up to then, or something of it is missing or of a newer version.
    """
    catalogue = read_catalogue(shelf)
    chain = restorable(catalogue, until_us)
    for each in chain:
        require_known(each)
    limit = moment_id(until_us) if until_us is not None else None
    hourly = [each for each in catalogue.manifests if each.kind == "hourly-raw"]
    wanted = [each for each in hourly if limit is None or each.id <= limit]
    segments = {file.path: file for each in wanted for file in each.tape}
    lost = [path for path, file in segments.items() if not catalogue.has(path, file.bytes)]
    if lost:
        raise DataError(
            f"{shelf}/{lost[0]} is missing or cut off, though a backup names it; bring it from another "
            "copy, or restore to a moment before it (--to-time)"
        )
    for folder, why in catalogue.damaged.items():
        moment = folder.partition("/")[2]
        if folder.startswith("hourly-raw") and (limit is None or moment <= limit):
            raise DataError(f"{why}; restore to a moment before it (--to-time), or take that folder away")
    tape = tuple(segments[path] for path in sorted(segments))
    return Plan(chain, tape, unfinished_after(catalogue, chain) + _lost_hours(catalogue.unfinished))


def _lost_hours(folders: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in folders if each.startswith("hourly-raw"))


def restore(
    shelf: Shelf,
    plan: Plan,
    store: Absorbing,
    data: Path,
    file: StateFile,
    clock: Clock,
    report: Report,
) -> Restored:
    """Carry ``plan`` out into an empty store and data directory, or go on with it.

    Raises:
        UsageError: the store or the tape is not empty, or another restore into it was begun.
        DataError: a file is not what its manifest says.
        StorageError: the shelf, the disk or the server said no; run the same again.
    """
    with file.lock:
        state = _begun(file, plan, store, data)
        taker = Taker(shelf, store, data, state, file, report, plan.bytes)
        for each in plan.chain:
            # Ids ascend along a chain: what was finished before a kill is not taken again.
            if each.id > state.last:
                taker.take(each)
                taker.finish(each)
        last = plan.last
        store.take_over(last.lineage, last.commits or ((0, last.next_pos),))
        checkpoint = None
        if last.checkpoint is not None:
            path = taker.whole(f"{last.folder}/{last.checkpoint.path}", last.checkpoint)
            checkpoint = path.read_bytes()
        tape = put_tape(data / "tape", plan.tape, last, taker.whole, clock)
        if checkpoint is not None:
            put_checkpoint(data, checkpoint, last.next_pos if tape.begins_anew else None)
        _ended(file)
        log.info("restored", backup=last.folder, data=str(data), next_pos=last.next_pos)
        return Restored(plan, taker.came, tape)


def _begun(file: StateFile, plan: Plan, store: Absorbing, data: Path) -> State:
    """The state to go on from.

    Raises:
        UsageError: something is there that this restore has not put there.
    """
    known = file.load()
    if known is not None:
        if known.source != plan.last.folder:
            raise UsageError(
                f"a restore of {known.source} into {data} was begun and not finished; finish it "
                "(--to-time its moment), or take an empty data directory or database"
            )
        return known
    if store.lineage() or store.committed():
        raise UsageError(
            f"the store is not empty: it holds rows up to position {store.committed()}. Restore into another "
            "data directory (--into) or an empty database (--store); to bring a copy up to date, use "
            "`barograph sync`"
        )
    if (data / "tape").exists() and segment_files(data / "tape"):
        raise UsageError(f"there is a tape at {data / 'tape'}; restore into an empty data directory (--into)")
    if checkpoint_path(data).exists():
        raise UsageError(f"there is {checkpoint_path(data)}; restore into an empty data directory (--into)")
    state = State(source=plan.last.folder, lineage=plan.last.lineage)
    with storage_errors("making", file.path.parent):
        file.path.parent.mkdir(parents=True, exist_ok=True)
    file.save(state)
    return state


def _ended(file: StateFile) -> None:
    import shutil

    shutil.rmtree(file.folder, ignore_errors=True)
    file.path.unlink()
