"""Where the lake's files lie and how they are named.

::

    lake/<table>/date=YYYY-MM-DD/<table>.parquet                              sealed
    lake/.hot/<table>/date=YYYY-MM-DD/<first_pos:016d>-<next_pos:016d>.parquet  hot parts
    lake/.hot/<table>/sealed/YYYY-MM-DD-<upto_pos:016d>.parquet               links to sealed files
    lake/.hot/commits.log                                                     what is committed
    lake/.hot/tmp/                                                            being written

A glob over ``lake/<table>/`` therefore meets sealed days only. The links are hard links:
second names, which never mean another file, for engines that open a file more than once.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from barograph.errors import UsageError
from barograph.tables import TABLES, Table

_PART = re.compile(r"(\d{16})-(\d{16})\.parquet")
_DAY = re.compile(r"date=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A hot part: the rows of one table and day made from records ``first_pos`` to ``next_pos``."""

    first_pos: int
    next_pos: int
    path: Path


def table_named(name: str) -> Table:
    """The table called ``name``.

    Raises:
        UsageError: there is none.
    """
    if name not in TABLES:
        raise UsageError(f"no table is called {name!r}; there are: {', '.join(TABLES)}")
    return TABLES[name]


def commit_log(root: Path) -> Path:
    """The file that lists the commits."""
    return root / ".hot" / "commits.log"


def temporary_folder(root: Path) -> Path:
    """Where files are written before they get their names."""
    return root / ".hot" / "tmp"


def sealed_path(root: Path, table: Table, day: date) -> Path:
    """The one sealed file of a table and day."""
    return root / table.name / f"date={day.isoformat()}" / f"{table.name}.parquet"


def link_path(root: Path, table: Table, day: date, upto_pos: int) -> Path:
    """The lasting name of the sealed file that holds a day up to ``upto_pos``."""
    return link_folder(root, table) / f"{day.isoformat()}-{upto_pos:016d}.parquet"


def link_folder(root: Path, table: Table) -> Path:
    """The folder of a table's lasting names."""
    return root / ".hot" / table.name / "sealed"


def hot_folder(root: Path, table: Table, day: date) -> Path:
    """The folder of a table's and day's hot parts."""
    return root / ".hot" / table.name / f"date={day.isoformat()}"


def part_path(root: Path, table: Table, day: date, first_pos: int, next_pos: int) -> Path:
    """The hot part of one commit."""
    return hot_folder(root, table, day) / f"{first_pos:016d}-{next_pos:016d}.parquet"


def hot_days(root: Path, table: Table) -> list[date]:
    """Days that have (or had) hot parts, ascending."""
    return _days(root / ".hot" / table.name)


def sealed_days(root: Path, table: Table) -> list[date]:
    """Days that have (or are about to have) a sealed file, ascending."""
    return _days(root / table.name)


def parts(root: Path, table: Table, day: date) -> list[Part]:
    """The hot parts of a table and day in the tape's order."""
    found = []
    folder = hot_folder(root, table, day)
    for name in _names(folder):
        match = _PART.fullmatch(name)
        if match:
            found.append(Part(int(match[1]), int(match[2]), folder / name))
    return sorted(found)


def _days(folder: Path) -> list[date]:
    matches = (_DAY.fullmatch(name) for name in _names(folder))
    return sorted(date.fromisoformat(match[1]) for match in matches if match)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
