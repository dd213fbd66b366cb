"""``barograph status``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from barograph.cli.commands.lake import table_days
from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_object
from barograph.cli.times import iso_ns
from barograph.errors import DataError


def status(*, common: Options = DEFAULTS) -> None:
    """What the data directory holds: the tape, how far the tables reach, and each table."""
    data = common.settings().data_dir
    if not data.is_dir():
        raise DataError(f"there is no data directory {data}; 'barograph demo' makes one")
    tape = tape_fields(data / "tape")
    tables = _table_fields(data / "lake")
    reach = tables.pop("reach")
    fields = {
        "data": str(data),
        "tape": tape,
        "tables_reach": reach,
        "records_behind": max(tape["end"] - reach, 0),
        **tables,
    }
    write_object(fields, as_json=common.json)
    if fields["records_behind"]:
        common.remark("the tables are behind the tape; 'barograph replay' brings them up")


def tape_fields(tape: Path) -> dict[str, Any]:
    """The tape in numbers; all zero where there is none."""
    from barograph.tape import list_segments

    segments = list_segments(tape) if tape.is_dir() else []
    times = [(s.first_ns, s.last_ns) for s in segments if s.first_ns is not None and s.last_ns is not None]
    return {
        "begin": segments[0].first_pos if segments else 0,
        "end": segments[-1].next_pos if segments else 0,
        "segments": len(segments),
        "bytes": sum(segment.bytes for segment in segments),
        "first": iso_ns(min(first for first, _ in times)) if times else None,
        "last": iso_ns(max(last for _, last in times)) if times else None,
        "feeds": sorted({stream.feed for segment in segments for stream in segment.streams}),
    }


def _table_fields(lake: Path) -> dict[str, Any]:
    """How far the tables reach, and days, files, bytes and rows of each."""
    if not lake.is_dir():
        return {"reach": 0}
    from barograph.store import Lake

    store = Lake(lake)
    fields: dict[str, Any] = {"reach": store.committed()}
    for day in table_days(store):
        table = fields.setdefault(day["table"], {"days": 0, "files": 0, "bytes": 0, "rows": 0})
        table["days"] += 1
        for name in ("files", "bytes", "rows"):
            table[name] += day[name]
    return fields
