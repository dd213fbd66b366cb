"""Reading the lake: which files hold a table's days, and their rows in order.

The reading rule (docs/lake.md): note how far the tape is committed; list the hot parts
that are, without those that lie in larger ones; then look at each sealed file, whose
footer says which of those parts it contains already. A part that vanishes in between has
been merged or sealed: list again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from barograph.errors import StorageBusy
from barograph.store.commits import committed
from barograph.store.layout import (
    Part,
    commit_log,
    hot_days,
    is_lasting,
    link_path,
    parts,
    sealed_days,
    sealed_path,
)
from barograph.store.lineage import origin
from barograph.store.merge import merge
from barograph.store.parquet import Footer, footer, opened, reading
from barograph.store.runs import Replaced, Run, SortedFile, hot_runs
from barograph.store.selection import Selection
from barograph.store.store import Reader, Scan
from barograph.tables import Table

_ATTEMPTS = 20
_HELD_FILES = 256
_BATCH_ROWS = 65_536
_ROWS_AT_ONCE = 1_048_576


@dataclass(frozen=True, slots=True)
class Day:
    """The files of one table and day.

    Attributes:
        sealed: the sealed file, if there is one, and what its footer says.
        parts: committed hot parts that the sealed file does not contain, in the tape's order.
        upto_pos: the sealed file has all rows of the day made from records before it.
    """

    day: date
    sealed: Path | None
    footer: Footer
    parts: list[Part]
    upto_pos: int = 0

    @property
    def lasts(self) -> bool:
        """Whether the sealed file goes by its lasting name: it holds what the footer says, or is gone."""
        return self.sealed is not None and is_lasting(self.sealed)

    @property
    def files(self) -> list[Path]:
        """Every file that holds rows of the day."""
        return [*([self.sealed] if self.sealed else []), *(part.path for part in self.parts)]


_NO_FILE = Footer(upto_pos=0, current=True, rows=0)


def read(store: Reader, wanted: Scan) -> pa.Table:
    """All rows of a scan as one table, with its schema even when there are none."""
    selection = Selection.of(wanted)
    schema = pa.schema([selection.table.schema().field(name) for name in selection.columns])
    return pa.Table.from_batches(list(store.scan(wanted)), schema=schema)


def scan(root: Path, wanted: Selection, upto: int | None = None) -> Iterator[pa.RecordBatch]:
    """The wanted rows in the table's order, streamed; ``upto`` as for :func:`days`.

    Raises:
        StoreCorrupt: a file cannot be read.
        StorageBusy: files were replaced faster than they could be listed.
    """
    with ExitStack() as stack:
        try:
            for rows in merge(_runs(root, wanted, stack, upto), wanted.table, wanted.withdrawn):
                chosen = wanted.recent(rows).select(list(wanted.columns))
                if chosen.num_rows:
                    yield from chosen.combine_chunks().to_batches()
        except Replaced as error:
            raise StorageBusy(
                f"{error} while more than {_HELD_FILES} days were read; run it again"
            ) from error


def days(root: Path, wanted: Selection, upto: int | None = None) -> list[Day]:
    """The files that hold the wanted days, ascending.

    ``upto`` is how far the tape counts as committed, for reading several tables in one state.

    Raises:
        Replaced: parts beyond ``upto`` have been merged with others before it; begin anew.
    """
    if upto is not None:
        return _days(root, wanted, upto)
    for _ in range(_ATTEMPTS):
        try:
            return _days(root, wanted, committed(commit_log(root)))
        except Replaced:
            continue  # merged since the log was read
    raise _always_replaced(root, wanted)


def _days(root: Path, wanted: Selection, limit: int) -> list[Day]:
    table = wanted.table
    taken = origin(root).taken
    reached = [day for day in hot_days(root, table) if wanted.reaches(day)]
    hot = {day: _committed_parts(root, table, day, limit) for day in reached}
    sealed = {day for day in sealed_days(root, table) if wanted.reaches(day)}
    found = []
    for day in sorted(sealed.union(hot)):
        path, about = _sealed(root, table, day)
        upto_pos = max(about.upto_pos, taken)
        newer = [part for part in hot.get(day, []) if upto_pos < part.next_pos]
        if wanted.from_pos is not None:
            newer = [part for part in newer if wanted.from_pos < part.next_pos]
        if path is not None or newer:
            found.append(Day(day, path, about, newer, upto_pos))
    return found


def _committed_parts(root: Path, table: Table, day: date, limit: int) -> list[Part]:
    found = parts(root, table, day)
    if any(part.first_pos < limit < part.next_pos for part in found):
        raise Replaced(f"parts of {table.name} were merged across position {limit}")
    return [part for part in found if part.next_pos <= limit]


def footer_at(path: Path, table: Table) -> Footer:
    """What the file at ``path`` says about itself, read once as long as it stays the same."""
    return _footer(path, table, _stamp(path.stat()))


def _stamp(known: os.stat_result) -> tuple[int, int, int]:
    return known.st_ino, known.st_mtime_ns, known.st_size


@lru_cache(maxsize=4_096)
def _footer(path: Path, table: Table, stamp: tuple[int, int, int]) -> Footer:
    del stamp  # it is there to tell the files apart that have had this name
    with reading(path), opened(path) as file:
        return footer(file, path, table)


def _sealed(root: Path, table: Table, day: date) -> tuple[Path | None, Footer]:
    """A day's sealed file, by its lasting name if it has one."""
    path = sealed_path(root, table, day)
    try:
        known = path.stat()
        about = _footer(path, table, _stamp(known))
    except FileNotFoundError:
        return None, _NO_FILE
    link = link_path(root, table, day, about.upto_pos, about.edition)
    try:
        lasting = os.path.samestat(link.stat(), known)
    except FileNotFoundError:
        lasting = False
    return (link if lasting else path), about


def _runs(root: Path, wanted: Selection, stack: ExitStack, upto: int | None) -> list[Run]:
    """The runs to merge; files that are read later are held open."""
    for _ in range(_ATTEMPTS):
        try:
            return _opened(days(root, wanted, upto), wanted, stack)
        except FileNotFoundError:
            continue  # sealed and swept, or sealed again, since it was listed
    raise _always_replaced(root, wanted)


def _always_replaced(root: Path, wanted: Selection) -> StorageBusy:
    return StorageBusy(
        f"{root}: the files of {wanted.table.name} were replaced each of {_ATTEMPTS} times they were listed; "
        f"run the same again"
    )


def _opened(found: list[Day], wanted: Selection, stack: ExitStack) -> list[Run]:
    files: list[SortedFile] = []
    for day in found:
        if day.sealed is not None:
            file = SortedFile(day.sealed, wanted.table)
            if file.footer != day.footer:
                raise Replaced(f"{day.sealed} was sealed again")
            if len(files) >= _HELD_FILES:
                file.let_go()
            files.append(file)
            stack.callback(file.let_go)
    batch_rows = min(max(_ROWS_AT_ONCE // max(len(files), 1), 1_024), _BATCH_ROWS)
    runs = [run for file in files if (run := file.run(wanted, batch_rows)) is not None]

    def spill() -> Path:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="barograph-")))

    return runs + hot_runs([part for day in found for part in day.parts], wanted, spill)
