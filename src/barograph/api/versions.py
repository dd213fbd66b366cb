"""When rows may be others than before: what caches and ETags go by."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import NamedTuple

from barograph.api.pages import fingerprint
from barograph.store.lake import Lake
from barograph.store.layout import hot_days, hot_folder, link_folder, names_in, part_bounds
from barograph.store.lineage import origin
from barograph.store.store import Reader
from barograph.tables import TABLES, Table


class Days(NamedTuple):
    """Days of UTC, both included."""

    first: date
    last: date


def version_at(store: Reader) -> str:
    """A text that changes whenever rows of ``store`` may have changed.

    The content's name, how far it is committed and, of a lake, when sealed files last changed: a
    handful of small reads.

    Raises:
        StorageError: the store does not tell.
    """
    version = f"{store.lineage()}-{store.committed()}"
    return f"{version}-{sealed_at(store.root, TABLES.values()):x}" if isinstance(store, Lake) else version


def version_of(store: Reader, tables: Iterable[Table], days: Days | None = None) -> str:
    """The same for the rows of a few tables, on ``days`` or on all.

    Of a lake it changes only with commits that have rows of them: most have no minute, since those
    close once a minute.
    """
    if not isinstance(store, Lake):
        return version_at(store)
    begun = origin(store.root)
    chosen = list(tables)
    parts = [_parts(store, table, days) for table in chosen]
    return fingerprint(begun.name, begun.taken, sealed_at(store.root, chosen), parts)


def sealed_at(root: Path, tables: Iterable[Table]) -> int:
    """When the sealed files of any of ``tables`` last changed; 0: there are none.

    A new day is a new folder. A file that replaces another, also one with rows of another store, which
    no commit here stands behind, gets a lasting name of its own.
    """
    newest = 0
    for table in tables:
        for folder in (root / table.name, link_folder(root, table)):
            try:
                newest = max(newest, folder.stat().st_mtime_ns)
            except FileNotFoundError:
                continue  # nothing of it was sealed yet
    return newest


def _parts(lake: Lake, table: Table, days: Days | None) -> list[str]:
    """The committed hot parts, by name: what is in a part never changes."""
    committed = lake.committed()
    found = []
    for day in hot_days(lake.root, table):
        if days is not None and not days.first <= day <= days.last:
            continue
        for name in names_in(hot_folder(lake.root, table, day)):
            bounds = part_bounds(name)
            if bounds is not None and bounds[1] <= committed:
                found.append(f"{day}/{name}")
    return sorted(found)
