"""What ``barograph doctor`` looks at: each check gives findings, each finding its remedy."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from barograph.cli.finding import Finding
from barograph.disk import Lock
from barograph.errors import BarographError, StorageBusy

if TYPE_CHECKING:
    from barograph.settings import Settings

_LEAST_FREE = 1_000_000_000
_STALE_S = 3600.0


def examine(settings: Settings, *, deep: bool) -> Iterator[Finding]:
    """All checks of this machine and of the data directory."""
    yield _python()
    yield from _packages()
    yield from _variables()
    yield from _far_tables(settings)
    yield _space(settings.data_dir)
    if not settings.data_dir.is_dir():
        yield Finding("data", "note", f"there is no {settings.data_dir} yet", "barograph demo")
        return
    yield _tape(settings.data_dir / "tape", deep)
    yield from _tables(settings)
    yield from _simulated(settings)
    yield _leftovers(settings.data_dir)
    yield _locks(settings.data_dir)


def _python() -> Finding:
    version = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.maxsize < 2**32:
        return Finding(
            "python", "wrong", f"{version} is a 32-bit build", "install a 64-bit Python 3.11 or later"
        )
    return Finding("python", "ok", version)


def _packages() -> Iterator[Finding]:
    from barograph.cli.commands.version import PACKAGES, package_version

    missing = [name for name in PACKAGES if package_version(name) is None]
    if missing == ["numba"]:
        yield Finding(
            "packages",
            "note",
            "numba is missing: kernels run, but some hundred times slower",
            "pip install numba",
        )
    elif missing:
        names = " ".join(missing)
        yield Finding("packages", "wrong", f"missing: {names}", f"pip install {names}")
    else:
        yield Finding("packages", "ok", f"{len(PACKAGES)} found")


def _variables() -> Iterator[Finding]:
    from barograph.settings import RESERVED_NAMES

    unread = [name for name in RESERVED_NAMES if os.environ.get(name)]
    if unread:
        yield Finding("environment", "note", f"{', '.join(unread)} set, and not read by this version")


def _far_tables(settings: Settings) -> Iterator[Finding]:
    if settings.s3.use:
        origin = settings.origin("s3.use")
        yield Finding(
            "s3",
            "note",
            f"s3.use is set ({origin}): this version reads no tables in S3; the dashboard says so, "
            "all else goes on with the store of the settings",
            "barograph sync brings backups in S3 to this machine",
        )


def _space(data: Path) -> Finding:
    from barograph.recorder.live.disk import there

    place = there(data)
    free = shutil.disk_usage(place).free
    message = f"{free / 1e9:.1f} GB free at {place}"
    if free < _LEAST_FREE:
        return Finding("disk", "wrong", message, "free some space, or put data_dir on a larger disk")
    return Finding("disk", "ok", message)


def _tape(tape: Path, deep: bool) -> Finding:
    from barograph.tape import list_segments, verify

    if not tape.is_dir():
        return Finding(
            "tape", "note", f"there is no {tape} yet", "barograph record --feed sim, or barograph tape import"
        )
    try:
        segments = list_segments(tape)
        problems = verify(tape) if deep else []
    except BarographError as error:
        return Finding("tape", "wrong", str(error), "barograph tape verify")
    if problems:
        return Finding(
            "tape", "wrong", f"{len(problems)} problems: {problems[0].message}", "barograph tape verify"
        )
    records = sum(segment.records for segment in segments)
    checked = "every byte" if deep else "segments and indexes; --deep checks every byte"
    return Finding("tape", "ok", f"{records:,} records in {len(segments)} segments ({checked})")


def _tables(settings: Settings) -> Iterator[Finding]:
    """The tables, where they are, and how far they reach."""
    from barograph.cli.commands.status import tape_fields
    from barograph.store.opening import Location

    try:
        where = Location.of(settings)
    except BarographError as error:
        yield Finding("database", "wrong", str(error), "see the section [database] of the settings")
        return
    if where.address is None:
        findings = list(_lake(settings.data_dir))
    else:
        from barograph.cli.database_view import database_findings

        findings = list(database_findings(where))
    yield from findings
    if all(finding.state != "wrong" for finding in findings) and findings[0].state == "ok":
        try:
            with closing(where.open()) as store:
                reach, end = store.committed(), tape_fields(settings.data_dir / "tape")["end"]
        except (BarographError, OSError, ValueError) as error:
            yield Finding(
                "reach", "wrong", str(error), "barograph rebuild makes the tables again from the tape"
            )
            return
        yield from _reach(reach, end)


def _lake(data: Path) -> Iterator[Finding]:
    from barograph.cli.commands.lake import table_days
    from barograph.store import Lake

    if not (data / "lake").is_dir():
        yield Finding("lake", "note", "there are no tables yet", "barograph replay")
        return
    lake = Lake(data / "lake")
    try:
        days = list(table_days(lake))
        lake.committed()
    except (BarographError, OSError, ValueError) as error:
        yield Finding("lake", "wrong", str(error), "barograph rebuild makes the tables again from the tape")
        return
    yield Finding("lake", "ok", f"{sum(day['files'] for day in days):,} files can be read")


def _reach(reach: int, end: int) -> Iterator[Finding]:
    if reach > end:
        yield Finding(
            "reach",
            "wrong",
            f"the tables reach position {reach:,}, the tape ends at {end:,}",
            "put the missing segments back, or barograph rebuild",
        )
    elif reach < end:
        yield Finding(
            "reach", "note", f"the tables are {end - reach:,} records behind the tape", "barograph replay"
        )


def _simulated(settings: Settings) -> Iterator[Finding]:
    """The live simulated market, where it has been recorded: nobody should take it for a real one."""
    from barograph.recorder.live.courses import courses_at, read_courses

    path = courses_at(settings.data_dir)
    if not path.exists():
        return
    try:
        symbols = ", ".join(sorted(read_courses(path)))
    except BarographError as error:
        yield Finding("simulator", "wrong", str(error), "make it readable")
        return
    if symbols:
        yield Finding("simulator", "ok", f"venue sim is a simulated market: {symbols}")
    else:
        remedy = "harmless: its prices begin anew, and its numbers are new ones"
        yield Finding("simulator", "note", f"{path} cannot be understood", remedy)


def _leftovers(data: Path) -> Finding:
    """Files that a kill left half-written; whoever writes next clears its own away."""
    limit = time.time() - _STALE_S
    patterns = ("lake/.hot/tmp/*", "state/*.tmp", "state/rebuild", "tape/*.sealing")
    stale = [path for pattern in patterns for path in data.glob(pattern) if path.stat().st_mtime < limit]
    if stale:
        return Finding(
            "leftovers",
            "note",
            f"{len(stale)} left by something that was killed, the first {stale[0]}",
            "harmless; the next replay, rebuild or import clears its own away",
        )
    return Finding("leftovers", "ok", "none")


def _locks(data: Path) -> Finding:
    """Who writes at this moment; a lock that its holder let go of counts as nobody's."""
    locks = {
        data / "tape" / ".lock": "the tape is being written",
        data / "state" / "line.lock": "the tables are being written",
        data / "lake" / ".hot" / "commit.lock": "the lake is being committed to",
        data / "lake" / ".hot" / "seal.lock": "the lake is being sealed",
    }
    try:
        for path, held in locks.items():
            if path.exists():
                with Lock(path, held):
                    pass
    except StorageBusy as error:
        return Finding("locks", "note", str(error))
    return Finding("locks", "ok", "nobody is writing")
