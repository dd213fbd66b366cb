"""``barograph restore``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from barograph.cli.options import DEFAULTS, Everywhere, Options
from barograph.cli.output import write_object
from barograph.cli.progress import stages
from barograph.cli.times import moment_us
from barograph.errors import DataError, UsageError

if TYPE_CHECKING:
    from barograph.settings import Settings
    from barograph.store.opening import Location
    from barograph.store.store import Absorbing
    from barograph.vault.comparing import Compared
    from barograph.vault.restore import Plan, Restored
    from barograph.vault.shelf import Shelf
    from barograph.vault.state import StateFile


def restore(
    *,
    source: Annotated[str, Parameter(name="--from")],
    to_time: str | None = None,
    into: Path | None = None,
    store: str | None = None,
    verify: bool = False,
    dry_run: bool = False,
    common: Options = DEFAULTS,
) -> None:
    """Bring everything back from backups: tables, tape and the recorder's state, as of a moment.

    Into an empty data directory, or an empty database whose tables `barograph db init` has made. A recorder
    or replay goes on from there. Every file is checked before its rows are taken. When it was cut short, the
    same command goes on.

    Parameters
    ----------
    source
        Where the backups are: a directory or s3://bucket/prefix.
    to_time
        The newest state at or before this moment, UTC: 2026-11-20 or 2026-11-20T10:30; the newest of all when
        absent.
    into
        The data directory to restore into; its lake gets the tables. That of the settings when absent.
    store
        A postgresql:// URL that gets the tables; tape and state go to the data directory.
    verify
        Afterwards compare all rows with the backups. A store that is not empty is only compared.
    dry_run
        Only say what would be restored.
    """
    from contextlib import closing

    from barograph.vault.restore import plan_restore
    from barograph.vault.shelf import shelf_at
    from barograph.vault.state import state_file

    settings = common.settings()
    until_us = moment_us(to_time, "--to-time")
    where, data = _place(settings, into, store)
    shelf = shelf_at(source)
    if dry_run:
        write_object({"dry_run": True, **_planned(plan_restore(shelf, until_us))}, as_json=common.json)
        return
    said: dict[str, Any] = {"from": str(shelf), "into": str(data), "store": str(where)}
    file = state_file(data, "restore", _database(where))
    with closing(where.open()) as opened:
        if not (verify and file.load() is None and opened.lineage()):
            plan = plan_restore(shelf, until_us)
            for folder in plan.left_out:
                common.remark(f"{folder} has no manifest and is left out: it was interrupted, or is damaged")
            said |= _restored(_restore(shelf, plan, opened, data, file, common))
        compared = _verified(shelf, opened, until_us, file, common) if verify else []
    if verify:
        said["verified"] = {each.table: each.rows for each in compared}
    write_object(said, as_json=common.json)
    _require_equal(compared)


def _require_equal(compared: list[Compared]) -> None:
    wrong = [each for each in compared if not each.equal]
    if wrong:
        raise DataError(
            "; ".join(
                f"{each.table}: {each.rows_stored:,} rows with sum {each.sha256_stored[:12]}, in the backups "
                f"{each.rows:,} with {each.sha256[:12]}"
                for each in wrong
            )
            + "; restore into an empty place and compare again"
        )


def _place(settings: Settings, into: Path | None, store: str | None) -> tuple[Location, Path]:
    from barograph.store.opening import Location

    data = settings.data_dir if into is None else into
    if store is not None:
        if "://" not in store:
            raise UsageError(
                f"--store {store!r} is no postgresql:// URL; a data directory is given by --into"
            )
        return Location.at(store), data
    return (Location.of(settings) if into is None else Location.at(into)), data


def _database(where: Location) -> str | None:
    return None if where.address is None else f"{where.address} {where.address.namespace}"


def _restore(
    shelf: Shelf, plan: Plan, store: Absorbing, data: Path, file: StateFile, common: Everywhere
) -> Restored:
    from barograph.clock import SystemClock
    from barograph.vault.restore import restore as bring_back

    with stages(quiet=common.quiet) as stage:
        return bring_back(shelf, plan, store, data, file, SystemClock(), stage)


def _verified(
    shelf: Shelf, store: Absorbing, until_us: int | None, file: StateFile, common: Everywhere
) -> list[Compared]:
    from barograph.vault.comparing import comparable, compare
    from barograph.vault.listing import read_catalogue

    catalogue = read_catalogue(shelf)
    chain = catalogue.chain(comparable(catalogue, store, until_us))
    with stages(quiet=common.quiet) as stage:
        try:
            return compare(shelf, chain, store, file.folder, stage)
        finally:
            import shutil

            shutil.rmtree(file.folder, ignore_errors=True)


def _planned(plan: Plan) -> dict[str, Any]:
    return {
        "backups": [each.folder for each in plan.chain],
        "moment": plan.last.id,
        "rows": sum(each.rows for each in plan.chain),
        "next_pos": plan.last.next_pos,
        "segments": len(plan.tape),
        "bytes": plan.bytes,
        "left_out": list(plan.left_out),
    }


def _restored(done: Restored) -> dict[str, Any]:
    came = done.came
    return {
        **_planned(done.plan),
        "rows": came.rows,
        "bytes": came.bytes,
        "seconds": round(came.seconds, 3),
        "tape": {"begin": done.tape.begin, "end": done.tape.end},
        "tape_begins_anew": done.tape.begins_anew,
    }
