"""``barograph backup run | due | list | verify | prune``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from barograph.cli.asking import agreed
from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_object, write_records
from barograph.cli.progress import progress, stages
from barograph.errors import DataError, UsageError

if TYPE_CHECKING:
    from barograph.vault.listing import Catalogue
    from barograph.vault.manifest import Manifest
    from barograph.vault.places import Place
    from barograph.vault.pruning import Going
    from barograph.vault.running import Made

_MADE = ["place", "kind", "id", "full", "from_pos", "next_pos", "rows", "files", "bytes", "seconds", "note"]
_LISTED = ["place", "kind", "id", "follows", "from_pos", "next_pos", "rows", "bytes", "whole", "problem"]
_GOING = ["place", "what", "why", "files", "bytes"]


def run(
    *,
    kind: Literal["auto", "hourly-raw", "daily", "weekly"] = "auto",
    to: str | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Make backups, on the place of the settings and, copied from there, on the remote one.

    hourly-raw: sealed segments of the tape that are not there yet. daily: what came into the tables since
    the backup before it. weekly: all of the tables. auto: what is due (barograph backup due), new tape,
    and then old backups go; for timers. Two runs at once: the second waits.

    Parameters
    ----------
    kind
        What to back up.
    to
        A directory or s3://bucket/prefix instead of the settings backup.to and backup.remote.
    """
    from barograph.vault.running import run as make

    settings = common.settings()
    with stages(quiet=common.quiet) as stage:
        done = make(settings, kind, to, stage=stage)
    write_records([_made(each) for each in done.made], _MADE, common.form())
    if not done.made and done.trouble is None:
        common.remark("nothing is due")
    for place, going in done.pruned:
        common.remark(f"{going.name} went from {place} ({going.why}, {going.bytes:,} bytes)")
    if done.trouble is not None:
        raise done.trouble
    if done.damaged:
        raise DataError(f"{len(done.damaged)} segments were left out; {done.damaged[0]}")


def _made(made: Made) -> dict[str, Any]:
    manifest = made.manifest
    rows = made.kind != "hourly-raw"
    return {
        "place": made.place,
        "kind": made.kind,
        "id": manifest.id if manifest else None,
        "full": manifest.full if manifest and rows else None,
        "from_pos": manifest.from_pos if manifest and rows else None,
        "next_pos": manifest.next_pos if manifest and rows else None,
        "rows": manifest.rows if manifest else 0,
        "files": len(manifest.contents) if manifest else 0,
        "bytes": _bytes(manifest) if manifest else 0,
        "seconds": round(made.seconds, 3),
        "note": made.note or None,
    }


def _bytes(manifest: Manifest) -> int:
    return sum(file.bytes for file in manifest.contents.values())


def due(*, to: str | None = None, common: Options = DEFAULTS) -> None:
    """Which backup of the tables is due now, by backup.daily_at, backup.zone and backup.market.

    Parameters
    ----------
    to
        A directory or s3://bucket/prefix instead of the setting backup.to.
    """
    from barograph.cli.times import iso_ns
    from barograph.clock import NS_PER_US
    from barograph.vault.running import due_now

    found = due_now(common.settings(), to)
    since, following = (
        None if us is None else iso_ns(us * NS_PER_US) for us in (found.since_us, found.next_us)
    )
    write_object({"due": found.kind, "since": since, "next": following}, as_json=common.json)


def list_(*, at: str | None = None, common: Options = DEFAULTS) -> None:
    """The backups: what they hold, and whether each could be restored.

    Parameters
    ----------
    at
        A directory or s3://bucket/prefix instead of the places of the settings.
    """
    from barograph.vault.listing import read_catalogue
    from barograph.vault.places import places

    rows: list[dict[str, Any]] = []
    for place in places(common.settings(), at):
        catalogue = read_catalogue(place.shelf)
        rows += _listed(place, catalogue)
        for folder in catalogue.unfinished:
            common.remark(f"{place}/{folder} is unfinished: no backup")
    write_records(rows, _LISTED, common.form())


def _listed(place: Place, catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    for each in catalogue.manifests:
        problem = catalogue.problem(each)
        rows = each.kind != "hourly-raw"
        yield {
            "place": str(place),
            "kind": each.kind,
            "id": each.id,
            "follows": each.follows,
            "from_pos": each.from_pos if rows else None,
            "next_pos": each.next_pos if rows else None,
            "rows": each.rows,
            "bytes": _bytes(each),
            "whole": not problem,
            "problem": problem or None,
        }
    for folder, problem in catalogue.damaged.items():
        kind, _, name = folder.partition("/")
        unknown = dict.fromkeys(_LISTED)
        known = {"place": str(place), "kind": kind, "id": name, "whole": False, "problem": problem}
        yield {**unknown, **known}


def verify(
    ids: Annotated[list[str] | None, Parameter(name="ID")] = None,
    /,
    *,
    at: str | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Read backups and check every byte, and that each can be restored. Exit code 4 when something is wrong.

    Parameters
    ----------
    ids
        Only these, with all that they go on from; everything when absent.
    at
        A directory or s3://bucket/prefix instead of the setting backup.to.
    """
    from barograph.vault.places import places
    from barograph.vault.verifying import verify as look

    settings = common.settings()
    place = places(settings, at)[0]
    with _undisturbed(settings.data_dir), progress("verifying", quiet=common.quiet) as report:
        found = look(place.shelf, ids or (), report)
    write_object(
        {
            "place": str(place),
            "sound": not found.problems,
            "backups": len(found.backups),
            "files": found.files,
            "bytes": found.bytes,
            "problems": [f"{name} {why}" for name, why in found.problems],
        },
        as_json=common.json,
    )
    if found.problems:
        raise DataError(
            f"{len(found.problems)} problems in the backups at {place}; take another one with "
            "`barograph backup run --kind weekly`, which needs none of these"
        )
    if not found.backups:
        common.remark(f"there are no backups at {place}")


def prune(
    *, at: str | None = None, dry_run: bool = False, yes: bool = False, common: Options = DEFAULTS
) -> None:
    """Remove backups older than backup.keep_local_days or keep_remote_days say.

    What a restore of a kept backup needs is never removed, nor the newest full backup.

    Parameters
    ----------
    at
        A directory or s3://bucket/prefix instead of the places of the settings.
    dry_run
        Only say what would go.
    yes
        Do not ask.
    """
    from barograph.vault.places import places
    from barograph.vault.pruning import prune as remove

    settings = common.settings()
    chosen = places(settings, at)
    with _undisturbed(settings.data_dir):
        plans = [(place, _plan(place)) for place in chosen]
        count, size = sum(len(going) for _, going in plans), sum(g.bytes for _, going in plans for g in going)
        if count and not dry_run:
            if not yes and not agreed(f"remove {count} backups, {size:,} bytes, for good?"):
                raise UsageError("nothing was removed; say --yes to remove without being asked")
            with stages(quiet=common.quiet) as stage:
                for place, going in plans:
                    remove(place.shelf, going, partial(stage, f"removing from {place}"))
    write_records([_gone(place, each) for place, going in plans for each in going], _GOING, common.form())
    if not count:
        common.remark("nothing is too old")
    elif dry_run:
        common.remark(f"{size:,} bytes would be freed; without --dry-run they go")


def _plan(place: Place) -> list[Going]:
    import time

    from barograph.vault.listing import read_catalogue
    from barograph.vault.pruning import plan

    return plan(read_catalogue(place.shelf), place.keep_days, time.time_ns() // 1_000)


def _gone(place: Place, going: Going) -> dict[str, Any]:
    return {
        "place": str(place),
        "what": going.name,
        "why": going.why,
        "files": len(going.items),
        "bytes": going.bytes,
    }


@contextmanager
def _undisturbed(data: Path) -> Iterator[None]:
    """Wait for a run on this machine to end; where nothing is recorded there is none."""
    from barograph.vault.running import locked

    if not (data / "state").is_dir():
        yield
        return
    with locked(data):
        yield
