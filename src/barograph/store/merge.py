"""Sorted runs put together into one, holding a block of each at most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from barograph.store.ordering import ordered, present
from barograph.store.runs import Key, Run
from barograph.tables import Table


def merge(runs: Sequence[Run], table: Table, withdrawn: bool = False) -> Iterator[pa.Table]:
    """All rows of ``runs`` in the table's order, newest versions only.

    Those that were taken back are left out unless ``withdrawn``. Rows that sort equal come in
    the order of ``runs``. A run is loaded when its bound is reached: a symbol's year of days is
    read one day after the other.
    """
    while True:
        frontier = _frontier(runs)
        if frontier is None:
            return
        pieces = [run.take_upto(frontier) for run in runs if run.block is not None]
        pieces = [piece for piece in pieces if piece.num_rows]
        rows = pieces[0] if len(pieces) == 1 else ordered(pa.concat_tables(pieces), table)
        if not withdrawn:
            rows = present(rows, table)
        if rows.num_rows:
            yield rows


def _frontier(runs: Sequence[Run]) -> Key | None:
    """The last key up to which every row is at hand, after loading what that takes."""
    while True:
        frontier = min((run.last for run in runs if run.block is not None), default=None)
        waiting = [run for run in runs if run.block is None and run.bound is not None]
        if not waiting:
            return frontier
        first = min(waiting, key=_bound)
        if frontier is not None and _bound(first) > frontier:
            return frontier
        first.load()


def _bound(run: Run) -> Key:
    assert run.bound is not None
    return run.bound
