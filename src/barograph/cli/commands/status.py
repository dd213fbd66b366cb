"""``barograph status``."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barograph.cli.commands.lake import table_days
from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import encode, write, write_object
from barograph.cli.times import iso_ns
from barograph.errors import DataError

if TYPE_CHECKING:
    from barograph.recorder.live.statusfile import Reading
    from barograph.settings import Settings

EVERY_S = 1.0


def status(*, watch: bool = False, common: Options = DEFAULTS) -> None:
    """What the data directory holds, and how the recorder does that writes it.

    Messages a second, gaps and problems of each feed, how far the tables reach, what waits,
    and when the disk will be full. Without a recorder: what is there, and when it last ran.

    Parameters
    ----------
    watch
        Look at the recorder again each second, until interrupted; one line a feed in a pipe.
    """
    settings = common.settings()
    data = settings.data_dir
    if not data.is_dir():
        raise DataError(f"there is no data directory {data}; 'barograph demo' makes one")
    if watch:
        _watch(data, as_json=common.json)
        return
    reading = _reading(data)
    fields = _fields(settings, reading)
    behind = fields["records_behind"]
    if common.json:
        write_object(fields, as_json=True)
    else:
        _write_text(fields, reading, data)
    if behind and not _runs(reading):
        common.remark("the tables are behind the tape; 'barograph replay' brings them up")


def _fields(settings: Settings, reading: Reading | None) -> dict[str, Any]:
    from barograph.cli.house_view import house_fields
    from barograph.cli.status_view import as_fields, disk_fields
    from barograph.supervising.statefile import read_state

    data = settings.data_dir
    tape = tape_fields(data / "tape")
    tables = _table_fields(settings)
    reach = tables.pop("reach")
    free = shutil.disk_usage(data).free
    return {
        "data": str(data),
        "tape": tape,
        "tables_reach": reach,
        "records_behind": None if reach is None else max(tape["end"] - reach, 0),
        "disk": disk_fields(free, reading.status if reading is not None else None),
        "recorder": as_fields(reading),
        "house": house_fields(read_state(data), time.time_ns()),
        **tables,
    }


def _write_text(fields: dict[str, Any], reading: Reading | None, data: Path) -> None:
    from barograph.cli.house_view import house_text
    from barograph.cli.status_view import as_text
    from barograph.supervising.statefile import read_state

    own = ("recorder", "house")
    write_object({name: value for name, value in fields.items() if name not in own}, as_json=False)
    write("\n" + as_text(reading))
    house = house_text(read_state(data), time.time_ns())
    write(house and "\n" + house)


def _reading(data: Path) -> Reading | None:
    from barograph.recorder.live.statusfile import read_status, status_path

    return read_status(status_path(data), time.time_ns())


def _runs(reading: Reading | None) -> bool:
    from barograph.recorder.live.statusfile import Life

    return reading is not None and reading.life is not Life.ENDED


def _watch(data: Path, *, as_json: bool) -> None:
    """Show the recorder each second; an interrupt is how it is meant to end."""
    try:
        if sys.stdout.isatty() and not as_json:
            _redraw(data)
        else:
            _print(data, as_json=as_json)
    except KeyboardInterrupt:
        return


def _print(data: Path, *, as_json: bool) -> None:
    from barograph.cli.status_view import as_fields, as_lines

    for reading in _readings(data):
        write(
            encode({"data": str(data), "recorder": as_fields(reading)}) + "\n"
            if as_json
            else as_lines(reading)
        )
        sys.stdout.flush()


def _redraw(data: Path) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from barograph.cli.status_view import as_text

    with Live(console=Console(), auto_refresh=False, screen=False) as live:
        for reading in _readings(data):
            live.update(Text(as_text(reading).rstrip("\n")), refresh=True)


def _readings(data: Path) -> Iterator[Reading | None]:
    while True:
        yield _reading(data)
        time.sleep(EVERY_S)


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


def _table_fields(settings: Settings) -> dict[str, Any]:
    """How far the tables reach, and days, files, bytes and rows of each."""
    from barograph.store.opening import Location

    where = Location.of(settings)
    if where.address is not None:
        from barograph.cli.database_view import database_fields

        return database_fields(where)
    lake = where.lake
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
