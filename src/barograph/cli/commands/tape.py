"""``barograph tape import | list | verify | cat | prune``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from barograph.cli.asking import agreed
from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write, write_object, write_records, write_stream
from barograph.cli.progress import progress
from barograph.cli.times import iso_ns
from barograph.errors import DataError, StorageBusy, UsageError

if TYPE_CHECKING:
    from barograph.recorder.live.retention import Pruned
    from barograph.records import Record, Records
    from barograph.settings import Settings
    from barograph.tape import ImportResult


def import_(
    files: Annotated[list[Path], Parameter(name="FILE", required=True)],
    /,
    *,
    feed: str,
    common: Options = DEFAULTS,
) -> None:
    """Put recordings made by others on the tape.

    A file that is on the tape already is not recorded twice. The tables follow with
    barograph replay.

    Parameters
    ----------
    files
        Recordings, plain or compressed (.gz).
    feed
        The venue that sent the frames; barograph feeds lists them.
    """
    from barograph.cli.taping import open_tape
    from barograph.feeds.registry import feed as find_feed
    from barograph.tape import import_recording

    name = find_feed(feed).name
    rows = []
    with open_tape(common.settings()) as tape:
        for file in files:
            with progress(f"importing {file.name}", quiet=common.quiet) as report:
                result = import_recording(tape, file, name, progress=report)
            for message in result.messages:
                common.remark(f"{file}: {message}")
            rows.append(_imported(file, result))
    write_records(rows, list(rows[0]), common.form())


def _imported(file: Path, result: ImportResult) -> dict[str, Any]:
    return {
        "file": str(file),
        "appended": result.appended,
        "already": result.already,
        "rejected_lines": result.rejected_lines,
        "skipped_lines": result.skipped_lines,
        "first_pos": result.first_pos,
        "next_pos": result.next_pos,
        "connection": result.stream.connection,
    }


def list_(*, common: Options = DEFAULTS) -> None:
    """The segments of the tape: their state, positions, times and sizes."""
    from barograph.tape import list_segments

    rows = [
        {
            "segment": segment.path.name,
            "state": segment.state,
            "first_pos": segment.first_pos,
            "records": segment.records,
            "bytes": segment.bytes,
            "payload_bytes": segment.payload_bytes,
            "first": iso_ns(segment.first_ns),
            "last": iso_ns(segment.last_ns),
            "feeds": " ".join(sorted({stream.feed for stream in segment.streams})),
        }
        for segment in list_segments(common.settings().data_dir / "tape")
    ]
    names = ["segment", "state", "first_pos", "records", "bytes", "payload_bytes", "first", "last", "feeds"]
    write_records(rows, names, common.form())


def verify(*, common: Options = DEFAULTS) -> None:
    """Read the whole tape and check every checksum, position and index. Exit code 4 when it is not sound."""
    from barograph.tape import verify as find_problems

    tape = common.settings().data_dir / "tape"
    with progress("verifying", quiet=common.quiet) as report:
        problems = find_problems(tape, progress=report)
    write_object(
        {
            "tape": str(tape),
            "sound": not problems,
            "problems": [f"{p.path.name} at byte {p.offset}: {p.message}" for p in problems],
        },
        as_json=common.json,
    )
    if problems:
        raise DataError(
            f"{len(problems)} problems on the tape {tape}; put back the segments from a copy. "
            "Records outside the damage can be read; 'barograph tape list' shows what is there"
        )


def cat(
    *,
    start: int = 0,
    stop: int | None = None,
    feed: str | None = None,
    kind: str | None = None,
    raw: bool = False,
    common: Options = DEFAULTS,
) -> None:
    """Print records: position, receipt time, kind, feed, connection and payload.

    Parameters
    ----------
    start
        First position.
    stop
        Position to stop before.
    feed
        Only records of this feed.
    kind
        Only this kind: frame, sent, open, close, rest, clock or config.
    raw
        Payloads only, each as it came, with a line end after it.
    """
    from barograph.tape import TapeReader

    reader = TapeReader(common.settings().data_dir / "tape")
    wanted = _kind_named(kind)
    records = (record for run in reader.read(start, stop) for record in _wanted(run, feed, wanted))
    if raw:
        for record in records:
            sys.stdout.buffer.write(record.payload + b"\n")
    elif common.json:
        write_stream(map(_fields, records))
    else:
        for record in records:
            write(" ".join(map(str, _fields(record).values())) + "\n")


def _kind_named(name: str | None) -> int | None:
    from barograph.records import Kind

    if name is None:
        return None
    if name.upper() not in Kind.__members__:
        kinds = ", ".join(kind.lower() for kind in Kind.__members__)
        raise UsageError(f"no records are of kind {name!r}; there are: {kinds}")
    return Kind[name.upper()]


def _wanted(run: Records, feed: str | None, kind: int | None) -> Iterator[Record]:
    for record in run:
        if (feed is None or record.stream.feed == feed) and (kind is None or record.kind == kind):
            yield record


def _fields(record: Record) -> dict[str, Any]:
    return {
        "pos": record.pos,
        "recv_ts": iso_ns(record.recv_ns),
        "kind": record.kind.name.lower(),
        "feed": record.stream.feed,
        "connection": record.stream.connection,
        "payload": record.payload.decode("utf-8", "backslashreplace"),
    }


def prune(
    *,
    keep_days: float | None = None,
    keep_gb: float | None = None,
    yes: bool = False,
    dry_run: bool = False,
    common: Options = DEFAULTS,
) -> None:
    """Delete the oldest sealed segments; without a flag, as the settings retention.* say.

    What the tables do not hold yet is never deleted, nor the newest segment. The tables
    are then the only copy of what is gone: barograph rebuild refuses from then on.

    Parameters
    ----------
    keep_days
        Delete segments whose newest record is older than this.
    keep_gb
        Delete the oldest while the whole tape is larger than this (GB of 10^9 bytes).
    yes
        Do not ask.
    dry_run
        Only say what would be deleted.
    """
    settings = common.settings()
    days = settings.retention.tape_days if keep_days is None else keep_days
    gb = settings.retention.tape_gb if keep_gb is None else keep_gb
    _require_limits(days, gb)
    with _no_rebuild(settings.data_dir):
        plan = _pruned(settings, days, gb, dry_run=True)
        if plan.segments and not dry_run:
            if not yes and not agreed(
                f"delete {len(plan.segments)} segments, {plan.bytes:,} bytes, for good?"
            ):
                raise UsageError("nothing was deleted; say --yes to delete without being asked")
            plan = _pruned(settings, days, gb, dry_run=False)
    fields = {
        "tape": str(settings.data_dir / "tape"),
        "deleted": [segment.path.name for segment in plan.segments],
        "bytes": plan.bytes,
        "begin": plan.begin,
        "kept_because": plan.kept_because or None,
    }
    write_object({"dry_run": True, **fields} if dry_run else fields, as_json=common.json)


def _require_limits(days: float | None, gb: float | None) -> None:
    if days is None and gb is None:
        raise UsageError(
            "nothing says how much to keep; say --keep-days or --keep-gb, "
            "or set retention.tape_days or retention.tape_gb"
        )
    for flag, limit in (("--keep-days", days), ("--keep-gb", gb)):
        if limit is not None and not limit > 0:
            raise UsageError(f"{flag} {limit:g} would delete everything; it must be above 0")


@contextmanager
def _no_rebuild(data: Path) -> Iterator[None]:
    """Keep a rebuild, which needs the whole tape, from running beside us."""
    from barograph.recorder.places import Places

    lock = Places.of(data).lock() if (data / "state").is_dir() else None
    try:
        if lock is not None:
            lock.acquire()
    except StorageBusy:
        # A recorder or a replay only goes forward; a rebuild is known by its folder.
        if (data / "state" / "rebuild").exists():
            raise
        lock = None
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _pruned(settings: Settings, days: float | None, gb: float | None, *, dry_run: bool) -> Pruned:
    from barograph.recorder.live.retention import held_position, prune
    from barograph.recorder.shaping import line_settings
    from barograph.store.opening import Location

    return prune(
        settings.data_dir / "tape",
        keep_days=days,
        keep_gb=gb,
        held_pos=held_position(settings.data_dir, line_settings(settings), Location.of(settings)),
        now_ns=time.time_ns(),
        dry_run=dry_run,
    )
