"""Where the lake's files lie and how they are named.

::

    lake/<table>/date=YYYY-MM-DD/<table>.parquet                              sealed
    lake/.hot/<table>/date=YYYY-MM-DD/<first_pos:016d>-<next_pos:016d>.parquet  hot parts
    lake/.hot/<table>/sealed/YYYY-MM-DD-<upto_pos:016d>[-<edition>].parquet   links to sealed files
    lake/.hot/<table>/arrange.lock                                            who rearranges its parts
    lake/.hot/commits.log                                                     what is committed
    lake/.hot/lineage                                                         how the content is called
    lake/.hot/absorbing                                                       another store's rows come in
    lake/.hot/snapshots/<name>/                                               states that are being read
    lake/.hot/tmp/                                                            being written
    lake/completed_trades/date=YYYY-MM-DD/<count>-<digest>.parquet            see ``store.traded``
    state/ledger.sqlite                                                       the ledger of paper trading

A glob over ``lake/<table>/`` therefore meets sealed days only. The links are hard links:
second names, which never mean another file, for engines that open a file more than once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from barograph.errors import UsageError
from barograph.tables import TABLES, Table

_PART = re.compile(r"(\d{16})-(\d{16})\.parquet")
_PART_LENGTH = 41
_LASTING = "sealed"
_DAY = re.compile(r"date=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A hot part: the rows of one table and day made from records ``first_pos`` to ``next_pos``.

    That may have been one commit or, after compaction, many.
    """

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


def lineage_path(root: Path) -> Path:
    """The file that names the lake's content."""
    return root / ".hot" / "lineage"


def absorbing_path(root: Path) -> Path:
    """The file that is there while another store's rows have not all come."""
    return root / ".hot" / "absorbing"


def snapshots_folder(root: Path) -> Path:
    """Where states lie that somebody is reading."""
    return root / ".hot" / "snapshots"


def ledger_path(root: Path) -> Path:
    """The ledger of paper trading, beside the lake in the data directory."""
    return root.parent / "state" / "ledger.sqlite"


def temporary_folder(root: Path) -> Path:
    """Where files are written before they get their names."""
    return root / ".hot" / "tmp"


def arrange_lock(root: Path, table: Table) -> Path:
    """The lock of whoever merges a table's hot parts."""
    return root / ".hot" / table.name / "arrange.lock"


def sealed_path(root: Path, table: Table, day: date) -> Path:
    """The one sealed file of a table and day."""
    return root / table.name / f"date={day.isoformat()}" / f"{table.name}.parquet"


def link_path(root: Path, table: Table, day: date, upto_pos: int, edition: str = "") -> Path:
    """The lasting name of the sealed file that holds a day up to ``upto_pos``.

    ``edition`` tells files apart that hold a day up to the same position.
    """
    name = f"{day.isoformat()}-{upto_pos:016d}{f'-{edition}' if edition else ''}.parquet"
    return link_folder(root, table) / name


def link_folder(root: Path, table: Table) -> Path:
    """The folder of a table's lasting names."""
    return root / ".hot" / table.name / _LASTING


def is_lasting(sealed: Path) -> bool:
    """Whether a sealed file is called by its lasting name.

    >>> is_lasting(Path("lake/.hot/ticks/sealed/2024-08-08-0000000000000007.parquet"))
    True
    >>> is_lasting(Path("lake/ticks/date=2024-08-08/ticks.parquet"))
    False
    """
    return sealed.parent.name == _LASTING


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
    """The hot parts of a table and day in the tape's order, without those that a larger one holds."""
    folder = hot_folder(root, table, day)
    names = nested(names_in(folder))[0]
    return [Part(int(name[:16]), int(name[17:33]), folder / name) for name in names]


def nested(names: Iterable[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Of the names in a folder those of parts, told apart by whether they lie in a larger part.

    The first list has the parts that count, in the tape's order, the second each other one beside
    the smallest part that holds it. Names have a fixed width and so compare as numbers do: a
    folder of a live day has thousands.
    """
    known = [name for name in names if len(name) == _PART_LENGTH and name.endswith(".parquet")]
    known.sort(key=lambda name: name[17:33], reverse=True)
    known.sort(key=lambda name: name[:16])
    top: list[str] = []
    inner: list[tuple[str, str]] = []
    around: list[str] = []
    for name in known:
        if name[:16] == name[17:33]:
            top.append(name)
            continue
        while around and not part_within(name, around[-1]):
            around.pop()
        if around:
            inner.append((name, around[-1]))
        else:
            top.append(name)
        around.append(name)
    return sorted(top), inner


def part_within(name: str, other: str) -> bool:
    """Whether the part called ``name`` lies in the one called ``other``.

    One of no records lies in none: by its position alone it may belong to either neighbour.
    """
    return name[:16] < name[17:33] <= other[17:33] and other[:16] <= name[:16]


def part_bounds(name: str) -> tuple[int, int] | None:
    """The positions that a part's name tells; None if it is not a part's name."""
    match = _PART.fullmatch(name)
    return (int(match[1]), int(match[2])) if match else None


def _days(folder: Path) -> list[date]:
    matches = (_DAY.fullmatch(name) for name in names_in(folder))
    return sorted(date.fromisoformat(match[1]) for match in matches if match)


def names_in(folder: Path) -> list[str]:
    """The names in a folder, none if there is no such folder."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
