"""``barograph sync``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_object
from barograph.cli.progress import stages
from barograph.cli.times import span_s
from barograph.errors import SettingsError

if TYPE_CHECKING:
    from barograph.settings import Settings
    from barograph.store.opening import Location
    from barograph.vault.sync import Synced

NOTHING_NEW, BEHIND = 10, 11


def sync(
    *,
    source: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    max_age: str = "26h",
    common: Options = DEFAULTS,
) -> int:
    """Bring the tables here up to the newest backup: what came since the last sync, and nothing twice.

    For the machine on which data is read, every day; a sync that was cut short goes on. Exit codes: 0
    something came, 10 nothing new, 11 the newest backup is older than --max-age, whether something came or
    not.

    Parameters
    ----------
    source
        Where the backups are, a directory or s3://bucket/prefix; the settings backup.remote or backup.to when
        absent.
    to
        A data directory, whose lake gets the rows, or a postgresql:// URL; the store of the settings when
        absent.
    max_age
        How old the newest backup may be: 26h, 3d.
    """
    from barograph.clock import SystemClock
    from barograph.vault.shelf import shelf_at
    from barograph.vault.state import state_file
    from barograph.vault.sync import sync as bring_up

    settings = common.settings()
    most_s = span_s(max_age, "--max-age")
    where, data = _place(settings, to)
    shelf = shelf_at(_source(settings, source))
    database = None if where.address is None else f"{where.address} {where.address.namespace}"
    file = state_file(data, "sync", database)
    with closing(where.open()) as store, stages(quiet=common.quiet) as stage:
        done = bring_up(shelf, store, data, file, SystemClock(), stage, common.remark)
        committed = store.committed()
    behind = done.age_s > most_s
    code = BEHIND if behind else 0 if done.came.backups else NOTHING_NEW
    write_object(
        {"from": str(shelf), "to": str(where), **_said(done, behind), "committed": committed},
        as_json=common.json,
    )
    if behind:
        common.remark(
            f"the newest backup, {done.newest}, is {done.age_s / 3600:.1f} hours old (--max-age {max_age}): "
            "look at the machine that records"
        )
    return code


def _place(settings: Settings, to: str | None) -> tuple[Location, Path]:
    from barograph.store.opening import Location

    where = Location.of(settings) if to is None else Location.at(to)
    return where, settings.data_dir if where.data is None else where.data


def _source(settings: Settings, source: str | None) -> str:
    found = source or settings.backup.remote or settings.backup.to
    if found is None:
        raise SettingsError("where are the backups? Say --from, or set backup.remote or backup.to")
    return found


def _said(done: Synced, behind: bool) -> dict[str, Any]:
    came = done.came
    return {
        "backups": came.backups,
        "rows": came.rows,
        "changed": came.changed,
        "files": came.files,
        "bytes": came.bytes,
        "seconds": round(came.seconds, 3),
        "newest": done.newest,
        "age_hours": round(done.age_s / 3600, 2),
        "behind": behind,
        "remark": done.why or None,
    }
