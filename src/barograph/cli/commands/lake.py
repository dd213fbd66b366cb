"""``barograph lake seal | status``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_records
from barograph.cli.tables import lake_of

if TYPE_CHECKING:
    from barograph.store import Lake


def seal(*, all: bool = False, common: Options = DEFAULTS) -> None:
    """Write finished days as one sorted file each; other tools can then read them by a glob.

    Parameters
    ----------
    all
        Today too; its file is written again when more has come.
    """
    settings = common.settings()
    sealed = lake_of(settings).seal(all=all, grace_s=settings.lake.grace_s)
    rows = [
        {
            "table": each.table,
            "day": each.day.isoformat(),
            "rows": each.rows,
            "bytes": each.bytes,
        }
        for each in sealed
    ]
    write_records(rows, ["table", "day", "rows", "bytes"], common.form())
    if not rows:
        common.remark("nothing to seal" + ("" if all else "; --all seals today too"))


def status(*, common: Options = DEFAULTS) -> None:
    """Days of each table: hot or sealed, files, bytes, and rows with all their versions."""
    rows = list(table_days(lake_of(common.settings())))
    write_records(rows, ["table", "day", "state", "files", "bytes", "rows"], common.form())


def table_days(lake: Lake) -> Iterator[dict[str, Any]]:
    """One row for each table and day of the lake."""
    import pyarrow.parquet as pq

    from barograph.store import Scan
    from barograph.tables import TABLES

    for name in TABLES:
        for day in lake.days(Scan(name)):
            files = [part.path for part in day.parts] + ([day.sealed] if day.sealed else [])
            state = "sealed" if day.sealed and not day.parts else "hot" if not day.sealed else "sealed, hot"
            yield {
                "table": name,
                "day": day.day.isoformat(),
                "state": state,
                "files": len(files),
                "bytes": sum(file.stat().st_size for file in files),
                "rows": sum(pq.read_metadata(file).num_rows for file in files),
            }
